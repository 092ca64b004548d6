// How KV pages lie in a GPU's memory; the CPU's are drawn in templates/cpu/panel.h.
//
// A page holds, for each layer and key head, 64 positions, rows of whole values so that a warp
// reads them in 16 byte pieces and the matrix unit's loads take them as they are:
//
//   head block   { keys [64] [D up to 8s], values [64] [E up to 8s] }     f32 or bf16
#ifndef TL_TEMPLATES_CUDA_PAGE_CUH
#define TL_TEMPLATES_CUDA_PAGE_CUH

#define TL_PAGE_ROW(values) (((values) + 7) / 8 * 8)
#define TL_PAGE_HEAD_BYTES(key, value, element_bytes)                                              \
  (64LL * (TL_PAGE_ROW(key) + TL_PAGE_ROW(value)) * (element_bytes))

#endif

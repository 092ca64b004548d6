// How fast memory can be read: every thread loads pieces of 16 bytes, eight at a time.
//
//   args: from, pieces (a multiple of all threads' eight), out;  grid: any
#include "templates/cuda/dialect.cuh"

TL_KERNEL(512, 2) tl_kernel_entry(TL_ARGUMENTS a, const void *step) {
  tl_i64 stride = (tl_i64)gridDim.x * 512, count = a.at[1].i;
  tl_u32 mixed = 0;
  for (tl_i64 i = (tl_i64)tl_block() * 512 + tl_thread(); i < count; i += 8 * stride) {
    tl_quad v[8];
    TL_UNROLL for (tl_i32 j = 0; j < 8; j++) v[j] = tl_load_stream(a.at[0].p, i + j * stride);
    TL_UNROLL for (tl_i32 j = 0; j < 8; j++) mixed ^= v[j].x ^ v[j].y ^ v[j].z ^ v[j].w;
  }
  if (mixed == 0x12345678) tl_store_u32(a.at[2].p, 0, mixed); // nearly never
}

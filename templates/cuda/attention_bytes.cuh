// Memory that attention's kernels need, also as C: the compiler draws it from the same numbers.
//
// Shared memory, of the kernels on the matrix unit: rows of values lie 16 bytes more apart than
// they are long, so that 8 rows at one column are in 8 different groups of banks.
//
//   few    queries [16], then `stages` times {keys [P], values [P]}, P = threads / 2 positions;
//          at the end of a piece the warps' parts take the stages' place
//   many   queries [vectors], then 2 times {keys [positions], values [positions]}
//
//   latent largest scores [across][vectors], weights [vectors][positions], queries [vectors], then
//          `stages` times keys [positions], from which on rows are as long as they are
//
//   latent_expand `stages` times {latent rows [128], weights [width]}, lines of 128 bytes
//
// Global memory, of `few`: a slot for the part of each item, {largest [16], total [16], sums
// [16][value]} in f32.
#ifndef TL_TEMPLATES_CUDA_ATTENTION_BYTES_CUH
#define TL_TEMPLATES_CUDA_ATTENTION_BYTES_CUH

#define TL_ATTENTION_VECTORS 16 // query vectors of an item of `few`

#define TL_ATTENTION_ROW(values) ((values)*2 + 16)
#define TL_ATTENTION_STAGE(key, value, positions)                                                  \
  ((positions) * (TL_ATTENTION_ROW(key) + TL_ATTENTION_ROW(value)))
#define TL_ATTENTION_PART(value) (TL_ATTENTION_VECTORS * ((value) + 2) * 4)

#define TL_ATTENTION_LARGER(a, b) ((a) > (b) ? (a) : (b))
#define TL_ATTENTION_FEW_BYTES(key, value, threads, stages)                                        \
  (16 + TL_ATTENTION_VECTORS * TL_ATTENTION_ROW(key) +                                             \
   TL_ATTENTION_LARGER((stages)*TL_ATTENTION_STAGE(key, value, (threads) / 2),                     \
                       (threads) / 32 * TL_ATTENTION_PART(value)))

#define TL_ATTENTION_MANY_BYTES(key, value, vectors, positions)                                    \
  ((vectors)*TL_ATTENTION_ROW(key) + 2 * TL_ATTENTION_STAGE(key, value, positions))

#define TL_LATENT_BYTES(key, vectors, positions, stages, across)                                   \
  ((16 + (across)*(vectors)*4 + (vectors) * ((positions)*2 + 16) + 127) / 128 * 128 +              \
   ((vectors) + (stages) * (positions)) * (key)*2)
#define TL_LATENT_EXPAND_ROWS 128 // positions of a block
#define TL_LATENT_EXPAND_BYTES(width, stages) ((stages) * (TL_LATENT_EXPAND_ROWS + (width)) * 128)
#define TL_LATENT_PART(value, vectors) ((vectors) * ((value) + 2) * 4)

#endif

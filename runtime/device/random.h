// Random weights for skeletons, plans without numbers that are only measured: matrices get small
// numbers of both signs, vectors numbers near 1, so that activations stay finite. The same seed and
// pieces give the same bytes.
#ifndef TL_DEVICE_RANDOM_H
#define TL_DEVICE_RANDOM_H

#include "runtime/base/plan.h"
#include "runtime/base/pool.h"

// Bytes that are filled at once: whole panels, so that groups with scales are never cut.
uint64_t tl_random_piece_bytes(const tl_plan_weight *weight);

// Bytes [begin, end) of row `weight` of the weight table; `begin` is a multiple of the piece.
typedef struct tl_random_range {
  uint32_t weight;
  uint64_t begin, end;
} tl_random_range;

// Fills them on all threads of `pool`; byte `begin` goes to out[0].
void tl_random_fill(const tl_plan_tables *tables, const tl_random_range *range, char *out,
                    uint64_t seed, tl_pool *pool);

#endif

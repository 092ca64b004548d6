// Random weights for skeletons, plans without numbers that are only measured: matrices get small
// numbers of both signs, vectors numbers near 1, so that activations stay finite. The same seed and
// pieces give the same bytes.
#ifndef TL_DEVICE_RANDOM_H
#define TL_DEVICE_RANDOM_H

#include "runtime/base/plan.h"
#include "runtime/base/pool.h"

// Bytes that are filled at once: whole panels, so that groups with scales are never cut.
uint64_t tl_random_piece_bytes(const tl_plan_weight *weight);

// Fills bytes [begin, end) of row `weight` of the weight table, on all threads of `pool`; byte
// `begin`, a multiple of the piece, goes to out[0].
void tl_random_fill(const tl_plan_tables *tables, uint32_t weight, uint64_t begin, uint64_t end,
                    char *out, uint64_t seed, tl_pool *pool);

#endif

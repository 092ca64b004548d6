// Random weights for skeletons: plans without numbers that are only measured.
#ifndef TL_DEVICE_CPU_RANDOM_H
#define TL_DEVICE_CPU_RANDOM_H

#include "runtime/base/plan.h"
#include "runtime/base/pool.h"

// Fills `weights`, laid out as `tables` say: matrices with small numbers of both signs, vectors
// with numbers near 1, so that activations stay finite. The same seed gives the same bytes.
void tl_random_fill(const tl_plan_tables *tables, char *weights, uint64_t seed, tl_pool *pool);

#endif

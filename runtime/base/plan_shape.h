// Launch shapes: everything that a kernel relies on, as one number.
//
// Sizes, formats and strides are compiled into kernels, where no loader can find them again. So the
// code section of a target ends with a sorted list of the shapes of the launches it was made for,
// and a reader accepts no launch whose shape is not in that list. A launch row, or anything that
// its arguments name, can then only be what the compiler wrote, whoever made the digests right
// again; the code section itself is what is trusted.
//
//   shape = hash(model, groups, target, kernel, guard, grid, what each argument points at)
//
// Not in it, because kernels cannot tell: names, flops, the order of launches, and where a weight
// or a buffer lies, which the reader checks against the section and the arenas.
#ifndef TL_BASE_PLAN_SHAPE_H
#define TL_BASE_PLAN_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/plan.h"

// The shape of row `launch`. Rows must name rows and texts that exist. Equal on all machines.
uint64_t tl_plan_launch_shape(const tl_plan_tables *tables, uint32_t launch);

// Writes the shapes of the target's launches to `out_shapes`, which has room for `launchs_count`:
// ascending, each once. Returns how many there are.
uint32_t tl_plan_target_shapes(const tl_plan_tables *tables, uint32_t target, uint64_t *out_shapes);

// True if the ascending `shapes` hold `shape`.
bool tl_plan_shapes_hold(const uint64_t *shapes, size_t count, uint64_t shape);

// Where the list begins in a code section whose image has `code_bytes`.
static inline uint64_t tl_plan_shapes_offset(uint32_t code_bytes) {
  return ((uint64_t)code_bytes + 7) / 8 * 8;
}

#endif

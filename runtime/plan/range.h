// Which bytes of the weights section a target reads: devices that read other layouts have ranges of
// their own, which overlap where they share.
//
//   | the CPU's layouts | what both read | the GPU's layouts |
//   <-------- a CPU target ------------->
//                       <---------- a GPU target ----------->
#ifndef TL_PLAN_RANGE_H
#define TL_PLAN_RANGE_H

#include <stdbool.h>

#include "runtime/base/plan.h"

typedef struct tl_plan_range {
  uint64_t offset, bytes; // offset: whole pages
} tl_plan_range;

// From the first to the last byte of the weights that launches of `target` are given, gaps
// included; empty if there are none. Rows must name rows that exist.
tl_plan_range tl_plan_target_weights(const tl_plan_tables *tables, uint32_t target);

// Whether all of the weight lies within the range, as those do that the target reads.
static inline bool tl_plan_range_holds(const tl_plan_range *range, const tl_plan_weight *weight) {
  return weight->offset >= range->offset &&
         weight->offset + weight->bytes <= range->offset + range->bytes;
}

#endif

// The weights section of a plan, made piece by piece: any range of its bytes, from the checkpoint.
//
//   tl_packer_create(arena, &builder, &source, &packer, diag);
//   tl_packer_fill(packer, 0, 8 << 20, out, scratch, diag);      the first 8 MiB
//
// Requires the tables of a plan builder. A range costs the evaluation of the rows whose panels it
// touches, so ranges should be some MiB; nothing is kept between two.
#ifndef TL_COMPILER_CODEGEN_PACK_H
#define TL_COMPILER_CODEGEN_PACK_H

#include "compiler/codegen/plan_tables.h"
#include "ir/weight_eval.h"

typedef struct tl_packer tl_packer;

// Binds all weights of `builder` to the tensors of `source`; both must outlive the packer, which is
// on `arena`. Reports every weight that cannot be bound: TL_INPUT, or TL_UNSUPPORTED for a format
// that cannot be packed; TL_INTERNAL if a row of the table is not what its value says.
tl_status tl_packer_create(tl_arena *arena, const tl_plan_builder *builder,
                           const tl_weight_source *source, tl_packer **out_packer,
                           tl_diag *diag) TL_CHECKED;

// Writes bytes [begin, end) of the weights section to `out`, which must be zeroed; both are
// multiples of TL_PLAN_PAGE_BYTES, but `end` may be that of the section. A tl_plan_fill: `context`
// is a tl_packer. Takes at most TL_PACKER_SCRATCH_BYTES of `scratch`, where the caller may free it
// after. Any number of threads at once if the source's `read` allows that. TL_INPUT for a number
// that cannot be quantised, or what the source returns.
tl_status tl_packer_fill(void *context, uint64_t begin, uint64_t end, char *out, tl_arena *scratch,
                         tl_diag *diag) TL_CHECKED;

enum { TL_PACKER_SCRATCH_BYTES = 16 << 20 };

#endif

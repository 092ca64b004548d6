// What the rules of CUDA launches share; see cuda_plan.h.
#ifndef TL_COMPILER_CODEGEN_CUDA_RULES_H
#define TL_COMPILER_CODEGEN_CUDA_RULES_H

#include "compiler/codegen/drafts.h"

enum { TL_WARP = 32 };

// What GPUs can do; of a launch for several, a mask.
enum {
  TL_CUDA_ALL = 1,      // every GPU, texts
  TL_CUDA_CLUSTERS = 2, // blocks that reach each other's memory
  TL_CUDA_WIDE = 4,     // sm_90a: products of 64 rows, loads by boxes
  TL_CUDA_ANY = TL_CUDA_ALL | TL_CUDA_CLUSTERS | TL_CUDA_WIDE
};

// Shared memory of a block, of the least of a class's GPUs.
enum {
  TL_CUDA_SHARED_ALL = 99 << 10,
  TL_CUDA_SHARED_CLUSTERS = 227 << 10,
  TL_CUDA_BLOCK_BYTES = 1 << 10 // what a block takes beside its own
};

// Constants and arguments that many templates begin with. `rows`: of a block.
void tl_cuda_set_rows(tl_draft *draft, int64_t threads, int64_t rows);
void tl_cuda_set_input(tl_draft *draft);
tl_status tl_cuda_set_weights(tl_draft *draft, tl_format format) TL_CHECKED;

// Kernels of some anchors: how many launches, and launch `number`, as tl_draft_rules wants them.
int tl_cuda_matmul_variants(void);
tl_status tl_cuda_fill_matmul(tl_draft *draft, int number) TL_CHECKED;

// Whether the matmul is one of few whose launches are for bf16 weights with KV in f32: a choice so
// rare that it has no more kernels than it must.
bool tl_cuda_is_rare(const tl_draft *draft);

// The same matmuls by a library, where a device finds one: for more than `tl_cuda_library_rows`
// rows on GPUs of one of `classes`.
uint32_t tl_cuda_library_rows(const tl_draft *draft, uint32_t classes);
int tl_cuda_library_variants(void);
tl_status tl_cuda_fill_library(tl_draft *draft, int number) TL_CHECKED;

// Matmuls by stacks of matrices, and the rows dealt to these.
int tl_cuda_stack_variants(void);
int64_t tl_cuda_matrix_bytes(const tl_type *type); // from one of a stack to the next
tl_status tl_cuda_fill_heads(tl_draft *draft, int number) TL_CHECKED;
tl_status tl_cuda_fill_experts(tl_draft *draft, int number) TL_CHECKED;
tl_status tl_cuda_fill_group(tl_draft *draft, int number) TL_CHECKED;

int tl_cuda_attention_variants(void);
tl_status tl_cuda_fill_attention(tl_draft *draft, int number) TL_CHECKED;

// Shared memory of the kernel that takes any heads and pages.
int64_t tl_cuda_attention_bytes(int64_t key, int64_t value);

// Latent attention: the launches between its two matmuls by heads; the arguments few and room of
// latent_share.cuh, for all its launches; the launches of the expanded form, which come after the
// last of these matmuls.
int tl_cuda_latent_variants(void);
tl_status tl_cuda_fill_latent(tl_draft *draft, int number) TL_CHECKED;
void tl_cuda_latent_share(tl_draft *draft);
int tl_cuda_expanded_variants(const tl_kernel *kernel);
void tl_cuda_fill_expanded(tl_draft *draft, int number);

#endif

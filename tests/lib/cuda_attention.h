// Steps of attention for the CUDA kernels: sequences of any lengths on pages that are not in order,
// what they are given and what is expected by double arithmetic. Where kernels run is the caller's:
// the stand-in or a GPU.
//
// Queries, keys and values are functions of (sequence, position), so that the same rows in other
// steps must have the same results. Pages hold NaN wherever no position of the step lies.
#ifndef TL_TESTS_LIB_CUDA_ATTENTION_H
#define TL_TESTS_LIB_CUDA_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

#include "compiler/codegen/spec.h"
#include "templates/cuda/types.cuh"

typedef enum tl_cuda_attention_way {
  TL_CUDA_ATTENTION_PLAIN,
  TL_CUDA_ATTENTION_FEW,
  TL_CUDA_ATTENTION_MANY,
  TL_CUDA_ATTENTION_LATENT
} tl_cuda_attention_way;

typedef struct tl_cuda_attention_shape {
  int key, value, kv_heads, queries, window, chunk;
  double softcap;
  bool cache_bf16, out_bf16;
  int turned; // latent rows: of `key` values the first `value` are the values; 0 = others
  bool full;  // all rows of a sequence see each other
} tl_cuda_attention_shape;

// The templates say what the numbers mean.
typedef struct tl_cuda_attention_variant {
  tl_cuda_attention_way way;
  int threads;
  int piece, rows_few, rows_far, far; // few and many; of latent rows few and room
  int stages, span;                   // few, latent
  int tiles, positions, wide;         // many; the first two latent
  int vectors;                        // latent
} tl_cuda_attention_variant;

typedef struct tl_cuda_attention_kernel {
  const char *template;
  tl_spec spec;
  int threads;
  int64_t shared_bytes;
} tl_cuda_attention_kernel;

// Rows of one sequence in a step.
typedef struct tl_cuda_attention_part {
  int sequence, first_position, rows;
} tl_cuda_attention_part;

enum { TL_CUDA_ATTENTION_PARTS_MAX = 40 };

typedef enum tl_cuda_attention_buffer {
  TL_CUDA_ATTENTION_Q,
  TL_CUDA_ATTENTION_OUT,
  TL_CUDA_ATTENTION_POOL,
  TL_CUDA_ATTENTION_SCRATCH, // parts, filled with NaN
  TL_CUDA_ATTENTION_COUNTERS,
  TL_CUDA_ATTENTION_STEP,
  TL_CUDA_ATTENTION_BUFFERS
} tl_cuda_attention_buffer;

typedef struct tl_cuda_attention_memory {
  void *at;
  size_t bytes;
} tl_cuda_attention_memory;

typedef struct tl_cuda_attention {
  tl_cuda_attention_shape shape;
  tl_cuda_attention_variant variant;
  tl_cuda_attention_part parts[TL_CUDA_ATTENTION_PARTS_MAX];
  int parts_count, rows_count;
  tl_cuda_attention_memory memory[TL_CUDA_ATTENTION_BUFFERS];
  int64_t page_bytes;
  int pages_count;
  int blocks; // of the grid
} tl_cuda_attention;

// The variant for an architecture whose multiprocessors have `shared_bytes`: two blocks on each if
// they fit. Sequences of up to 64 vectors go to few, of up to 64 rows if they are long.
tl_cuda_attention_variant tl_cuda_attention_variant_for(const tl_cuda_attention_shape *shape,
                                                        tl_cuda_attention_way way,
                                                        int64_t shared_bytes);

typedef struct tl_cuda_attention_trial {
  tl_cuda_attention_shape shape;
  tl_cuda_attention_variant variant;
} tl_cuda_attention_trial;

typedef struct tl_cuda_attention_company {
  int count, blocks;
  tl_cuda_attention_part parts[4];
} tl_cuda_attention_company;

extern const tl_cuda_attention_trial tl_cuda_attention_trials[];
extern const int tl_cuda_attention_trials_count;
extern const tl_cuda_attention_company tl_cuda_attention_steps[];
extern const int tl_cuda_attention_steps_count;

// What is compiled for `shape`.
void tl_cuda_attention_kernel_make(const tl_cuda_attention_shape *shape,
                                   const tl_cuda_attention_variant *variant,
                                   tl_cuda_attention_kernel *out);

// A step of `parts`; `blocks` is for few alone. Ends the program if there is no memory.
void tl_cuda_attention_init(tl_cuda_attention *a, const tl_cuda_attention_shape *shape,
                            const tl_cuda_attention_variant *variant, int blocks,
                            const tl_cuda_attention_part *parts, int parts_count);
void tl_cuda_attention_finish(tl_cuda_attention *a);

// The kernel's arguments, with the memory's addresses as `at` has them.
tl_arguments tl_cuda_attention_arguments(const tl_cuda_attention *a,
                                         void *const at[TL_CUDA_ATTENTION_BUFFERS]);

// Whether the step writes to the page, so that an earlier launch does.
bool tl_cuda_attention_page_is_new(const tl_cuda_attention *a, int page);

// How many of the outputs in memory are wrong, and counters not zero; the first are printed.
int tl_cuda_attention_check(const tl_cuda_attention *a);

// How many rows (sequence, position) the two have both; -1 if one of them differs in a bit.
int tl_cuda_attention_common(const tl_cuda_attention *a, const tl_cuda_attention *b);

#endif

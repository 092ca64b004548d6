// The plan file's row types, made from plan.def, and its enumerations. Writer (compiler) and reader
// (runtime/plan) include this and nothing else of each other.
#ifndef TL_BASE_PLAN_H
#define TL_BASE_PLAN_H

#include "runtime/base/step.h"

#define TL_PLAN_MAGIC 0x6e616c70636d6c74ull // "tlmcplan"

enum {
  TL_PLAN_VERSION = 8,
  TL_PLAN_SECTIONS_MAX = 64,
  TL_PLAN_PAGE_BYTES = 4096,        // alignment of weights
  TL_PLAN_CODE_BYTES = 65536,       // alignment of code, and of the constants after the text
  TL_PLAN_CHECKSUM_BYTES = 1 << 20, // weights per checksum
  TL_PLAN_BEST_BYTES = 64           // from row to row of tl_step_best
};

// X(NAME, text, summary)
#define TL_PLAN_SECTION_MAP(X)                                                                     \
  X(META, "meta", "JSON")                                                                          \
  X(TOKENIZER, "tokenizer", "tables of the tokenizer")                                             \
  X(TEMPLATE, "template", "chat template")                                                         \
  X(PROGRAMS, "programs", "tables of launches")                                                    \
  X(CHECKSUMS, "checksums", "XXH3 of each MiB of weights")                                         \
  X(CODE, "code", "machine code of one target")                                                    \
  X(WEIGHTS, "weights", "packed tensors")

// Which rows are wanted and what an output is.
#define TL_PLAN_TASK_MAP(X)                                                                        \
  X(GENERATE, "generate", "next-token logits of the rows asked for")                               \
  X(SCORE_TOKENS, "score_tokens", "labels of every row")                                           \
  X(SCORE_FIRST, "score_first", "labels of the first row of a sequence")                           \
  X(SCORE_LAST, "score_last", "labels of the last row of a sequence")

// Formats a KV cache can be kept in.
#define TL_PLAN_KV_MAP(X)                                                                          \
  X(F32, "f32", "4 bytes a value")                                                                 \
  X(BF16, "bf16", "2 bytes a value")

#define TL_PLAN_GROUP_MAP(X)                                                                       \
  X(FULL, "full", "every position")                                                                \
  X(WINDOW, "window", "the last `span` positions")                                                 \
  X(CHUNK, "chunk", "positions of the current chunk of `span`")                                    \
  X(LATENT, "latent", "every position, one compressed row for all heads")                          \
  X(CROSS, "cross", "rows of another program, written once")

// What a grid or an arena is counted in.
#define TL_PLAN_SYMBOL_MAP(X)                                                                      \
  X(ONE, "1", "constant")                                                                          \
  X(T, "T", "rows of the step")                                                                    \
  X(S, "S", "sequences of the step")                                                               \
  X(R, "R", "rows whose outputs are wanted")                                                       \
  X(A, "A", "pieces of attention work")

// How a weight lies in the weights section; drawn in templates/cpu/panel.h
// and templates/cuda/tile.cuh.
#define TL_PLAN_LAYOUT_MAP(X)                                                                      \
  X(VECTOR, "vector", "f32 values, zeros up to a multiple of 64")                                  \
  X(PANEL64, "panel64", "panels of 64 rows, K inside, the CPU's layout for matrices")              \
  X(ROWS, "rows", "row after row, N up to 64s, K up to 32s, the GPU's layout for matrices")

#define TL_PLAN_LAUNCH_MAP(X)                                                                      \
  X(KERNEL, "code", "compiled code of the plan")                                                   \
  X(PRODUCT, "product", "rows times a weight, by a library that the device loads")

// The arguments of a product, all of them, in this order:
//   out[row][first + c] = sum over k of x[row][k] * w[c][k], + bias[c], + added[row][first + c]
// Its row of the kernel table is a name without a module; its grid is T, one item a row.
#define TL_PLAN_PRODUCT_MAP(X)                                                                     \
  X(ROWS, "rows", "buffer of T, in the weight's format")                                           \
  X(WEIGHT, "weight", "f32 or bf16, in the layout `rows`, no stack")                               \
  X(COLUMNS, "columns", "int: rows of the weight, those that follow it without a gap included")    \
  X(OUT, "out", "buffer of T in f32")                                                              \
  X(FIRST, "first", "int: column of out, a multiple of 64 like `columns`")                         \
  X(ADDED, "added", "another like out, or int 0")                                                  \
  X(BIAS, "bias", "vector, or int 0")

// Sets of launches, numbered in a program, are what may be tuned (runtime/plan/tuning.h). The
// launches of a set that have the same guard are one way to compute something; each of the ways
// computes the same, up to rounding, for any rows of a step, so that one may run in place of
// another whatever the guards say. Matmuls that are alike in everything but the weights' values,
// those of all layers, are of one set.

#define TL_PLAN_ARG_MAP(X)                                                                         \
  X(INT, "int", "`value` itself")                                                                  \
  X(WEIGHT, "weight", "address of a weight, plus `value`")                                         \
  X(BUFFER, "buffer", "address of a buffer, plus `value`")                                         \
  X(STATE, "state", "address of a layer's part of the first page of its group")                    \
  X(PAGE_BYTES, "page_bytes", "bytes from page to page of the state's group")                      \
  X(GROUP, "group", "group of the state")                                                          \
  X(WEIGHT_MAP, "weight_map", "address of a GPU's map of a weight, for boxes of `value` rows")     \
  X(BUFFER_MAP, "buffer_map", "address of a GPU's map of a buffer, for boxes of `value` rows")

#define TL_PLAN_X_SECTION(name, text, summary) TL_PLAN_SECTION_##name,
#define TL_PLAN_X_TASK(name, text, summary) TL_PLAN_TASK_##name,
#define TL_PLAN_X_KV(name, text, summary) TL_PLAN_KV_##name,
#define TL_PLAN_X_GROUP(name, text, summary) TL_PLAN_GROUP_##name,
#define TL_PLAN_X_SYMBOL(name, text, summary) TL_PLAN_SYMBOL_##name,
#define TL_PLAN_X_LAYOUT(name, text, summary) TL_PLAN_LAYOUT_##name,
#define TL_PLAN_X_LAUNCH(name, text, summary) TL_PLAN_LAUNCH_##name,
#define TL_PLAN_X_ARG(name, text, summary) TL_PLAN_ARG_##name,
#define TL_PLAN_X_PRODUCT(name, text, summary) TL_PLAN_PRODUCT_##name,
typedef enum tl_plan_section_kind {
  TL_PLAN_SECTION_MAP(TL_PLAN_X_SECTION) TL_PLAN_SECTION_COUNT
} tl_plan_section_kind;
typedef enum tl_plan_task { TL_PLAN_TASK_MAP(TL_PLAN_X_TASK) TL_PLAN_TASK_COUNT } tl_plan_task;
typedef enum tl_plan_kv_type { TL_PLAN_KV_MAP(TL_PLAN_X_KV) TL_PLAN_KV_COUNT } tl_plan_kv_type;
typedef enum tl_plan_group_kind {
  TL_PLAN_GROUP_MAP(TL_PLAN_X_GROUP) TL_PLAN_GROUP_COUNT
} tl_plan_group_kind;
typedef enum tl_plan_symbol {
  TL_PLAN_SYMBOL_MAP(TL_PLAN_X_SYMBOL) TL_PLAN_SYMBOL_COUNT
} tl_plan_symbol;
typedef enum tl_plan_layout {
  TL_PLAN_LAYOUT_MAP(TL_PLAN_X_LAYOUT) TL_PLAN_LAYOUT_COUNT
} tl_plan_layout;
typedef enum tl_plan_launch_kind {
  TL_PLAN_LAUNCH_MAP(TL_PLAN_X_LAUNCH) TL_PLAN_LAUNCH_COUNT
} tl_plan_launch_kind;
typedef enum tl_plan_arg_kind { TL_PLAN_ARG_MAP(TL_PLAN_X_ARG) TL_PLAN_ARG_COUNT } tl_plan_arg_kind;
typedef enum tl_plan_product_arg {
  TL_PLAN_PRODUCT_MAP(TL_PLAN_X_PRODUCT) TL_PLAN_PRODUCT_ARGS
} tl_plan_product_arg;

#define TABLE(name) typedef struct tl_plan_##name {
#define FIELD(type, name, summary) type name;
#define ARRAY(type, name, count, summary) type name[count];
#define END(name)                                                                                  \
  }                                                                                                \
  tl_plan_##name;
#include "runtime/base/plan.def"
#undef TABLE
#undef FIELD
#undef ARRAY
#undef END

// X(name): tables of the programs section, in file order.
#define TL_PLAN_TABLE_MAP(X)                                                                       \
  X(model)                                                                                         \
  X(target)                                                                                        \
  X(weight)                                                                                        \
  X(group)                                                                                         \
  X(state)                                                                                         \
  X(buffer)                                                                                        \
  X(program)                                                                                       \
  X(kernel)                                                                                        \
  X(launch)                                                                                        \
  X(arg)

#define TL_PLAN_X_TABLE(name) TL_PLAN_TABLE_##name,
typedef enum tl_plan_table {
  TL_PLAN_TABLE_MAP(TL_PLAN_X_TABLE) TL_PLAN_TABLES_COUNT
} tl_plan_table;

// The tables of a programs section in memory: what the writer is given and the reader gives.
typedef struct tl_plan_tables {
#define X(name)                                                                                    \
  const tl_plan_##name *name##s;                                                                   \
  uint32_t name##s_count;
  TL_PLAN_TABLE_MAP(X)
#undef X
  const char *strings;
  uint32_t strings_bytes;
} tl_plan_tables;

#endif

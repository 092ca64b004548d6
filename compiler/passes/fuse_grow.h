// Growing a kernel's segment: which ops its statements take over, and what it stores at the end.
#ifndef TL_COMPILER_PASSES_FUSE_GROW_H
#define TL_COMPILER_PASSES_FUSE_GROW_H

#include "compiler/passes/fuse_values.h"

enum { TL_FUSE_TABLES_MAX = 8 };

// Cosines and sines of one frequency table, made once per step.
typedef struct tl_fuse_table {
  const tl_node *rope; // the first that uses it
  const tl_buffer *buffer;
} tl_fuse_table;

typedef struct tl_fuser {
  tl_graph *graph;
  tl_program *program;
  tl_fuse_values values;
  tl_fuse_table tables[TL_FUSE_TABLES_MAX];
  int tables_count;
  int64_t unit_max; // columns that may have to stay together in a matmul's tile
  tl_diag *diag;
} tl_fuser;

// A segment that is being grown; its tile holds `value`.
typedef struct tl_growth {
  tl_kernel *kernel;
  tl_segment *segment;
  bool whole_rows; // the tile is a whole row
  const tl_value *value;
  int64_t slots; // rows of the tile for each of the kernel's, 0 = 1: experts that each chose
} tl_growth;

// The table that `rope` turns by, or NULL if there is none yet.
const tl_buffer *tl_fuse_table_of(const tl_fuser *fuser, const tl_node *rope);

// Takes over `user`, an op that uses the tile's value, if a statement can do it and its other
// operands are stored by earlier kernels. False changes nothing.
bool tl_fuse_absorb(tl_fuser *fuser, tl_growth *growth, tl_node *user);

// Takes over ops as long as the tile's value has a single user that can be taken, then stores what
// the remaining users need.
tl_status tl_fuse_grow(tl_fuser *fuser, tl_growth *growth) TL_CHECKED;

// A kernel that stores `value`, the keys or values of `attention`, into its state, if the one that
// made it could not: its tiles end inside heads.
tl_status tl_fuse_store_waiting(tl_fuser *fuser, const tl_node *attention,
                                const tl_value *value) TL_CHECKED;

// The state that an attention's keys and values are stored in. Without a cache it is one that all
// layers share, each while it runs; NULL if there are too many of them.
const tl_value *tl_fuse_state_of(tl_fuser *fuser, const tl_node *attention);

// A buffer of `value`, or NULL if no kernel stored that.
const tl_buffer *tl_fuse_input_of(const tl_fuse_value *item, tl_format like);

// Values of a row of a type [rows, ..].
int64_t tl_fuse_row_columns(const tl_type *type);

#endif

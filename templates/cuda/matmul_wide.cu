// matmul for 9 and more rows on sm_90a: weights and x come by boxes through a deep ring of shared
// memory, the wide matrix unit works on them there.
//
//   shapes: matmul.cuh, bf16 alone; T_ROWS is 16, 32, 64, 128 or 256, a multiple of T_CLUSTER, and
//           with the panels of a group at most 256
//   args: as in matmul.cuh, but instead of x and of each weight the map of it: boxes of 64 columns
//         by T_ROWS rows of x, by 64 rows of a weight. x's rows are as many as its memory has. K
//         stands before the operands, so that a kernel serves all depths.
//   grid: (unit * blocks of T_ROWS rows + block) * T_CLUSTER + rank, so that neighbours share
//         weights; threads: 128 for each group of warps that multiplies, 128 that copy
//   shared: SHARED_BYTES
//
// Weights are operand a, 64 rows of them a group's panel; x is b. The blocks of a cluster take one
// part of K each, as in matmul_few; the sum along a part ascends in one chain. T_WANTED is not
// possible: boxes hold rows that lie behind each other.
#define SHARE (T_ROWS / T_CLUSTER) // rows of a rank
#define TILE_ROWS SHARE

#include "templates/cuda/matmul.cuh"

#define STRIDE (WIDTH + 4) // what a warp writes at once lies in other banks
#define LINE 128           // bytes of a row in a box
#define GROUPS (T_THREADS / 128 - 1)
#define PANELS (WIDTH / 64 / GROUPS) // of a group
#define PANEL_BYTES (64 * LINE)
#define STAGE_BYTES ((WIDTH + T_ROWS) * LINE)
#define RING_BYTES (T_STAGES * STAGE_BYTES)
#define TILE_BYTES (T_ROWS * STRIDE * 4)
#define TILE (T_CLUSTER > 1 ? RING_BYTES : 0) // the ring is empty then; other ranks' may not be
#define GATES (TILE + TILE_BYTES > RING_BYTES ? TILE + TILE_BYTES : RING_BYTES)
#define SHARED_BYTES (GATES + T_STAGES * 16)

// Boxes along K.
TL_INLINE tl_i32 lines_of(const tl_arguments *a) {
  return (tl_i32)((a->at[1 + T_SEGMENTS * (2 + T_WEIGHTS)].i + 63) / 64);
}

// A block's place: which lines of which rows.
typedef struct part {
  tl_i32 rank, first, count; // lines
} part;

// Opens when a stage is full, and when all warps are done with it.
TL_INLINE tl_u32 full_gate(tl_i32 stage) {
  return (tl_u32)(GATES + stage * 16);
}

TL_INLINE tl_u32 empty_gate(tl_i32 stage) {
  return (tl_u32)(GATES + stage * 16 + 8);
}

TL_INLINE void make_gates(void) {
  for (tl_i32 i = 0; i < T_STAGES; i++) {
    tl_gate_make(full_gate(i), 1);
    tl_gate_make(empty_gate(i), GROUPS * 4);
  }
  tl_gates_made();
  tl_boxes_begin();
}

// Of a missing panel zeros. Blocks of many rows leave weights in the cache to their neighbours.
TL_INLINE void load_weights(const unit *u, tl_i32 line, tl_i32 stage) {
  TL_UNROLL for (tl_i32 i = 0; i < WIDTH / 64; i++) {
    tl_u32 at = (tl_u32)(stage * STAGE_BYTES + i * PANEL_BYTES);
    tl_i32 row = (u->index * T_UNIT + i % T_UNIT) * 64;
    if (T_ROWS < 128) {
      tl_box_stream(at, u->weights[i / T_UNIT].p, line * 64, row, full_gate(stage));
    } else {
      tl_box_load(at, u->weights[i / T_UNIT].p, line * 64, row, full_gate(stage));
    }
  }
}

TL_INLINE void load_rows(const unit *u, const tl_arguments *a, tl_i32 line, tl_i32 stage) {
  tl_box_load((tl_u32)(stage * STAGE_BYTES + WIDTH * LINE), a->at[0].p, line * 64, u->row,
              full_gate(stage));
}

// By a thread: the first weights need not wait for the block's others, nor for the launch before.
TL_INLINE void begin_ring(const unit *u, const part *p) {
  make_gates();
  TL_UNROLL for (tl_i32 i = 0; i < T_WEIGHTS; i++) tl_map_begin(u->weights[i].p);
  for (tl_i32 i = 0; i < T_STAGES && i < p->count; i++) {
    tl_gate_await(full_gate(i), STAGE_BYTES);
    load_weights(u, p->first + i, i);
  }
}

TL_INLINE void fill_ring(const unit *u, const tl_arguments *a, const part *p) {
  tl_map_begin(a->at[0].p);
  tl_wait_for_launch();
  tl_boxes_begin();
  for (tl_i32 i = 0; i < T_STAGES && i < p->count; i++) load_rows(u, a, p->first + i, i);
  for (tl_i32 i = T_STAGES, stage = 0, round = 0; i < p->count; i++) {
    tl_gate_pass(empty_gate(stage), (tl_u32)round);
    tl_gate_await(full_gate(stage), STAGE_BYTES);
    load_weights(u, p->first + i, stage);
    load_rows(u, a, p->first + i, stage);
    if (++stage == T_STAGES) stage = 0, round++;
  }
}

TL_INLINE void multiply_line(float d[PANELS][T_ROWS / 2], tl_i32 stage, tl_i32 group) {
  tl_u32 at = (tl_u32)(stage * STAGE_BYTES);
  tl_u64 x = tl_wide_operand(at + WIDTH * LINE);
  tl_u64 w = tl_wide_operand(at + (tl_u32)(group * PANELS * PANEL_BYTES));
  tl_wide_begin();
  TL_UNROLL for (tl_u32 k = 0; k < 4; k++) TL_UNROLL for (tl_u32 i = 0; i < PANELS; i++) {
    tl_wide_multiply(T_ROWS)(d[i], w + i * (PANEL_BYTES / 16) + k * 2, x + k * 2);
  }
  tl_wide_commit();
}

// A stage is left when the products after it are under way.
TL_INLINE void multiply(float d[PANELS][T_ROWS / 2], const part *p, tl_i32 group) {
  tl_i32 stage = 0, round = 0, before = 0;
  for (tl_i32 i = 0; i < p->count; i++) {
    tl_gate_pass(full_gate(stage), (tl_u32)round);
    multiply_line(d, stage, group);
    tl_wide_wait(1);
    if (i > 0 && tl_thread() % 32 == 0) tl_gate_arrive(empty_gate(before));
    before = stage;
    if (++stage == T_STAGES) stage = 0, round++;
  }
  tl_wide_wait(0);
  TL_UNROLL for (tl_i32 i = 0; i < PANELS; i++) tl_wide_end(d[i], T_ROWS / 2);
}

// The sum of one output, to the rank whose row it is.
TL_INLINE void put_sum(const part *p, tl_i32 row, tl_i32 column, float sum) {
  tl_i32 slot = T_CLUSTER > 1 ? p->rank * SHARE + row % SHARE : row;
  tl_u32 at = (tl_u32)(TILE + (slot * STRIDE + column) * 4);
  if (T_CLUSTER > 1) {
    tl_cluster_put_f32(row / SHARE, at, sum);
  } else {
    tl_shared_put_f32(at, sum);
  }
}

TL_INLINE void put_tile(float d[PANELS][T_ROWS / 2], const part *p, tl_i32 rows) {
  tl_i32 lane = tl_thread() % 32, warp = tl_thread() / 32;
  tl_i32 across = warp / 4 * PANELS * 64 + warp % 4 * 16 + lane / 4;
  TL_UNROLL for (tl_i32 i = 0; i < PANELS; i++) TL_UNROLL for (tl_i32 j = 0; j < T_ROWS / 2; j++) {
    tl_i32 row = j / 4 * 8 + 2 * (lane % 4) + j % 2;
    if (T_CLUSTER == 1 || row < rows) put_sum(p, row, across + i * 64 + j % 4 / 2 * 8, d[i][j]);
  }
}

// Until all of the block, or of the cluster, have put their sums.
TL_INLINE void make_sums(const unit *u, const tl_arguments *a, const part *p, tl_i32 rows) {
  tl_i32 group = tl_thread() / 128;
  float d[PANELS][T_ROWS / 2];
  if (tl_thread() == GROUPS * 128) begin_ring(u, p);
  tl_barrier(); // the gates are made
  if (group == GROUPS) {
    if (tl_thread() == GROUPS * 128) fill_ring(u, a, p);
  } else {
    TL_UNROLL for (tl_i32 i = 0; i < PANELS; i++) TL_UNROLL for (tl_i32 j = 0; j < T_ROWS / 2; j++) {
      d[i][j] = 0;
    }
    multiply(d, p, group);
  }
  tl_wait_for_launch();
  if (T_CLUSTER > 1) {
    tl_cluster_wait();
  } else {
    tl_barrier(); // the tile lies where the ring was
  }
  if (group < GROUPS) put_tile(d, p, rows);
  if (T_CLUSTER > 1) {
    tl_cluster_arrive();
    tl_cluster_wait();
  } else {
    tl_barrier();
  }
}

// Adds the sums along K of all ranks, in their order.
TL_INLINE void add_ranks(tl_tile *tile) {
  TL_EACH_FOUR(r, c) {
    tl_four sum = tl_tile_four(tile, r, c);
    TL_UNROLL for (tl_i32 rank = 1; rank < T_CLUSTER; rank++) {
      tl_four more = tl_tile_four(tile, rank * SHARE + r, c);
      TL_UNROLL for (tl_i32 e = 0; e < 4; e++) sum.v[e] += more.v[e];
    }
    tl_tile_put_four(tile, r, c, sum);
  }
}

TL_KERNEL(T_THREADS, T_BLOCKS)
TL_CLUSTER(T_CLUSTER) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  tl_i32 units = units_count(&a), rank = tl_block() % T_CLUSTER, place = tl_block() / T_CLUSTER;
  tl_i32 is_one = tl_blocks() < 2 * units * T_CLUSTER; // block of rows
  tl_i32 blocks = is_one ? 1 : (tl_rows_count(step) + T_ROWS - 1) / T_ROWS;
  tl_allow_next_launch();
  if (blocks == 0 || place / blocks >= units) return;
  if (T_CLUSTER > 1) tl_cluster_begin();
  unit u = unit_at(&a, step, place / blocks, place % blocks * T_ROWS);
  tl_i32 lines = lines_of(&a), first = lines * rank / T_CLUSTER;
  part p = {rank, first, lines * (rank + 1) / T_CLUSTER - first};
  tl_i32 left = tl_rows_count(step) - u.row;
  make_sums(&u, &a, &p, left);
  left -= rank * SHARE;
  if (left <= 0) return;
  tl_tile tile = tile_of(&u, TILE, STRIDE, u.row + rank * SHARE, left < SHARE ? left : SHARE);
  if (T_CLUSTER > 1) add_ranks(&tile);
  tl_epilogue(&tile, &a, step, u.segment);
}

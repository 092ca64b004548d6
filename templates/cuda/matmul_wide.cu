// matmul for rows on sm_90a: weights and x come by boxes through a deep ring of shared memory, the
// wide matrix unit works on them there.
//
//   shapes: matmul.cuh, bf16 alone; T_ROWS is 8, 16, 32, 64, 128 or 256, a multiple of T_CLUSTER,
//           and with the panels of a group at most 256; T_LINES: lines of 64 values of K in a stage
//   args: as in matmul.cuh, but instead of x and of each weight the map of it: boxes of 64 columns
//         by T_ROWS rows of x, by 64 rows of a weight. x's rows are as many as its memory has.
//   grid: place * T_CLUSTER + rank; with T_STAYS also fewer, whose blocks make one place after the
//         other, the ring filled for the next one meanwhile. Of 128 and more rows a place is unit *
//         blocks of T_ROWS rows + block, so that neighbours share weights, else block * units +
//         unit: the first ones need not know how many rows there are
//   threads: 128 for each group of warps that multiplies, 128 that copy; shared: SHARED_BYTES
//
// Weights are operand a, 64 rows of them a group's panel; x is b. The blocks of a cluster take one
// part of K each, as in matmul_few; the sum along a part ascends in one chain. The statements work
// on T_TILE rows at a time, all of a rank's if there are several ranks. T_HINTS: what is read once
// leaves the cache first. T_KNOWN: maps are as they were in all launches before. T_WANTED is not
// possible: boxes hold rows that lie behind each other.
#define SHARE (T_ROWS / T_CLUSTER) // rows of a rank
#define TILE_ROWS T_TILE

#include "templates/cuda/matmul.cuh"

#define STRIDE (WIDTH + 4) // what a warp writes at once lies in other banks
#define LINE 128           // bytes of a row in a box
#define CHUNK (64 * T_LINES)
#define CHUNKS ((STEPS * STEP + CHUNK - 1) / CHUNK) // of K
#define GROUPS (T_THREADS / 128 - 1)
#define PANELS (WIDTH / 64 / GROUPS) // of a group
#define PANEL_BYTES (64 * LINE)
#define LINE_BYTES ((WIDTH + T_ROWS) * LINE)
#define STAGE_BYTES (T_LINES * LINE_BYTES)
#define RING_BYTES (T_STAGES * STAGE_BYTES)
#define TILES (SHARE / T_TILE)
#define TILE_BYTES (T_TILE * T_CLUSTER * STRIDE * 4)
#define IS_APART (T_CLUSTER > 1 || T_STAYS || TILES > 1) // else the tile lies where the ring was
#define TILE (IS_APART ? RING_BYTES : 0)
#define GATES (TILE + TILE_BYTES > RING_BYTES ? TILE + TILE_BYTES : RING_BYTES)
#define SHARED_BYTES (GATES + T_STAGES * 16)
#define IS_FEW (T_ROWS < 128)
#define COPIER (GROUPS * 128)

// A block's part of K: `count` chunks. Where in the ring a thread is, and for the one that copies
// how many chunks of the next sums are there or under way.
typedef struct part {
  tl_i32 rank, first, count;
  tl_i32 stage, round, loaded;
} part;

TL_INLINE void advance(part *p) {
  if (++p->stage == T_STAGES) p->stage = 0, p->round++;
}

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

// ---- places

TL_INLINE tl_i32 row_blocks(const tl_step *step) {
  return (tl_rows_count(step) + T_ROWS - 1) / T_ROWS;
}

TL_INLINE tl_i32 is_place(const tl_arguments *a, const tl_step *step, tl_i32 place) {
  tl_i32 units = units_count(a);
  return (IS_FEW && place < units) || place < units * row_blocks(step);
}

TL_INLINE unit unit_of(const tl_arguments *a, const tl_step *step, tl_i32 place) {
  tl_i32 by = IS_FEW ? units_count(a) : row_blocks(step);
  return IS_FEW ? unit_at(a, place % by, place / by * T_ROWS)
                : unit_at(a, place / by, place % by * T_ROWS);
}

// ---- by the thread that copies

TL_INLINE void begin_map(const void *map) {
  if (T_KNOWN) {
    tl_map_known(map);
  } else {
    tl_map_begin(map);
  }
}

TL_INLINE void begin_weights(const unit *u) {
  TL_UNROLL for (tl_i32 i = 0; i < T_WEIGHTS; i++) begin_map(u->weights[i].p);
}

// Of a missing panel zeros.
TL_INLINE void load_weights(const unit *u, const part *p, tl_i32 chunk, tl_i32 stage) {
  TL_UNROLL for (tl_i32 i = 0; i < WIDTH / 64; i++) TL_UNROLL for (tl_i32 l = 0; l < T_LINES; l++) {
    tl_i32 row = (u->index * T_UNIT + i % T_UNIT) * 64, k = (p->first + chunk) * CHUNK + l * 64;
    tl_u32 at = (tl_u32)(stage * STAGE_BYTES + l * LINE_BYTES + i * PANEL_BYTES);
    if (T_HINTS) {
      tl_box_stream(at, u->weights[i / T_UNIT].p, k, row, full_gate(stage));
    } else {
      tl_box_load(at, u->weights[i / T_UNIT].p, k, row, full_gate(stage));
    }
  }
}

TL_INLINE void load_rows(const unit *u, const tl_arguments *a, const part *p, tl_i32 chunk,
                         tl_i32 stage) {
  TL_UNROLL for (tl_i32 l = 0; l < T_LINES; l++) {
    tl_box_load((tl_u32)(stage * STAGE_BYTES + l * LINE_BYTES + WIDTH * LINE), a->at[0].p,
                (p->first + chunk) * CHUNK + l * 64, u->row, full_gate(stage));
  }
}

// The first weights need not wait for the launch before, nor for the block's other threads.
TL_INLINE void begin_ring(const unit *u, part *p) {
  make_gates();
  begin_weights(u);
  for (; p->loaded < T_STAGES && p->loaded < p->count; p->loaded++) {
    tl_gate_await(full_gate(p->loaded), STAGE_BYTES);
    load_weights(u, p, p->loaded, p->loaded);
    advance(p);
  }
}

TL_INLINE void begin_rows(const unit *u, const tl_arguments *a, const part *p) {
  begin_map(a->at[0].p);
  tl_wait_for_launch();
  tl_boxes_begin();
  for (tl_i32 i = 0; i < p->loaded; i++) load_rows(u, a, p, i, i);
}

TL_INLINE void load_chunks(const unit *u, const tl_arguments *a, part *p, tl_i32 count) {
  for (; p->loaded < count; p->loaded++) {
    if (p->round > 0) tl_gate_pass(empty_gate(p->stage), (tl_u32)(p->round - 1));
    tl_gate_await(full_gate(p->stage), STAGE_BYTES);
    load_weights(u, p, p->loaded, p->stage);
    load_rows(u, a, p, p->loaded, p->stage);
    advance(p);
  }
}

// As many as the ring holds.
TL_INLINE void load_next(const tl_arguments *a, const tl_step *step, part *p, tl_i32 place) {
  unit next = unit_of(a, step, place);
  if (T_SEGMENTS > 1) begin_weights(&next);
  p->loaded = 0;
  load_chunks(&next, a, p, p->count < T_STAGES ? p->count : T_STAGES);
}

// ---- by the warps that multiply

TL_INLINE void multiply_chunk(float d[PANELS][T_ROWS / 2], tl_i32 stage, tl_i32 group) {
  tl_wide_begin();
  TL_UNROLL for (tl_i32 l = 0; l < T_LINES; l++) {
    tl_u32 at = (tl_u32)(stage * STAGE_BYTES + l * LINE_BYTES);
    tl_u64 x = tl_wide_operand(at + WIDTH * LINE);
    tl_u64 w = tl_wide_operand(at + (tl_u32)(group * PANELS * PANEL_BYTES));
    TL_UNROLL for (tl_u32 k = 0; k < 4; k++) TL_UNROLL for (tl_u32 i = 0; i < PANELS; i++) {
      tl_wide_multiply(T_ROWS)(d[i], w + i * (PANEL_BYTES / 16) + k * 2, x + k * 2);
    }
  }
  tl_wide_commit();
}

// A stage is left when the products after it are under way.
TL_INLINE void multiply(float d[PANELS][T_ROWS / 2], part *p, tl_i32 group) {
  tl_i32 before = 0;
  TL_UNROLL for (tl_i32 i = 0; i < PANELS; i++) TL_UNROLL for (tl_i32 j = 0; j < T_ROWS / 2; j++) {
    d[i][j] = 0;
  }
  for (tl_i32 i = 0; i < p->count; i++) {
    tl_gate_pass(full_gate(p->stage), (tl_u32)p->round);
    multiply_chunk(d, p->stage, group);
    tl_wide_wait(1);
    if (i > 0 && tl_thread() % 32 == 0) tl_gate_arrive(empty_gate(before));
    before = p->stage;
    advance(p);
  }
  tl_wide_wait(0);
  if (T_STAYS && p->count > 0 && tl_thread() % 32 == 0) tl_gate_arrive(empty_gate(before));
  TL_UNROLL for (tl_i32 i = 0; i < PANELS; i++) tl_wide_end(d[i], T_ROWS / 2);
}

// The sum of one output, to the rank whose row it is.
TL_INLINE void put_sum(const part *p, tl_i32 row, tl_i32 column, float sum) {
  tl_i32 slot = T_CLUSTER > 1 ? p->rank * SHARE + row % SHARE : row % T_TILE;
  tl_u32 at = (tl_u32)(TILE + (slot * STRIDE + column) * 4);
  if (T_CLUSTER > 1) {
    tl_cluster_put_f32(row / SHARE, at, sum);
  } else {
    tl_shared_put_f32(at, sum);
  }
}

// Of tile `index`, or for all ranks.
TL_INLINE void put_tile(float d[PANELS][T_ROWS / 2], const part *p, tl_i32 index, tl_i32 rows) {
  enum { EACH = T_ROWS / 2 / TILES };
  tl_i32 thread = tl_from_here(tl_thread()), lane = thread % 32, warp = thread / 32;
  tl_i32 across = warp / 4 * PANELS * 64 + warp % 4 * 16 + lane / 4;
  TL_UNROLL for (tl_i32 i = 0; i < PANELS; i++) TL_UNROLL for (tl_i32 e = 0; e < EACH; e++) {
    tl_i32 j = index * EACH + e, row = j / 4 * 8 + 2 * (lane % 4) + j % 2;
    if (T_CLUSTER == 1 || row < rows) put_sum(p, row, across + i * 64 + j % 4 / 2 * 8, d[i][j]);
  }
}

// ---- by all

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

TL_INLINE void finish(const unit *u, const tl_arguments *a, const tl_step *step, tl_i32 first) {
  tl_i32 left = tl_rows_count(step) - u->row - first;
  if (left <= 0) return;
  tl_i32 rows = left < T_TILE ? left : T_TILE, column = u->index * (T_UNIT * 64);
  tl_tile tile = {TILE, STRIDE, rows, width_of(u), u->row + first, column, u->columns, WIDTH};
  if (T_CLUSTER > 1) add_ranks(&tile);
  tl_epilogue(&tile, a, step, u->segment);
}

// Once all of the block, or of the cluster, are done with the tile before.
TL_INLINE void finish_tiles(float d[PANELS][T_ROWS / 2], const unit *u, const tl_arguments *a,
                            const tl_step *step, const part *p) {
  tl_i32 rows = tl_rows_count(step) - u->row;
  TL_UNROLL for (tl_i32 i = 0; i < TILES; i++) if (i == 0 || i * T_TILE < rows) {
    if (T_CLUSTER > 1) {
      tl_cluster_wait();
    } else {
      tl_barrier();
    }
    if (tl_thread() < COPIER) put_tile(d, p, i, rows);
    if (T_CLUSTER > 1) {
      tl_cluster_arrive();
      tl_cluster_wait();
    } else {
      tl_barrier();
    }
    finish(u, a, step, T_CLUSTER > 1 ? p->rank * SHARE : i * T_TILE);
  }
}

TL_KERNEL(T_THREADS, T_BLOCKS)
TL_CLUSTER(T_CLUSTER) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  tl_i32 rank = tl_block() % T_CLUSTER, place = tl_block() / T_CLUSTER;
  tl_allow_next_launch();
  if (!is_place(&a, step, place)) return;
  if (T_CLUSTER > 1) tl_cluster_begin();
  tl_i32 first = CHUNKS * rank / T_CLUSTER;
  part p = {rank, first, tl_from_here(CHUNKS * (rank + 1) / T_CLUSTER - first), 0, 0, 0};
  unit u = unit_of(&a, step, place);
  if (tl_thread() == COPIER) begin_ring(&u, &p);
  tl_barrier();
  if (tl_thread() == COPIER) begin_rows(&u, &a, &p);
  for (;;) {
    tl_i32 next = place + tl_blocks() / T_CLUSTER, is_last = !T_STAYS || !is_place(&a, step, next);
    float d[PANELS][T_ROWS / 2];
    if (tl_thread() < COPIER) {
      multiply(d, &p, tl_thread() / 128);
    } else if (tl_thread() == COPIER) {
      load_chunks(&u, &a, &p, p.count);
      if (!is_last) load_next(&a, step, &p, next);
    }
    tl_wait_for_launch();
    finish_tiles(d, &u, &a, step, &p);
    if (is_last) return;
    if (T_CLUSTER > 1) tl_cluster_arrive();
    u = unit_of(&a, step, next);
    place = next;
  }
}

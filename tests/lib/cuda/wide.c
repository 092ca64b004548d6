// What sm_90a has beside the rest: gates, boxes that arrive some time after they were asked for,
// and the matrix unit of 128 threads, which works when it is waited for.
#include <math.h>
#include <string.h>

#include "tests/lib/cuda/map.h"
#include "tests/lib/cuda/state.h"

enum { LINE_BYTES = 128, BOX_ALIGN = 1024, GATE_BYTES = 8 };

static const uint64_t magic = 0x746d61702d746c63;

// ---- gates

static tl_gate *gate_at(tl_shim *shim, const tl_site *site, tl_block_data *block, tl_u32 at) {
  for (int i = 0; i < block->gates_count; i++)
    if (block->gates[i].at == at) return &block->gates[i];
  tl_shim_fail(shim, site, "gate: there is none at offset %u", at);
}

// The gate as the running thread knows it.
static tl_gate *known_gate(tl_shim *shim, const tl_site *site, tl_u32 at) {
  tl_gate *gate = gate_at(shim, site, tl_shim_block_of(shim), at);
  if (!gate->made && gate->maker != shim->thread)
    tl_shim_fail(shim, site, "gate: made by another thread at offset %u, no tl_gates_made", at);
  return gate;
}

void tl_shim_gate_make(const tl_site *site, tl_u32 at, tl_u32 arrivals) {
  tl_shim *shim = tl_shim_current;
  tl_block_data *block = tl_shim_block_of(shim);
  tl_shared_touch(shim, site, at, GATE_BYTES, true);
  if (block->gates_count == TL_GATES_MAX || arrivals == 0)
    tl_shim_fail(shim, site, "gate: of %u arrivals, the %d-th", arrivals, block->gates_count + 1);
  block->gates[block->gates_count++] = (tl_gate){at, arrivals, arrivals, 0, 0, shim->thread, false};
}

void tl_shim_gates_made(void) {
  tl_shim *shim = tl_shim_current;
  tl_block_data *block = tl_shim_block_of(shim);
  for (int i = 0; i < block->gates_count; i++)
    if (block->gates[i].maker == shim->thread) block->gates[i].made = true;
}

// Who waits looks again.
static void open_gate(tl_shim *shim, tl_block_data *block, tl_gate *gate) {
  if (gate->left || gate->bytes) return;
  gate->phase++;
  gate->left = gate->arrivals;
  int first = (int)(block - shim->blocks) * shim->grid.threads;
  for (int i = first; i < first + shim->grid.threads; i++)
    if (shim->states[i] == TL_AT_GATE) shim->states[i] = TL_READY;
}

void tl_shim_gate_await(const tl_site *site, tl_u32 at, tl_u32 bytes) {
  tl_shim *shim = tl_shim_current;
  tl_gate *gate = known_gate(shim, site, at);
  if (gate->left == 0) tl_shim_fail(shim, site, "gate: too many arrivals at offset %u", at);
  gate->bytes += bytes;
  gate->left--;
  open_gate(shim, tl_shim_block_of(shim), gate);
}

void tl_shim_gate_pass(const tl_site *site, tl_u32 at, tl_u32 phase) {
  tl_shim *shim = tl_shim_current;
  for (;;) {
    const tl_gate *gate = known_gate(shim, site, at);
    if (gate->phase == phase + 1) return;
    if (gate->phase != phase)
      tl_shim_fail(shim, site, "gate: waits for phase %u in phase %u", phase, gate->phase);
    tl_shim_wait(shim, TL_AT_GATE);
  }
}

// ---- boxes

bool tl_shim_map_make(void *out_map, const void *base, int64_t columns, int64_t rows,
                      int64_t row_bytes, int64_t box_rows) {
  tl_shim_map map = {magic, base, columns, rows, row_bytes, (int32_t)box_rows};
  if ((uintptr_t)base % 16 || row_bytes % 16 || columns < 1 || rows < 1 || box_rows < 1 ||
      box_rows > 256 || (uintptr_t)out_map % TL_MAP_ALIGN)
    return false;
  memset(out_map, 0, TL_MAP_BYTES);
  memcpy(out_map, &map, sizeof map);
  return true;
}

void tl_shim_map_begin(const tl_site *site, const void *map) {
  tl_shim *shim = tl_shim_current;
  tl_thread_data *thread = tl_shim_running(shim);
  if ((uintptr_t)map % TL_MAP_ALIGN) tl_shim_fail(shim, site, "alignment: a map at %p", map);
  tl_global_check(shim, site, map, TL_MAP_BYTES);
  if (thread->maps_count == TL_MAPS_MAX) tl_shim_fail(shim, site, "bounds: too many maps");
  thread->maps[thread->maps_count++] = map;
}

static bool is_begun(const tl_thread_data *thread, const void *map) {
  for (int i = 0; i < thread->maps_count; i++)
    if (thread->maps[i] == map) return true;
  return false;
}

static tl_u32 bytes_of(const tl_box *box) {
  return (tl_u32)box->map.box_rows * LINE_BYTES;
}

// A row of the box as far as it is in the matrix; 0 bytes outside.
static int64_t row_in_matrix(const tl_box *box, int row, const unsigned char **out_from) {
  int64_t at = box->row + (int64_t)row, left = box->map.columns - box->column;
  if (at < 0 || at >= box->map.rows || left <= 0) return 0;
  *out_from = box->map.base + at * box->map.row_bytes + (int64_t)box->column * 2;
  return (left < TL_MAP_COLUMNS ? left : TL_MAP_COLUMNS) * 2;
}

void tl_shim_box_load(const tl_site *site, tl_u32 at, const void *map, tl_i32 column, tl_i32 row,
                      tl_u32 gate) {
  tl_shim *shim = tl_shim_current;
  tl_block_data *block = tl_shim_block_of(shim);
  tl_box box = {.site = site, .block = block, .at = at, .column = column, .row = row, .gate = gate};
  if (!is_begun(tl_shim_running(shim), map))
    tl_shim_fail(shim, site, "early: the map is not begun");
  memcpy(&box.map, map, sizeof box.map);
  if (box.map.magic != magic || column < 0)
    tl_shim_fail(shim, site, "bounds: no map, or column %d", column);
  known_gate(shim, site, gate);
  tl_async_touch(shim, site, gate, GATE_BYTES, false);
  if (at % BOX_ALIGN) tl_shim_fail(shim, site, "alignment: a box at offset %u", at);
  for (int i = 0; i < box.map.box_rows; i++) {
    const unsigned char *from;
    int64_t bytes = row_in_matrix(&box, i, &from);
    if (bytes) tl_global_check_async(shim, site, from, (tl_u32)bytes);
  }
  tl_async_touch(shim, site, at, bytes_of(&box), true);
  if (shim->boxes_count == TL_BOXES_MAX)
    tl_shim_fail(shim, site, "copy: more than %d boxes under way", TL_BOXES_MAX);
  memset(block->shared + at, TL_POISON, bytes_of(&box));
  shim->boxes[shim->boxes_count++] = box;
}

// Piece p of 16 bytes of line l lies at p ^ l % 8.
static void arrive(tl_shim *shim, int index) {
  tl_box box = shim->boxes[index];
  shim->boxes[index] = shim->boxes[--shim->boxes_count];
  for (int row = 0; row < box.map.box_rows; row++) {
    unsigned char line[LINE_BYTES] = {0};
    const unsigned char *from;
    int64_t bytes = row_in_matrix(&box, row, &from);
    if (bytes) memcpy(line, from, (size_t)bytes);
    unsigned char *to = box.block->shared + box.at + (size_t)row * LINE_BYTES;
    for (int piece = 0; piece < 8; piece++)
      memcpy(to + (piece ^ row % 8) * 16, line + piece * 16, 16);
  }
  tl_gate *gate = gate_at(shim, box.site, box.block, box.gate);
  gate->bytes -= bytes_of(&box);
  open_gate(shim, box.block, gate);
}

bool tl_boxes_arrive(tl_shim *shim, bool must) {
  int count = (int)tl_shim_draw(shim, (uint32_t)shim->boxes_count + 1);
  if (must && count == 0 && shim->boxes_count) count = 1;
  for (int i = 0; i < count; i++)
    arrive(shim, (int)tl_shim_draw(shim, (uint32_t)shim->boxes_count));
  return count > 0;
}

const tl_box *tl_box_over(const tl_shim *shim, const tl_block_data *block, tl_u32 at,
                          tl_u32 bytes) {
  for (int i = 0; i < shim->boxes_count; i++) {
    const tl_box *box = &shim->boxes[i];
    if (box->block == block && at < box->at + bytes_of(box) && box->at < at + bytes) return box;
  }
  return NULL;
}

// ---- the matrix unit

tl_u64 tl_shim_wide_operand(const tl_site *site, tl_u32 at) {
  if (at % BOX_ALIGN) tl_shim_fail(tl_shim_current, site, "alignment: an operand at offset %u", at);
  return (tl_u64)(at >> 4) | (tl_u64)1 << 16 | (tl_u64)(BOX_ALIGN >> 4) << 32 | (tl_u64)1 << 62;
}

void tl_shim_wide_begin(void) {
  tl_shim_running(tl_shim_current)->wide_begun = true;
}

void tl_shim_wide_commit(void) {
  tl_shim_running(tl_shim_current)->wide_groups++;
}

// The registers' true content; what the kernel sees of them until it has waited is no number.
static int hide(tl_shim *shim, const tl_site *site, tl_thread_data *thread, float *d, int count) {
  int free = -1;
  for (int i = 0; i < TL_HIDDEN_MAX; i++) {
    if (thread->hidden[i].d == d) return i;
    if (!thread->hidden[i].d) free = i;
  }
  if (free < 0) tl_shim_fail(shim, site, "wide: more than %d results", TL_HIDDEN_MAX);
  thread->hidden[free].d = d;
  thread->hidden[free].count = count;
  for (int i = 0; i < count; i++) {
    thread->hidden[free].values[i] = d[i];
    d[i] = NAN;
  }
  return free;
}

void tl_shim_wide_multiply(const tl_site *site, int columns, float *d, tl_u64 a, tl_u64 b) {
  tl_shim *shim = tl_shim_current;
  tl_thread_data *thread = tl_shim_running(shim);
  if (!thread->wide_begun) tl_shim_fail(shim, site, "wide: tl_wide_begin is missing");
  if (thread->wides_count == TL_WIDES_MAX)
    tl_shim_fail(shim, site, "wide: more than %d products under way", TL_WIDES_MAX);
  int hidden = hide(shim, site, thread, d, columns / 2);
  thread->wides[thread->wides_count++] =
      (tl_wide){site, columns, hidden, a, b, thread->wide_groups};
}

// Rows of `out` from lines of shared memory: an address's bits 4 to 6 are changed by bits 7 to 9.
static void read_operand(tl_shim *shim, const tl_site *site, tl_u64 operand, int rows,
                         float (*out)[TL_WIDE_DEPTH]) {
  tl_u32 begin = (tl_u32)(operand & 0x3FFF) << 4, eight = (tl_u32)(operand >> 32 & 0x3FFF) << 4;
  if (operand >> 62 != 1 || operand >> 46 & 0xFFFF || eight != BOX_ALIGN ||
      begin % LINE_BYTES + TL_WIDE_DEPTH * 2 > LINE_BYTES)
    tl_shim_fail(shim, site, "wide: an operand %#llx", operand);
  tl_async_touch(shim, site, begin / BOX_ALIGN * BOX_ALIGN, (tl_u32)rows * LINE_BYTES, false);
  const unsigned char *shared = tl_shim_block_of(shim)->shared;
  for (int row = 0; row < rows; row++)
    for (int k = 0; k < TL_WIDE_DEPTH; k++) {
      tl_u32 at =
          begin + (tl_u32)(row / 8) * eight + (tl_u32)(row % 8) * LINE_BYTES + (tl_u32)k * 2;
      tl_u16 half;
      memcpy(&half, shared + (at ^ (at >> 7 & 7) << 4), sizeof half);
      tl_u32 bits = (tl_u32)half << 16;
      memcpy(&out[row][k], &bits, sizeof bits);
    }
}

// The same product of all of a group's threads; a product of bf16 is exact in f32.
static void multiply(tl_shim *shim, tl_thread_data *threads, int index) {
  float(*a)[TL_WIDE_DEPTH] = shim->wide_a, (*b)[TL_WIDE_DEPTH] = shim->wide_b;
  const tl_wide *wide = &threads[0].wides[index];
  for (int t = 1; t < TL_TOGETHER; t++) {
    const tl_wide *other = &threads[t].wides[index];
    if (index >= threads[t].wides_count || other->site != wide->site || other->a != wide->a ||
        other->b != wide->b || other->group != wide->group)
      tl_shim_fail(shim, wide->site, "divergence: of the 128 threads");
  }
  read_operand(shim, wide->site, wide->a, TL_WIDE_ROWS, a);
  read_operand(shim, wide->site, wide->b, wide->columns, b);
  for (int t = 0; t < TL_TOGETHER; t++) {
    float *d = threads[t].hidden[threads[t].wides[index].hidden].values;
    for (int i = 0; i < wide->columns / 2; i++) {
      int row = t / 32 * 16 + t % 32 / 4 + i / 2 % 2 * 8, column = i / 4 * 8 + t % 4 * 2 + i % 2;
      for (int k = 0; k < TL_WIDE_DEPTH; k++)
        d[i] += a[row][k] * b[column][k];
    }
  }
}

// Forgets the first products, and shows results that no product is left of.
static void reveal(tl_thread_data *thread, int done) {
  bool used[TL_HIDDEN_MAX] = {false};
  thread->wides_count -= done;
  memmove(thread->wides, thread->wides + done, (size_t)thread->wides_count * sizeof *thread->wides);
  for (int i = 0; i < thread->wides_count; i++)
    used[thread->wides[i].hidden] = true;
  for (int i = 0; i < TL_HIDDEN_MAX; i++) {
    tl_hidden *hidden = &thread->hidden[i];
    if (!hidden->d || used[i]) continue;
    memcpy(hidden->d, hidden->values, (size_t)hidden->count * sizeof *hidden->values);
    hidden->d = NULL;
    thread->wide_begun = false;
  }
}

void tl_shim_wide_wait(const tl_site *site, tl_i32 left) {
  tl_shim *shim = tl_shim_current;
  int group = shim->thread / TL_TOGETHER;
  tl_thread_data *threads = &shim->threads[group * TL_TOGETHER];
  if (shim->grid.threads % TL_TOGETHER)
    tl_shim_fail(shim, site, "wide: a block of %d threads", shim->grid.threads);
  if (shim->at_wide[group] && shim->wide_sites[group] != site)
    tl_shim_fail(shim, site, "divergence: others wait elsewhere");
  shim->wide_sites[group] = site;
  if (++shim->at_wide[group] < TL_TOGETHER) {
    tl_shim_wait(shim, TL_AT_WIDE);
    return;
  }
  int done = 0;
  while (done < threads[0].wides_count &&
         (int64_t)threads[0].wides[done].group < (int64_t)threads[0].wide_groups - left)
    multiply(shim, threads, done++);
  shim->at_wide[group] = 0;
  for (int i = 0; i < TL_TOGETHER; i++) {
    reveal(&threads[i], done);
    shim->states[group * TL_TOGETHER + i] = TL_READY;
  }
}

void tl_wides_check(tl_shim *shim) {
  const tl_thread_data *thread = tl_shim_running(shim);
  if (thread->wides_count)
    tl_shim_fail(shim, thread->wides[0].site, "wide: %d under way when the thread ended",
                 thread->wides_count);
  const tl_block_data *block = tl_shim_block_of(shim);
  const tl_box *box = tl_box_over(shim, block, 0, TL_SHIM_SHARED_MAX);
  if (block->live == 1 && box)
    tl_shim_fail(shim, box->site, "copy: a box under way when the block ended");
}

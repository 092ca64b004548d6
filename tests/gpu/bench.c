// Times matmuls with weights that come from memory: each launch takes the next ones of a pool much
// larger than any cache.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/half.h"
#include "runtime/base/step.h"
#include "tests/gpu/bench_list.h"
#include "tests/gpu/run.h"

enum {
  BLOCK_BYTES = 1 << 26, // random values, repeated
  POOL_BLOCKS = 36,
  VALUES = BLOCK_BYTES / 2,
  REPEATS = 5,
  LAYERS = 24, // of a graph
  READ_BLOCKS_PER_SM = 2,
  ROW_BYTES_MAX = 128256 * 4,
  MAPS_MAX = 256, // of an op: of x, then of each place of its weights
  SAMPLES = 24
};

static const double MEASURE_US = 2500;

typedef struct step_block {
  tl_step step;
  int32_t wanted[BENCH_ROWS_MAX], slots[BENCH_ROWS_MAX];
} step_block;

typedef struct bench {
  gpu *g;
  uint16_t *values; // [VALUES] bf16, what each block of the pool holds
  tl_cuda_address pool, x, sums, sums_out, table, zeros, ones, residual, out, pages, step;
  tl_cuda_address maps; // tl_cuda_map [BENCH_OPS][MAPS_MAX]
  void *begin, *end;
  double read_bytes_us, copy_bytes_us; // what memory gives
  size_t place;                        // of the next weights
  unsigned char row[BENCH_OPS][ROW_BYTES_MAX];
  bool has_row[BENCH_OPS];
} bench;

// What is launched: a variant of an op for some rows.
typedef struct work {
  const bench_op *op;
  tl_cuda_kernel made;
  gpu_kernel kernel;
  int rows, blocks;
  size_t weight_bytes;
  tl_cuda_address maps; // 0: the kernel wants none
} work;

// ---- memory

static tl_cuda_address take_filled(const bench *b, size_t bytes) {
  const gpu *g = b->g;
  tl_cuda_address at = gpu_take(g, bytes);
  for (size_t done = 0; done < bytes; done += BLOCK_BYTES) {
    size_t left = bytes - done < BLOCK_BYTES ? bytes - done : BLOCK_BYTES;
    gpu_put(g, at + done, b->values, left);
  }
  return at;
}

static tl_cuda_address take_floats(const bench *b, int rows, int ones, int zeros) {
  size_t count = (size_t)rows * (size_t)(ones + zeros);
  float *values = calloc(count, sizeof *values);
  if (!values) exit(1);
  for (int r = 0; r < rows; r++) {
    for (int i = 0; i < ones; i++)
      values[r * (ones + zeros) + i] = 1;
  }
  tl_cuda_address at = gpu_take(b->g, count * sizeof *values);
  gpu_put(b->g, at, values, count * sizeof *values);
  free(values);
  return at;
}

static bool open_bench(bench *b, gpu *g) {
  const tl_cuda_sizes *s = &bench_ops[0].sizes;
  uint32_t state = 1;
  *b = (bench){.g = g, .values = malloc(BLOCK_BYTES)};
  if (!b->values) return false;
  for (int i = 0; i < VALUES; i++) {
    state = state * 1664525u + 1013904223u;
    b->values[i] = tl_f32_to_bf16((float)(state >> 8) / (float)(1 << 25) - 0.25f);
  }
  b->pool = gpu_take(g, (size_t)POOL_BLOCKS * BLOCK_BYTES);
  gpu_put(g, b->pool, b->values, BLOCK_BYTES);
  for (size_t i = 1; i < POOL_BLOCKS; i++)
    gpu_need(g, g->driver.copy_inside(b->pool + i * BLOCK_BYTES, b->pool, BLOCK_BYTES, g->stream),
             "copy");
  b->x = take_filled(b, (size_t)BENCH_ROWS_MAX * (size_t)s->inner * 2);
  b->out = take_filled(b, (size_t)BENCH_ROWS_MAX * (size_t)s->inner * 2);
  b->residual = gpu_take(g, (size_t)BENCH_ROWS_MAX * (size_t)s->hidden * 4);
  b->sums = take_floats(b, BENCH_ROWS_MAX, s->hidden / 64, 0);
  b->sums_out = take_floats(b, BENCH_ROWS_MAX, s->hidden / 64, 0);
  b->table = take_floats(b, BENCH_ROWS_MAX, s->head / 2, s->head / 2);
  b->zeros = take_floats(b, 1, 0, s->inner);
  b->ones = take_floats(b, 1, s->hidden, 0);
  b->pages = gpu_take(g, (size_t)(BENCH_ROWS_MAX / 64) * (size_t)s->kv_heads * 64 * 2 *
                             (size_t)s->head * 2);
  b->step = gpu_take(g, sizeof(step_block));
  b->maps = gpu_take(g, sizeof(tl_cuda_map) * BENCH_OPS * MAPS_MAX);
  gpu_need(g, g->driver.event_create(&b->begin, 0), "event");
  gpu_need(g, g->driver.event_create(&b->end, 0), "event");
  return true;
}

static void put_step(const bench *b, int rows) {
  static step_block block;
  block = (step_block){.step = {.rows_count = rows,
                                .sequences_count = 1,
                                .wanted_count = rows,
                                .wanted = offsetof(step_block, wanted),
                                .slots = {offsetof(step_block, slots)}}};
  for (int i = 0; i < BENCH_ROWS_MAX; i++)
    block.wanted[i] = block.slots[i] = i;
  gpu_put(b->g, b->step, &block, sizeof block);
}

// ---- arguments, as the cases have them

static tl_argument address(tl_cuda_address at) {
  return (tl_argument){.i = (tl_i64)at};
}

static int pass_state(const bench *b, const tl_cuda_sizes *s, tl_arguments *a, int count) {
  a->at[count++] = address(b->pages);
  a->at[count++].i = (tl_i64)s->kv_heads * 64 * 2 * s->head * 2;
  a->at[count++].i = 0;
  return count;
}

// The outputs of each of an op's weights, which lie behind each other.
static int weights_of(const bench_op *op, int out_outputs[3]) {
  const tl_cuda_sizes *s = &op->sizes;
  int kv = s->kv_heads * s->head;
  switch (op->which) {
  case TL_CUDA_QKV:
    out_outputs[0] = s->heads * s->head;
    out_outputs[1] = out_outputs[2] = kv;
    return 3;
  case TL_CUDA_GLU: out_outputs[0] = out_outputs[1] = op->outputs / 2; return 2;
  default: out_outputs[0] = op->outputs; return 1;
  }
}

// What a kernel gets of x and of weight `i` of the op, which lies at `weights`: its address or its
// map's.
static tl_argument x_of(const bench *b, const work *w) {
  return address(w->maps ? w->maps : b->x);
}

static tl_argument weight_of(const bench *b, const work *w, tl_cuda_address weights, int i) {
  int outputs[3], count = weights_of(w->op, outputs);
  size_t place = (weights - b->pool) / w->weight_bytes;
  if (w->maps)
    return address(w->maps + (1 + place * (size_t)count + (size_t)i) * sizeof(tl_cuda_map));
  for (int before = 0; before < i; before++)
    weights += (tl_cuda_address)outputs[before] * (tl_cuda_address)w->op->columns * 2;
  return address(weights);
}

// What a store is given.
static int pass_stored(tl_cuda_address at, int columns, bool is_bf16, tl_arguments *a, int count) {
  a->at[count++] = address(at);
  a->at[count++].i = tl_cuda_row_bytes(columns, is_bf16);
  return count;
}

// After its weights, of a kernel that is for all depths.
static int pass_depth(const work *w, tl_arguments *a, int count) {
  if (w->maps) a->at[count++].i = w->op->columns;
  return count;
}

static void put_maps(const bench *b, work *w) {
  static tl_cuda_map maps[MAPS_MAX];
  int outputs[3], count = weights_of(w->op, outputs), made = 1;
  size_t columns = (size_t)w->op->columns,
         places = (size_t)POOL_BLOCKS * BLOCK_BYTES / w->weight_bytes;
  gpu_matrix x = {b->x, columns, BENCH_ROWS_MAX, columns * 2, (size_t)w->made.rows};
  maps[0] = gpu_map(b->g, &x);
  for (size_t place = 0; place < places; place++) {
    gpu_matrix m = {b->pool + place * w->weight_bytes, columns, 0, columns * 2, 64};
    for (int i = 0; i < count; i++) {
      m.rows = (size_t)outputs[i];
      if (made == MAPS_MAX) exit(1);
      maps[made++] = gpu_map(b->g, &m);
      m.at += m.rows * m.row_bytes;
    }
  }
  w->maps = b->maps + (tl_cuda_address)(w->op - bench_ops) * sizeof maps;
  gpu_put(b->g, w->maps, maps, sizeof maps);
}

static void make_qkv(const bench *b, const work *w, tl_cuda_address weights, tl_arguments *a) {
  int outputs[3], count = 1, end = 0;
  weights_of(w->op, outputs);
  for (int i = 0; i < 3; i++)
    a->at[count++].i = end += outputs[i] / 64 / w->made.unit;
  for (int i = 0; i < 3; i++) {
    a->at[count++].i = outputs[i];
    a->at[count++] = weight_of(b, w, weights, i);
  }
  count = pass_depth(w, a, count);
  a->at[count++] = address(b->sums);
  a->at[count++] = address(b->table);
  count = pass_stored(b->out, outputs[0], true, a, count);
  count = pass_state(b, &w->op->sizes, a, count);
  pass_state(b, &w->op->sizes, a, count);
}

static tl_arguments make_arguments(const bench *b, const work *w, tl_cuda_address weights) {
  bool is_glu = w->op->which == TL_CUDA_GLU;
  int outputs = is_glu ? w->op->outputs / 2 : w->op->outputs;
  tl_arguments a = {.at = {x_of(b, w), {.i = outputs / 64 / w->made.unit}, {.i = outputs}}};
  a.at[3] = weight_of(b, w, weights, 0);
  if (is_glu) a.at[4] = weight_of(b, w, weights, 1);
  int count = pass_depth(w, &a, is_glu ? 5 : 4);
  switch (w->op->which) {
  case TL_CUDA_QKV: make_qkv(b, w, weights, &a); break;
  case TL_CUDA_GLU:
    a.at[count++] = address(b->sums);
    a.at[count] = a.at[count + 1] = address(b->zeros);
    pass_stored(b->out, outputs, true, &a, count + 2);
    break;
  case TL_CUDA_DOWN:
    count = pass_stored(b->residual, outputs, false, &a, count);
    a.at[count++] = address(b->sums_out);
    a.at[count++] = address(b->ones);
    pass_stored(b->out, outputs, true, &a, count);
    break;
  default:
    a.at[count++] = address(b->sums);
    pass_stored(b->out, outputs, false, &a, count);
    break;
  }
  return a;
}

// ---- launches

static bool load_work(const bench *b, int variant, int op, work *out) {
  char file[64];
  *out = (work){.op = &bench_ops[op]};
  bench_file(variant, op, file, sizeof file);
  tl_cuda_case_make(&out->op->sizes, out->op->which, &bench_variants[variant].kernel, &out->made);
  out->weight_bytes = (size_t)out->op->outputs * (size_t)out->op->columns * 2;
  if (!gpu_load(b->g, file, out->made.threads, out->made.shared_bytes, &out->kernel)) return false;
  if (strcmp(out->made.template, "matmul_wide") == 0) put_maps(b, out);
  return true;
}

static void set_rows(work *w, int variant, int rows) {
  int block = bench_variants[variant].kernel.rows;
  int outputs = w->op->which == TL_CUDA_GLU ? w->op->outputs / 2 : w->op->outputs;
  w->rows = rows;
  if (rows == 0) rows = 1; // blocks that find nothing to do
  w->blocks = outputs / 64 / w->made.unit * ((rows + block - 1) / block) * w->made.cluster;
}

static void launch_next(bench *b, const work *w) {
  size_t pool = (size_t)POOL_BLOCKS * BLOCK_BYTES;
  b->place = (b->place + w->weight_bytes - 1) / w->weight_bytes * w->weight_bytes;
  if (b->place + w->weight_bytes > pool) b->place = 0;
  tl_arguments a = make_arguments(b, w, b->pool + b->place);
  b->place += w->weight_bytes;
  gpu_launch(b->g, &w->kernel, w->blocks, &a, b->step);
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double elapsed_us(const bench *b) {
  float ms = 0;
  gpu_need(b->g, b->g->driver.event_record(b->end, b->g->stream), "event");
  gpu_need(b->g, b->g->driver.event_wait(b->end), "kernels");
  gpu_need(b->g, b->g->driver.event_elapsed(&ms, b->begin, b->end), "event");
  return (double)ms * 1e3;
}

static double time_launches(bench *b, const work *w, int count) {
  gpu_need(b->g, b->g->driver.event_record(b->begin, b->g->stream), "event");
  for (int i = 0; i < count; i++)
    launch_next(b, w);
  return elapsed_us(b) / count;
}

// The median of some repeats.
static double measure_us(bench *b, const work *w) {
  double times[REPEATS];
  time_launches(b, w, 3);
  double one = time_launches(b, w, 5);
  int count = one > MEASURE_US / 5 ? 5 : (int)(MEASURE_US / one);
  for (int i = 0; i < REPEATS; i++)
    times[i] = time_launches(b, w, count);
  qsort(times, REPEATS, sizeof *times, by_size);
  return times[REPEATS / 2];
}

// ---- results

static double value(const bench *b, size_t i) {
  return tl_bf16_to_f32(b->values[i % VALUES]);
}

static double product(const bench *b, const work *w, int row, int column) {
  double sum = 0;
  size_t count = (size_t)w->op->columns;
  for (size_t k = 0; k < count; k++)
    sum += value(b, (size_t)row * count + k) * value(b, (size_t)column * count + k);
  return sum;
}

static double expected(const bench *b, const work *w, int row, int column) {
  double y = product(b, w, row, column), rms = sqrt(64.0 / w->op->sizes.hidden + 1e-5);
  if (w->op->which == TL_CUDA_DOWN) return y;
  if (w->op->which != TL_CUDA_GLU) return y / rms;
  double gate = y / rms, up = product(b, w, row, column + w->op->outputs / 2) / rms;
  return gate / (1 + exp(-gate)) * up;
}

// Bytes of a row of what is looked at, and whether it is bf16; sets where it lies.
static size_t result_row(const bench *b, const work *w, tl_cuda_address *out_at, bool *out_bf16) {
  const tl_cuda_sizes *s = &w->op->sizes;
  *out_at = w->op->which == TL_CUDA_DOWN ? b->residual : b->out;
  *out_bf16 = w->op->which == TL_CUDA_QKV || w->op->which == TL_CUDA_GLU;
  switch (w->op->which) {
  case TL_CUDA_QKV: return (size_t)(s->heads * s->head) * 2;
  case TL_CUDA_GLU: return (size_t)s->inner * 2;
  case TL_CUDA_DOWN: return (size_t)s->hidden * 4;
  default: return (size_t)s->vocabulary * 4;
  }
}

static int count_wrong(const bench *b, const work *w, int row, const unsigned char *bytes,
                       size_t row_bytes, bool is_bf16) {
  int wrong = 0, columns = (int)(row_bytes / (is_bf16 ? 2 : 4));
  for (int i = 0; i < SAMPLES / 3; i++) {
    int column =
        i == 0 ? columns - 1 : (int)((unsigned)(row * 31 + i) * 2654435761u >> 8) % columns;
    double should = expected(b, w, row, column);
    double is = is_bf16 ? tl_bf16_to_f32(((const uint16_t *)bytes)[column])
                        : ((const float *)bytes)[column];
    if (fabs(is - should) <= 0.02 * fabs(should) + 0.05) continue;
    if (wrong++ == 0) printf("  [%d,%d] is %g, expected %g\n", row, column, is, should);
  }
  return wrong;
}

// A few outputs against plain arithmetic; the first row must not depend on how many there are.
static int look_at_results(bench *b, const work *w) {
  static unsigned char bytes[ROW_BYTES_MAX];
  size_t op = (size_t)(w->op - bench_ops);
  tl_cuda_address at;
  bool is_bf16;
  size_t row_bytes = result_row(b, w, &at, &is_bf16);
  const gpu *g = b->g;
  gpu_need(g,
           g->driver.fill(b->residual, 0, (size_t)BENCH_ROWS_MAX * (size_t)w->op->sizes.hidden * 4,
                          g->stream),
           "fill");
  b->place = 0;
  launch_next(b, w);
  gpu_wait(g, "kernel");
  int wrong = 0, rows[3] = {w->rows / 2, w->rows - 1, 0};
  for (int i = 0; i < 3; i++) {
    gpu_get(g, bytes, at + (size_t)rows[i] * row_bytes, row_bytes);
    wrong += count_wrong(b, w, rows[i], bytes, row_bytes, is_bf16);
  }
  if (b->has_row[op] && memcmp(b->row[op], bytes, row_bytes) != 0) {
    printf("  the first row changes with the number of rows\n");
    wrong++;
  }
  memcpy(b->row[op], bytes, row_bytes);
  b->has_row[op] = true;
  return wrong;
}

// ---- what is printed

static void measure_copy(bench *b) {
  const gpu *g = b->g;
  size_t half = (size_t)POOL_BLOCKS / 2 * BLOCK_BYTES;
  for (int i = 0; i < REPEATS; i++) {
    gpu_need(g, g->driver.event_record(b->begin, g->stream), "event");
    gpu_need(g, g->driver.copy_inside(b->pool + half, b->pool, half, g->stream), "copy");
    b->copy_bytes_us = fmax(b->copy_bytes_us, 2 * (double)half / elapsed_us(b));
  }
}

static void measure_memory(bench *b) {
  gpu_kernel kernel;
  size_t bytes = (size_t)POOL_BLOCKS * BLOCK_BYTES;
  int blocks = b->g->multiprocessors * READ_BLOCKS_PER_SM;
  size_t at_once = (size_t)blocks * 512 * 8 * 16;
  bytes = bytes / at_once * at_once;
  tl_arguments a = {.at = {address(b->pool), {.i = (tl_i64)(bytes / 16)}, address(b->out)}};
  measure_copy(b);
  if (!gpu_load(b->g, "read.cubin", 512, 0, &kernel)) return;
  for (int i = 0; i < REPEATS; i++) {
    gpu_need(b->g, b->g->driver.event_record(b->begin, b->g->stream), "event");
    gpu_launch(b->g, &kernel, blocks, &a, 0);
    b->read_bytes_us = fmax(b->read_bytes_us, (double)bytes / elapsed_us(b));
  }
  printf("memory: read %.0f GB/s, copy %.0f GB/s\n", b->read_bytes_us / 1e3,
         b->copy_bytes_us / 1e3);
}

static int bench_variant_rows(bench *b, int variant, int rows) {
  char name[96];
  int wrong = 0;
  bench_variant_name(&bench_variants[variant].kernel, name, sizeof name);
  printf("%-36s T=%-4d", name, rows);
  put_step(b, rows);
  for (int op = 0; op < BENCH_OPS; op++) {
    work w;
    if (!bench_has(variant, op) || (op == BENCH_OPS - 1 && rows > 64)) break; // see logits
    if (!load_work(b, variant, op, &w)) {
      printf(" %7s      -     ", bench_ops[op].name);
      continue;
    }
    set_rows(&w, variant, rows);
    int bad = look_at_results(b, &w);
    double us = measure_us(b, &w), bytes = (double)w.weight_bytes;
    printf(" %7s %7.1f us", w.op->name, us);
    if (rows <= 64) {
      printf(" %3.0f%%", 100 * bytes / us / b->read_bytes_us);
    } else {
      printf(" %4.0fT", bytes * rows / us / 1e6);
    }
    if (bad) printf(" WRONG");
    wrong += bad;
    fflush(stdout);
    gpu_unload(b->g, &w.kernel);
  }
  printf("\n");
  fflush(stdout);
  return wrong;
}

int gpu_bench_all(gpu *g, int first) {
  static bench b;
  int wrong = 0;
  if (!open_bench(&b, g)) return 1;
  measure_memory(&b);
  for (int v = first; v < bench_variants_count; v++) {
    g->current = v;
    memset(b.has_row, 0, sizeof b.has_row);
    for (int i = 0; i < BENCH_COUNTS_MAX && bench_variants[v].counts[i]; i++)
      wrong += bench_variant_rows(&b, v, bench_variants[v].counts[i]);
  }
  return wrong;
}

// ---- rates

static bool has_most_rows(const bench_variant *variant) {
  for (int i = 0; i < BENCH_COUNTS_MAX; i++)
    if (variant->counts[i] == BENCH_ROWS_MAX) return true;
  return false;
}

// Bytes of weights times rows are twice the products: operations.
static double matmul_tflops(bench *b, int variant, int op) {
  work w;
  if (!load_work(b, variant, op, &w)) return 0;
  set_rows(&w, variant, BENCH_ROWS_MAX);
  double us = measure_us(b, &w);
  gpu_unload(b->g, &w.kernel);
  return (double)w.weight_bytes * BENCH_ROWS_MAX / us / 1e6;
}

int gpu_measure_rates(gpu *g, int first) {
  static bench b;
  char name[96];
  if (!open_bench(&b, g)) return 1;
  measure_memory(&b);
  printf("card %s\nread_gb_s %.1f\ncopy_gb_s %.1f\n", g->name, b.read_bytes_us / 1e3,
         b.copy_bytes_us / 1e3);
  put_step(&b, BENCH_ROWS_MAX);
  double best = 0;
  for (int v = first; v < bench_variants_count; v++) {
    g->current = v;
    for (int op = 0; op < BENCH_LAYER_OPS && has_most_rows(&bench_variants[v]); op++) {
      double found = matmul_tflops(&b, v, op);
      if (found <= best) continue;
      best = found;
      bench_variant_name(&bench_variants[v].kernel, name, sizeof name);
      printf("matmul_tflops %.1f our own kernel %s, %s\n", best, name, bench_ops[op].name);
    }
  }
  return best <= 0;
}

// ---- layers

static double measure_layers(bench *b, work w[BENCH_LAYER_OPS]) {
  const gpu *g = b->g;
  void *graph, *made;
  double times[REPEATS];
  gpu_need(g, g->driver.capture_begin(g->stream, TL_CUDA_CAPTURE_THREAD_LOCAL), "capture");
  for (int i = 0; i < LAYERS * BENCH_LAYER_OPS; i++)
    launch_next(b, &w[i % BENCH_LAYER_OPS]);
  gpu_need(g, g->driver.capture_end(g->stream, &graph), "capture");
  gpu_need(g, g->driver.graph_make(&made, graph, 0), "graph");
  for (int i = 0; i < REPEATS + 1; i++) {
    gpu_need(g, g->driver.event_record(b->begin, g->stream), "event");
    gpu_need(g, g->driver.graph_launch(made, g->stream), "graph");
    times[i ? i - 1 : 0] = elapsed_us(b) / LAYERS;
  }
  gpu_need(g, g->driver.graph_end(made), "graph");
  gpu_need(g, g->driver.graph_destroy(graph), "graph");
  qsort(times, REPEATS, sizeof *times, by_size);
  return times[REPEATS / 2];
}

static void bench_layers_rows(bench *b, int variant, int rows) {
  char name[96];
  work w[BENCH_LAYER_OPS];
  double bytes = 0;
  for (int op = 0; op < BENCH_LAYER_OPS; op++) {
    if (!load_work(b, variant, op, &w[op])) return;
    set_rows(&w[op], variant, rows);
    bytes += (double)w[op].weight_bytes;
  }
  put_step(b, rows);
  bench_variant_name(&bench_variants[variant].kernel, name, sizeof name);
  for (int i = 0; i < 2; i++) {
    b->g->overlaps = i == 0;
    double us = measure_layers(b, w);
    printf("layer %-36s T=%-4d %s %8.1f us %6.0f GB/s %5.1f%%\n", name, rows,
           i == 0 ? "overlapping" : "in turn    ", us, bytes / us / 1e3,
           100 * bytes / us / b->read_bytes_us);
  }
  b->g->overlaps = true;
  fflush(stdout);
  for (int op = 0; op < BENCH_LAYER_OPS; op++)
    gpu_unload(b->g, &w[op].kernel);
}

int gpu_bench_layers(gpu *g, int first) {
  static bench b;
  if (!open_bench(&b, g)) return 1;
  measure_memory(&b);
  if (first == 0) bench_layers_rows(&b, 0, 0); // what launches cost
  for (int v = first; v < bench_variants_count; v++) {
    g->current = v;
    for (int i = 0; i < BENCH_COUNTS_MAX && bench_variants[v].counts[i]; i++) {
      if (bench_variants[v].counts[i] <= 64) bench_layers_rows(&b, v, bench_variants[v].counts[i]);
    }
  }
  return 0;
}

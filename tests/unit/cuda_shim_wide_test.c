// The stand-in's model of what sm_90a has: boxes that arrive late, gates, products of 64 rows; and
// that it finds the mistakes that can be made with them.
#include "tests/lib/cuda/shim.h"

#include <string.h>

#include "runtime/base/half.h"
#include "tests/lib/check.h"
#include "tests/lib/cuda/dialect.cuh"
#include "tests/lib/cuda/map.h"

static uint32_t draw(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

static void expect(const tl_shim *shim, bool ended, const char *fault) {
  if (!ended && strstr(tl_shim_fault(shim), fault)) return;
  fprintf(stderr, "wanted the fault '%s', got '%s'\n", fault, tl_shim_fault(shim));
  exit(1);
}

typedef struct wrong {
  tl_shim_kernel kernel;
  const char *fault;
} wrong;

#define KERNEL(threads, name)                                                                      \
  TL_KERNEL(threads, 1)                                                                            \
  name(const tl_arguments arguments __attribute__((unused)),                                       \
       const void *step __attribute__((unused)))
#define X arguments.at[0].p
#define Y arguments.at[1].p

// ---- boxes, gates and wide products: arguments are maps of x (64, 64) and z (8, 96), y (64, 8)

enum { BOX = 64 * 128, GATE = 2 * BOX, WIDE_BYTES = GATE + 16 };
#define WIDE(name) KERNEL(128, name)
#define MAP arguments.at[0].p
#define SMALL arguments.at[2].p

static void begin_boxes(const tl_arguments arguments) {
  if (tl_thread() == 0) {
    tl_gate_make(GATE, 1);
    tl_gates_made();
    tl_map_begin(MAP);
    tl_map_begin(SMALL);
    tl_wait_for_launch();
    tl_boxes_begin();
  }
  tl_barrier();
}

static void load_boxes(const tl_arguments arguments) {
  if (tl_thread()) return;
  tl_gate_await(GATE, BOX + 16 * 128);
  tl_box_load(0, MAP, 0, 0, GATE);
  tl_box_load(BOX, SMALL, 64, -1, GATE);
}

// y: x times the last 32 columns of z, a row lower, zeros around.
WIDE(wide_in_order) {
  float d[8] = {0};
  begin_boxes(arguments);
  load_boxes(arguments);
  tl_gate_pass(GATE, 0);
  tl_wide_begin();
  for (tl_u32 k = 0; k < 4; k++)
    tl_wide_multiply(16)(d, tl_wide_operand(0) + k * 2, tl_wide_operand(BOX) + k * 2);
  tl_wide_commit();
  tl_wide_wait(0);
  for (tl_i32 i = 0; i < 8; i++) {
    tl_i32 row = tl_thread() / 32 * 16 + tl_thread() % 32 / 4 + i / 2 % 2 * 8;
    tl_store_f32(Y, row * 16 + i / 4 * 8 + tl_thread() % 4 * 2 + i % 2, d[i]);
  }
}

WIDE(wide_not_awaited) {
  begin_boxes(arguments);
  load_boxes(arguments);
  if (tl_thread() == 0) tl_shared_f32(0);
}

// A gate orders boxes and products, not other accesses.
WIDE(wide_race) {
  begin_boxes(arguments);
  if (tl_thread() == 32) tl_shared_f32(0);
  if (tl_thread() == 32) tl_gate_arrive(GATE);
  if (tl_thread()) return;
  tl_gate_pass(GATE, 0);
  tl_box_load(0, MAP, 0, 0, GATE);
}

WIDE(wide_left) {
  begin_boxes(arguments);
  load_boxes(arguments);
}

WIDE(wide_phase) {
  begin_boxes(arguments);
  tl_gate_pass(GATE, 1);
}

WIDE(wide_never) {
  begin_boxes(arguments);
  tl_gate_pass(GATE, 0);
}

WIDE(wide_twice) {
  begin_boxes(arguments);
  tl_gate_await(GATE, 16);
}

WIDE(wide_no_gate) {
  tl_gate_arrive(GATE);
}

WIDE(wide_no_map) {
  if (tl_thread() == 0) tl_gate_make(GATE, 1);
  if (tl_thread() == 0) tl_box_load(0, MAP, 0, 0, GATE);
}

WIDE(wide_not_made) {
  if (tl_thread() == 0) tl_gate_make(GATE, 1);
  tl_barrier();
  if (tl_thread() == 1) tl_gate_arrive(GATE);
}

WIDE(wide_made_not_fenced) {
  if (tl_thread()) return;
  tl_gate_make(GATE, 1);
  tl_gates_made();
  tl_map_begin(MAP);
  tl_box_load(0, MAP, 0, 0, GATE);
}

// The fence is before the wait.
WIDE(wide_earlier_not_fenced) {
  if (tl_thread()) return;
  tl_gate_make(GATE, 1);
  tl_gates_made();
  tl_map_begin(SMALL);
  tl_boxes_begin();
  tl_wait_for_launch();
  tl_box_load(0, SMALL, 0, 0, GATE);
}

WIDE(wide_box_misaligned) {
  begin_boxes(arguments);
  if (tl_thread() == 0) tl_box_load(512, MAP, 0, 0, GATE);
}

WIDE(wide_box_end) {
  begin_boxes(arguments);
  if (tl_thread() == 0) tl_box_load(GATE - 1024, MAP, 0, 0, GATE);
}

WIDE(wide_not_fenced) {
  float d[8] = {0};
  tl_shared_put_f32((tl_u32)tl_thread() * 4, 1);
  tl_barrier();
  tl_wide_begin();
  tl_wide_multiply(16)(d, tl_wide_operand(0), tl_wide_operand(BOX));
  tl_wide_commit();
  tl_wide_wait(0);
}

WIDE(wide_not_begun) {
  float d[8] = {0};
  tl_wide_multiply(16)(d, tl_wide_operand(0), tl_wide_operand(0));
}

WIDE(wide_not_waited) {
  float d[8] = {0};
  tl_wide_begin();
  tl_wide_multiply(16)(d, tl_wide_operand(0), tl_wide_operand(0));
  tl_wide_commit();
  tl_wide_wait(1);
}

WIDE(wide_operands) {
  float d[8] = {0};
  tl_wide_begin();
  tl_wide_multiply(16)(d, tl_wide_operand(0), tl_wide_operand(0) + (tl_u64)(tl_thread() == 7));
  tl_wide_commit();
  tl_wide_wait(0);
}

static const wrong wide_wrongs[] = {
    {wide_not_awaited, "tl_shared_f32: copy: a box is under way to offset "},
    {wide_race, "tl_box_load: race: warp 0 writes shared memory at offset 0, warp 1 read it"},
    {wide_left, "tl_box_load: copy: a box under way when the block ended"},
    {wide_phase, "tl_gate_pass: gate: waits for phase 1 in phase 0"},
    {wide_never, "deadlock: "},
    {wide_twice, "tl_gate_await: gate: too many arrivals"},
    {wide_no_gate, "tl_gate_arrive: gate: there is none at offset"},
    {wide_no_map, "tl_box_load: early: the map is not begun"},
    {wide_not_made, "tl_gate_arrive: gate: made by another thread at offset 16384, "},
    {wide_made_not_fenced, "tl_box_load: fence: offset 16384 "},
    {wide_earlier_not_fenced, "tl_box_load: fence: z comes from an earlier launch, "},
    {wide_box_misaligned, "tl_box_load: alignment: a box at offset 512"},
    {wide_box_end, "tl_box_load: bounds: "},
    {wide_not_fenced, "tl_wide_multiply: fence: offset 0 "},
    {wide_not_begun, "tl_wide_multiply: wide: tl_wide_begin is missing"},
    {wide_not_waited, "tl_wide_multiply: wide: 1 under way when the thread ended"},
    {wide_operands, "tl_wide_multiply: divergence: "},
};

static void expect_products(const uint16_t x[64][64], const uint16_t z[8][96], const float *y) {
  for (int row = 0; row < 64; row++)
    for (int column = 0; column < 16; column++) {
      float sum = 0;
      for (int k = 0; k < 32 && column >= 1 && column <= 8; k++)
        sum += tl_bf16_to_f32(x[row][k]) * tl_bf16_to_f32(z[column - 1][64 + k]);
      CHECK(y[row * 16 + column] == sum);
    }
}

static void test_wide(void) {
  static _Alignas(64) uint16_t x[64][64], z[8][96], maps[2][64];
  static float y[64 * 16];
  uint32_t state = 5;
  for (int i = 0; i < 64 * 64; i++)
    x[i / 64][i % 64] = tl_f32_to_bf16((float)(int)(draw(&state) % 17) - 8);
  for (int i = 0; i < 8 * 96; i++)
    z[i / 96][i % 96] = tl_f32_to_bf16((float)(int)(draw(&state) % 17) - 8);
  CHECK(tl_shim_map_make(maps[0], x, 64, 64, sizeof *x, 64));
  CHECK(tl_shim_map_make(maps[1], z, 96, 8, sizeof *z, 16));
  CHECK(!tl_shim_map_make(maps[1], (char *)z + 2, 96, 8, sizeof *z, 16));
  for (uint64_t seed = 0; seed < 6; seed++) {
    tl_shim *shim = tl_shim_create(seed);
    CHECK(tl_shim_memory(shim, x, sizeof x, TL_SHIM_READ, "x"));
    CHECK(tl_shim_memory(shim, z, sizeof z, TL_SHIM_READ | TL_SHIM_EARLIER, "z"));
    CHECK(tl_shim_memory(shim, maps, sizeof maps, TL_SHIM_READ, "maps"));
    CHECK(tl_shim_memory(shim, y, sizeof y, TL_SHIM_WRITE, "y"));
    tl_arguments arguments = {.at = {{.p = maps[0]}, {.p = y}, {.p = maps[1]}}};
    tl_shim_grid grid = {
        .arguments = &arguments, .blocks = 2, .threads = 128, .shared_bytes = WIDE_BYTES};
    for (size_t i = 0; i < sizeof wide_wrongs / sizeof *wide_wrongs; i++) {
      grid.kernel = wide_wrongs[i].kernel;
      expect(shim, tl_shim_launch(shim, &grid), wide_wrongs[i].fault);
      grid.kernel = wide_in_order;
      memset(y, 0xFF, sizeof y);
      CHECK(tl_shim_launch(shim, &grid) && !tl_shim_fault(shim)[0]);
      expect_products(x, z, y);
    }
    tl_shim_destroy(shim);
  }
}

int main(void) {
  test_wide();
  return 0;
}

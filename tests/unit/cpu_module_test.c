// The code generator and the templates without plans: a matmul of every weight format for every
// target this machine runs, and an attention over pages, against plain double arithmetic. A row's
// result must be the same bits in every batch.
#include <math.h>
#include <sys/mman.h>

#include "compiler/codegen/cpu_module.h"
#include "compiler/codegen/image.h"
#include "runtime/base/kernel.h"
#include "runtime/base/target.h"
#include "templates/cpu/constants.h"
#include "templates/cpu/panel.h"
#include "tests/lib/check.h"

enum { K = 96, N = 160, ROWS = 13, PADDED_N = 192, X_STRIDE = 128 };

typedef struct code {
  char *map;
  size_t bytes;
  tl_cpu_kernel *entry;
} code;

static code compile(const tl_spec *spec, int target, tl_arena *arena) {
  static tl_diag diag;
  tl_str object;
  tl_image image;
  tl_status status = tl_cpu_module_compile(spec, target, arena, &object, &diag);
  if (tl_ok(status)) {
    tl_object one = {TL_STR("test"), object};
    status = tl_image_build(&one, 1, arena, &image, &diag);
  }
  tl_diag_print(&diag, stderr);
  CHECK(status == TL_OK);
  code c = {.bytes = image.bytes_count};
  c.map = mmap(NULL, c.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(c.map, image.bytes, c.bytes);
  CHECK(mprotect(c.map, c.bytes, PROT_READ | PROT_EXEC) == 0);
  void *entry = c.map + image.entries[0];
  memcpy(&c.entry, &entry, sizeof entry);
  return c;
}

static uint32_t state = 1;

static float noise(void) {
  state = state * 1664525u + 1013904223u;
  return (float)(state >> 8) / (float)(1 << 23) - 1.0f;
}

static uint16_t to_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

static float from_bf16(uint16_t half) {
  uint32_t bits = (uint32_t)half << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

static void constant(tl_spec *spec, const char *name, int64_t value) {
  spec->constants[spec->constants_count++] = (tl_spec_constant){.name = name, .i = value};
}

static float input[ROWS][X_STRIDE], weight[N][K], output[ROWS][PADDED_N];
static uint16_t input_planes[ROWS][2][X_STRIDE]; // each value rounded, and the rest of it
static char packed[1 << 20];

// Packs weight[][] in `format` and leaves in weight[][] what the packed numbers are.
static void pack(int64_t format) {
  memset(packed, 0, sizeof packed);
  for (int n = 0; n < N; n++) {
    for (int k = 0; k < K; k++) {
      int64_t panel = n / 64, c = n % 64;
      if (format == TL_CPU_BF16) {
        uint16_t *p = (uint16_t *)(packed + panel * tl_panel_bytes(K, 2, 2));
        p[(k / 2 * 64 + c) * 2 + k % 2] = to_bf16(weight[n][k]);
        weight[n][k] = from_bf16(to_bf16(weight[n][k]));
      } else if (format == TL_CPU_F32) {
        ((float *)(packed + panel * tl_panel_bytes(K, 4, 1)))[k * 64 + c] = weight[n][k];
      } else if (format == TL_CPU_F16) {
        _Float16 half = (_Float16)weight[n][k];
        ((_Float16 *)(packed + panel * tl_panel_bytes(K, 2, 1)))[k * 64 + c] = half;
        weight[n][k] = (float)half;
      } else {
        char *group = packed + panel * tl_panel_bytes_q8g32(K) + k / 32 * (128 + 2048);
        ((_Float16 *)group)[c] = (_Float16)(1.0f / 64);
        int8_t q = (int8_t)lrintf(weight[n][k] * 64);
        ((int8_t *)group)[128 + k % 32 * 64 + c] = q;
        weight[n][k] = (float)q / 64;
      }
    }
  }
}

static tl_spec matmul_spec(int64_t format) {
  static tl_spec spec;
  spec = (tl_spec){.anchor = TL_ANCHOR_MATMUL, .segments_count = 1};
  constant(&spec, "T_WEIGHT", format);
  constant(&spec, "T_COLUMNS", K);
  constant(&spec, "T_INPUT", format == TL_CPU_BF16 ? TL_CPU_BF16 : TL_CPU_F32);
  constant(&spec, "T_INPUT_BYTES", X_STRIDE * 4);
  constant(&spec, "T_EXACT", 1);
  constant(&spec, "T_UNIT", 2);
  constant(&spec, "T_WEIGHTS", 1);
  constant(&spec, "T_SEGMENTS", 1);
  constant(&spec, "T_WANTED", 0);
  constant(&spec, "T_SYMBOL_R", 0);
  constant(&spec, "T_BLOCK", 8);
  spec.calls_count[0] = 1;
  spec.calls[0][0] =
      (tl_spec_call){.kind = TL_STATEMENT_STORE, .first_arg = 4, .row_bytes = PADDED_N * 4};
  return spec;
}

static void test_matmul(int64_t format, int target, tl_arena *arena) {
  static _Alignas(64) char scratch[24 * 128 * 4];
  tl_spec spec = matmul_spec(format);
  for (int n = 0; n < N; n++)
    for (int k = 0; k < K; k++)
      weight[n][k] = noise();
  pack(format);
  for (int r = 0; r < ROWS; r++) {
    for (int k = 0; k < K; k++) {
      uint16_t *plane = &input_planes[r][0][k];
      plane[0] = to_bf16(noise());
      plane[X_STRIDE] = to_bf16(noise() / 512);
      input[r][k] = from_bf16(plane[0]) + from_bf16(plane[X_STRIDE]);
    }
  }
  code c = compile(&spec, target, arena);
  bool has_dot = strstr(tl_target_of(target)->features, "avx512bf16");
  const void *x =
      format == TL_CPU_BF16 && has_dot ? (const void *)input_planes : (const void *)input;
  tl_arg args[] = {{.in = x}, {.i = 2}, {.i = N}, {.in = packed}, {.out = output}};
  tl_step step = {.rows_count = ROWS};
  c.entry(args, &step, scratch, 0, 4);
  for (int r = 0; r < ROWS; r++) {
    for (int n = 0; n < N; n++) {
      double sum = 0;
      for (int k = 0; k < K; k++)
        sum += (double)input[r][k] * weight[n][k];
      CHECK(fabs(sum - output[r][n]) < 2e-5);
    }
  }
  for (int r = 0; r < ROWS; r++) {
    static float alone[PADDED_N];
    tl_arg single[] = {{.in = (const char *)x + r * spec.constants[3].i},
                       {.i = 2},
                       {.i = N},
                       {.in = packed},
                       {.out = alone}};
    tl_step one = {.rows_count = 1};
    c.entry(single, &one, scratch, 0, 2);
    CHECK(memcmp(alone, output[r], N * 4) == 0);
  }
  munmap(c.map, c.bytes);
}

int main(void) {
  tl_arena arena;
  tl_arena_init(&arena, (size_t)1 << 28);
  tl_cpu_module_setup();
  for (int target = 0; target < TL_TARGET_COUNT; target++) {
    if (tl_target_of(target)->device != TL_TARGET_DEVICE_CPU) continue;
    if (!tl_target_runs_here(target)) {
      printf("skipped: %s, this machine lacks it\n", tl_target_of(target)->text);
      continue;
    }
    for (int64_t format = TL_CPU_F32; format <= TL_CPU_Q8G32; format++)
      test_matmul(format, target, &arena);
  }
  tl_arena_finish(&arena);
  return 0;
}

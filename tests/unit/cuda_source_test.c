// The CUDA templates through NVRTC, no GPU needed: every kernel of a real model's sizes, the widest
// of others, for generations of GPUs that differ, with what the assembler says of registers.
// Without NVRTC it is skipped.
#include <stdio.h>

#include "compiler/codegen/cuda_source.h"
#include "compiler/codegen/nvrtc.h"
#include "tests/lib/check.h"
#include "tests/lib/cuda_attention.h"
#include "tests/lib/cuda_cases.h"

enum { REGISTERS_MAX = 65536, ARENA_BYTES = 1 << 28, SKIPPED = 77 };

typedef struct target {
  const char *architecture;
  int cluster; // blocks, at most
  bool has_all;
} target;

static const target targets[] = {
    {"sm_80", 1, true}, {"sm_90a", 8, true}, {"sm_120", 8, false}, {"compute_80", 1, false}};

static const tl_cuda_variant variants[] = {
    {"matmul_few", .rows = 8, .warps = 8, .ahead = 4, .stages = 3, .cluster = 4, .blocks = 2},
    {"matmul_few", .rows = 32, .warps = 4, .ahead = 4, .stages = 3, .cluster = 8, .blocks = 1},
    {"matmul_many", .width = 128, .rows = 128, .warps = 8, .stages = 3, .blocks = 1},
    {"matmul_wide", .rows = 16, .warps = 4, .stages = 9, .cluster = 4, .blocks = 2},
    {"matmul_wide", .width = 128, .rows = 32, .warps = 8, .stages = 9, .cluster = 2, .blocks = 1},
    {"matmul_wide", .width = 128, .rows = 256, .warps = 8, .stages = 4, .cluster = 1, .blocks = 1},
    {"matmul_wide", .width = 256, .rows = 128, .warps = 8, .stages = 4, .cluster = 1, .blocks = 1},
    {"matmul_rest", .width = 256, .rows = 16, .warps = 8, .blocks = 4},
};

static const tl_cuda_sizes models[] = {
    {.hidden = 2048,
     .inner = 8192,
     .heads = 32,
     .kv_heads = 8,
     .head = 64,
     .vocabulary = 128256,
     .is_bf16 = true},
    {.hidden = 640,
     .inner = 2048,
     .heads = 4,
     .kv_heads = 1,
     .head = 256,
     .vocabulary = 1000,
     .is_bf16 = true,
     .window = 512,
     .softcap = 30},
    {.hidden = 576, .inner = 1536, .heads = 9, .kv_heads = 3, .head = 64, .vocabulary = 1000},
};

static void compile_spec(const tl_nvrtc *nvrtc, const tl_spec *spec, const char *template,
                         int threads, const char *architecture, bool may_use_stack) {
  static tl_diag diag;
  tl_arena arena;
  tl_arena_init(&arena, ARENA_BYTES);
  tl_nvrtc_source source = {template, tl_cuda_source_print(spec, template, &arena), architecture};
  tl_nvrtc_code code;
  CHECK(source.text.data != NULL);
  tl_status status = tl_nvrtc_compile(nvrtc, &source, &arena, &code, &diag);
  tl_diag_print(&diag, stderr);
  CHECK(status == TL_OK && code.bytes.length > 0);
  if (strcmp(architecture, "compute_80") == 0) {
    CHECK(strstr(code.bytes.data, ".target sm_80") != NULL);
  } else {
    CHECK(memcmp(code.bytes.data, "\177ELF", 4) == 0);
    CHECK(code.registers > 0 && code.registers * threads <= REGISTERS_MAX);
    CHECK(code.spill_bytes == 0);
    CHECK(code.stack_bytes == 0 || may_use_stack);
  }
  tl_arena_finish(&arena);
}

static void compile(const tl_nvrtc *nvrtc, const tl_cuda_sizes *sizes, tl_cuda_case which,
                    const tl_cuda_variant *variant, const char *architecture) {
  static tl_cuda_kernel kernel;
  tl_cuda_case_make(sizes, which, variant, &kernel);
  // A large angle's sine reduces it in memory.
  compile_spec(nvrtc, &kernel.spec, kernel.template, kernel.threads, architecture,
               which == TL_CUDA_TABLE);
}

// Attention on the matrix unit, as it would be chosen; its blocks fit.
static void compile_attention(const tl_nvrtc *nvrtc) {
  static const struct {
    const char *architecture;
    int64_t shared_bytes; // of a multiprocessor
    int head;
  } sizes[] = {{"sm_80", 164 << 10, 128},  {"sm_80", 164 << 10, 256},  {"sm_90a", 228 << 10, 64},
               {"sm_90a", 228 << 10, 128}, {"sm_90a", 228 << 10, 256}, {"sm_120", 100 << 10, 96},
               {"sm_120", 100 << 10, 128}, {"sm_120", 100 << 10, 256}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    int head = sizes[i].head;
    tl_cuda_attention_shape shape = {head, head, 8, 4, 0, 0, i % 2 ? 0 : 30, true, true, 0, false};
    for (int way = TL_CUDA_ATTENTION_FEW; way <= TL_CUDA_ATTENTION_MANY; way++) {
      tl_cuda_attention_kernel kernel;
      tl_cuda_attention_variant variant =
          tl_cuda_attention_variant_for(&shape, (tl_cuda_attention_way)way, sizes[i].shared_bytes);
      tl_cuda_attention_kernel_make(&shape, &variant, &kernel);
      CHECK(kernel.shared_bytes + 1024 <= sizes[i].shared_bytes);
      compile_spec(nvrtc, &kernel.spec, kernel.template, kernel.threads, sizes[i].architecture,
                   false);
    }
  }
}

// Latent attention, of the real sizes, as GPUs of both kinds hold it.
static void compile_latent(const tl_nvrtc *nvrtc) {
  static const tl_cuda_attention_shape shape = {576, 512, 1, 128, 0, 0, 0, true, true, 64, false};
  static const tl_cuda_attention_variant all = {
      TL_CUDA_ATTENTION_LATENT, 128, 64, INT32_MAX, 0, 0, 3, 0, 1, 16, 0, 32};
  static const tl_cuda_attention_variant clusters = {
      TL_CUDA_ATTENTION_LATENT, 256, 64, INT32_MAX, 0, 0, 2, 0, 2, 64, 0, 64};
  static const struct {
    const char *architecture;
    const tl_cuda_attention_variant *variant;
    int64_t shared_bytes;
  } ways[] = {
      {"sm_80", &all, 99 << 10}, {"sm_120", &all, 99 << 10}, {"sm_90a", &clusters, 227 << 10}};
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    tl_cuda_attention_kernel kernel;
    tl_cuda_attention_kernel_make(&shape, ways[i].variant, &kernel);
    CHECK(kernel.shared_bytes <= ways[i].shared_bytes);
    compile_spec(nvrtc, &kernel.spec, kernel.template, kernel.threads, ways[i].architecture, false);
  }
}

static void compile_expanded(const tl_nvrtc *nvrtc, const char *template, const tl_spec *own,
                             int threads) {
  static const struct {
    const char *name;
    int64_t value;
  } shared[] = {{"T_SYMBOL_R", 0}, {"T_WANTED", 0},  {"T_LATENT", 512}, {"T_TURNED", 64},
                {"T_PLAIN", 128},  {"T_VALUE", 128}, {"T_HEADS", 128},  {"T_GROUP", 32}};
  static const char *const architectures[] = {"sm_80", "sm_90a"};
  tl_spec spec = *own;
  for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
    spec.constants[spec.constants_count++] =
        (tl_spec_constant){.name = shared[i].name, .i = shared[i].value};
  spec.constants[spec.constants_count++] = (tl_spec_constant){.name = "T_THREADS", .i = threads};
  for (int i = 0; i < 2; i++)
    compile_spec(nvrtc, &spec, template, threads, architectures[i], false);
}

// Keys and values made of latent rows, two blocks beside each other, and attention to them.
static void compile_both_expanded(const tl_nvrtc *nvrtc) {
  static const tl_spec expand = {
      .constants = {{"T_WIDTH", .i = 128}, {"T_STAGES", .i = 3}, {"T_BLOCKS", .i = 2}},
      .constants_count = 3};
  static const tl_spec many = {.constants = {{"T_KEY", .i = 192},
                                             {"T_STORED", .i = 128},
                                             {"T_QUERIES", .i = 1},
                                             {"T_WINDOW", .i = 0},
                                             {"T_CHUNK", .i = 0},
                                             {"T_FULL", .i = 0},
                                             {"T_CACHE_BF16", .i = 1},
                                             {"T_INPUT_BF16", .i = 1},
                                             {"T_TILES", .i = 2},
                                             {"T_POSITIONS", .i = 32},
                                             {"T_WIDE", .i = 32},
                                             {"T_SCALE", true, .f = 0.1},
                                             {"T_SOFTCAP", true, .f = 0}},
                               .constants_count = 13};
  compile_expanded(nvrtc, "latent_expand", &expand, 256);
  compile_expanded(nvrtc, "latent_many", &many, 128);
}

static const char *complaint(const tl_nvrtc *nvrtc, const char *text, const char *architecture) {
  static tl_diag diag;
  tl_arena arena;
  tl_arena_init(&arena, ARENA_BYTES);
  tl_nvrtc_source source = {"k", tl_str_from(text), architecture};
  tl_nvrtc_code code;
  diag = (tl_diag){0};
  CHECK(tl_nvrtc_compile(nvrtc, &source, &arena, &code, &diag) == TL_INTERNAL);
  tl_arena_finish(&arena);
  return diag.entries[0].text;
}

// Faults are told in the compiler's words, and a kernel that spills is one.
static void test_faults(const tl_nvrtc *nvrtc) {
  const char *text = complaint(nvrtc, "__global__ void f(int *x) { *y = 1; }\n", "sm_80");
  CHECK(strncmp(text, "kernel k for sm_80: ", 20) == 0);
  CHECK(strstr(text, "\"y\" is undefined") != NULL);
  static const char spills[] =
      "extern \"C\" __global__ void __launch_bounds__(1024, 2) f(float *x) { float v[64];\n"
      "_Pragma(\"unroll\") for (int i = 0; i < 64; i++) v[i] = x[i * 1024 + threadIdx.x];\n"
      "__syncthreads();\n"
      "_Pragma(\"unroll\") for (int i = 0; i < 64; i++) x[i * 1024 + threadIdx.x] = v[63 - i]; }\n";
  text = complaint(nvrtc, spills, "sm_80");
  CHECK(strstr(text, "registers are spilled") != NULL);
  CHECK(strstr(complaint(nvrtc, "\n", "sm_1"), "sm_1") != NULL);
}

// The text beside a cubin is what compiling for texts gives.
static void test_text(const tl_nvrtc *nvrtc) {
  static tl_diag diag;
  static tl_cuda_kernel kernel;
  tl_arena arena;
  tl_nvrtc_code code, text;
  tl_arena_init(&arena, ARENA_BYTES);
  tl_cuda_case_make(&models[0], TL_CUDA_GATHER, &variants[0], &kernel);
  tl_nvrtc_source source = {"k", tl_cuda_source_print(&kernel.spec, kernel.template, &arena),
                            "sm_80"};
  CHECK(tl_nvrtc_compile(nvrtc, &source, &arena, &code, &diag) == TL_OK);
  source.architecture = "compute_80";
  CHECK(tl_nvrtc_compile(nvrtc, &source, &arena, &text, &diag) == TL_OK);
  CHECK(tl_str_equal(code.text, text.bytes) && !text.text.data && text.registers == 0);
  tl_arena_finish(&arena);
}

// Whether a kernel can be: matmul_wide is for one generation, for bf16, for rows that are not a
// list's and for tiles that its registers hold; a library makes no products of a list's rows.
static bool exists(const tl_cuda_sizes *sizes, int which, const tl_cuda_variant *variant,
                   const char *architecture) {
  if (strcmp(variant->template, "matmul_rest") == 0) return which != TL_CUDA_LOGITS;
  if (strcmp(variant->template, "matmul_wide") != 0) return true;
  if (sizes->head * variant->rows > 128 * 256) return false;
  return sizes->is_bf16 && which != TL_CUDA_LOGITS && strcmp(architecture, "sm_90a") == 0;
}

// Kernels of the real model, and of others and other targets the one with the most statements.
static int cases_of(const target *t, size_t model, size_t variant) {
  if (!t->has_all || model > 0) return TL_CUDA_QKV + 1;
  return variant == 0 ? TL_CUDA_CASES : TL_CUDA_GATHER;
}

static void compile_all(const tl_nvrtc *nvrtc, const target *t) {
  for (size_t m = 0; m < (t->has_all ? sizeof models / sizeof *models : 1); m++) {
    for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
      tl_cuda_variant variant = variants[v];
      if (variant.cluster > t->cluster) variant.cluster = t->cluster;
      for (int which = 0; which < cases_of(t, m, v); which++) {
        if (!exists(&models[m], which, &variant, t->architecture)) continue;
        compile(nvrtc, &models[m], (tl_cuda_case)which, &variant, t->architecture);
      }
    }
  }
}

int main(void) {
  static tl_diag diag;
  tl_arena arena;
  tl_nvrtc *nvrtc;
  tl_arena_init(&arena, ARENA_BYTES);
  if (!tl_ok(tl_nvrtc_open(&arena, &nvrtc, &diag))) {
    puts("skipped: no NVRTC on this machine");
    return SKIPPED;
  }
  test_faults(nvrtc);
  test_text(nvrtc);
  for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
    compile_all(nvrtc, &targets[i]);
  compile_attention(nvrtc);
  compile_latent(nvrtc);
  compile_both_expanded(nvrtc);
  tl_nvrtc_close(nvrtc);
  tl_arena_finish(&arena);
  return 0;
}

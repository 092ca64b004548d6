// Compiles what tests/gpu/run.c runs: a file of code for each kernel, into a folder. No GPU needed.
//
//   cuda_pack ROOT FOLDER ARCHITECTURE [PART]      PART: of the files' names
#include <stdio.h>
#include <string.h>

#include "compiler/codegen/cuda_source.h"
#include "compiler/codegen/nvrtc.h"
#include "tests/gpu/attention_list.h"
#include "tests/gpu/bench_list.h"
#include "tests/lib/check.h"
#include "tests/lib/cuda_checks.h"

enum { ARENA_BYTES = 1 << 28, TEXT_BYTES = 1 << 16 };

typedef struct pack {
  const tl_nvrtc *nvrtc;
  const char *root, *folder, *architecture, *part;
  int64_t bytes;
} pack;

static void write_file(const pack *p, const char *name, tl_str bytes) {
  char path[1024];
  snprintf(path, sizeof path, "%s/%s", p->folder, name);
  FILE *out = fopen(path, "wb");
  CHECK(out && fwrite(bytes.data, 1, bytes.length, out) == bytes.length);
  CHECK(fclose(out) == 0);
}

// A kernel that spills is told and left out.
static void compile(pack *p, const char *name, tl_str text, const char *what) {
  static tl_diag diag;
  tl_arena arena;
  tl_nvrtc_code code;
  if (!strstr(name, p->part)) return;
  tl_arena_init(&arena, ARENA_BYTES);
  diag = (tl_diag){0};
  tl_nvrtc_source source = {name, text, p->architecture};
  if (tl_ok(tl_nvrtc_compile(p->nvrtc, &source, &arena, &code, &diag))) {
    write_file(p, name, code.bytes);
    p->bytes += (int64_t)code.bytes.length;
    printf("%-24s %-36s %3lld registers\n", name, what, (long long)code.registers);
  } else {
    printf("%-24s %-36s left out: %s\n", name, what, diag.entries[0].text);
  }
  fflush(stdout);
  tl_arena_finish(&arena);
}

static void compile_kernel(pack *p, const char *name, const tl_cuda_kernel *kernel,
                           const tl_cuda_variant *variant) {
  char what[96], sizes[160];
  tl_arena arena;
  tl_arena_init(&arena, ARENA_BYTES);
  bench_variant_name(variant, what, sizeof what);
  snprintf(sizes, sizeof sizes, "%s: %d threads, %d KiB", what, kernel->threads,
           (int)(kernel->shared_bytes >> 10));
  compile(p, name, tl_cuda_source_print(&kernel->spec, kernel->template, &arena), sizes);
  tl_arena_finish(&arena);
}

static void compile_read(pack *p) {
  static char text[TEXT_BYTES];
  char path[1024];
  snprintf(path, sizeof path, "%s/tests/gpu/read.cu", p->root);
  FILE *in = fopen(path, "rb");
  CHECK(in != NULL);
  size_t length = fread(text, 1, sizeof text - 1, in);
  CHECK(fclose(in) == 0);
  compile(p, "read.cubin", (tl_str){text, length}, "read");
}

static void compile_attention(pack *p, bool is_trial, int index,
                              const tl_cuda_attention_shape *shape,
                              const tl_cuda_attention_variant *variant) {
  static tl_cuda_attention_kernel kernel;
  char name[64], what[96];
  tl_arena arena;
  tl_arena_init(&arena, ARENA_BYTES);
  attention_file(is_trial, index, name, sizeof name);
  tl_cuda_attention_kernel_make(shape, variant, &kernel);
  snprintf(what, sizeof what, "%s, key %d, %d KiB", kernel.template, shape->key,
           (int)(kernel.shared_bytes >> 10));
  compile(p, name, tl_cuda_source_print(&kernel.spec, kernel.template, &arena), what);
  tl_arena_finish(&arena);
}

static void compile_all_attention(pack *p) {
  for (int i = 0; i < tl_cuda_attention_trials_count; i++) {
    const tl_cuda_attention_trial *trial = &tl_cuda_attention_trials[i];
    compile_attention(p, true, i, &trial->shape, &trial->variant);
  }
  for (int i = 0; i < attention_benches_count; i++)
    compile_attention(p, false, i, &attention_benches[i].shape, &attention_benches[i].variant);
}

int main(int argc, char **argv) {
  static tl_diag diag;
  static tl_cuda_kernel kernel;
  char name[64];
  tl_arena arena;
  tl_nvrtc *nvrtc;
  CHECK(argc == 4 || argc == 5);
  tl_arena_init(&arena, ARENA_BYTES);
  tl_status status = tl_nvrtc_open(&arena, &nvrtc, &diag);
  tl_diag_print(&diag, stderr);
  CHECK(tl_ok(status));
  pack p = {nvrtc, argv[1], argv[2], argv[3], argc == 5 ? argv[4] : "", 0};
  compile_read(&p);
  compile_all_attention(&p);
  for (int i = 0; i < tl_cuda_trials_count; i++) {
    const tl_cuda_trial *trial = &tl_cuda_trials[i];
    for (int which = 0; which < TL_CUDA_CASES; which++) {
      if (!tl_cuda_trial_has(trial, (tl_cuda_case)which)) continue;
      bench_check_file(i, which, name, sizeof name);
      tl_cuda_case_make(trial->sizes, (tl_cuda_case)which, &trial->variant, &kernel);
      compile_kernel(&p, name, &kernel, &trial->variant);
    }
  }
  for (int v = 0; v < bench_variants_count; v++) {
    for (int op = 0; op < BENCH_OPS; op++) {
      if (!bench_has(v, op)) continue;
      const tl_cuda_variant *variant = &bench_variants[v].kernel;
      bench_file(v, op, name, sizeof name);
      tl_cuda_case_make(&bench_ops[op].sizes, bench_ops[op].which, variant, &kernel);
      compile_kernel(&p, name, &kernel, variant);
    }
  }
  printf("%.1f MB of code\n", (double)p.bytes / 1e6);
  tl_nvrtc_close(nvrtc);
  tl_arena_finish(&arena);
  return 0;
}

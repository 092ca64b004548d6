// The CUDA kernels' sources as the code generator prints them, run on the CPU behind the stand-in
// for their dialect: several orders of warps.
//
//   cuda_kernels_test ROOT COMPILER      sources are compiled with paths from ROOT
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include "compiler/codegen/cuda_source.h"
#include "tests/lib/check.h"
#include "tests/lib/cuda/map.h"
#include "tests/lib/cuda/shim.h"
#include "tests/lib/cuda_checks.h"

enum { ARENA_BYTES = 1 << 26 };

typedef struct place {
  const char *root, *compiler;
  tl_shim *shim;
} place;

static void write_source(const char *path, const tl_cuda_kernel *kernel) {
  char file[72];
  tl_arena arena;
  tl_arena_init(&arena, ARENA_BYTES);
  tl_str source = tl_cuda_source_print(&kernel->spec, kernel->template, &arena);
  snprintf(file, sizeof file, "%s.cu", path);
  FILE *out = fopen(file, "w");
  CHECK(out && fwrite(source.data, 1, source.length, out) == source.length);
  CHECK(fclose(out) == 0);
  tl_arena_finish(&arena);
}

static tl_shim_kernel load(const place *p, const char *path, void **out_module) {
  char command[1024];
  snprintf(command, sizeof command,
           "'%s' -std=gnu11 -O1 -w -shared -fPIC -ffp-contract=off -I '%s' -include "
           "tests/lib/cuda/dialect.cuh -x c %s.cu -o %s.so",
           p->compiler, p->root, path, path);
  CHECK(system(command) == 0); // NOLINT(cert-env33-c)
  snprintf(command, sizeof command, "%s.so", path);
  *out_module = dlopen(command, RTLD_NOW | RTLD_LOCAL);
  if (!*out_module) fprintf(stderr, "%s\n", dlerror());
  CHECK(*out_module != NULL);
  void *address = dlsym(*out_module, "tl_kernel_entry");
  tl_shim_kernel kernel;
  memcpy(&kernel, &address, sizeof kernel);
  CHECK(kernel != NULL);
  return kernel;
}

static void make_map(const place *p, const tl_cuda_boxes *map, void *out) {
  CHECK(tl_shim_map_make(out, map->at, map->columns, map->rows, map->row_bytes, map->box_rows));
  CHECK(tl_shim_memory(p->shim, out, TL_MAP_BYTES, TL_SHIM_READ, "a map"));
}

static bool launch(void *context, const tl_cuda_run *run) {
  place *p = context;
  static _Alignas(TL_MAP_ALIGN) char maps[TL_CUDA_MAPS_MAX][TL_MAP_BYTES];
  tl_arguments arguments = run->arguments;
  char path[64], file[72];
  void *module;
  snprintf(path, sizeof path, "./cuda_kernel_%ld", (long)getpid());
  write_source(path, run->kernel);
  for (int i = 0; i < run->ranges_count; i++) {
    const tl_cuda_range *range = &run->ranges[i];
    CHECK(tl_shim_memory(p->shim, range->at, range->bytes, range->flags, range->name));
  }
  for (int i = 0; i < run->maps_count; i++) {
    make_map(p, &run->maps[i], maps[i]);
    arguments.at[run->maps[i].argument].p = maps[i];
  }
  tl_shim_grid grid = {.kernel = load(p, path, &module),
                       .arguments = &arguments,
                       .step = run->step,
                       .blocks = run->blocks,
                       .threads = run->kernel->threads,
                       .cluster = run->kernel->cluster,
                       .shared_bytes = run->kernel->shared_bytes};
  bool done = tl_shim_launch(p->shim, &grid);
  if (!done) fprintf(stderr, "%s\n", tl_shim_fault(p->shim));
  dlclose(module);
  snprintf(file, sizeof file, "%s.cu", path);
  CHECK(unlink(file) == 0);
  snprintf(file, sizeof file, "%s.so", path);
  CHECK(unlink(file) == 0);
  tl_shim_memory_clear(p->shim);
  return done;
}

int main(int argc, char **argv) {
  CHECK(argc == 3);
  for (int i = 0; i < tl_cuda_trials_count; i++) {
    place p = {argv[1], argv[2], tl_shim_create((uint64_t)i + 1)};
    tl_cuda_launcher launcher = {launch, &p};
    CHECK(tl_cuda_trial_run(&tl_cuda_trials[i], &launcher) == 0);
    tl_shim_destroy(p.shim);
  }
  return 0;
}

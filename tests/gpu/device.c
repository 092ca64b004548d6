// The driver's functions for tests.
#include "tests/gpu/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CODE_BYTES_MAX = 1 << 20 };

void gpu_need(const gpu *g, tl_cuda_result result, const char *what) {
  const char *name = "unknown";
  char next[16];
  if (result == 0) return;
  g->driver.error_name(result, &name);
  printf("FAILED: %s: %s (%d)\n", what, name, result);
  fflush(stdout);
  snprintf(next, sizeof next, "%d", g->current + 1);
  if (g->current >= 0) execl("/proc/self/exe", "cuda_run", g->folder, g->mode, next, (char *)NULL);
  exit(1);
}

void gpu_open(gpu *g, const char *folder, const char *mode) {
  static tl_diag diag;
  int device = 0, major = 0, minor = 0;
  void *context;
  *g = (gpu){.folder = folder, .mode = mode, .current = -1, .overlaps = true};
  if (!tl_ok(tl_cuda_driver_open(&g->driver, &diag))) {
    tl_diag_print(&diag, stdout);
    exit(1);
  }
  gpu_need(g, g->driver.device_get(&device, 0), "device");
  gpu_need(g, g->driver.device_name(g->name, sizeof g->name, device), "name");
  gpu_need(g, g->driver.device_attribute(&g->multiprocessors, TL_CUDA_MULTIPROCESSORS, device),
           "attribute");
  gpu_need(g, g->driver.device_attribute(&major, TL_CUDA_CAPABILITY_MAJOR, device), "attribute");
  gpu_need(g, g->driver.device_attribute(&minor, TL_CUDA_CAPABILITY_MINOR, device), "attribute");
  gpu_need(g, g->driver.context_retain(&context, device), "context");
  gpu_need(g, g->driver.context_push(context), "context");
  gpu_need(g, g->driver.stream_create(&g->stream, 1), "stream");
  printf("%s, %d multiprocessors, sm_%d%d\n", g->name, g->multiprocessors, major, minor);
}

tl_cuda_address gpu_take(const gpu *g, size_t bytes) {
  tl_cuda_address out = 0;
  gpu_need(g, g->driver.memory_take(&out, bytes), "memory");
  return out;
}

void gpu_put(const gpu *g, tl_cuda_address to, const void *from, size_t bytes) {
  gpu_need(g, g->driver.copy_in(to, from, bytes, g->stream), "copy in");
  gpu_wait(g, "copy in");
}

tl_cuda_map gpu_map(const gpu *g, const gpu_matrix *matrix) {
  const gpu_matrix *m = matrix;
  tl_cuda_map map;
  uint64_t counts[2] = {m->columns, m->rows}, strides[1] = {m->row_bytes};
  uint32_t box[2] = {64, (uint32_t)m->box_rows}, steps[2] = {1, 1};
  gpu_need(g,
           g->driver.map_make(&map, TL_CUDA_MAP_BF16, 2, m->at, counts, strides, box, steps,
                              TL_CUDA_MAP_PLAIN, TL_CUDA_MAP_SWIZZLE_128, TL_CUDA_MAP_PROMOTE_256,
                              TL_CUDA_MAP_PLAIN),
           "map");
  return map;
}

void gpu_get(const gpu *g, void *to, tl_cuda_address from, size_t bytes) {
  gpu_need(g, g->driver.copy_out(to, from, bytes, g->stream), "copy out");
  gpu_wait(g, "copy out");
}

void gpu_wait(const gpu *g, const char *what) {
  gpu_need(g, g->driver.stream_wait(g->stream), what);
}

bool gpu_load(const gpu *g, const char *file, int threads, int64_t shared_bytes,
              gpu_kernel *out_kernel) {
  static char code[CODE_BYTES_MAX];
  char path[1024];
  snprintf(path, sizeof path, "%s/%s", g->folder, file);
  FILE *in = fopen(path, "rb");
  if (!in) return false;
  size_t length = fread(code, 1, sizeof code, in);
  fclose(in);
  *out_kernel = (gpu_kernel){.threads = (unsigned)threads, .shared_bytes = (unsigned)shared_bytes};
  if (length == 0 || length == sizeof code) return false;
  gpu_need(g, g->driver.module_load(&out_kernel->module, code), file);
  gpu_need(g,
           g->driver.module_function(&out_kernel->function, out_kernel->module, "tl_kernel_entry"),
           file);
  gpu_need(
      g,
      g->driver.function_set(out_kernel->function, TL_CUDA_DYNAMIC_SHARED_BYTES, (int)shared_bytes),
      file);
  return true;
}

void gpu_unload(const gpu *g, const gpu_kernel *kernel) {
  gpu_need(g, g->driver.module_unload(kernel->module), "unload");
}

void gpu_launch(const gpu *g, const gpu_kernel *kernel, int blocks, const tl_arguments *arguments,
                tl_cuda_address step) {
  tl_cuda_launch_attribute overlaps = {.id = TL_CUDA_OVERLAPS, .value = 1};
  tl_cuda_launch launch = {.grid = {(unsigned)blocks, 1, 1},
                           .block = {kernel->threads, 1, 1},
                           .shared_bytes = kernel->shared_bytes,
                           .stream = g->stream,
                           .attributes = &overlaps,
                           .attributes_count = g->overlaps};
  tl_arguments copy = *arguments;
  void *parameters[2] = {&copy, &step};
  gpu_need(g, g->driver.launch(&launch, kernel->function, parameters, NULL), "launch");
}

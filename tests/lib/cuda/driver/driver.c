// A libcuda.so.1 without a GPU: memory of the "device" is the process's, and a module is the source
// that a plan keeps behind it, compiled for this processor and run by the stand-in for the dialect
// (shim.h), which checks every access. So the runtime runs whole CUDA programs as on a GPU:
//
//   LD_LIBRARY_PATH=build/tests/driver tlmrt logits PLAN --device cuda ..     PLAN: --keep-source
//
// What was copied from the host (weights, the step block) may only be read by kernels; everything
// else is taken for what an earlier launch wrote, so that a kernel must have waited for it. A fault
// is printed and makes the step fail. Copies and memory are told to be ordered by the stream. What
// a library launches (library.h) is a part of graphs too.
//
//   TLMC_SHIM_SEED    order of warps and blocks (1)
//   TLMC_SHIM_GPU     compute capability (90)
//   TLMC_SHIM_MEMORY  MiB of device memory (4096)
//   TLMC_SHIM_CACHE   folder of compiled kernels (the library's own)
//   TLMC_SHIM_LOG     a file that gets a line for each launch of a graph: rows of the step,
//                     template (or `library`), T_ROWS of the kernel (0 = it has none)
//   TLMC_SHIM_TIMES   a file that says how long launches take, for who measures: a line for each
//                     kind, `template T_ROWS rows rows us`, its last rows included, the first line
//                     that fits counts; others take 1 us. Then graphs compute nothing
#include <dlfcn.h>
#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/hash.h"
#include "runtime/base/step.h"
#include "runtime/device/cuda/driver.h"
#include "tests/lib/cuda/driver/library.h"
#include "tests/lib/cuda/driver/traffic.h"
#include "tests/lib/cuda/map.h"
#include "tests/lib/cuda/shim.h"

#define EXPORT __attribute__((visibility("default")))

enum { INVALID = 1, INVALID_IMAGE = 200, LAUNCH_FAILED = 719 };
#define ENTRY "tl_kernel_entry"

// What kernels write; what earlier steps left there they may read at once.
enum { WORKED_ON = TL_SHIM_READ | TL_SHIM_WRITE | TL_SHIM_EARLIER | TL_SHIM_KEPT };

enum { PIECES_MAX = 200, PATH_BYTES = 1024, ALIGN = 256, TIMES_MAX = 64, NAME_BYTES = 32 };

typedef struct piece {
  char *at;
  size_t bytes;
  bool from_host;
} piece;

// A kernel of a plan; it is its module's only function.
typedef struct module {
  const char *source; // of the plan, which outlives it
  void *library;      // when it has run
  tl_shim_kernel kernel;
  int cluster;           // blocks that its source wants beside each other
  char name[NAME_BYTES]; // of its template
  int tile_rows;
} module;

// How long launches take, as TLMC_SHIM_TIMES says it.
typedef struct duration {
  char name[NAME_BYTES];
  int tile_rows, rows_min, rows_max;
  double us;
} duration;

// A launch as it was captured: of a library, or of a kernel.
typedef struct recorded {
  tl_stand_in_work *work;
  void *context;
  module *module;
  tl_arguments arguments;
  const void *step;
  int blocks, threads, cluster;
  int64_t shared_bytes;
} recorded;

typedef struct graph {
  recorded *launches;
  size_t count, capacity;
} graph;

// The library stands for one driver of the process.
static struct {
  piece pieces[PIECES_MAX];
  int pieces_count;
  size_t taken;
  tl_shim *shim;
  graph *capturing;
  uint64_t copied; // bytes to the host
  duration times[TIMES_MAX];
  int times_count;
  bool is_timed;
  double us;           // on the clock that events read
  const tl_step *step; // of the last launch that was captured
} state;

static int64_t setting(const char *name, int64_t otherwise) {
  const char *text = getenv(name);
  return text ? strtoll(text, NULL, 10) : otherwise;
}

// What the runtime asks for is what there is.
#define X(field, symbol, parameters) EXPORT tl_cuda_result symbol parameters;
TL_CUDA_FUNCTION_MAP(X)
#undef X

// ---- start and device

static void read_times(const char *path) {
  FILE *in = fopen(path, "r");
  duration *d = state.times;
  state.is_timed = true;
  while (in && d < state.times + TIMES_MAX &&
         fscanf(in, "%31s %d %d %d %lf", d->name, &d->tile_rows,
                &d->rows_min, // NOLINT(cert-err34-c)
                &d->rows_max, &d->us) == 5) {
    d++;
  }
  state.times_count = (int)(d - state.times);
  if (in) fclose(in);
}

tl_cuda_result cuInit(unsigned flags) {
  (void)flags;
  const char *times = getenv("TLMC_SHIM_TIMES");
  if (times && !state.is_timed) read_times(times);
  if (!state.shim) state.shim = tl_shim_create((uint64_t)setting("TLMC_SHIM_SEED", 1));
  return 0;
}

tl_cuda_result cuDriverGetVersion(int *out) {
  *out = 13000;
  return 0;
}

tl_cuda_result cuGetErrorName(tl_cuda_result result, const char **out) {
  *out =
      result == TL_CUDA_OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_OF_THE_STAND_IN";
  return 0;
}

tl_cuda_result cuDeviceGetCount(int *out) {
  *out = 1;
  return 0;
}

tl_cuda_result cuDeviceGet(int *out, int ordinal) {
  *out = ordinal;
  return ordinal == 0 ? 0 : INVALID;
}

tl_cuda_result cuDeviceGetName(char *out, int bytes, int device) {
  (void)device;
  snprintf(out, (size_t)bytes, "a stand-in");
  return 0;
}

tl_cuda_result cuDeviceGetAttribute(int *out, int attribute, int device) {
  int64_t capability = setting("TLMC_SHIM_GPU", 90);
  (void)device;
  switch (attribute) {
  case TL_CUDA_CAPABILITY_MAJOR: *out = (int)(capability / 10); return 0;
  case TL_CUDA_CAPABILITY_MINOR: *out = (int)(capability % 10); return 0;
  case TL_CUDA_MULTIPROCESSORS: *out = 4; return 0;
  case TL_CUDA_SHARED_BYTES_ALL:
  case TL_CUDA_SHARED_BYTES_MAX: *out = TL_SHIM_SHARED_MAX; return 0;
  default: return INVALID;
  }
}

tl_cuda_result cuDevicePrimaryCtxRetain(void **out, int device) {
  (void)device;
  *out = &state;
  return 0;
}

tl_cuda_result cuDevicePrimaryCtxRelease_v2(int device) {
  (void)device;
  return 0;
}

tl_cuda_result cuCtxPushCurrent_v2(void *context) {
  return context == &state ? 0 : INVALID;
}

tl_cuda_result cuCtxPopCurrent_v2(void **out) {
  *out = &state;
  return 0;
}

// ---- memory

static void *pointer(tl_cuda_address at) {
  return (void *)(uintptr_t)at; // NOLINT(performance-no-int-to-ptr)
}

static piece *piece_of(tl_cuda_address at) {
  for (int i = 0; i < state.pieces_count; i++) {
    piece *p = &state.pieces[i];
    if ((char *)pointer(at) >= p->at && (char *)pointer(at) < p->at + p->bytes) return p;
  }
  return NULL;
}

tl_cuda_result cuMemGetInfo_v2(size_t *out_free, size_t *out_total) {
  *out_total = (size_t)setting("TLMC_SHIM_MEMORY", 4096) << 20;
  *out_free = *out_total - state.taken;
  return 0;
}

tl_cuda_result cuMemAlloc_v2(tl_cuda_address *out, size_t bytes) {
  size_t available, total;
  cuMemGetInfo_v2(&available, &total);
  if (bytes > available || state.pieces_count == PIECES_MAX) return TL_CUDA_OUT_OF_MEMORY;
  char *at = aligned_alloc(ALIGN, (bytes + ALIGN - 1) / ALIGN * ALIGN);
  if (!at) return TL_CUDA_OUT_OF_MEMORY;
  memset(at, 0xff, bytes);
  state.pieces[state.pieces_count++] = (piece){at, bytes, false};
  state.taken += bytes;
  *out = (uintptr_t)at;
  return 0;
}

tl_cuda_result cuMemFree_v2(tl_cuda_address at) {
  piece *p = piece_of(at);
  if (!p || p->at != pointer(at)) return INVALID;
  free(p->at);
  state.taken -= p->bytes;
  *p = state.pieces[--state.pieces_count];
  return 0;
}

tl_cuda_result cuMemHostAlloc(void **out, size_t bytes, unsigned flags) {
  (void)flags;
  *out = malloc(bytes ? bytes : 1);
  return *out ? 0 : TL_CUDA_OUT_OF_MEMORY;
}

tl_cuda_result cuMemFreeHost(void *at) {
  free(at);
  return 0;
}

static bool lies_within(const piece *p, tl_cuda_address at, size_t bytes) {
  return p && bytes <= p->bytes && (char *)pointer(at) + bytes <= p->at + p->bytes;
}

tl_cuda_result cuMemcpyHtoDAsync_v2(tl_cuda_address to, const void *from, size_t bytes,
                                    void *stream) {
  piece *p = piece_of(to);
  (void)stream;
  if (!lies_within(p, to, bytes)) return INVALID;
  memcpy(pointer(to), from, bytes);
  p->from_host = true;
  return 0;
}

tl_cuda_result cuMemcpyDtoHAsync_v2(void *to, tl_cuda_address from, size_t bytes, void *stream) {
  (void)stream;
  if (!lies_within(piece_of(from), from, bytes)) return INVALID;
  memcpy(to, pointer(from), bytes);
  state.copied += bytes;
  return 0;
}

tl_cuda_result cuMemcpyDtoDAsync_v2(tl_cuda_address to, tl_cuda_address from, size_t bytes,
                                    void *stream) {
  (void)stream;
  if (!lies_within(piece_of(to), to, bytes) || !lies_within(piece_of(from), from, bytes)) {
    return INVALID;
  }
  memmove(pointer(to), pointer(from), bytes);
  return 0;
}

tl_cuda_result cuMemsetD8Async(tl_cuda_address at, unsigned char value, size_t bytes,
                               void *stream) {
  (void)stream;
  if (!lies_within(piece_of(at), at, bytes)) return INVALID;
  memset(pointer(at), value, bytes);
  return 0;
}

// ---- streams and events: everything happens when it is asked for

tl_cuda_result cuStreamCreate(void **out, unsigned flags) {
  (void)flags;
  *out = &state.capturing;
  return 0;
}

#define NOTHING(name, ...)                                                                         \
  tl_cuda_result name(__VA_ARGS__) {                                                               \
    return 0;                                                                                      \
  }
NOTHING(cuStreamDestroy_v2, __attribute__((unused)) void *stream)
NOTHING(cuStreamSynchronize, __attribute__((unused)) void *stream)
NOTHING(cuEventSynchronize, __attribute__((unused)) void *event)

tl_cuda_result cuFuncSetAttribute(void *function, int attribute, int value) {
  (void)function;
  if (attribute == TL_CUDA_SHARED_PERCENT) return value <= 100 ? 0 : INVALID;
  return attribute == TL_CUDA_DYNAMIC_SHARED_BYTES && value <= TL_SHIM_SHARED_MAX ? 0 : INVALID;
}

tl_cuda_result cuEventCreate(void **out, unsigned flags) {
  (void)flags;
  *out = calloc(1, sizeof state.us);
  return *out ? 0 : TL_CUDA_OUT_OF_MEMORY;
}

tl_cuda_result cuEventDestroy_v2(void *event) {
  free(event);
  return 0;
}

tl_cuda_result cuEventRecord(void *event, void *stream) {
  (void)stream;
  memcpy(event, &state.us, sizeof state.us);
  return 0;
}

tl_cuda_result cuEventElapsedTime(float *out_ms, void *begin, void *end) {
  double from, to;
  memcpy(&from, begin, sizeof from);
  memcpy(&to, end, sizeof to);
  *out_ms = (float)((to - from) / 1e3);
  return 0;
}

// ---- modules

// The source that follows an image: a file of sections or a text.
static const char *source_of(const char *image) {
  Elf64_Ehdr header;
  if (memcmp(image, ELFMAG, SELFMAG) != 0) return image + strlen(image) + 1;
  memcpy(&header, image, sizeof header);
  size_t end = header.e_shoff + (size_t)header.e_shentsize * header.e_shnum;
  size_t segments = header.e_phoff + (size_t)header.e_phentsize * header.e_phnum;
  return image + (segments > end ? segments : end);
}

// Where this library lies: kernels are linked with it.
static void own_folder(char folder[PATH_BYTES]) {
  Dl_info info;
  snprintf(folder, PATH_BYTES, ".");
  if (!dladdr(&state, &info) || !info.dli_fname) return;
  snprintf(folder, PATH_BYTES, "%s", info.dli_fname);
  char *slash = strrchr(folder, '/');
  if (slash) *slash = 0;
}

static bool write_file(const char *path, const char *text) {
  FILE *out = fopen(path, "w");
  bool written = out && fputs(text, out) >= 0;
  return out && fclose(out) == 0 && written;
}

// Compiles `source` to `path` unless somebody has; another process may be about it too.
static bool compile(const char *source, const char *folder, const char *path) {
  char text[4 * PATH_BYTES], made[4 * PATH_BYTES], command[16 * PATH_BYTES];
  if (access(path, R_OK) == 0) return true;
  snprintf(text, sizeof text, "%s.%ld.c", path, (long)getpid());
  snprintf(made, sizeof made, "%s.%ld", path, (long)getpid());
  snprintf(command, sizeof command,
           "'%s' -std=gnu11 -O1 -w -fmax-errors=3 -shared -fPIC -ffp-contract=off -I '%s' -include "
           "tests/lib/cuda/dialect.cuh '%s' -o '%s' -L '%s' -l:libcuda.so.1 -lm",
           TL_SHIM_COMPILER, TL_SHIM_ROOT, text, made, folder);
  bool compiled = write_file(text, source) && system(command) == 0 && // NOLINT(cert-env33-c)
                  rename(made, path) == 0;
  unlink(text);
  return compiled;
}

static int constant_of(const char *source, const char *definition, int otherwise) {
  const char *found = strstr(source, definition);
  return found ? (int)strtol(found + strlen(definition), NULL, 10) : otherwise;
}

static void copy_name(module *m) {
  static const char folder[] = "#include \"templates/cuda/";
  const char *found = strstr(m->source, folder);
  if (!found) return;
  found += sizeof folder - 1;
  snprintf(m->name, sizeof m->name, "%.*s", (int)strcspn(found, "."), found);
}

tl_cuda_result cuModuleLoadData(void **out, const void *image) {
  const char *source = source_of(image);
  if (strncmp(source, "#define T_", 10) != 0) {
    fprintf(stderr, "the plan keeps no sources: build it with --keep-source\n");
    return INVALID_IMAGE;
  }
  module *m = calloc(1, sizeof *m);
  if (!m) return TL_CUDA_OUT_OF_MEMORY;
  m->source = source;
  m->cluster = constant_of(source, "#define T_CLUSTER ", 1);
  m->tile_rows = constant_of(source, "#define T_ROWS ", 0);
  copy_name(m);
  *out = m;
  return 0;
}

tl_cuda_result cuModuleUnload(void *from) {
  module *m = from;
  bool closed = !m->library || dlclose(m->library) == 0;
  free(m);
  return closed ? 0 : INVALID;
}

tl_cuda_result cuModuleGetFunction(void **out, void *from, const char *name) {
  *out = from;
  return strcmp(name, ENTRY) == 0 ? 0 : INVALID;
}

// Compiles what runs for the first time: most kernels of a plan never do in a test.
static bool load(module *m) {
  char folder[PATH_BYTES], path[2 * PATH_BYTES];
  if (m->kernel) return true;
  own_folder(folder);
  snprintf(path, sizeof path, "%s/kernels/%016" PRIx64 ".so", folder,
           tl_hash64(m->source, strlen(m->source), 0));
  if (!compile(m->source, folder, path)) return false;
  m->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  void *address = m->library ? dlsym(m->library, ENTRY) : NULL;
  if (!address) fprintf(stderr, "%s\n", dlerror());
  memcpy(&m->kernel, &address, sizeof address);
  return address;
}

// ---- tensor maps

tl_cuda_result cuTensorMapEncodeTiled(tl_cuda_map *out, int format, uint32_t rank,
                                      tl_cuda_address at, const uint64_t *counts,
                                      const uint64_t *strides, const uint32_t *box,
                                      const uint32_t *steps, int interleave, int swizzle,
                                      int promotion, int fill) {
  bool is_known = format == TL_CUDA_MAP_BF16 && rank == 2 && steps[0] == 1 && steps[1] == 1 &&
                  interleave == TL_CUDA_MAP_PLAIN && swizzle == TL_CUDA_MAP_SWIZZLE_128 &&
                  promotion <= TL_CUDA_MAP_PROMOTE_256 && fill == TL_CUDA_MAP_PLAIN;
  if (!is_known || box[0] != TL_MAP_COLUMNS) return INVALID;
  bool is_made = tl_shim_map_make(out, pointer(at), (int64_t)counts[0], (int64_t)counts[1],
                                  (int64_t)strides[0], box[1]);
  return is_made ? 0 : INVALID;
}

// ---- graphs

tl_cuda_result cuStreamBeginCapture_v2(void *stream, int mode) {
  (void)stream, (void)mode;
  state.capturing = calloc(1, sizeof *state.capturing);
  return state.capturing ? 0 : TL_CUDA_OUT_OF_MEMORY;
}

tl_cuda_result cuStreamEndCapture(void *stream, void **out_graph) {
  (void)stream;
  *out_graph = state.capturing;
  state.capturing = NULL;
  return *out_graph ? 0 : INVALID;
}

// What is made of a graph is the graph; who destroys it first leaves it to the other.
tl_cuda_result cuGraphInstantiateWithFlags(void **out, void *from, unsigned long long flags) {
  (void)flags;
  graph *copy = calloc(1, sizeof *copy), *own = from;
  if (!copy) return TL_CUDA_OUT_OF_MEMORY;
  *copy = *own;
  *own = (graph){0};
  *out = copy;
  return 0;
}

tl_cuda_result cuGraphExecDestroy(void *from) {
  graph *own = from;
  for (size_t i = 0; own && i < own->count; i++)
    free(own->launches[i].context);
  if (own) free(own->launches);
  free(own);
  return 0;
}

tl_cuda_result cuGraphDestroy(void *from) {
  return cuGraphExecDestroy(from);
}

static recorded *add_recorded(graph *g) {
  if (g->count == g->capacity) {
    g->capacity = g->capacity ? 2 * g->capacity : 64;
    recorded *grown = realloc(g->launches, g->capacity * sizeof *grown);
    if (!grown) return NULL;
    g->launches = grown;
  }
  return &g->launches[g->count++];
}

// A library's launches never say that the next may begin.
static bool begins_too_early(const graph *g, const tl_cuda_launch *launch) {
  bool overlaps = launch->attributes_count > 0 && launch->attributes[0].id == TL_CUDA_OVERLAPS &&
                  launch->attributes[0].value;
  return overlaps && (g->count == 0 || g->launches[g->count - 1].work);
}

tl_cuda_result cuLaunchKernelEx(const tl_cuda_launch *launch, void *function, void **parameters,
                                void **extra) {
  graph *g = state.capturing;
  module *m = function;
  if (!g || extra || begins_too_early(g, launch)) return INVALID; // the runtime captures all
  recorded *r = add_recorded(g);
  if (!r) return TL_CUDA_OUT_OF_MEMORY;
  *r = (recorded){.blocks = (int)launch->grid[0],
                  .threads = (int)launch->block[0],
                  .cluster = m->cluster,
                  .shared_bytes = launch->shared_bytes,
                  .module = m};
  tl_cuda_address step;
  memcpy(&r->arguments, parameters[0], sizeof r->arguments);
  memcpy(&step, parameters[1], sizeof step);
  r->step = state.step = pointer(step);
  return 0;
}

static bool register_memory(void) {
  bool fits = true;
  tl_shim_memory_clear(state.shim);
  for (int i = 0; i < state.pieces_count; i++) {
    const piece *p = &state.pieces[i];
    char name[32];
    snprintf(name, sizeof name, "piece %d", i);
    fits &=
        tl_shim_memory(state.shim, p->at, p->bytes, p->from_host ? TL_SHIM_READ : WORKED_ON, name);
  }
  return fits;
}

static const char *name_of(const recorded *r) {
  return r->module ? r->module->name : "library";
}

static int tile_rows_of(const recorded *r) {
  return r->module ? r->module->tile_rows : 0;
}

static double us_of(const recorded *r, int rows) {
  for (int i = 0; i < state.times_count; i++) {
    const duration *d = &state.times[i];
    if (strcmp(d->name, name_of(r)) == 0 && d->tile_rows == tile_rows_of(r) &&
        d->rows_min <= rows && rows <= d->rows_max) {
      return d->us;
    }
  }
  return 1;
}

static void write_log(const graph *g) {
  const char *path = getenv("TLMC_SHIM_LOG");
  FILE *out = path ? fopen(path, "a") : NULL;
  for (size_t i = 0; out && i < g->count; i++) {
    const recorded *r = &g->launches[i];
    fprintf(out, "%d %s %d\n", state.step->rows_count, name_of(r), tile_rows_of(r));
  }
  if (out) fclose(out);
}

tl_cuda_result cuGraphLaunch(void *from, void *stream) {
  const graph *g = from;
  (void)stream;
  write_log(g);
  for (size_t i = 0; state.is_timed && i < g->count; i++)
    state.us += us_of(&g->launches[i], state.step->rows_count);
  if (state.is_timed) return 0;
  if (!register_memory()) return INVALID;
  for (size_t i = 0; i < g->count; i++) {
    const recorded *r = &g->launches[i];
    if (r->work && !r->work(r->context)) return LAUNCH_FAILED;
    if (r->work) continue;
    if (!load(r->module)) return INVALID_IMAGE;
    tl_shim_grid grid = {.kernel = r->module->kernel,
                         .arguments = &r->arguments,
                         .step = r->step,
                         .blocks = r->blocks,
                         .threads = r->threads,
                         .cluster = r->cluster,
                         .shared_bytes = r->shared_bytes};
    if (tl_shim_launch(state.shim, &grid)) continue;
    fprintf(stderr, "launch %zu of %zu: %s\n", i, g->count, tl_shim_fault(state.shim));
    return LAUNCH_FAILED;
  }
  return 0;
}

// ---- what a driver has not

EXPORT bool tl_stand_in_holds(tl_cuda_address at, size_t bytes) {
  return lies_within(piece_of(at), at, bytes);
}

EXPORT bool tl_stand_in_captures(const void *stream) {
  return stream == &state.capturing && state.capturing;
}

EXPORT tl_cuda_result tl_stand_in_launch(void *stream, tl_stand_in_work *work, const void *context,
                                         size_t bytes) {
  if (stream != &state.capturing) return INVALID;
  if (!state.capturing) return work(context) ? 0 : LAUNCH_FAILED;
  recorded *r = add_recorded(state.capturing);
  void *copy = r ? malloc(bytes) : NULL;
  if (!copy) return TL_CUDA_OUT_OF_MEMORY;
  memcpy(copy, context, bytes);
  *r = (recorded){.work = work, .context = copy};
  return 0;
}

EXPORT void tl_stand_in_count(bool counts) {
  cuInit(0);
  tl_shim_count(state.shim, counts);
}

EXPORT uint64_t tl_stand_in_copied(void) {
  return state.copied;
}

EXPORT tl_shim_traffic tl_stand_in_counted(void) {
  return tl_shim_counted(state.shim);
}

// The library's interface is declared here, as far as it is used, so that no toolkit's header is
// needed to build. What the assembler says is read from its log.
#include "compiler/codegen/nvrtc.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "compiler/codegen/cuda_texts.h"

typedef struct nvrtc_program *program;

enum { HEADERS_MAX = 64, OPTION_BYTES = 64, FLAGS_BYTES = 128, OWN_BYTES = 128 };

// Besides the architecture; as a list, and as a text.
#define OPTIONS "--std=c++17", "-default-device", "--diag-suppress=177", "--ptxas-options=-v"
#define OPTIONS_TEXT "--std=c++17 -default-device --diag-suppress=177 --ptxas-options=-v"

#define OWN_FOLDER "nvrtc/nvidia/cu13/lib/"

// X(result-is-status function, parameters)
#define FUNCTIONS(X)                                                                               \
  X(nvrtcVersion, (int *, int *))                                                                  \
  X(nvrtcCreateProgram,                                                                            \
    (program *, const char *, const char *, int, const char *const *, const char *const *))        \
  X(nvrtcDestroyProgram, (program *))                                                              \
  X(nvrtcCompileProgram, (program, int, const char *const *))                                      \
  X(nvrtcGetProgramLogSize, (program, size_t *))                                                   \
  X(nvrtcGetProgramLog, (program, char *))                                                         \
  X(nvrtcGetCUBINSize, (program, size_t *))                                                        \
  X(nvrtcGetCUBIN, (program, char *))                                                              \
  X(nvrtcGetPTXSize, (program, size_t *))                                                          \
  X(nvrtcGetPTX, (program, char *))

struct tl_nvrtc {
  void *library;
  char flags[FLAGS_BYTES];
#define X(name, parameters) int(*name) parameters; // NOLINT(bugprone-macro-parentheses)
  FUNCTIONS(X)
#undef X
};

// What the embedded texts need of a header that NVRTC does not have.
static const char stdint_text[] =
    "typedef signed char int8_t; typedef unsigned char uint8_t;\n"
    "typedef short int16_t; typedef unsigned short uint16_t;\n"
    "typedef int int32_t; typedef unsigned int uint32_t;\n"
    "typedef long long int64_t; typedef unsigned long long uint64_t;\n";

// A library of what setup.sh fetches, in the folder of this program.
static void *open_beside(const char *name) {
  char path[PATH_MAX + OWN_BYTES];
  ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
  while (length > 0 && path[length - 1] != '/')
    length--;
  if (length <= 0) return NULL;
  snprintf(path + length, OWN_BYTES, OWN_FOLDER "%s", name);
  return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

// With its other part, which it looks for by name wherever it lies itself.
static void *find_beside(void) {
  char name[OWN_BYTES];
  int (*version)(int *, int *), major = 0, minor = 0;
  void *library = open_beside("libnvrtc.so.13");
  void *address = library ? dlsym(library, "nvrtcVersion") : NULL;
  if (!address) return library;
  memcpy(&version, &address, sizeof address);
  version(&major, &minor);
  snprintf(name, sizeof name, "libnvrtc-builtins.so.%d.%d", major, minor);
  (void)open_beside(name);
  return library;
}

static void *find_library(void) {
  static const char *const names[] = {"libnvrtc.so.13", "libnvrtc.so.12",
                                      "/usr/local/cuda/lib64/libnvrtc.so.13",
                                      "/usr/local/cuda/lib64/libnvrtc.so.12"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (library) return library;
  }
  return find_beside();
}

static bool find_functions(tl_nvrtc *n) {
  bool complete = true;
#define X(name, parameters)                                                                        \
  {                                                                                                \
    void *address = dlsym(n->library, #name);                                                      \
    memcpy(&n->name, &address, sizeof address);                                                    \
    complete &= address != NULL;                                                                   \
  }
  FUNCTIONS(X)
#undef X
  return complete;
}

tl_status tl_nvrtc_open(tl_arena *arena, tl_nvrtc **out_nvrtc, tl_diag *diag) {
  *out_nvrtc = NULL;
  tl_nvrtc *n = tl_arena_alloc(arena, sizeof *n);
  if (!n) return TL_MEMORY;
  *n = (tl_nvrtc){.library = find_library()};
  if (!n->library) {
    tl_diag_error(diag, TL_UNSUPPORTED, (tl_span){0},
                  "cuda targets need libnvrtc.so.12 or .13, and neither was found");
    tl_diag_note(diag, "setup.sh fetches it; or pip install --target DIR nvidia-cuda-nvrtc, and "
                       "LD_LIBRARY_PATH=DIR/nvidia/cu13/lib");
    return TL_UNSUPPORTED;
  }
  if (!find_functions(n)) {
    tl_nvrtc_close(n);
    return tl_diag_error(diag, TL_UNSUPPORTED, (tl_span){0},
                         "the libnvrtc found is not complete, expected version 12 or 13");
  }
  int major = 0, minor = 0;
  n->nvrtcVersion(&major, &minor);
  snprintf(n->flags, sizeof n->flags, "nvrtc %d.%d " OPTIONS_TEXT, major, minor);
  *out_nvrtc = n;
  return TL_OK;
}

const char *tl_nvrtc_flags(const tl_nvrtc *nvrtc) {
  return nvrtc->flags;
}

void tl_nvrtc_close(tl_nvrtc *nvrtc) {
  if (nvrtc && nvrtc->library) dlclose(nvrtc->library);
}

// The number before `unit` in a line of the assembler's log; 0 if the line has none.
static int64_t number_before(tl_str line, const char *unit) {
  const char *end = strstr(line.data, unit), *begin;
  if (!end || end >= line.data + line.length) return 0;
  while (end > line.data && end[-1] == ' ')
    end--;
  for (begin = end; begin > line.data && begin[-1] >= '0' && begin[-1] <= '9';)
    begin--;
  int64_t value = 0;
  return tl_str_to_i64((tl_str){begin, (size_t)(end - begin)}, &value) ? value : 0;
}

static void read_usage(const char *log, tl_nvrtc_code *code) {
  for (const char *at = log; *at;) {
    tl_str line = {at, strcspn(at, "\n")};
    code->registers += number_before(line, "registers");
    code->stack_bytes += number_before(line, "bytes stack frame");
    code->spill_bytes += number_before(line, "bytes spill stores");
    code->spill_bytes += number_before(line, "bytes spill loads");
    at += line.length;
    at += *at == '\n';
  }
}

// The first line that tells an error, else the whole first line.
static tl_str complaint(const char *log) {
  const char *at = strstr(log, "error");
  while (at && at > log && at[-1] != '\n')
    at--;
  if (!at) at = log;
  return (tl_str){at, strcspn(at, "\n")};
}

typedef struct compilation {
  const tl_nvrtc *nvrtc;
  const tl_nvrtc_source *source;
  program program;
  tl_arena *arena;
  char *log;
  tl_diag *diag;
} compilation;

static tl_status fail(const compilation *c, tl_str words) {
  return tl_diag_error(c->diag, TL_INTERNAL, (tl_span){0}, "kernel %s for %s: %.*s",
                       c->source->name, c->source->architecture, TL_STR_ARG(words));
}

static tl_status create(compilation *c) {
  const char *paths[HEADERS_MAX], *texts[HEADERS_MAX];
  size_t count = 0;
  const tl_cuda_text *embedded = tl_cuda_texts(&count);
  if (count + 1 > HEADERS_MAX) return fail(c, TL_STR("too many embedded texts"));
  for (size_t i = 0; i < count; i++) {
    paths[i] = embedded[i].path;
    texts[i] = embedded[i].text;
  }
  paths[count] = "stdint.h";
  texts[count] = stdint_text;
  int failed = c->nvrtc->nvrtcCreateProgram(&c->program, c->source->text.data, c->source->name,
                                            (int)count + 1, texts, paths);
  return failed ? fail(c, TL_STR("no program could be made")) : TL_OK;
}

static tl_status compile(compilation *c) {
  char architecture[OPTION_BYTES];
  snprintf(architecture, sizeof architecture, "--gpu-architecture=%s", c->source->architecture);
  const char *options[] = {architecture, OPTIONS};
  int options_count = (int)(sizeof options / sizeof *options);
  int failed = c->nvrtc->nvrtcCompileProgram(c->program, options_count, options);
  size_t bytes = 0;
  c->nvrtc->nvrtcGetProgramLogSize(c->program, &bytes);
  c->log = tl_arena_alloc(c->arena, bytes + 1);
  if (!c->log) return TL_MEMORY;
  memset(c->log, 0, bytes + 1);
  c->nvrtc->nvrtcGetProgramLog(c->program, c->log);
  return failed ? fail(c, complaint(c->log)) : TL_OK;
}

static tl_status check_usage(const compilation *c, tl_nvrtc_code *out_code) {
  read_usage(c->log, out_code);
  if (out_code->spill_bytes > 0) return fail(c, TL_STR("registers are spilled to memory"));
  if (strstr(c->log, "ignored")) return fail(c, TL_STR("a limit of its registers was ignored"));
  if (strstr(c->log, "serialized")) return fail(c, TL_STR("its wide products are serialized"));
  return TL_OK;
}

static tl_status take_code(const compilation *c, bool is_text, tl_str *out_bytes) {
  const tl_nvrtc *n = c->nvrtc;
  size_t bytes = 0;
  int failed =
      is_text ? n->nvrtcGetPTXSize(c->program, &bytes) : n->nvrtcGetCUBINSize(c->program, &bytes);
  if (failed || bytes == 0) return fail(c, TL_STR("no code came back"));
  char *code = tl_arena_alloc(c->arena, bytes);
  if (!code) return TL_MEMORY;
  failed = is_text ? n->nvrtcGetPTX(c->program, code) : n->nvrtcGetCUBIN(c->program, code);
  *out_bytes = (tl_str){code, bytes};
  return failed ? fail(c, TL_STR("no code came back")) : TL_OK;
}

tl_status tl_nvrtc_compile(const tl_nvrtc *nvrtc, const tl_nvrtc_source *source, tl_arena *arena,
                           tl_nvrtc_code *out_code, tl_diag *diag) {
  compilation c = {.nvrtc = nvrtc, .source = source, .arena = arena, .diag = diag};
  *out_code = (tl_nvrtc_code){0};
  tl_status status = create(&c);
  if (tl_ok(status)) status = compile(&c);
  if (tl_ok(status)) status = check_usage(&c, out_code);
  bool is_text = strncmp(source->architecture, "compute_", 8) == 0;
  if (tl_ok(status)) status = take_code(&c, is_text, &out_code->bytes);
  if (tl_ok(status) && !is_text) status = take_code(&c, true, &out_code->text);
  if (c.program) nvrtc->nvrtcDestroyProgram(&c.program);
  return status;
}

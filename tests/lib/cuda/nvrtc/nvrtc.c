// A libnvrtc.so.13 that compiles nothing: every kernel becomes an empty module, behind which a plan
// keeps its source. That is all that the stand-in for a driver reads (../driver/driver.c), so tests
// of whole programs need no NVRTC and do not wait for it:
//
//   LD_LIBRARY_PATH=build/tests/nvrtc tlmc build MODEL --target cuda:sm_90a --keep-source --no-ptx
//
// Whether kernels compile is tested elsewhere: unit/cuda_source.
#include <elf.h>
#include <string.h>

// Declares it and begins its definition.
#define FUNCTION(name, parameters)                                                                 \
  __attribute__((visibility("default"))) int name parameters;                                      \
  int name parameters

static const char usage[] = "ptxas info : Used 32 registers\n";
static const Elf64_Ehdr empty = {.e_ident = ELFMAG, .e_shoff = sizeof empty};

FUNCTION(nvrtcVersion, (int *major, int *minor)) {
  *major = *minor = 0; // code of no other version is like this
  return 0;
}

FUNCTION(nvrtcCreateProgram, (void **out, const char *source, const char *name, int count,
                              const char *const *headers, const char *const *names)) {
  (void)name, (void)count, (void)headers, (void)names;
  *out = NULL;
  return strstr(source, "#include \"templates/cuda/") == NULL;
}

FUNCTION(nvrtcDestroyProgram, (void **program)) {
  (void)program;
  return 0;
}

FUNCTION(nvrtcCompileProgram, (void *program, int count, const char *const *options)) {
  (void)program, (void)count, (void)options;
  return 0;
}

FUNCTION(nvrtcGetProgramLogSize, (void *program, size_t *out)) {
  (void)program;
  *out = sizeof usage;
  return 0;
}

FUNCTION(nvrtcGetProgramLog, (void *program, char *out)) {
  (void)program;
  memcpy(out, usage, sizeof usage);
  return 0;
}

FUNCTION(nvrtcGetCUBINSize, (void *program, size_t *out)) {
  (void)program;
  *out = sizeof empty;
  return 0;
}

FUNCTION(nvrtcGetCUBIN, (void *program, char *out)) {
  (void)program;
  memcpy(out, &empty, sizeof empty);
  return 0;
}

FUNCTION(nvrtcGetPTXSize, (void *program, size_t *out)) {
  (void)program;
  *out = 1;
  return 0;
}

FUNCTION(nvrtcGetPTX, (void *program, char *out)) {
  (void)program;
  *out = 0;
  return 0;
}

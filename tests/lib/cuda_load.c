// Files beside each other in the working directory, named by template and process, gone afterwards.
#include "tests/lib/cuda_load.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include "compiler/codegen/cuda_source.h"
#include "tests/lib/check.h"

enum { ARENA_BYTES = 1 << 26 };

static void write_source(const char *path, const tl_spec *spec, const char *template) {
  tl_arena arena;
  tl_arena_init(&arena, ARENA_BYTES);
  tl_str source = tl_cuda_source_print(spec, template, &arena);
  FILE *out = fopen(path, "w");
  CHECK(out && fwrite(source.data, 1, source.length, out) == source.length);
  CHECK(fclose(out) == 0);
  tl_arena_finish(&arena);
}

tl_shim_kernel tl_cuda_load(const tl_cuda_place *place, const tl_spec *spec, const char *template,
                            void **out_module) {
  char source[64], module[64], command[1024];
  snprintf(source, sizeof source, "./%s_%ld.cu", template, (long)getpid());
  snprintf(module, sizeof module, "./%s_%ld.so", template, (long)getpid());
  write_source(source, spec, template);
  snprintf(command, sizeof command,
           "'%s' -std=gnu11 -O1 -w -shared -fPIC -ffp-contract=off -fsanitize=" TL_BOUNDS " "
           "-fsanitize-undefined-trap-on-error -I '%s' -include tests/lib/cuda/dialect.cuh -x c "
           "%s -o %s",
           place->compiler, place->root, source, module);
  CHECK(system(command) == 0); // NOLINT(cert-env33-c)
  *out_module = dlopen(module, RTLD_NOW | RTLD_LOCAL);
  if (!*out_module) fprintf(stderr, "%s\n", dlerror());
  CHECK(*out_module != NULL && unlink(source) == 0 && unlink(module) == 0);
  void *address = dlsym(*out_module, "tl_kernel_entry");
  tl_shim_kernel kernel;
  memcpy(&kernel, &address, sizeof kernel);
  CHECK(kernel != NULL);
  return kernel;
}

// Compiles kernels in several processes, since NVRTC's threads wait for each other. A process takes
// every n-th kernel and writes what becomes of it to a file in memory that the parent reads when it
// has ended.
#include "compiler/codegen/cuda_target.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/codegen/cuda_plan.h"
#include "compiler/codegen/cuda_source.h"
#include "compiler/codegen/cuda_texts.h"
#include "compiler/codegen/kernel_cache.h"
#include "compiler/codegen/nvrtc.h"
#include "runtime/base/target.h"

enum { ARENA_BYTES = 1 << 30, MODULE_ALIGN = 64, TEXT_BYTES = 1024 };

// What a process says of a kernel; `bytes` of code follow.
typedef struct report {
  uint64_t index, bytes;
  int64_t registers;
  int32_t status;
  char text[TEXT_BYTES]; // why it failed
} report;

typedef struct job {
  const tl_drafts *drafts;
  const tl_cuda_options *options;
  int first; // of every jobs-th kernel
  int file;
  pid_t process;
} job;

static bool is_wanted(const tl_drafts *drafts, size_t kernel, int target) {
  const tl_drafted *drafted = &drafts->kernels[kernel];
  return !drafted->is_library && drafted->classes & tl_cuda_class(target);
}

// ---- in a process of its own

static bool write_all(int file, const void *from, size_t count) {
  const char *at = from;
  while (count > 0) {
    ssize_t done = write(file, at, count);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    at += done;
    count -= (size_t)done;
  }
  return true;
}

static void say_why(report *r, tl_status status, const tl_diag *diag) {
  r->status = status;
  if (tl_ok(status) || diag->count == 0) return;
  const char *note = diag->entries[0].notes[0]; // what to do about it
  snprintf(r->text, sizeof r->text, "%s%s%s", diag->entries[0].text, *note ? ": " : "", note);
}

static void add_text(tl_sha256 *sha, const char *text) {
  tl_sha256_add(sha, text, strlen(text) + 1);
}

static void find_kept(const tl_nvrtc *nvrtc, const tl_nvrtc_source *source,
                      tl_kernel_cache_entry *out_entry) {
  size_t count = 0;
  const tl_cuda_text *texts = tl_cuda_texts(&count);
  tl_sha256 sha;
  tl_sha256_init(&sha);
  add_text(&sha, tl_nvrtc_flags(nvrtc));
  add_text(&sha, source->architecture);
  add_text(&sha, source->text.data);
  for (size_t i = 0; i < count; i++) {
    add_text(&sha, texts[i].path);
    add_text(&sha, texts[i].text);
  }
  tl_kernel_cache_find(&sha, out_entry);
}

// Keeps the text of a cubin's code as what the target of texts would compile, too.
static void keep_text(const job *j, const tl_nvrtc *nvrtc, const tl_nvrtc_source *source,
                      const tl_nvrtc_code *code) {
  tl_nvrtc_source own = *source;
  tl_kernel_cache_entry entry;
  if (j->options->text_target < 0) return;
  own.architecture = tl_target_of(j->options->text_target)->machine;
  find_kept(nvrtc, &own, &entry);
  tl_kernel_cache_put(&entry, &(tl_kernel_code){.bytes = code->text});
}

// Compiles; where registers do not suffice, for fewer blocks beside each other, which leaves more.
static tl_status compile_spec(const job *j, const tl_nvrtc *nvrtc, size_t index, tl_arena *arena,
                              tl_kernel_code *out_code, tl_diag *diag) {
  const tl_drafted *drafted = &j->drafts->kernels[index];
  const char *machine = tl_target_of(j->options->target)->machine;
  tl_spec spec = *drafted->spec;
  tl_spec_constant *blocks = NULL;
  for (int i = 0; i < spec.constants_count; i++) {
    if (strcmp(spec.constants[i].name, "T_BLOCKS") == 0) blocks = &spec.constants[i];
  }
  for (;; blocks->i--) {
    tl_str text = tl_cuda_source_print(&spec, drafted->template, arena);
    if (!text.data) return TL_MEMORY;
    tl_nvrtc_source source = {drafted->template, text, machine};
    tl_kernel_cache_entry entry;
    diag->count = 0;
    find_kept(nvrtc, &source, &entry);
    if (tl_kernel_cache_get(&entry, arena, out_code)) return TL_OK;
    tl_nvrtc_code code;
    tl_status status = tl_nvrtc_compile(nvrtc, &source, arena, &code, diag);
    *out_code = (tl_kernel_code){code.bytes, code.registers};
    if (tl_ok(status)) tl_kernel_cache_put(&entry, out_code);
    if (tl_ok(status)) keep_text(j, nvrtc, &source, &code);
    if (tl_ok(status) || code.spill_bytes == 0 || !blocks || blocks->i <= 1) return status;
  }
}

static tl_status compile_one(const job *j, const tl_nvrtc *nvrtc, size_t index) {
  static tl_diag diag;
  tl_arena arena;
  tl_kernel_code code;
  report r = {.index = index};
  tl_arena_init(&arena, ARENA_BYTES);
  tl_status status = compile_spec(j, nvrtc, index, &arena, &code, &diag);
  if (tl_ok(status)) {
    r.bytes = code.bytes.length;
    r.registers = code.registers;
  }
  say_why(&r, status, &diag);
  bool written = write_all(j->file, &r, sizeof r) &&
                 (!tl_ok(status) || write_all(j->file, code.bytes.data, code.bytes.length));
  tl_arena_finish(&arena);
  return written ? status : TL_IO;
}

// The exit status is 0 if everything was said.
static int run_job(const job *j) {
  static tl_diag diag;
  tl_arena arena;
  tl_nvrtc *nvrtc = NULL;
  tl_arena_init(&arena, ARENA_BYTES);
  tl_status status = tl_nvrtc_open(&arena, &nvrtc, &diag);
  if (!tl_ok(status)) {
    report r = {.index = (uint64_t)j->first};
    say_why(&r, status, &diag);
    return write_all(j->file, &r, sizeof r) ? 0 : 1;
  }
  size_t step = (size_t)j->options->jobs, number = 0;
  for (size_t i = 0; tl_ok(status) && i < j->drafts->kernels_count; i++) {
    if (!is_wanted(j->drafts, i, j->options->target)) continue;
    if (number++ % step == (size_t)j->first) status = compile_one(j, nvrtc, i);
  }
  return status == TL_IO;
}

// ---- in the parent

static tl_status start(job *j, tl_diag *diag) {
  j->file = memfd_create("kernels", MFD_CLOEXEC);
  if (j->file >= 0) {
    fflush(NULL);
    j->process = fork();
    if (j->process == 0) _exit(run_job(j));
  }
  if (j->file >= 0 && j->process > 0) return TL_OK;
  return tl_diag_error(diag, TL_IO, (tl_span){0}, "no process can be started to compile kernels");
}

typedef struct module {
  tl_str code;
  int64_t registers;
} module;

static tl_status take_reports(const tl_str bytes, module *modules, size_t count, tl_arena *arena,
                              tl_diag *diag) {
  for (size_t at = 0; at + sizeof(report) <= bytes.length;) {
    report r;
    memcpy(&r, bytes.data + at, sizeof r);
    at += sizeof r;
    if (!tl_ok((tl_status)r.status)) {
      return tl_diag_error(diag, (tl_status)r.status, (tl_span){0}, "%.*s", TEXT_BYTES, r.text);
    }
    if (r.index >= count || r.bytes > bytes.length - at) break;
    modules[r.index].registers = r.registers;
    modules[r.index].code = tl_arena_copy(arena, tl_str_slice(bytes, at, at + r.bytes));
    if (!modules[r.index].code.data) return TL_MEMORY;
    at += r.bytes;
  }
  return TL_OK;
}

static tl_status end(job *j, module *modules, tl_arena *arena, tl_diag *diag) {
  int status = 0;
  pid_t ended;
  do {
    ended = waitpid(j->process, &status, 0);
  } while (ended < 0 && errno == EINTR);
  off_t bytes = lseek(j->file, 0, SEEK_END);
  tl_status taken = TL_OK;
  if (bytes > 0) {
    void *map = mmap(NULL, (size_t)bytes, PROT_READ, MAP_PRIVATE, j->file, 0);
    if (map == MAP_FAILED) return TL_MEMORY;
    taken =
        take_reports((tl_str){map, (size_t)bytes}, modules, j->drafts->kernels_count, arena, diag);
    munmap(map, (size_t)bytes);
  }
  if (!tl_ok(taken) || (ended == j->process && WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
    return taken;
  }
  return tl_diag_error(diag, TL_INTERNAL, (tl_span){0}, "a process that compiles kernels died");
}

static tl_status compile(const tl_drafts *drafts, const tl_cuda_options *options, module *modules,
                         tl_arena *arena, tl_diag *diag) {
  job jobs[TL_CUDA_JOBS_MAX];
  int started = 0;
  tl_status status = TL_OK;
  for (; tl_ok(status) && started < options->jobs; started++) {
    jobs[started] = (job){drafts, options, started, -1, 0};
    status = start(&jobs[started], diag);
  }
  for (int i = 0; i < started; i++) {
    tl_diag *sink = tl_ok(status) ? diag : NULL; // the first fault is enough
    tl_status ended = jobs[i].process > 0 ? end(&jobs[i], modules, arena, sink) : TL_OK;
    if (tl_ok(status)) status = ended;
    if (jobs[i].file >= 0) close(jobs[i].file);
  }
  return status;
}

static tl_status print_sources(const tl_drafts *drafts, tl_arena *arena, tl_str *out_sources) {
  for (size_t i = 0; i < drafts->kernels_count; i++) {
    const tl_drafted *drafted = &drafts->kernels[i];
    if (drafted->is_library) continue;
    out_sources[i] = tl_cuda_source_print(drafted->spec, drafted->template, arena);
    if (!out_sources[i].data) return TL_MEMORY;
  }
  return TL_OK;
}

// Lays modules and sources out; `out_code` is NULL to count only.
static size_t lay_out(const tl_drafts *drafts, const module *modules, const tl_str *sources,
                      bool keeps_source, tl_plan_kernel *kernels, char *out_code) {
  size_t end = 0;
  for (size_t i = 0; i < drafts->kernels_count; i++) {
    if (!modules[i].code.data) continue;
    size_t at = (end + MODULE_ALIGN - 1) / MODULE_ALIGN * MODULE_ALIGN;
    size_t source_bytes = keeps_source ? sources[i].length + 1 : 0;
    kernels[i] = (tl_plan_kernel){.offset = (uint32_t)at,
                                  .module_bytes = (uint32_t)modules[i].code.length,
                                  .source_bytes = (uint32_t)source_bytes,
                                  .registers = (uint32_t)modules[i].registers};
    end = at + modules[i].code.length + source_bytes;
    if (!out_code) continue;
    memcpy(out_code + at, modules[i].code.data, modules[i].code.length);
    if (keeps_source) memcpy(out_code + at + modules[i].code.length, sources[i].data, source_bytes);
  }
  return end;
}

tl_status tl_cuda_target_emit(const tl_drafts *drafts, const tl_cuda_options *options,
                              tl_plan_builder *builder, tl_str *out_code, tl_diag *diag) {
  tl_arena *arena = builder->arena;
  size_t count = drafts->kernels_count;
  tl_cuda_options own = *options;
  if (own.jobs > TL_CUDA_JOBS_MAX) own.jobs = TL_CUDA_JOBS_MAX;
  if ((size_t)own.jobs > count) own.jobs = (int)count;
  tl_str *sources = tl_arena_array(arena, count + 1, sizeof *sources);
  module *modules = tl_arena_array(arena, count + 1, sizeof *modules);
  tl_plan_kernel *kernels = tl_arena_array(arena, count + 1, sizeof *kernels);
  if (!sources || !modules || !kernels) return TL_MEMORY;
  TL_TRY(print_sources(drafts, arena, sources));
  TL_TRY(compile(drafts, &own, modules, arena, diag));
  size_t bytes = lay_out(drafts, modules, sources, own.keeps_source, kernels, NULL);
  if (bytes > UINT32_MAX) {
    return tl_diag_error(diag, TL_UNSUPPORTED, (tl_span){0}, "kernels of more than 4 GiB");
  }
  char *code = tl_arena_alloc(arena, bytes);
  if (!code) return TL_MEMORY;
  lay_out(drafts, modules, sources, own.keeps_source, kernels, code);
  *out_code = (tl_str){code, bytes};
  tl_str name = tl_str_from(tl_target_of(own.target)->text);
  tl_plan_target row = {.name = tl_plan_text(builder, name),
                        .code_bytes = (uint32_t)bytes,
                        .text_bytes = (uint32_t)bytes};
  return tl_drafts_add_target(drafts, tl_cuda_class(own.target), &row, kernels, builder);
}

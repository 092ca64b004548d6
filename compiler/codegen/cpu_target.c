// Compiles kernels on several threads; results are laid out in the order of their specs.
#include "compiler/codegen/cpu_target.h"

#include <pthread.h>
#include <stdatomic.h>

#include "compiler/codegen/cpu_module.h"
#include "runtime/base/target.h"

enum { OBJECTS_BYTES_MAX = 1 << 28 };

typedef struct crew {
  const tl_drafts *plan;
  int target;
  atomic_size_t next;
  tl_str *objects; // by number of the spec
} crew;

// A thread of the crew: its own arena and sink, since neither may be shared.
typedef struct worker {
  crew *crew;
  tl_arena arena;
  tl_diag diag;
  tl_status status;
  pthread_t thread;
  bool started;
} worker;

static void *work(void *context) {
  worker *w = context;
  const crew *c = w->crew;
  for (;;) {
    size_t index = atomic_fetch_add(&w->crew->next, 1);
    if (index >= c->plan->kernels_count || !tl_ok(w->status)) return NULL;
    w->status = tl_cpu_module_compile(c->plan->kernels[index].spec, c->target, &w->arena,
                                      &c->objects[index], &w->diag);
  }
}

static tl_status run_crew(crew *c, worker *workers, int jobs, tl_diag *diag) {
  tl_status status = TL_OK;
  for (int i = 0; i < jobs; i++) {
    workers[i] = (worker){.crew = c};
    tl_arena_init(&workers[i].arena, OBJECTS_BYTES_MAX);
  }
  for (int i = 1; i < jobs; i++)
    workers[i].started = pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0;
  work(&workers[0]);
  for (int i = 0; i < jobs; i++) {
    if (workers[i].started) pthread_join(workers[i].thread, NULL);
    if (!tl_ok(status) || tl_ok(workers[i].status)) continue;
    status = workers[i].status;
    if (workers[i].diag.count > 0) {
      status = tl_diag_error(diag, status, (tl_span){0}, "%s", workers[i].diag.entries[0].text);
    }
  }
  return status;
}

static tl_status compile(crew *c, int jobs, tl_arena *arena, tl_image *out_image, tl_diag *diag) {
  worker *workers = tl_arena_array(arena, (size_t)jobs, sizeof *workers);
  tl_object *objects = tl_arena_array(arena, c->plan->kernels_count + 1, sizeof *objects);
  if (!workers || !objects) return TL_MEMORY;
  tl_status status = run_crew(c, workers, jobs, diag);
  for (size_t i = 0; tl_ok(status) && i < c->plan->kernels_count; i++)
    objects[i] = (tl_object){c->plan->kernels[i].text, c->objects[i]};
  if (tl_ok(status)) {
    status = tl_image_build(objects, c->plan->kernels_count, arena, out_image, diag);
  }
  for (int i = 0; i < jobs; i++)
    tl_arena_finish(&workers[i].arena);
  return status;
}

static tl_status add_rows(const tl_drafts *plan, int target, const tl_image *image,
                          tl_plan_builder *builder) {
  tl_plan_target row = {.name = tl_plan_text(builder, tl_str_from(tl_target_of(target)->text)),
                        .code_bytes = (uint32_t)image->bytes_count,
                        .text_bytes = (uint32_t)image->text_bytes};
  tl_plan_kernel *kernels =
      tl_arena_array(builder->arena, plan->kernels_count + 1, sizeof *kernels);
  if (!kernels) return TL_MEMORY;
  for (size_t i = 0; i < plan->kernels_count; i++)
    kernels[i].offset = image->entries[i];
  return tl_drafts_add_target(plan, UINT32_MAX, &row, kernels, builder);
}

tl_status tl_cpu_target_emit(const tl_drafts *plan, int target, int jobs, tl_plan_builder *builder,
                             tl_image *out_image, tl_diag *diag) {
  crew c = {.plan = plan, .target = target};
  c.objects = tl_arena_array(builder->arena, plan->kernels_count + 1, sizeof *c.objects);
  if (!c.objects) return TL_MEMORY;
  if (jobs < 1) jobs = 1;
  if (jobs > TL_CPU_JOBS_MAX) jobs = TL_CPU_JOBS_MAX;
  TL_TRY(compile(&c, jobs, builder->arena, out_image, diag));
  return add_rows(plan, target, out_image, builder);
}

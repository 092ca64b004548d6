// Pools and plans of the public interface.
#include <stdio.h>
#include <sys/mman.h>

#include "runtime/base/json_tree.h"
#include "runtime/base/plan_texts.h"
#include "runtime/engine/session.h"
#include "runtime/plan/describe.h"
#include "runtime/plan/range.h"

static const size_t describe_memory_max = (size_t)1 << 30;

enum { PLAN_MEMORY_MAX = 1 << 24, POOL_MEMORY_MAX = 1 << 24 };

tlmc_status tlmc_pool_open(const tlmc_pool_options *options, tlmc_pool **out_pool,
                           tlmc_error *error) {
  tlmc_pool_options known;
  tl_diag diag = {0};
  *out_pool = NULL;
  if (!tl_options_read(options, sizeof known, &known)) {
    return tl_error_set(error, TLMC_USAGE, "tlmc_pool_options has a wrong size");
  }
  tl_arena memory;
  tl_arena_init(&memory, POOL_MEMORY_MAX);
  tlmc_pool *pool = tl_arena_alloc(&memory, sizeof *pool);
  tl_pool_config config = {.threads = known.threads, .pin = known.pin != 0};
  tl_status status = pool ? tl_pool_create(&config, &memory, &pool->pool, &diag) : TL_MEMORY;
  if (!tl_ok(status)) {
    tl_arena_finish(&memory);
    return tl_error_fill(error, status, &diag);
  }
  pool->memory = memory;
  *out_pool = pool;
  return TLMC_OK;
}

void tlmc_pool_close(tlmc_pool *pool) {
  if (!pool) return;
  tl_pool_destroy(pool->pool);
  tl_arena memory = pool->memory;
  tl_arena_finish(&memory);
}

// Verification work dealt out to a pool.
typedef struct crew_job {
  tl_pool *pool;
  uint64_t count;
  tl_plan_work *work;
  void *context;
} crew_job;

static void crew_thread(void *context, int thread) {
  const crew_job *job = context;
  int64_t begin, end;
  (void)thread;
  while (tl_pool_take(job->pool, (int64_t)job->count, &begin, &end))
    job->work(job->context, (uint64_t)begin, (uint64_t)end);
}

static void crew_run(void *crew, uint64_t count, tl_plan_work *work, void *context) {
  crew_job job = {crew, count, work, context};
  tl_pool_run(crew, crew_thread, &job);
}

// Comma-separated names of the targets, and of the KV types with the default first.
static tl_status list_texts(tlmc_plan *plan) {
  const tl_plan_tables *t = &plan->plan.tables;
  tl_str targets = TL_STR(""), types = tl_str_from(tl_plan_kv_texts[t->models->kv_default]);
  for (uint32_t i = 0; i < t->targets_count; i++) {
    targets = tl_arena_format(&plan->memory, "%.*s%s%s", TL_STR_ARG(targets), i ? "," : "",
                              tl_plan_string(t, t->targets[i].name));
  }
  for (uint32_t kv = 0; kv < TL_PLAN_KV_COUNT; kv++) {
    if (kv == t->models->kv_default || !(t->models->kv_types & 1u << kv)) continue;
    types = tl_arena_format(&plan->memory, "%.*s,%s", TL_STR_ARG(types), tl_plan_kv_texts[kv]);
  }
  plan->targets = targets.data;
  plan->kv_types = types.data;
  return targets.data && types.data ? TL_OK : TL_MEMORY;
}

// Names of the outputs; all of them, or none.
static tl_status read_labels(tlmc_plan *plan, const tl_json *root) {
  const tl_json *list = tl_json_get(root, TL_STR("labels"));
  tl_str problem = TL_STR(""), name;
  tl_json_to_string(tl_json_get(root, TL_STR("problem_type")), &problem);
  plan->labels_independent = tl_str_is(problem, "multi_label_classification");
  if (tl_json_count(list) != plan->plan.tables.models->outputs) return TL_OK;
  const char **labels = tl_arena_array(&plan->memory, tl_json_count(list), sizeof *labels);
  if (!labels) return TL_MEMORY;
  for (size_t i = 0; i < tl_json_count(list); i++) {
    if (!tl_json_to_string(tl_json_item(list, i), &name)) return TL_OK;
    labels[i] = tl_arena_copy(&plan->memory, name).data;
    if (!labels[i]) return TL_MEMORY;
  }
  plan->labels = labels;
  return TL_OK;
}

static tl_status read_meta(tlmc_plan *plan, tl_diag *diag) {
  const tl_plan_section *section = tl_plan_find(&plan->plan, TL_PLAN_SECTION_META, 0);
  tl_source source = {plan->plan.name, tl_plan_bytes(&plan->plan, section)};
  const tl_json *root = NULL;
  TL_TRY(tl_json_parse(&plan->memory, &source, NULL, &root, diag));
  tl_str name = TL_STR("");
  tl_json_to_string(tl_json_get(root, TL_STR("model")), &name);
  plan->name = tl_arena_copy(&plan->memory, name).data;
  const tl_json *stops = tl_json_get(root, TL_STR("stop_ids"));
  size_t count = tl_json_count(stops);
  plan->stop_ids = tl_arena_array(&plan->memory, count + 1, sizeof *plan->stop_ids);
  if (!plan->stop_ids || !plan->name) return TL_MEMORY;
  for (size_t i = 0; i < count; i++) {
    int64_t id = -1;
    tl_json_to_int(tl_json_item(stops, i), &id);
    if (id >= 0 && id < plan->plan.tables.models->vocabulary) {
      plan->stop_ids[plan->stop_ids_count++] = (int32_t)id;
    }
  }
  return read_labels(plan, root);
}

static tl_status open_tokenizer(tlmc_plan *plan, tl_diag *diag) {
  const tl_plan_section *section = tl_plan_find(&plan->plan, TL_PLAN_SECTION_TOKENIZER, 0);
  plan->has_tokenizer = section && section->bytes > 0;
  if (!plan->has_tokenizer) return TL_OK;
  return tl_tokenizer_open(tl_plan_bytes(&plan->plan, section), diag, &plan->tokenizer);
}

static tl_status open_chat(tlmc_plan *plan, tl_diag *diag) {
  const tl_plan_section *section = tl_plan_find(&plan->plan, TL_PLAN_SECTION_TEMPLATE, 0);
  plan->has_chat = section && section->bytes > 0;
  if (!plan->has_chat) return TL_OK;
  tl_arena_init(&plan->chat_memory, TL_CHAT_PARSED_BYTES_MAX);
  return tl_chat_open(tl_plan_bytes(&plan->plan, section), &plan->chat_memory, diag, &plan->chat);
}

// The file may change once its weights are in own memory.
static tl_status copy_weights(tlmc_plan *plan, tl_diag *diag) {
  const tl_plan_section *section = tl_plan_find(&plan->plan, TL_PLAN_SECTION_WEIGHTS, 0);
  if (!section || section->bytes == 0) return TL_OK;
  tl_str bytes = tl_plan_bytes(&plan->plan, section);
  void *copy = mmap(NULL, bytes.length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (copy == MAP_FAILED) {
    return tl_diag_error(diag, TL_MEMORY, (tl_span){0}, "cannot reserve %zu bytes for weights",
                         bytes.length);
  }
  madvise(copy, bytes.length, MADV_HUGEPAGE);
  memcpy(copy, bytes.data, bytes.length);
  plan->copied = copy;
  plan->copied_bytes = bytes.length;
  return TL_OK;
}

tlmc_status tlmc_plan_open(const char *path, const tlmc_plan_options *options, tlmc_plan **out_plan,
                           tlmc_error *error) {
  tlmc_plan_options known;
  tl_diag diag = {0};
  *out_plan = NULL;
  if (!path || !tl_options_read(options, sizeof known, &known)) {
    return tl_error_set(error, TLMC_USAGE, "no path, or tlmc_plan_options has a wrong size");
  }
  tl_arena memory;
  tl_arena_init(&memory, PLAN_MEMORY_MAX);
  tlmc_plan *plan = tl_arena_alloc(&memory, sizeof *plan);
  tl_str name = tl_arena_copy(&memory, tl_str_from(path));
  if (!plan || !name.data) {
    tl_arena_finish(&memory);
    return tl_error_fill(error, TL_MEMORY, NULL);
  }
  plan->memory = memory;
  tl_plan_crew crew = {crew_run, known.pool ? known.pool->pool : NULL};
  tl_plan_open_options how = {.trust = known.trust != 0, .crew = known.pool ? &crew : NULL};
  tl_status status = tl_plan_open(name.data, &how, &plan->plan, &diag);
  if (tl_ok(status)) status = list_texts(plan);
  if (tl_ok(status)) status = read_meta(plan, &diag);
  if (tl_ok(status)) status = open_tokenizer(plan, &diag);
  if (tl_ok(status)) status = open_chat(plan, &diag);
  if (tl_ok(status) && known.copy) status = copy_weights(plan, &diag);
  if (!tl_ok(status)) {
    tlmc_plan_close(plan);
    return tl_error_fill(error, status, &diag);
  }
  *out_plan = plan;
  return TLMC_OK;
}

void tlmc_plan_close(tlmc_plan *plan) {
  if (!plan) return;
  tl_plan_close(&plan->plan);
  if (plan->copied) munmap(plan->copied, plan->copied_bytes);
  tl_arena_finish(&plan->chat_memory);
  tl_arena memory = plan->memory;
  tl_arena_finish(&memory);
}

// Rows that products name are a library's.
static bool is_compiled(const tl_plan_tables *t, uint32_t kernel) {
  for (uint32_t i = 0; i < t->launchs_count; i++) {
    const tl_plan_launch *row = &t->launchs[i];
    if (row->kernel == kernel) return row->kind == TL_PLAN_LAUNCH_KERNEL;
  }
  return true;
}

static int32_t most_kernels(const tl_plan_tables *t) {
  int32_t most = 0;
  for (uint32_t target = 0; target < t->targets_count; target++) {
    int32_t count = 0;
    for (uint32_t k = 0; k < t->kernels_count; k++)
      count += t->kernels[k].target == target && is_compiled(t, k);
    if (count > most) most = count;
  }
  return most;
}

static uint64_t most_weights(const tl_plan_tables *t) {
  uint64_t most = 0;
  for (uint32_t target = 0; target < t->targets_count; target++) {
    uint64_t bytes = tl_plan_target_weights(t, target).bytes;
    if (bytes > most) most = bytes;
  }
  return most;
}

tlmc_status tlmc_plan_info(const tlmc_plan *plan, tlmc_plan_facts *out_facts) {
  const tl_plan_tables *t = &plan->plan.tables;
  size_t size = out_facts->size;
  if (size < sizeof(tlmc_plan_facts) || size > TL_OPTIONS_BYTES_MAX) return TLMC_USAGE;
  tlmc_plan_facts facts = {.size = size,
                           .name = plan->name,
                           .targets = plan->targets,
                           .kv_types = plan->kv_types,
                           .task = (tlmc_task)t->models->task,
                           .vocabulary = (int32_t)t->models->vocabulary,
                           .outputs = (int32_t)t->models->outputs,
                           .context = (int32_t)t->models->context,
                           .types = (int32_t)t->models->types,
                           .whole = t->programs_count > 0 && t->programs[0].whole,
                           .has_tokenizer = plan->has_tokenizer,
                           .has_weights = (int32_t)t->models->has_weights,
                           .stop_ids = plan->stop_ids,
                           .stop_ids_count = plan->stop_ids_count,
                           .kernels = most_kernels(t),
                           .weights_bytes = most_weights(t),
                           .has_chat_template = plan->has_chat,
                           .device = tl_session_usual_device(plan),
                           .labels = plan->labels,
                           .labels_independent = plan->labels_independent};
  memset(out_facts, 0, size);
  memcpy(out_facts, &facts, sizeof facts);
  return TLMC_OK;
}

tlmc_status tlmc_plan_describe(const tlmc_plan *plan, tlmc_format format, char *text,
                               size_t capacity, size_t *out_bytes, tlmc_error *error) {
  *out_bytes = 0;
  tl_arena arena;
  tl_arena_init(&arena, describe_memory_max);
  tl_str found = {0};
  tl_status status = format == TLMC_FORMAT_JSON
                         ? tl_plan_describe_json(&plan->plan, &arena, &found)
                         : tl_plan_describe_text(&plan->plan, &arena, &found);
  if (tl_ok(status)) {
    *out_bytes = found.length;
    size_t fits = found.length < capacity ? found.length : capacity;
    if (fits > 0) memcpy(text, found.data, fits);
  }
  tl_arena_finish(&arena);
  return tl_error_fill(error, status, NULL);
}

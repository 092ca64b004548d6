// Opening a session: from options to bounds, from bounds to memory, then the device.
#include <string.h>

#include "runtime/base/plan_texts.h"
#include "runtime/base/target.h"
#include "runtime/engine/session.h"
#include "runtime/plan/range.h"

enum { DEFAULT_CONTEXT = 4096, DEFAULT_CHUNK = 512, DEFAULT_OUTPUTS = 8, DEFAULT_ROLLBACK = 64 };

static const size_t session_memory_max = (size_t)8 << 30;

static const tl_device_vtable *const devices[] = {&tl_device_cpu, &tl_device_cuda, &tl_device_null};

// Options that are numbers, with 0 replaced by defaults. False if one is out of range.
static bool read_limits(const tlmc_session_options *options, const tl_plan_model *model,
                        tl_session_limits *out_limits) {
  const tlmc_session_options *o = options;
  if (o->batch < 0 || o->chunk < 0 || o->outputs < 0 || o->sequences < 0 || o->requests < 0 ||
      o->rollback < 0 || o->context < 0 || o->batch > TL_SESSION_BATCH_MAX ||
      o->chunk > TL_SESSION_CHUNK_MAX || o->outputs > TL_SESSION_CHUNK_MAX ||
      o->requests > TL_SESSION_REQUESTS_MAX) {
    return false;
  }
  tl_session_limits l = {.batch = o->batch ? o->batch : 1,
                         .chunk = o->chunk ? o->chunk : DEFAULT_CHUNK,
                         .rollback = o->rollback ? o->rollback : DEFAULT_ROLLBACK};
  int64_t most = model->context < DEFAULT_CONTEXT ? model->context : DEFAULT_CONTEXT;
  l.context = o->context ? o->context : l.batch * most;
  if (l.chunk < l.batch) l.chunk = l.batch;
  l.outputs = o->outputs ? o->outputs : l.batch > DEFAULT_OUTPUTS ? l.batch : DEFAULT_OUTPUTS;
  l.sequences = o->sequences ? o->sequences : 2 * l.batch;
  l.requests = o->requests ? o->requests : 4 * l.batch;
  *out_limits = l;
  return l.sequences <= TL_KV_SEQUENCES_MAX && l.context <= TL_KV_LENGTH_MAX;
}

// Pages of one group that hold `context` tokens of all sequences together.
static int64_t pages_for(const tlmc_session *session, const tl_plan_group *group, int64_t context) {
  const tl_session_limits *l = &session->limits;
  int64_t all = (context + TL_PAGE_TOKENS - 1) / TL_PAGE_TOKENS + l->sequences;
  if (group->kind != TL_PLAN_GROUP_WINDOW && group->kind != TL_PLAN_GROUP_CHUNK) return all;
  int64_t each = ((int64_t)group->span + l->rollback + l->chunk) / TL_PAGE_TOKENS + 3;
  return each * l->sequences < all ? each * l->sequences : all;
}

static uint64_t kv_bytes(const tlmc_session *session, int64_t context) {
  const tl_plan_tables *t = &session->plan->plan.tables;
  uint64_t total = 0;
  for (uint32_t g = 0; g < t->groups_count; g++) {
    total += (uint64_t)pages_for(session, &t->groups[g], context) *
             t->groups[g].page_bytes[session->kv_type];
  }
  return total;
}

// The longest context whose pages fit into `bytes`; 0 if none does.
static int64_t context_within(const tlmc_session *session, uint64_t bytes) {
  int64_t low = 0, high = TL_KV_LENGTH_MAX;
  while (low < high) {
    int64_t middle = (low + high + 1) / 2;
    if (kv_bytes(session, middle) <= bytes) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

static tl_status create_kv(tlmc_session *session, bool reuses_prefixes, tl_diag *diag) {
  const tl_plan_tables *t = &session->plan->plan.tables;
  const tl_session_limits *l = &session->limits;
  tl_kv_config config = {.groups_count = (int32_t)t->groups_count,
                         .sequences_max = l->sequences,
                         .rollback = l->rollback};
  if (reuses_prefixes) config.prefixes_max = (int32_t)(l->context / TL_PAGE_TOKENS);
  config.length_max = (int32_t)(l->context < t->models->context ? l->context : t->models->context);
  for (uint32_t g = 0; g < t->groups_count; g++) {
    int64_t pages = pages_for(session, &t->groups[g], l->context);
    if (pages > TL_KV_PAGES_MAX) pages = TL_KV_PAGES_MAX;
    config.groups[g] = (tl_kv_group_config){.kind = (tl_plan_group_kind)t->groups[g].kind,
                                            .span = (int32_t)t->groups[g].span,
                                            .pages_count = (int32_t)pages};
  }
  size_t bytes = tl_kv_bytes_needed(&config);
  void *memory = bytes ? tl_arena_alloc(&session->memory, bytes) : NULL;
  if (!memory) {
    return tl_diag_error(diag, TL_MEMORY, (tl_span){0},
                         "a context of %lld tokens is too large for this session",
                         (long long)l->context);
  }
  session->kv_config = config;
  return tl_kv_init(&config, memory, bytes, &session->kv, diag);
}

// Where a session runs.
typedef struct tl_place {
  const tl_device_vtable *device;
  int ordinal;
} tl_place;

static bool is_of(const char *target, tl_target_device device) {
  int row = tl_target_from_text(tl_str_from(target));
  return row < TL_TARGET_COUNT && tl_target_of(row)->device == device;
}

const char *tl_session_usual_device(const tlmc_plan *plan) {
  const tl_plan_tables *t = &plan->plan.tables;
  bool is_for_cpus = false;
  for (uint32_t i = 0; i < t->targets_count; i++)
    is_for_cpus |= is_of(tl_plan_string(t, t->targets[i].name), TL_TARGET_DEVICE_CPU);
  for (uint32_t i = 0; i < t->targets_count; i++) {
    const char *target = tl_plan_string(t, t->targets[i].name);
    if (!is_of(target, TL_TARGET_DEVICE_CUDA)) continue;
    bool runs = !is_for_cpus || (tl_device_cuda.is_there(0) && tl_device_cuda.supports(target, 0));
    if (runs) return tl_device_cuda.name;
  }
  return tl_device_cpu.name;
}

// The device that was named, or that of the target that was.
static const char *device_of(const tlmc_plan *plan, const tlmc_session_options *options) {
  if (options->device) return options->device;
  if (!options->target) return tl_session_usual_device(plan);
  bool is_cuda = is_of(options->target, TL_TARGET_DEVICE_CUDA);
  return is_cuda ? tl_device_cuda.name : tl_device_cpu.name;
}

// `cpu`, `cuda`, `cuda:1`. False if there is no such device.
static bool find_place(tl_str name, tl_place *out_place) {
  size_t end = 0;
  while (end < name.length && name.data[end] != ':')
    end++;
  int64_t ordinal = 0;
  bool has_ordinal = end < name.length;
  if (has_ordinal && (!tl_str_to_i64(tl_str_slice(name, end + 1, name.length), &ordinal) ||
                      ordinal < 0 || ordinal > INT16_MAX)) {
    return false;
  }
  *out_place = (tl_place){.ordinal = (int)ordinal};
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
    if (tl_str_is(tl_str_slice(name, 0, end), devices[i]->name)) out_place->device = devices[i];
  }
  return out_place->device && (!has_ordinal || out_place->device == &tl_device_cuda);
}

// The target that was named, or the best that the machine runs.
static tl_status choose_target(tlmc_session *session, const tl_place *place, const char *wanted,
                               tl_diag *diag) {
  const tl_plan_tables *t = &session->plan->plan.tables;
  int best = -1;
  for (uint32_t i = 0; i < t->targets_count; i++) {
    const char *name = tl_plan_string(t, t->targets[i].name);
    int row = tl_target_from_text(tl_str_from(name));
    int rank = row < TL_TARGET_COUNT ? tl_target_of(row)->rank : 0;
    if ((wanted && strcmp(wanted, name) != 0) || !place->device->supports(name, place->ordinal) ||
        rank <= best) {
      continue;
    }
    best = rank;
    session->target = i;
  }
  for (uint32_t p = 0; best >= 0 && p < t->programs_count; p++) {
    if (t->programs[p].target != session->target) continue;
    session->program = p;
    return TL_OK;
  }
  return tl_diag_error(diag, TL_UNSUPPORTED, (tl_span){0},
                       "this machine cannot run %s: the plan has %s; build it with a --target "
                       "that the machine supports",
                       wanted ? wanted : "the plan", session->plan->targets);
}

static tl_status choose_kv(tlmc_session *session, const char *wanted, tl_diag *diag) {
  const tl_plan_model *model = session->plan->plan.tables.models;
  session->kv_type = (tl_plan_kv_type)model->kv_default;
  if (!wanted || strcmp(wanted, "auto") == 0) return TL_OK;
  int kv = tl_plan_kv_from_text(tl_str_from(wanted));
  if (kv < TL_PLAN_KV_COUNT && model->kv_types & 1u << kv) {
    session->kv_type = (tl_plan_kv_type)kv;
    return TL_OK;
  }
  return tl_diag_error(diag, TL_UNSUPPORTED, (tl_span){0},
                       "the plan has no kernels for a KV cache of %s; it has %s", wanted,
                       session->plan->kv_types);
}

static tl_status open_device(tlmc_session *session, const tl_place *place,
                             const tlmc_session_options *options, tl_diag *diag) {
  const tlmc_plan *plan = session->plan;
  const tl_plan_section *code = tl_plan_find(&plan->plan, TL_PLAN_SECTION_CODE, session->target);
  const tl_plan_section *weights = tl_plan_find(&plan->plan, TL_PLAN_SECTION_WEIGHTS, 0);
  bool has_weights = plan->plan.tables.models->has_weights && weights;
  tl_device_config config = {.tables = &plan->plan.tables,
                             .target = session->target,
                             .ordinal = place->ordinal,
                             .file = plan->plan.file,
                             .file_name = plan->plan.name,
                             .plan_digest = plan->plan.header ? plan->plan.header->digest : NULL,
                             .code_offset = code->offset,
                             .code = tl_plan_bytes(&plan->plan, code).data,
                             .pool = session->pool,
                             .kv_type = session->kv_type,
                             .prefault = options->prefault != 0,
                             .deterministic = options->deterministic != 0,
                             .random_seed = options->random_seed};
  if (has_weights) {
    config.weights = plan->copied ? plan->copied : tl_plan_bytes(&plan->plan, weights).data;
  }
  const tl_session_limits *l = &session->limits;
  config.symbols_max[TL_PLAN_SYMBOL_ONE] = 1;
  config.symbols_max[TL_PLAN_SYMBOL_T] = (uint64_t)l->chunk;
  config.symbols_max[TL_PLAN_SYMBOL_S] = (uint64_t)l->batch;
  config.symbols_max[TL_PLAN_SYMBOL_R] = (uint64_t)l->outputs;
  config.symbols_max[TL_PLAN_SYMBOL_A] = (uint64_t)tl_session_work_max(session);
  config.step_bytes = tl_session_step_bytes(session);
  if (config.step_bytes > UINT32_MAX) {
    return tl_diag_error(diag, TL_MEMORY, (tl_span){0},
                         "a context of %lld tokens for a batch of %d is too large",
                         (long long)l->context, (int)l->batch);
  }
  for (uint32_t g = 0; g < plan->plan.tables.groups_count; g++) {
    config.pages_count[g] = (uint64_t)pages_for(session, &plan->plan.tables.groups[g], l->context);
  }
  return place->device->open(&config, &session->device, diag);
}

static tl_status take_pool(tlmc_session *session, const tlmc_session_options *options,
                           tl_diag *diag) {
  session->owns_pool = !options->pool;
  session->pool = options->pool ? options->pool->pool : NULL;
  if (!session->owns_pool) return TL_OK;
  tl_pool_config config = {.threads = options->threads};
  return tl_pool_create(&config, &session->memory, &session->pool, diag);
}

static tl_status set_up(tlmc_session *session, const tl_place *place,
                        const tlmc_session_options *options, tl_diag *diag) {
  session->attention_rows = place->device->attention_rows;
  TL_TRY(choose_target(session, place, options->target, diag));
  session->weights_bytes =
      tl_plan_target_weights(&session->plan->plan.tables, session->target).bytes;
  TL_TRY(choose_kv(session, options->kv_type, diag));
  if (options->kv_bytes) {
    session->limits.context = context_within(session, options->kv_bytes);
    if (session->limits.context == 0) {
      return tl_diag_error(diag, TL_MEMORY, (tl_span){0},
                           "%llu bytes of KV memory hold no token: a page of each group for each "
                           "of %d sequences needs %llu",
                           (unsigned long long)options->kv_bytes, (int)session->limits.sequences,
                           (unsigned long long)kv_bytes(session, 1));
    }
  }
  TL_TRY(create_kv(session, !options->no_prefix_reuse, diag));
  size_t batch = (size_t)session->limits.batch;
  session->parts = tl_arena_array(&session->memory, batch, sizeof *session->parts);
  session->copies =
      tl_arena_array(&session->memory, (batch + 1) * TL_GROUPS_MAX, sizeof *session->copies);
  session->lent = tl_arena_array(&session->memory, (size_t)session->limits.sequences, sizeof(bool));
  session->prompts =
      tl_arena_array(&session->memory, (size_t)session->limits.sequences, sizeof(int32_t));
  if (!session->parts || !session->copies || !session->lent || !session->prompts) {
    return TL_MEMORY;
  }
  TL_TRY(take_pool(session, options, diag));
  TL_TRY(open_device(session, place, options, diag));
  tl_session_step_init(session);
  return tl_requests_create(session, options, diag);
}

tlmc_status tl_session_open_in(tl_arena memory, const tlmc_plan *plan,
                               const tlmc_session_options *options, tlmc_session **out_session,
                               tlmc_error *error) {
  tlmc_session_options known;
  tl_session_limits limits;
  tl_diag diag = {0};
  *out_session = NULL;
  if (!tl_options_read(options, sizeof known, &known) ||
      !read_limits(&known, plan->plan.tables.models, &limits)) {
    return tl_error_set(error, TLMC_USAGE, "an option of tlmc_session_options is out of range");
  }
  tl_place place;
  if (!find_place(tl_str_from(device_of(plan, &known)), &place)) {
    return tl_error_set(error, TLMC_UNSUPPORTED,
                        "there is no device '%s': this version has cpu, cuda and cuda:N",
                        known.device);
  }
  tlmc_session *session = tl_arena_alloc(&memory, sizeof *session);
  if (!session) return tl_error_fill(error, TL_MEMORY, NULL);
  *session = (tlmc_session){.memory = memory, .plan = plan, .limits = limits};
  tl_status status = set_up(session, &place, &known, &diag);
  if (!tl_ok(status)) {
    tlmc_session_close(session);
    return tl_error_fill(error, status, &diag);
  }
  *out_session = session;
  return TLMC_OK;
}

tlmc_status tlmc_session_open(const tlmc_plan *plan, const tlmc_session_options *options,
                              tlmc_session **out_session, tlmc_error *error) {
  tl_arena memory;
  tl_arena_init(&memory, session_memory_max);
  return tl_session_open_in(memory, plan, options, out_session, error);
}

void tlmc_session_close(tlmc_session *session) {
  if (!session) return;
  tl_requests_destroy(session);
  if (session->device) session->device->vtable->close(session->device);
  if (session->owns_pool) tl_pool_destroy(session->pool);
  tl_arena memory = session->memory;
  tl_arena_finish(&memory);
}

// Tokens' worth of pages that are free in the scarcest group that keeps everything.
static int64_t tokens_free(const tlmc_session *session) {
  const tl_plan_tables *t = &session->plan->plan.tables;
  int64_t least = t->groups_count ? INT64_MAX : session->limits.context;
  for (uint32_t g = 0; g < t->groups_count; g++) {
    int64_t tokens = (int64_t)tl_kv_pages_free(session->kv, (int32_t)g) * TL_PAGE_TOKENS;
    if (t->groups[g].kind == TL_PLAN_GROUP_WINDOW || t->groups[g].kind == TL_PLAN_GROUP_CHUNK) {
      continue;
    }
    if (tokens < least) least = tokens;
  }
  return least == INT64_MAX ? session->limits.context : least;
}

// What the tokens themselves take, without room for a step and for rolling back.
static void count_kv(const tlmc_session *session, tlmc_session_facts *facts) {
  const tl_plan_tables *t = &session->plan->plan.tables;
  for (uint32_t g = 0; g < t->groups_count; g++) {
    const tl_plan_group *group = &t->groups[g];
    uint64_t bytes = group->page_bytes[session->kv_type] / TL_PAGE_TOKENS;
    uint64_t tokens = (uint64_t)facts->context, span = (uint64_t)group->span;
    bool spans = group->kind == TL_PLAN_GROUP_WINDOW || group->kind == TL_PLAN_GROUP_CHUNK;
    if (spans && span * (uint64_t)facts->batch < tokens) tokens = span * (uint64_t)facts->batch;
    facts->token_bytes += bytes;
    facts->kv_bytes += bytes * tokens;
  }
}

tlmc_status tlmc_session_info(const tlmc_session *session, tlmc_session_facts *out_facts) {
  const tl_plan_tables *t = &session->plan->plan.tables;
  size_t size = out_facts->size;
  if (size < sizeof(tlmc_session_facts) || size > TL_OPTIONS_BYTES_MAX) return TLMC_USAGE;
  tlmc_session_facts facts = {.size = size,
                              .device = session->device->vtable->name,
                              .target = tl_plan_string(t, t->targets[session->target].name),
                              .kv_type = tl_plan_kv_texts[session->kv_type],
                              .threads = tl_pool_threads(session->pool),
                              .batch = session->limits.batch,
                              .chunk = session->limits.chunk,
                              .outputs = session->limits.outputs,
                              .sequences = session->limits.sequences,
                              .requests = session->limits.requests,
                              .context = session->limits.context,
                              .tokens_free = tokens_free(session),
                              .weights_bytes = session->weights_bytes};
  const tl_device_vtable *vtable = session->device->vtable;
  if (vtable->is_tuned) facts.tuned = vtable->is_tuned(session->device);
  if (vtable->library) facts.library = vtable->library(session->device);
  if (vtable->note) facts.note = vtable->note(session->device);
  facts.memory_bytes =
      session->device->vtable->memory_bytes(session->device) + session->memory.total_bytes;
  count_kv(session, &facts);
  tl_requests_info(session, &facts);
  memset(out_facts, 0, size);
  memcpy(out_facts, &facts, sizeof facts);
  return TLMC_OK;
}

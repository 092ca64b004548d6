// The description for scripts.
#include "runtime/base/json_write.h"
#include "runtime/base/plan_texts.h"
#include "runtime/plan/describe.h"
#include "runtime/plan/range.h"

enum { INDENT = 2 };

static void put_int(tl_json_writer *w, const char *key, uint64_t value) {
  tl_json_write_key(w, tl_str_from(key));
  tl_json_write_int(w, (int64_t)value);
}

static void put_string(tl_json_writer *w, const char *key, const char *text) {
  tl_json_write_key(w, tl_str_from(key));
  tl_json_write_string(w, tl_str_from(text));
}

static void put_text(tl_json_writer *w, const char *key, const tl_plan *plan, uint32_t text) {
  put_string(w, key, tl_plan_string(&plan->tables, text));
}

static void array_begin(tl_json_writer *w, const char *key) {
  tl_json_write_key(w, tl_str_from(key));
  tl_json_write_array_begin(w);
}

static void object_begin(tl_json_writer *w, const char *key) {
  tl_json_write_key(w, tl_str_from(key));
  tl_json_write_object_begin(w);
}

// ---- the meta section, written anew token by token

static tl_status put_token(tl_json_writer *w, const tl_source *source, const tl_json_token *token) {
  tl_str string = {0};
  if (token->kind == TL_JSON_TOKEN_KEY || token->kind == TL_JSON_TOKEN_STRING) {
    TL_TRY(tl_json_token_string(w->arena, source, token, &string));
  }
  switch (token->kind) {
  case TL_JSON_TOKEN_NULL: tl_json_write_null(w); break;
  case TL_JSON_TOKEN_FALSE: tl_json_write_bool(w, false); break;
  case TL_JSON_TOKEN_TRUE: tl_json_write_bool(w, true); break;
  case TL_JSON_TOKEN_INT: tl_json_write_int(w, token->integer); break;
  case TL_JSON_TOKEN_REAL: tl_json_write_real(w, token->real); break;
  case TL_JSON_TOKEN_STRING: tl_json_write_string(w, string); break;
  case TL_JSON_TOKEN_KEY: tl_json_write_key(w, string); break;
  case TL_JSON_TOKEN_ARRAY_BEGIN: tl_json_write_array_begin(w); break;
  case TL_JSON_TOKEN_ARRAY_END: tl_json_write_array_end(w); break;
  case TL_JSON_TOKEN_OBJECT_BEGIN: tl_json_write_object_begin(w); break;
  case TL_JSON_TOKEN_OBJECT_END: tl_json_write_object_end(w); break;
  case TL_JSON_END: break;
  }
  return TL_OK;
}

// Whether `text` is JSON, with room for the object around it.
static bool is_json(const tl_source *source) {
  tl_json_reader reader;
  tl_json_token token;
  tl_json_reader_init(&reader, source, NULL);
  do {
    if (!tl_ok(tl_json_next(&reader, &token)) || reader.depth >= TL_JSON_DEPTH_MAX - 2)
      return false;
  } while (token.kind != TL_JSON_END);
  return true;
}

static tl_status put_meta(tl_json_writer *w, const tl_plan *plan) {
  const tl_plan_section *meta = plan->header ? tl_plan_find(plan, TL_PLAN_SECTION_META, 0) : NULL;
  tl_source source = {plan->name, meta ? tl_plan_bytes(plan, meta) : (tl_str){0}};
  tl_json_write_key(w, TL_STR("meta"));
  if (!meta || !is_json(&source)) {
    tl_json_write_null(w);
    return TL_OK;
  }
  tl_json_reader reader;
  tl_json_token token;
  tl_json_reader_init(&reader, &source, NULL);
  do {
    TL_TRY(tl_json_next(&reader, &token));
    TL_TRY(put_token(w, &source, &token));
  } while (token.kind != TL_JSON_END);
  return TL_OK;
}

// ---- the tables

static void put_file(tl_json_writer *w, const tl_plan *plan) {
  object_begin(w, "file");
  put_string(w, "name", plan->name);
  put_int(w, "version", plan->header ? plan->header->version : TL_PLAN_VERSION);
  put_int(w, "bytes", plan->bytes_count);
  tl_json_write_object_end(w);
}

static void put_model(tl_json_writer *w, const tl_plan *plan) {
  const tl_plan_model *model = plan->tables.models;
  object_begin(w, "model");
  put_string(w, "task", tl_plan_task_texts[model->task]);
  put_int(w, "outputs", model->outputs);
  put_int(w, "vocabulary", model->vocabulary);
  put_int(w, "context", model->context);
  put_int(w, "types", model->types);
  put_int(w, "prompt_limit", model->prompt_limit);
  array_begin(w, "kv_types");
  for (int kv = 0; kv < TL_PLAN_KV_COUNT; kv++) {
    if (model->kv_types & 1u << kv) tl_json_write_string(w, tl_str_from(tl_plan_kv_texts[kv]));
  }
  tl_json_write_array_end(w);
  put_string(w, "kv_default", tl_plan_kv_texts[model->kv_default]);
  tl_json_write_key(w, TL_STR("has_weights"));
  tl_json_write_bool(w, model->has_weights);
  tl_json_write_object_end(w);
}

static void put_targets(tl_json_writer *w, const tl_plan *plan) {
  array_begin(w, "targets");
  for (uint32_t i = 0; i < plan->tables.targets_count; i++) {
    const tl_plan_target *target = &plan->tables.targets[i];
    tl_json_write_object_begin(w);
    put_text(w, "name", plan, target->name);
    put_int(w, "code_bytes", target->code_bytes);
    put_int(w, "text_bytes", target->text_bytes);
    put_int(w, "scratch_bytes", target->scratch_bytes);
    tl_json_write_object_end(w);
  }
  tl_json_write_array_end(w);
}

static void put_sections(tl_json_writer *w, const tl_plan *plan) {
  array_begin(w, "sections");
  for (uint32_t i = 0; plan->header && i < plan->header->sections_count; i++) {
    const tl_plan_section *section = &plan->sections[i];
    tl_json_write_object_begin(w);
    put_string(w, "kind", tl_plan_section_texts[section->kind]);
    if (section->kind == TL_PLAN_SECTION_CODE) {
      put_text(w, "target", plan, plan->tables.targets[section->target].name);
    }
    put_int(w, "offset", section->offset);
    put_int(w, "bytes", section->bytes);
    tl_json_write_object_end(w);
  }
  tl_json_write_array_end(w);
}

// An object with a member for each KV type that the plan has.
static void put_by_kv(tl_json_writer *w, const char *key, const tl_plan *plan,
                      const uint64_t values[TL_PLAN_KV_COUNT]) {
  object_begin(w, key);
  for (int kv = 0; kv < TL_PLAN_KV_COUNT; kv++) {
    if (plan->tables.models->kv_types & 1u << kv) put_int(w, tl_plan_kv_texts[kv], values[kv]);
  }
  tl_json_write_object_end(w);
}

static void put_groups(tl_json_writer *w, const tl_plan *plan) {
  array_begin(w, "groups");
  for (uint32_t i = 0; i < plan->tables.groups_count; i++) {
    const tl_plan_group *group = &plan->tables.groups[i];
    tl_json_write_object_begin(w);
    put_string(w, "kind", tl_plan_group_texts[group->kind]);
    put_int(w, "span", group->span);
    put_by_kv(w, "page_bytes", plan, group->page_bytes);
    tl_json_write_object_end(w);
  }
  tl_json_write_array_end(w);
}

static void put_memory(tl_json_writer *w, const tl_plan *plan) {
  uint64_t kv_bytes[TL_PLAN_KV_COUNT];
  for (int kv = 0; kv < TL_PLAN_KV_COUNT; kv++)
    kv_bytes[kv] = tl_plan_kv_bytes(&plan->tables, (tl_plan_kv_type)kv);
  object_begin(w, "memory");
  put_int(w, "weights_bytes", tl_plan_weights_bytes(&plan->tables));
  put_by_kv(w, "kv_bytes_per_token", plan, kv_bytes);
  put_int(w, "page_tokens", TL_PAGE_TOKENS);
  put_groups(w, plan);
  tl_json_write_object_end(w);
}

// Of a step of one row.
static void put_launches(tl_json_writer *w, const tl_plan *plan, const tl_plan_program *program,
                         tl_plan_kv_type kv_type) {
  uint32_t at = 0;
  object_begin(w, tl_plan_kv_texts[kv_type]);
  put_int(w, "outside", tl_plan_outside_launches(&plan->tables, program, kv_type));
  array_begin(w, "layers");
  for (tl_plan_layers run; tl_plan_next_layers(&plan->tables, program, kv_type, &at, &run);) {
    tl_json_write_object_begin(w);
    put_int(w, "first", run.first);
    put_int(w, "last", run.last);
    put_int(w, "launches", run.launches_count);
    tl_json_write_object_end(w);
  }
  tl_json_write_array_end(w);
  tl_json_write_object_end(w);
}

static void put_program(tl_json_writer *w, const tl_plan *plan, const tl_plan_program *program) {
  tl_json_write_object_begin(w);
  put_text(w, "name", plan, program->name);
  put_text(w, "target", plan, plan->tables.targets[program->target].name);
  put_int(w, "launches", program->launches_count);
  tl_json_write_key(w, TL_STR("whole"));
  tl_json_write_bool(w, program->whole);
  put_int(w, "weights_bytes", tl_plan_target_weights(&plan->tables, program->target).bytes);
  put_int(w, "activation_rows", TL_PLAN_DESCRIBE_ROWS);
  put_int(w, "activation_bytes", tl_plan_activation_bytes(program, TL_PLAN_DESCRIBE_ROWS));
  object_begin(w, "launches_per_layer");
  for (int kv = 0; kv < TL_PLAN_KV_COUNT; kv++) {
    if (plan->tables.models->kv_types & 1u << kv)
      put_launches(w, plan, program, (tl_plan_kv_type)kv);
  }
  tl_json_write_object_end(w);
  tl_json_write_object_end(w);
}

tl_status tl_plan_describe_json(const tl_plan *plan, tl_arena *arena, tl_str *out_text) {
  tl_json_writer w;
  *out_text = (tl_str){NULL, 0};
  tl_json_writer_init(&w, arena, INDENT);
  tl_json_write_object_begin(&w);
  put_file(&w, plan);
  TL_TRY(put_meta(&w, plan));
  put_model(&w, plan);
  put_targets(&w, plan);
  put_sections(&w, plan);
  put_memory(&w, plan);
  array_begin(&w, "programs");
  for (uint32_t i = 0; i < plan->tables.programs_count; i++)
    put_program(&w, plan, &plan->tables.programs[i]);
  tl_json_write_array_end(&w);
  tl_json_write_object_end(&w);
  tl_str text;
  TL_TRY(tl_json_writer_finish(&w, &text));
  *out_text = tl_arena_format(arena, "%.*s\n", TL_STR_ARG(text));
  return out_text->data ? TL_OK : TL_MEMORY;
}

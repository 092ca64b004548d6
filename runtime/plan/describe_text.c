// The text form of a plan's tables. Every field is in it, but places of texts and what follows from
// the rest; tests/lib/plan_text.c reads it.
#include <stdarg.h>
#include <stdio.h>

#include "runtime/base/plan_texts.h"
#include "runtime/plan/describe.h"
#include "runtime/plan/range.h"

typedef struct printer {
  const tl_plan *plan;
  tl_arena *arena;
  char *data;
  size_t length, capacity;
  bool failed;
} printer;

static char *reserve(printer *p, size_t bytes) {
  char *grown = tl_arena_grow(p->arena, p->data, &p->capacity, p->length + bytes, 1);
  p->failed |= !grown;
  if (grown) p->data = grown;
  return grown ? grown + p->length : NULL;
}

__attribute__((format(printf, 2, 3))) static void put(printer *p, const char *format, ...) {
  va_list args;
  if (p->failed) return;
  va_start(args, format);
  int length = vsnprintf(NULL, 0, format, args);
  va_end(args);
  char *place = length < 0 ? NULL : reserve(p, (size_t)length + 1);
  if (!place) return;
  va_start(args, format);
  vsnprintf(place, (size_t)length + 1, format, args);
  va_end(args);
  p->length += (size_t)length;
}

// What could move a terminal's cursor becomes a question mark.
static void put_clean(printer *p, const char *from, size_t length) {
  char *place = reserve(p, length);
  for (size_t i = 0; place && i < length; i++)
    place[i] = (unsigned char)from[i] < ' ' || from[i] == 0x7f ? '?' : from[i];
  if (place) p->length += length;
}

static void put_text(printer *p, uint32_t text) {
  const char *from = tl_plan_string(&p->plan->tables, text);
  put_clean(p, from, strlen(from));
}

// A text of several lines.
static void put_lines(printer *p, uint32_t text) {
  const char *from = tl_plan_string(&p->plan->tables, text);
  while (*from && !p->failed) {
    size_t length = strcspn(from, "\n");
    put(p, "    | ");
    put_clean(p, from, length);
    put(p, "\n");
    from += length + (from[length] == '\n');
  }
}

// A reference to the row called `name` that has `earlier` rows of the same name before it.
static void put_reference(printer *p, const char *name, uint32_t earlier) {
  put(p, "%%");
  put_clean(p, name, strlen(name));
  if (earlier) put(p, "~%u", earlier);
}

#define X(table)                                                                                   \
  static void put_##table##_name(printer *p, uint32_t row) {                                       \
    const tl_plan_tables *t = &p->plan->tables;                                                    \
    const char *name = tl_plan_string(t, t->table##s[row].name);                                   \
    uint32_t earlier = 0;                                                                          \
    for (uint32_t i = 0; i < row; i++)                                                             \
      earlier += strcmp(tl_plan_string(t, t->table##s[i].name), name) == 0;                        \
    put_reference(p, name, earlier);                                                               \
  }
X(weight)
X(buffer)
X(state)
#undef X

static void put_bytes(printer *p, uint64_t bytes) {
  static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  double value = (double)bytes;
  int unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    unit++;
  }
  put(p, unit == 0 ? "%.0f %s" : "%.2f %s", value, units[unit]);
}

// A value for each KV type, as attributes.
static void put_kv_values(printer *p, const uint64_t values[TL_PLAN_KV_COUNT]) {
  for (int kv = 0; kv < TL_PLAN_KV_COUNT; kv++)
    put(p, ", %s=%llu", tl_plan_kv_texts[kv], (unsigned long long)values[kv]);
  put(p, "}\n");
}

static void put_kv_types(printer *p, uint32_t mask) {
  const char *separator = "";
  for (int kv = 0; kv < TL_PLAN_KV_COUNT; kv++) {
    if (!(mask & 1u << kv)) continue;
    put(p, "%s%s", separator, tl_plan_kv_texts[kv]);
    separator = ", ";
  }
}

// ---- facts

static void put_model(printer *p) {
  const tl_plan_model *model = p->plan->tables.models;
  put(p, "model : %s {outputs=%u, vocabulary=%u, context=%u, types=%u",
      tl_plan_task_texts[model->task], model->outputs, model->vocabulary, model->context,
      model->types);
  if (model->prompt_limit) put(p, ", prompt_limit=%u", model->prompt_limit);
  put(p, "}\n");
  put(p, "kv types : ");
  put_kv_types(p, model->kv_types);
  put(p, "; %s by default\n", tl_plan_kv_texts[model->kv_default]);
  if (!model->has_weights) put(p, "a skeleton: weights are random numbers, for measuring\n");
}

static void put_targets(printer *p) {
  const tl_plan_tables *t = &p->plan->tables;
  for (uint32_t i = 0; i < t->targets_count; i++) {
    const tl_plan_target *row = &t->targets[i];
    put(p, "target ");
    put_text(p, row->name);
    put(p, " {code=%u, text=%u, scratch=%u}\n", row->code_bytes, row->text_bytes,
        row->scratch_bytes);
  }
}

static void put_sections(printer *p) {
  if (!p->plan->header) return;
  for (uint32_t i = 0; i < p->plan->header->sections_count; i++) {
    const tl_plan_section *section = &p->plan->sections[i];
    put(p, "section %s", tl_plan_section_texts[section->kind]);
    if (section->kind == TL_PLAN_SECTION_CODE) {
      put(p, " of ");
      put_text(p, p->plan->tables.targets[section->target].name);
    }
    put(p, " : at %llu, ", (unsigned long long)section->offset);
    put_bytes(p, section->bytes);
    put(p, "\n");
  }
}

static void put_group(printer *p, uint32_t index) {
  const tl_plan_tables *t = &p->plan->tables;
  const tl_plan_group *group = &t->groups[index];
  put(p, "memory kv group %u : %s", index, tl_plan_group_texts[group->kind]);
  if (group->span) put(p, " of %u positions", group->span);
  for (int kv = 0; kv < TL_PLAN_KV_COUNT; kv++) {
    if (!(t->models->kv_types & 1u << kv)) continue;
    put(p, "; %s ", tl_plan_kv_texts[kv]);
    put_bytes(p, group->page_bytes[kv] / TL_PAGE_TOKENS);
    put(p, " per position");
  }
  put(p, "\n");
}

static void put_memory(printer *p) {
  const tl_plan_tables *t = &p->plan->tables;
  for (uint32_t i = 0; i < t->targets_count; i++) {
    put(p, "memory code of ");
    put_text(p, t->targets[i].name);
    put(p, " : ");
    put_bytes(p, t->targets[i].code_bytes);
    put(p, ", scratch ");
    put_bytes(p, t->targets[i].scratch_bytes);
    put(p, " per thread\n");
  }
  put(p, "memory weights : ");
  put_bytes(p, tl_plan_weights_bytes(t));
  put(p, "\n");
  for (uint32_t i = 0; i < t->groups_count; i++)
    put_group(p, i);
  for (uint32_t i = 0; i < t->programs_count; i++) {
    put(p, "memory activations of @");
    put_text(p, t->programs[i].name);
    put(p, " for ");
    put_text(p, t->targets[t->programs[i].target].name);
    put(p, " : ");
    put_bytes(p, tl_plan_activation_bytes(&t->programs[i], TL_PLAN_DESCRIBE_ROWS));
    put(p, " at T = %d, weights ", TL_PLAN_DESCRIBE_ROWS);
    put_bytes(p, tl_plan_target_weights(t, t->programs[i].target).bytes);
    put(p, "\n");
  }
}

// ---- tables

static void put_weights(printer *p) {
  const tl_plan_tables *t = &p->plan->tables;
  for (uint32_t i = 0; i < t->weights_count; i++) {
    const tl_plan_weight *row = &t->weights[i];
    bool vector = row->layout == TL_PLAN_LAYOUT_VECTOR && row->columns == 1;
    put(p, "weight %%");
    put_text(p, row->name);
    put(p, " : ");
    put_text(p, row->format);
    put(p, row->experts > 1 ? "[%lld," : "[", (long long)row->experts);
    put(p, vector && row->experts == 1 ? "%lld]" : "%lld,%lld]", (long long)row->rows,
        (long long)row->columns);
    put(p, " %s {at=%llu, stride=%lld}\n", tl_plan_layout_texts[row->layout],
        (unsigned long long)row->offset, (long long)row->stride);
  }
}

static void put_states(printer *p) {
  const tl_plan_tables *t = &p->plan->tables;
  for (uint32_t i = 0; i < t->groups_count; i++) {
    const tl_plan_group *row = &t->groups[i];
    put(p, "group %u : %s {span=%u", i, tl_plan_group_texts[row->kind], row->span);
    put_kv_values(p, row->page_bytes);
  }
  for (uint32_t i = 0; i < t->states_count; i++) {
    const tl_plan_state *row = &t->states[i];
    put(p, "state %%");
    put_text(p, row->name);
    put(p, " : group %u {heads=%u, key=%u, value=%u", row->group, row->heads, row->key, row->value);
    put_kv_values(p, row->offset);
  }
}

static void put_buffers(printer *p) {
  const tl_plan_tables *t = &p->plan->tables;
  for (uint32_t i = 0; i < t->buffers_count; i++) {
    const tl_plan_buffer *row = &t->buffers[i];
    put(p, "buffer %%");
    put_text(p, row->name);
    put(p, " : ");
    put_text(p, row->format);
    put(p, "[%s,%u] {at=%llu, row=%llu}\n", tl_plan_symbol_texts[row->symbol], row->columns,
        (unsigned long long)row->offset, (unsigned long long)row->row_bytes);
  }
}

// What only kernels of a GPU have.
static void put_module(printer *p, const tl_plan_kernel *row) {
  put(p, ", module=%u, source=%u, threads=%u, shared=%u, registers=%u, blocks=%u",
      row->module_bytes, row->source_bytes, row->threads, row->shared_bytes, row->registers,
      row->blocks);
}

static void put_kernels(printer *p) {
  const tl_plan_tables *t = &p->plan->tables;
  for (uint32_t i = 0; i < t->kernels_count; i++) {
    const tl_plan_kernel *row = &t->kernels[i];
    put(p, "kernel %u : ", i);
    put_text(p, t->targets[row->target].name);
    put(p, " {at=%u, scratch=%u", row->offset, row->scratch_bytes);
    if (row->module_bytes) put_module(p, row);
    put(p, "} ");
    put_text(p, row->name);
    put(p, "\n");
  }
}

// ---- programs

static void put_arg(printer *p, const tl_plan_arg *arg) {
  put(p, "%s ", tl_plan_arg_texts[arg->kind]);
  switch (arg->kind) {
  case TL_PLAN_ARG_INT: put(p, "%lld", (long long)arg->value); break;
  case TL_PLAN_ARG_WEIGHT: put_weight_name(p, arg->index); break;
  case TL_PLAN_ARG_BUFFER: put_buffer_name(p, arg->index); break;
  case TL_PLAN_ARG_WEIGHT_MAP: put_weight_name(p, arg->index); break;
  case TL_PLAN_ARG_BUFFER_MAP: put_buffer_name(p, arg->index); break;
  default: put_state_name(p, arg->index); break;
  }
  if (arg->kind == TL_PLAN_ARG_WEIGHT_MAP || arg->kind == TL_PLAN_ARG_BUFFER_MAP) {
    put(p, " %lld", (long long)arg->value);
  }
}

static void put_guard(printer *p, const tl_plan_launch *launch) {
  put(p, "kv ");
  put_kv_types(p, launch->guard_kv);
  if (launch->guard_min > 0) put(p, ", T >= %u", launch->guard_min);
  if (launch->guard_max < UINT32_MAX) put(p, ", T <= %u", launch->guard_max);
  if (launch->guard_exact)
    put(p, ", %s", launch->guard_exact == 1 ? "by default" : "deterministic");
  if (launch->guard_library)
    put(p, ", %s", launch->guard_library == 1 ? "without a library" : "with a library");
  if (launch->set) put(p, ", set %u", launch->set);
  if (launch->layer) put(p, ", layer %u", launch->layer - 1);
}

static void put_launch(printer *p, const tl_plan_launch *launch) {
  const tl_plan_tables *t = &p->plan->tables;
  const char *symbol = tl_plan_symbol_texts[launch->grid_symbol];
  put(p, "  launch @");
  put_text(p, launch->name);
  put(p, " : ");
  put_guard(p, launch);
  put(p, ", grid %u * ceil(%s / %u)\n", launch->grid_items, symbol, launch->grid_rows);
  put(p, "    %s %u {flops=%llu}\n    args", tl_plan_launch_texts[launch->kind], launch->kernel,
      (unsigned long long)launch->flops);
  for (uint32_t i = 0; i < launch->args_count && !p->failed; i++) {
    put(p, i ? ", " : " ");
    put_arg(p, &t->args[launch->first_arg + i]);
  }
  put(p, "\n");
  put_lines(p, launch->text);
}

static void put_layers(printer *p, const tl_plan_program *program, tl_plan_kv_type kv_type) {
  const tl_plan_tables *t = &p->plan->tables;
  uint32_t at = 0;
  put(p, "  launches at T = 1 with kv %s: ", tl_plan_kv_texts[kv_type]);
  for (tl_plan_layers run; tl_plan_next_layers(t, program, kv_type, &at, &run);) {
    if (run.first == run.last) {
      put(p, "layer %u: %u, ", run.first, run.launches_count);
    } else {
      put(p, "layers %u-%u: %u each, ", run.first, run.last, run.launches_count);
    }
  }
  put(p, "outside of layers: %u\n", tl_plan_outside_launches(t, program, kv_type));
}

static void put_program(printer *p, const tl_plan_program *program) {
  const tl_plan_tables *t = &p->plan->tables;
  put(p, "program @");
  put_text(p, program->name);
  put(p, " : ");
  put_text(p, t->targets[program->target].name);
  put(p, ", %u launches%s {\n", program->launches_count,
      program->whole ? ", a sequence must come whole" : "");
  for (int kv = 0; kv < TL_PLAN_KV_COUNT; kv++) {
    if (t->models->kv_types & 1u << kv) put_layers(p, program, (tl_plan_kv_type)kv);
  }
  put(p, "  output ");
  put_buffer_name(p, program->output);
  if (program->best) put(p, ", best ");
  if (program->best) put_buffer_name(p, program->best - 1);
  if (program->candidates) put(p, ", candidates ");
  if (program->candidates) put_buffer_name(p, program->candidates - 1);
  put(p, "\n  arenas ");
  for (int s = 0; s < TL_PLAN_SYMBOL_COUNT; s++)
    put(p, "%s%s=%llu", s ? ", " : "{", tl_plan_symbol_texts[s],
        (unsigned long long)program->arena_bytes[s]);
  put(p, "}\n");
  for (uint32_t i = 0; i < program->launches_count && !p->failed; i++)
    put_launch(p, &t->launchs[program->first_launch + i]);
  put(p, "}\n");
}

tl_status tl_plan_describe_text(const tl_plan *plan, tl_arena *arena, tl_str *out_text) {
  printer p = {.plan = plan, .arena = arena};
  put(&p, "plan %s\n", plan->name);
  put_model(&p);
  put_targets(&p);
  put_sections(&p);
  put_memory(&p);
  put_weights(&p);
  put_states(&p);
  put_buffers(&p);
  put_kernels(&p);
  for (uint32_t i = 0; i < plan->tables.programs_count && !p.failed; i++)
    put_program(&p, &plan->tables.programs[i]);
  *out_text = p.failed ? (tl_str){NULL, 0} : (tl_str){p.data, p.length};
  return p.failed ? TL_MEMORY : TL_OK;
}

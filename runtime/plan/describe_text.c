// The description for people.
#include <stdarg.h>
#include <stdio.h>

#include "runtime/base/plan_texts.h"
#include "runtime/plan/describe.h"

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

// A text of the plan; what could move a terminal's cursor becomes a question mark.
static void put_text(printer *p, uint32_t text) {
  const char *from = tl_plan_string(&p->plan->tables, text);
  size_t length = strlen(from);
  char *place = reserve(p, length);
  for (size_t i = 0; place && i < length; i++)
    place[i] = (unsigned char)from[i] < ' ' || from[i] == 0x7f ? '?' : from[i];
  if (place) p->length += length;
}

// A text of several lines, each after `indent` spaces.
static void put_lines(printer *p, uint32_t text, int indent) {
  const char *from = tl_plan_string(&p->plan->tables, text);
  while (*from && !p->failed) {
    size_t length = strcspn(from, "\n");
    put(p, "%*s%.*s\n", indent, "", (int)length, from);
    from += length + (from[length] == '\n');
  }
}

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
  put(p, "model : %s {outputs=%u, vocabulary=%u, context=%u, types=%u}\n",
      tl_plan_task_texts[model->task], model->outputs, model->vocabulary, model->context,
      model->types);
  put(p, "kv types : ");
  put_kv_types(p, model->kv_types);
  put(p, "; %s by default\n", tl_plan_kv_texts[model->kv_default]);
  if (!model->has_weights) put(p, "a skeleton: weights are random numbers, for measuring\n");
}

static void put_targets(printer *p) {
  const tl_plan_tables *t = &p->plan->tables;
  for (uint32_t i = 0; i < t->targets_count; i++) {
    put(p, "target ");
    put_text(p, t->targets[i].name);
    put(p, " : code ");
    put_bytes(p, t->targets[i].code_bytes);
    put(p, ", scratch ");
    put_bytes(p, t->targets[i].scratch_bytes);
    put(p, " per thread\n");
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
    put(p, " at T = %d\n", TL_PLAN_DESCRIBE_ROWS);
  }
}

static void put_weights(printer *p) {
  const tl_plan_tables *t = &p->plan->tables;
  for (uint32_t i = 0; i < t->weights_count; i++) {
    const tl_plan_weight *row = &t->weights[i];
    put(p, "weight %%");
    put_text(p, row->name);
    put(p, " : ");
    put_text(p, row->format);
    put(p, row->experts > 1 ? "[%lld," : "[", (long long)row->experts);
    put(p, row->layout == TL_PLAN_LAYOUT_VECTOR ? "%lld]" : "%lld,%lld]", (long long)row->rows,
        (long long)row->columns);
    put(p, " %s at %llu, ", tl_plan_layout_texts[row->layout], (unsigned long long)row->offset);
    put_bytes(p, row->bytes);
    put(p, "\n");
  }
}

static void put_buffers(printer *p) {
  const tl_plan_tables *t = &p->plan->tables;
  for (uint32_t i = 0; i < t->buffers_count; i++) {
    const tl_plan_buffer *buffer = &t->buffers[i];
    const char *symbol = tl_plan_symbol_texts[buffer->symbol];
    put(p, "buffer %%");
    put_text(p, buffer->name);
    put(p, " : ");
    put_text(p, buffer->format);
    put(p, "[%s,%u] at %llu * %s\n", symbol, buffer->columns, (unsigned long long)buffer->offset,
        symbol);
  }
}

// ---- programs

static void put_arg(printer *p, const tl_plan_arg *arg) {
  const tl_plan_tables *t = &p->plan->tables;
  uint32_t name = 0;
  put(p, "%s ", tl_plan_arg_texts[arg->kind]);
  switch (arg->kind) {
  case TL_PLAN_ARG_INT: put(p, "%lld", (long long)arg->value); return;
  case TL_PLAN_ARG_GROUP: put(p, "%u", t->states[arg->index].group); return;
  case TL_PLAN_ARG_WEIGHT: name = t->weights[arg->index].name; break;
  case TL_PLAN_ARG_BUFFER: name = t->buffers[arg->index].name; break;
  default: name = t->states[arg->index].name; break;
  }
  put(p, "%%");
  put_text(p, name);
}

static void put_guard(printer *p, const tl_plan_launch *launch) {
  put(p, "kv ");
  put_kv_types(p, launch->guard_kv);
  if (launch->guard_min > 0) put(p, ", T >= %u", launch->guard_min);
  if (launch->guard_max < UINT32_MAX) put(p, ", T <= %u", launch->guard_max);
  if (launch->layer) put(p, ", layer %u", launch->layer - 1);
}

static void put_launch(printer *p, const tl_plan_launch *launch) {
  const tl_plan_tables *t = &p->plan->tables;
  const char *symbol = tl_plan_symbol_texts[launch->grid_symbol];
  const tl_plan_kernel *kernel = &t->kernels[launch->kernel];
  put(p, "  launch @");
  put_text(p, launch->name);
  put(p, " : ");
  put_guard(p, launch);
  put(p, ", grid %u * ceil(%s / %u)\n    code %u ", launch->grid_items, symbol, launch->grid_rows,
      kernel->offset);
  put_text(p, kernel->name);
  put(p, "\n    args ");
  for (uint32_t i = 0; i < launch->args_count && !p->failed; i++) {
    if (i) put(p, ", ");
    put_arg(p, &t->args[launch->first_arg + i]);
  }
  put(p, "\n");
  put_lines(p, launch->text, 2);
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
  put(p, "  output %%");
  put_text(p, t->buffers[program->output].name);
  put(p, "\n");
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
  put_buffers(&p);
  for (uint32_t i = 0; i < plan->tables.programs_count && !p.failed; i++)
    put_program(&p, &plan->tables.programs[i]);
  *out_text = p.failed ? (tl_str){NULL, 0} : (tl_str){p.data, p.length};
  return p.failed ? TL_MEMORY : TL_OK;
}

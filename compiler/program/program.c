// Programs: building and printing.
#include "compiler/program/program.h"

#include <stdarg.h>
#include <stdio.h>

const tl_statement_info *tl_statement_of(tl_statement_kind kind) {
  static const tl_statement_info infos[TL_STATEMENT_COUNT] = {
#define STATEMENT(NAME, text, operands, ints, reals, unit, summary)                                \
  {text, operands, ints, reals, unit},
#include "compiler/program/statements.def"
#undef STATEMENT
  };
  return &infos[kind];
}

const char *tl_anchor_text(tl_anchor anchor) {
  static const char *const texts[TL_ANCHOR_COUNT] = {
#define ANCHOR(NAME, text, summary) text,
#include "compiler/program/anchors.def"
#undef ANCHOR
  };
  return texts[anchor];
}

tl_program *tl_program_create(tl_graph *graph) {
  tl_program *program = tl_arena_alloc(graph->arena, sizeof *program);
  if (program) *program = (tl_program){.arena = graph->arena, .graph = graph};
  return program;
}

tl_kernel *tl_program_add_kernel(tl_program *program, tl_anchor anchor, tl_str name) {
  if (program->kernels_count == TL_PROGRAM_KERNELS_MAX) return NULL;
  tl_kernel **grown = tl_arena_grow(program->arena, program->kernels, &program->kernels_capacity,
                                    program->kernels_count + 1, sizeof *grown);
  tl_kernel *kernel = grown ? tl_arena_alloc(program->arena, sizeof *kernel) : NULL;
  if (!kernel) return NULL;
  *kernel = (tl_kernel){.anchor = anchor, .name = name};
  program->kernels = grown;
  return program->kernels[program->kernels_count++] = kernel;
}

tl_buffer *tl_program_add_buffer(tl_program *program, const tl_buffer *buffer) {
  tl_buffer **grown = tl_arena_grow(program->arena, program->buffers, &program->buffers_capacity,
                                    program->buffers_count + 1, sizeof *grown);
  tl_buffer *copy = grown ? tl_arena_alloc(program->arena, sizeof *copy) : NULL;
  if (!copy) return NULL;
  *copy = *buffer;
  program->buffers = grown;
  return program->buffers[program->buffers_count++] = copy;
}

tl_statement *tl_segment_add(tl_segment *segment, tl_statement_kind kind) {
  if (segment->statements_count == TL_STATEMENTS_MAX) return NULL;
  tl_statement *statement = &segment->statements[segment->statements_count++];
  *statement = (tl_statement){.kind = kind};
  return statement;
}

static int64_t greatest_divisor(int64_t a, int64_t b) {
  return b == 0 ? a : greatest_divisor(b, a % b);
}

int64_t tl_kernel_unit(const tl_kernel *kernel, int64_t limit) {
  int64_t unit = 64;
  for (int s = 0; s < kernel->segments_count; s++) {
    const tl_segment *segment = &kernel->segments[s];
    for (int i = 0; i < segment->statements_count; i++) {
      const tl_statement *statement = &segment->statements[i];
      if (!tl_statement_of(statement->kind)->has_unit) continue;
      int64_t own = statement->ints[0];
      if (own < 1) return 0;
      unit = unit / greatest_divisor(unit, own) * own;
      if (unit > limit) return 0;
    }
  }
  return unit;
}

typedef struct printer {
  tl_arena *arena;
  tl_str text;
  size_t capacity;
} printer;

__attribute__((format(printf, 2, 3))) static void put(printer *p, const char *format, ...) {
  char line[1024];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (length < 0 || !p->text.data) return;
  if ((size_t)length >= sizeof line) length = sizeof line - 1;
  char *grown = tl_arena_grow(p->arena, (char *)p->text.data, &p->capacity,
                              p->text.length + (size_t)length + 1, 1);
  if (!grown) {
    p->text = (tl_str){0};
    return;
  }
  memcpy(grown + p->text.length, line, (size_t)length + 1);
  p->text = (tl_str){grown, p->text.length + (size_t)length};
}

static void put_operand(printer *p, const tl_operand *operand) {
  if (!operand->value && !operand->buffer) return; // absent
  tl_str name = operand->value ? operand->value->name : operand->buffer->name;
  put(p, " %%%.*s", TL_STR_ARG(name));
  if (operand->offset != 0) put(p, "+%.9g", operand->offset);
}

// The next word of a list of names separated by spaces.
static tl_str next_name(const char **names) {
  const char *begin = *names, *end = begin;
  while (*end && *end != ' ')
    end++;
  *names = *end ? end + 1 : end;
  return (tl_str){begin, (size_t)(end - begin)};
}

static void put_statement(printer *p, const tl_statement *statement) {
  const tl_statement_info *info = tl_statement_of(statement->kind);
  put(p, "      %s", info->text);
  for (int i = 0; info->operands[i]; i++)
    put_operand(p, &statement->operands[i]);
  const char *names = info->ints, *separator = " {";
  for (int i = 0; *names; i++, separator = ", ") {
    tl_str name = next_name(&names);
    put(p, "%s%.*s=%lld", separator, TL_STR_ARG(name), (long long)statement->ints[i]);
  }
  names = info->reals;
  for (int i = 0; *names; i++, separator = ", ") {
    tl_str name = next_name(&names);
    put(p, "%s%.*s=%.9g", separator, TL_STR_ARG(name), statement->reals[i]);
  }
  put(p, *separator == ',' ? "}\n" : "\n");
}

static void put_segment(printer *p, const tl_segment *segment) {
  put(p, "    columns %lld", (long long)segment->columns);
  if (segment->first) put(p, " from %lld", (long long)segment->first);
  for (int i = 0; i < segment->weights_count; i++)
    put(p, " %%%.*s", TL_STR_ARG(segment->weights[i]->name));
  put(p, " {\n");
  for (int i = 0; i < segment->statements_count; i++)
    put_statement(p, &segment->statements[i]);
  put(p, "    }\n");
}

static void put_routing(printer *p, const tl_routing *r) {
  if (r->groups) put(p, " %%%.*s", TL_STR_ARG(r->groups->name));
  if (r->weights) put(p, " %%%.*s", TL_STR_ARG(r->weights->name));
  put(p, " {experts=%lld, chosen=%lld%s}", (long long)r->experts, (long long)r->chosen,
      r->picks ? ", picks" : "");
}

static void put_kernel(printer *p, const tl_kernel *kernel) {
  put(p, "  kernel @%.*s : %s", TL_STR_ARG(kernel->name), tl_anchor_text(kernel->anchor));
  if (kernel->input) put(p, " %%%.*s", TL_STR_ARG(kernel->input->name));
  if (kernel->table) put(p, " %%%.*s", TL_STR_ARG(kernel->table->name));
  if (kernel->limit) {
    put(p, " {limit=%lld, stretch=%.9g}", (long long)kernel->limit, kernel->stretch);
  }
  if (kernel->wanted_rows) put(p, " wanted");
  if (kernel->anchor == TL_ANCHOR_GATHER && kernel->source != TL_GATHER_IDS) {
    put(p, kernel->source == TL_GATHER_TYPES ? " types" : " positions");
  }
  if (kernel->routing.experts) put_routing(p, &kernel->routing);
  if (kernel->attention.state) {
    const tl_attention *a = &kernel->attention;
    if (a->turned) put(p, " %%%.*s", TL_STR_ARG(a->turned->name));
    put(p, " %%%.*s {heads=%lld, kv_heads=%lld, key=%lld, value=%lld, scale=%.9g",
        TL_STR_ARG(a->state->name), (long long)a->heads, (long long)a->kv_heads, (long long)a->key,
        (long long)a->value, a->scale);
    if (a->window) put(p, ", window=%lld", (long long)a->window);
    if (a->chunk) put(p, ", chunk=%lld", (long long)a->chunk);
    if (a->softcap != 0) put(p, ", softcap=%.9g", a->softcap);
    if (a->full) put(p, ", full");
    put(p, "}");
  }
  put(p, " {\n");
  for (int i = 0; i < kernel->segments_count; i++)
    put_segment(p, &kernel->segments[i]);
  put(p, "  }\n");
}

tl_str tl_kernel_print(const tl_kernel *kernel, tl_arena *arena) {
  printer p = {arena, TL_STR(""), 0};
  put_kernel(&p, kernel);
  return p.text;
}

tl_str tl_program_print(const tl_program *program, tl_arena *arena) {
  static const char *const roles[] = {"f32", "input", "query", "index"};
  static const char *const symbols[] = {
#define X(name, text, summary) text,
      TL_PLAN_SYMBOL_MAP(X)
#undef X
  };
  printer p = {arena, TL_STR(""), 0};
  put(&p, "program @%.*s {\n", TL_STR_ARG(program->graph->name));
  for (size_t i = 0; i < program->buffers_count; i++) {
    const tl_buffer *buffer = program->buffers[i];
    put(&p, "  buffer %%%.*s : %s[%s", TL_STR_ARG(buffer->name), roles[buffer->role],
        symbols[buffer->symbol]);
    if (buffer->slots > 1) put(&p, "*%lld", (long long)buffer->slots);
    put(&p, ",%lld]\n", (long long)buffer->columns);
  }
  for (size_t i = 0; i < program->kernels_count; i++)
    put_kernel(&p, program->kernels[i]);
  put(&p, "  output %%%.*s\n}\n", TL_STR_ARG(program->output->name));
  return p.text;
}

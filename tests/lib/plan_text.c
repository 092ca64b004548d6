// A function per line, chosen by its first word. After a fault nothing is read any more and every
// helper returns zeros, so that the functions need no checks of their own.
#include "tests/lib/plan_text.h"

#include <stdarg.h>
#include <stdio.h>

#include "runtime/base/plan_texts.h"

typedef struct reader {
  const tl_source *source;
  tl_str rest; // of the line
  tl_arena *arena;
  tl_diag *diag;
  tl_status status;
#define X(name)                                                                                    \
  tl_plan_##name *name##s;                                                                         \
  size_t name##s_count, name##s_capacity;
  TL_PLAN_TABLE_MAP(X)
#undef X
  char *strings;
  size_t strings_bytes, strings_capacity;
  const char *name;       // of the plan
  size_t launch_text_end; // among the strings: where its next line goes
  bool has_kv_types, in_program, has_output;
} reader;

__attribute__((format(printf, 3, 4))) static void fail(reader *r, tl_str part, const char *format,
                                                       ...) {
  char text[TL_DIAG_TEXT_MAX];
  va_list args;
  if (!tl_ok(r->status)) return;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  r->status = tl_diag_error(r->diag, TL_INPUT, tl_span_of(r->source, part), "%s", text);
  r->rest.length = 0;
}

static void fail_memory(reader *r) {
  if (tl_ok(r->status)) r->status = TL_MEMORY;
}

// ---- rows and texts

#define X(table)                                                                                   \
  static void add_##table(reader *r, const tl_plan_##table *row) {                                 \
    size_t count = r->table##s_count;                                                              \
    if (count == TL_PLAN_TEXT_ROWS_MAX) fail(r, r->rest, "more than %zu rows", count);             \
    if (!tl_ok(r->status)) return;                                                                 \
    tl_plan_##table *grown =                                                                       \
        tl_arena_grow(r->arena, r->table##s, &r->table##s_capacity, count + 1, sizeof *row);       \
    if (!grown) fail_memory(r);                                                                    \
    if (!grown) return;                                                                            \
    r->table##s = grown;                                                                           \
    r->table##s[r->table##s_count++] = *row;                                                       \
  }
TL_PLAN_TABLE_MAP(X)
#undef X

static void append_text(reader *r, tl_str text) {
  char *grown = tl_arena_grow(r->arena, r->strings, &r->strings_capacity,
                              r->strings_bytes + text.length + 1, 1);
  if (!grown) fail_memory(r);
  if (!grown) return;
  r->strings = grown;
  if (text.length) memcpy(grown + r->strings_bytes, text.data, text.length);
  grown[r->strings_bytes + text.length] = 0;
  r->strings_bytes += text.length;
}

static uint32_t add_text(reader *r, tl_str text) {
  uint32_t place = (uint32_t)r->strings_bytes;
  append_text(r, text);
  r->strings_bytes++;
  return place;
}

static const char *text_at(const reader *r, uint32_t text) {
  return r->strings + text;
}

// ---- words

static void skip_spaces(reader *r) {
  while (r->rest.length && *r->rest.data == ' ')
    r->rest = tl_str_slice(r->rest, 1, r->rest.length);
}

static tl_str peek(reader *r) {
  skip_spaces(r);
  size_t length = 0;
  while (length < r->rest.length && !strchr(" ,;=~{}[]()", r->rest.data[length]))
    length++;
  return tl_str_slice(r->rest, 0, length);
}

static tl_str word(reader *r) {
  tl_str found = peek(r);
  if (found.length == 0) fail(r, found, "expected a word");
  r->rest = tl_str_slice(r->rest, found.length, r->rest.length);
  return found;
}

static bool take(reader *r, const char *literal) {
  skip_spaces(r);
  tl_str text = tl_str_from(literal);
  if (!tl_str_starts_with(r->rest, text)) return false;
  r->rest = tl_str_slice(r->rest, text.length, r->rest.length);
  return true;
}

static void expect(reader *r, const char *literal) {
  if (!take(r, literal)) fail(r, tl_str_slice(r->rest, 0, 1), "expected '%s'", literal);
}

// What is left of the line.
static tl_str take_rest(reader *r) {
  skip_spaces(r);
  tl_str found = r->rest;
  r->rest.length = 0;
  return found;
}

static int64_t number(reader *r, int64_t max) {
  int64_t value = 0;
  tl_str text = word(r);
  if (!tl_str_to_i64(text, &value) || value > max || (value < 0 && max != INT64_MAX)) {
    fail(r, text, "expected a number of at most %lld", (long long)max);
    return 0;
  }
  return value;
}

static uint32_t small(reader *r) {
  return (uint32_t)number(r, UINT32_MAX);
}

// `{name=number` or `, name=number`.
static int64_t attribute(reader *r, const char *name, int64_t max) {
  if (!take(r, "{")) expect(r, ",");
  tl_str found = word(r);
  if (!tl_str_is(found, name)) fail(r, found, "expected attribute '%s'", name);
  expect(r, "=");
  return number(r, max);
}

static uint32_t small_attribute(reader *r, const char *name) {
  return (uint32_t)attribute(r, name, UINT32_MAX);
}

// As many bytes as a table may speak of.
static uint64_t bytes_attribute(reader *r, const char *name) {
  return (uint64_t)attribute(r, name, (int64_t)1 << 50);
}

static void kv_attributes(reader *r, uint64_t out_values[TL_PLAN_KV_COUNT]) {
  for (int kv = 0; kv < TL_PLAN_KV_COUNT; kv++)
    out_values[kv] = bytes_attribute(r, tl_plan_kv_texts[kv]);
  expect(r, "}");
}

static uint32_t choice(reader *r, const char *const *texts, uint32_t count) {
  tl_str found = word(r);
  uint32_t i = 0;
  while (i < count && !tl_str_is(found, texts[i]))
    i++;
  if (i < count) return i;
  fail(r, found, "expected one of '%s' and its like", texts[0]);
  return 0;
}

static uint32_t target(reader *r) {
  tl_str found = word(r);
  for (uint32_t i = 0; i < r->targets_count; i++) {
    if (tl_str_is(found, text_at(r, r->targets[i].name))) return i;
  }
  fail(r, found, "no target is called so");
  return 0;
}

static uint32_t row_number(reader *r, size_t count, const char *what) {
  tl_str text = peek(r);
  uint32_t row = small(r);
  if (row >= count) fail(r, text, "there are %zu %s", count, what);
  return row < count ? row : 0;
}

// `%name` or `%name~n`.
#define X(table)                                                                                   \
  static uint32_t table##_named(reader *r) {                                                       \
    expect(r, "%");                                                                                \
    tl_str name = word(r);                                                                         \
    uint32_t skipped = take(r, "~") ? small(r) : 0;                                                \
    for (uint32_t i = 0; i < r->table##s_count; i++) {                                             \
      if (tl_str_is(name, text_at(r, r->table##s[i].name)) && skipped-- == 0) return i;            \
    }                                                                                              \
    fail(r, name, "no " #table " is called so");                                                   \
    return 0;                                                                                      \
  }
X(weight)
X(buffer)
X(state)
#undef X

// ---- lines

static void read_plan(reader *r) {
  r->name = tl_arena_copy(r->arena, take_rest(r)).data;
  if (!r->name) fail_memory(r);
}

static void read_model(reader *r) {
  if (r->models_count) fail(r, r->rest, "a second model");
  tl_plan_model row = {.has_weights = 1};
  expect(r, ":");
  row.task = choice(r, tl_plan_task_texts, TL_PLAN_TASK_COUNT);
  row.outputs = small_attribute(r, "outputs");
  row.vocabulary = small_attribute(r, "vocabulary");
  row.context = small_attribute(r, "context");
  row.types = small_attribute(r, "types");
  if (!take(r, "}")) {
    row.prompt_limit = small_attribute(r, "prompt_limit");
    expect(r, "}");
  }
  add_model(r, &row);
}

static uint32_t kv_types(reader *r) {
  uint32_t mask = 0;
  do {
    mask |= 1u << choice(r, tl_plan_kv_texts, TL_PLAN_KV_COUNT);
  } while (take(r, ","));
  return mask;
}

static void read_kv(reader *r) {
  if (!r->models_count) fail(r, r->rest, "expected the model before it");
  if (!tl_ok(r->status)) return;
  expect(r, "types");
  expect(r, ":");
  r->models[0].kv_types = kv_types(r);
  expect(r, ";");
  r->models[0].kv_default = choice(r, tl_plan_kv_texts, TL_PLAN_KV_COUNT);
  expect(r, "by default");
  r->has_kv_types = true;
}

static void read_skeleton(reader *r) {
  if (!r->models_count) fail(r, r->rest, "expected the model before it");
  if (tl_ok(r->status)) r->models[0].has_weights = 0;
  expect(r, "skeleton:");
  take_rest(r);
}

static void read_target(reader *r) {
  tl_plan_target row = {.name = add_text(r, word(r))};
  row.code_bytes = small_attribute(r, "code");
  row.text_bytes = small_attribute(r, "text");
  row.scratch_bytes = small_attribute(r, "scratch");
  expect(r, "}");
  add_target(r, &row);
}

static uint64_t weight_bytes(reader *r, const tl_plan_weight *row) {
  if (row->rows == 0 || row->columns == 0 || row->experts == 0) fail(r, r->rest, "no values");
  int64_t panels = row->rows / 64 + (row->rows % 64 != 0), bytes;
  bool vector = row->layout == TL_PLAN_LAYOUT_VECTOR;
  if (row->layout == TL_PLAN_LAYOUT_ROWS) panels *= 64;
  if (__builtin_mul_overflow(panels, vector ? 64 * 4 : row->stride, &bytes) ||
      (!vector && __builtin_mul_overflow(bytes, row->experts, &bytes)) ||
      bytes > (int64_t)1 << 50) {
    fail(r, r->rest, "more bytes than there can be");
    return 0;
  }
  return (uint64_t)bytes;
}

static void read_weight(reader *r) {
  tl_plan_weight row = {.shards = 1, .columns = 1, .experts = 1};
  int64_t dims[3] = {0};
  int rank = 0;
  expect(r, "%");
  row.name = add_text(r, word(r));
  expect(r, ":");
  row.format = add_text(r, word(r));
  expect(r, "[");
  do {
    dims[rank++] = number(r, (int64_t)1 << 40);
  } while (rank < 3 && take(r, ","));
  expect(r, "]");
  row.rows = dims[rank == 3];
  if (rank == 3) row.experts = dims[0];
  if (rank > 1) row.columns = dims[rank - 1];
  row.layout = choice(r, tl_plan_layout_texts, TL_PLAN_LAYOUT_COUNT);
  row.offset = bytes_attribute(r, "at");
  row.stride = (int64_t)bytes_attribute(r, "stride");
  expect(r, "}");
  row.bytes = weight_bytes(r, &row);
  add_weight(r, &row);
}

// The number of a row that lines speak of by number: they are in order.
static void expect_number(reader *r, size_t expected) {
  tl_str text = peek(r);
  if (small(r) != expected) fail(r, text, "expected number %zu", expected);
  expect(r, ":");
}

static void read_group(reader *r) {
  tl_plan_group row = {0};
  expect_number(r, r->groups_count);
  row.kind = choice(r, tl_plan_group_texts, TL_PLAN_GROUP_COUNT);
  row.span = small_attribute(r, "span");
  kv_attributes(r, row.page_bytes);
  add_group(r, &row);
}

static void read_state(reader *r) {
  expect(r, "%");
  tl_plan_state row = {.name = add_text(r, word(r))};
  expect(r, ":");
  expect(r, "group");
  row.group = row_number(r, r->groups_count, "groups");
  row.heads = small_attribute(r, "heads");
  row.key = small_attribute(r, "key");
  row.value = small_attribute(r, "value");
  kv_attributes(r, row.offset);
  add_state(r, &row);
}

static void read_buffer(reader *r) {
  expect(r, "%");
  tl_plan_buffer row = {.name = add_text(r, word(r))};
  expect(r, ":");
  row.format = add_text(r, word(r));
  expect(r, "[");
  row.symbol = choice(r, tl_plan_symbol_texts, TL_PLAN_SYMBOL_COUNT);
  expect(r, ",");
  row.columns = small(r);
  expect(r, "]");
  row.offset = bytes_attribute(r, "at");
  row.row_bytes = bytes_attribute(r, "row");
  expect(r, "}");
  add_buffer(r, &row);
}

static void read_kernel(reader *r) {
  expect_number(r, r->kernels_count);
  tl_plan_kernel row = {.target = target(r)};
  row.offset = small_attribute(r, "at");
  row.scratch_bytes = small_attribute(r, "scratch");
  if (!take(r, "}")) {
    row.module_bytes = small_attribute(r, "module");
    row.source_bytes = small_attribute(r, "source");
    row.threads = small_attribute(r, "threads");
    row.shared_bytes = small_attribute(r, "shared");
    row.registers = small_attribute(r, "registers");
    row.blocks = small_attribute(r, "blocks");
    expect(r, "}");
  }
  row.name = add_text(r, take_rest(r));
  add_kernel(r, &row);
}

static void read_program(reader *r) {
  if (r->in_program) fail(r, r->rest, "the program before it has no end");
  tl_plan_program row = {.first_launch = (uint32_t)r->launchs_count};
  expect(r, "@");
  row.name = add_text(r, word(r));
  expect(r, ":");
  row.target = target(r);
  expect(r, ",");
  (void)small(r);
  expect(r, "launches");
  if (take(r, ",")) {
    expect(r, "a sequence must come whole");
    row.whole = 1;
  }
  expect(r, "{");
  add_program(r, &row);
  r->in_program = true;
  r->has_output = false;
}

// ---- lines of a program

static tl_plan_program *program(reader *r) {
  static tl_plan_program nowhere;
  if (!r->in_program) fail(r, r->rest, "expected a program before it");
  return tl_ok(r->status) ? &r->programs[r->programs_count - 1] : &nowhere;
}

static tl_plan_launch *launch(reader *r) {
  static tl_plan_launch nowhere;
  const tl_plan_program *in = program(r);
  if (in->first_launch == r->launchs_count) fail(r, r->rest, "expected a launch before it");
  return tl_ok(r->status) ? &r->launchs[r->launchs_count - 1] : &nowhere;
}

static void read_end(reader *r) {
  tl_plan_program *in = program(r);
  if (!r->has_output) fail(r, r->rest, "the program has no output");
  in->launches_count = (uint32_t)r->launchs_count - in->first_launch;
  r->in_program = false;
}

static void read_output(reader *r) {
  program(r)->output = buffer_named(r);
  if (take(r, ",")) {
    expect(r, "best");
    program(r)->best = buffer_named(r) + 1;
    expect(r, ",");
    expect(r, "candidates");
    program(r)->candidates = buffer_named(r) + 1;
  }
  r->has_output = true;
}

static void read_arenas(reader *r) {
  tl_plan_program *in = program(r);
  for (int s = 0; s < TL_PLAN_SYMBOL_COUNT; s++)
    in->arena_bytes[s] = bytes_attribute(r, tl_plan_symbol_texts[s]);
  expect(r, "}");
}

static void read_guard(reader *r, tl_plan_launch *row) {
  expect(r, "kv");
  row->guard_max = UINT32_MAX;
  do {
    row->guard_kv |= 1u << choice(r, tl_plan_kv_texts, TL_PLAN_KV_COUNT);
    expect(r, ",");
  } while (tl_plan_kv_from_text(peek(r)) < TL_PLAN_KV_COUNT);
  if (take(r, "T >=")) {
    row->guard_min = small(r);
    expect(r, ",");
  }
  if (take(r, "T <=")) {
    row->guard_max = small(r);
    expect(r, ",");
  }
  if (take(r, "by default")) {
    row->guard_exact = 1;
    expect(r, ",");
  } else if (take(r, "deterministic")) {
    row->guard_exact = 2;
    expect(r, ",");
  }
  if (take(r, "without a library")) {
    row->guard_library = 1;
    expect(r, ",");
  } else if (take(r, "with a library")) {
    row->guard_library = 2;
    expect(r, ",");
  }
  if (take(r, "set")) {
    row->set = small(r);
    expect(r, ",");
  }
  if (take(r, "layer")) {
    row->layer = (uint32_t)number(r, UINT32_MAX - 1) + 1;
    expect(r, ",");
  }
}

static void read_launch(reader *r) {
  tl_plan_launch row = {.first_arg = (uint32_t)r->args_count};
  program(r);
  if (r->kernels_count == 0) fail(r, r->rest, "there are 0 kernels");
  expect(r, "@");
  row.name = add_text(r, word(r));
  expect(r, ":");
  read_guard(r, &row);
  expect(r, "grid");
  row.grid_items = small(r);
  expect(r, "*");
  expect(r, "ceil");
  expect(r, "(");
  row.grid_symbol = choice(r, tl_plan_symbol_texts, TL_PLAN_SYMBOL_COUNT);
  expect(r, "/");
  row.grid_rows = small(r);
  expect(r, ")");
  add_launch(r, &row);
}

static void read_call(reader *r, tl_plan_launch_kind kind) {
  tl_plan_launch *in = launch(r);
  in->kind = kind;
  in->kernel = row_number(r, r->kernels_count, "kernels");
  in->flops = (uint64_t)attribute(r, "flops", (int64_t)1 << 60);
  expect(r, "}");
}

static void read_code(reader *r) {
  read_call(r, TL_PLAN_LAUNCH_KERNEL);
}

static void read_product(reader *r) {
  read_call(r, TL_PLAN_LAUNCH_PRODUCT);
}

static void read_arg(reader *r) {
  tl_plan_arg row = {.kind = choice(r, tl_plan_arg_texts, TL_PLAN_ARG_COUNT)};
  switch (row.kind) {
  case TL_PLAN_ARG_INT: row.value = number(r, INT64_MAX); break;
  case TL_PLAN_ARG_WEIGHT:
  case TL_PLAN_ARG_WEIGHT_MAP: row.index = weight_named(r); break;
  case TL_PLAN_ARG_BUFFER:
  case TL_PLAN_ARG_BUFFER_MAP: row.index = buffer_named(r); break;
  default: row.index = state_named(r); break;
  }
  if (row.kind == TL_PLAN_ARG_WEIGHT_MAP || row.kind == TL_PLAN_ARG_BUFFER_MAP) {
    row.value = number(r, INT32_MAX);
  }
  add_arg(r, &row);
}

static void read_args(reader *r) {
  tl_plan_launch *in = launch(r);
  skip_spaces(r);
  if (r->rest.length) {
    do {
      read_arg(r);
    } while (take(r, ","));
  }
  in->args_count = (uint32_t)r->args_count - in->first_arg;
}

// A line of the launch's text, which is what was last put into the strings.
static void read_line(reader *r) {
  tl_plan_launch *in = launch(r);
  if (r->rest.length) r->rest = tl_str_slice(r->rest, 1, r->rest.length);
  if (in->text && r->launch_text_end != r->strings_bytes) {
    fail(r, r->rest, "the launch's text went on before");
  }
  if (!in->text) in->text = add_text(r, TL_STR(""));
  r->strings_bytes--;
  append_text(r, r->rest);
  append_text(r, TL_STR("\n"));
  r->launch_text_end = ++r->strings_bytes;
  r->rest.length = 0;
}

static void skip_line(reader *r) {
  r->rest.length = 0;
}

// ---- all of it

static const struct {
  const char *word;
  void (*read)(reader *r);
} lines[] = {{"plan", read_plan},       {"model", read_model},     {"kv", read_kv},
             {"a", read_skeleton},      {"target", read_target},   {"weight", read_weight},
             {"group", read_group},     {"state", read_state},     {"buffer", read_buffer},
             {"kernel", read_kernel},   {"program", read_program}, {"output", read_output},
             {"arenas", read_arenas},   {"launch", read_launch},   {"code", read_code},
             {"args", read_args},       {"|", read_line},          {"#", skip_line},
             {"product", read_product}, {"section", skip_line},    {"memory", skip_line},
             {"launches", skip_line}};

static void read_any(reader *r) {
  skip_spaces(r);
  if (r->rest.length == 0) return;
  tl_str first = take(r, "}") ? (tl_str){0} : word(r);
  size_t i = 0, count = sizeof lines / sizeof *lines;
  while (i < count && !tl_str_is(first, lines[i].word))
    i++;
  if (!first.data) {
    read_end(r);
  } else if (i == count) {
    fail(r, first, "no line begins so");
  } else {
    lines[i].read(r);
  }
  skip_spaces(r);
  if (r->rest.length) fail(r, r->rest, "expected the end of the line");
}

static void read_all(reader *r) {
  tl_str text = r->source->text, end = tl_str_slice(text, text.length, text.length);
  if (text.length > TL_PLAN_TEXT_BYTES_MAX) fail(r, end, "longer than 64 MiB");
  if (text.length && memchr(text.data, 0, text.length)) fail(r, end, "holds a zero byte");
  for (size_t at = 0; at < text.length && tl_ok(r->status);) {
    const char *stop = memchr(text.data + at, '\n', text.length - at);
    size_t length = stop ? (size_t)(stop - text.data) - at : text.length - at;
    r->rest = tl_str_slice(text, at, at + length);
    at += length + 1;
    read_any(r);
  }
  if (!r->name || !r->has_kv_types) fail(r, end, "there is no plan, model or kv types");
  if (r->in_program) fail(r, end, "the last program has no end");
}

tl_status tl_plan_text_read(const tl_source *source, tl_arena *arena, tl_plan *out_plan,
                            tl_diag *diag) {
  static const max_align_t nothing; // tables without rows have an address too, as in a file
  reader r = {.source = source, .arena = arena, .diag = diag};
  *out_plan = (tl_plan){0};
  add_text(&r, TL_STR(""));
  if (tl_ok(r.status)) read_all(&r);
  if (!tl_ok(r.status)) return r.status;
  *out_plan = (tl_plan){.file = -1, .name = r.name};
  out_plan->tables = (tl_plan_tables){
#define X(name)                                                                                    \
  .name##s = r.name##s ? r.name##s : (const void *)&nothing,                                       \
  .name##s_count = (uint32_t)r.name##s_count,
      TL_PLAN_TABLE_MAP(X)
#undef X
          .strings = r.strings,
      .strings_bytes = (uint32_t)r.strings_bytes};
  return TL_OK;
}

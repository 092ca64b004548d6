// The programs section: finds the tables and checks every row against what it points into.
#include "runtime/plan/plan.h"

#include "runtime/base/plan_shape.h"
#include "runtime/plan/range.h"

enum {
  PLAN_ROWS_MAX = 1 << 20,   // of a table
  PLAN_VALUES_MAX = 1 << 24, // outputs, ids, token types, elements of a vector
  PLAN_PROGRAMS_MAX = 256,
  PLAN_ARGS_MAX = 4096,        // of a launch
  PLAN_ALL_ARGS_MAX = 1 << 22, // of all launches, which may share them
  PLAN_WORD_BYTES_MAX = 64,    // of the name of a target or format, with its end
  PLAN_HEAD_MAX = 1 << 16,     // heads, and values of one
  PLAN_GRID_MAX = 1 << 24,
  PLAN_ROW_BYTES_MAX = 1 << 26,
  PLAN_SCRATCH_MAX = 1 << 24,
  PLAN_THREADS_MAX = 1024, // of a block
  PLAN_SHARED_MAX = 1 << 20,
  PLAN_BOX_MAX = 256, // rows
  PLAN_REGISTERS_MAX = 1 << 10
};

// So that pages of a whole group, and all groups together, can be counted in 64 bits.
#define PLAN_KV_PAGE_BYTES_MAX ((uint64_t)1 << 32)

typedef struct checker {
  const tl_plan_tables *t;
  uint64_t weights_bytes;
  const char *where;
  tl_diag *diag;
} checker;

static tl_status refuse(const checker *c, const char *table, uint32_t row, const char *what) {
  return tl_diag_error(c->diag, TL_INPUT, (tl_span){0}, "%s: section programs is damaged: %s %u %s",
                       c->where, table, row, what);
}

static const size_t row_sizes[TL_PLAN_TABLES_COUNT] = {
#define X(name) sizeof(tl_plan_##name),
    TL_PLAN_TABLE_MAP(X)
#undef X
};

static const char *const table_names[TL_PLAN_TABLES_COUNT] = {
#define X(name) #name,
    TL_PLAN_TABLE_MAP(X)
#undef X
};

static bool lies_within(uint64_t offset, uint64_t bytes, uint64_t whole) {
  return offset <= whole && bytes <= whole - offset;
}

// Points each table of `out` at its rows.
static tl_status locate(tl_str programs, const char *where, tl_plan_tables *out, tl_diag *diag) {
  checker c = {.where = where, .diag = diag};
  const tl_plan_directory *directory = (const tl_plan_directory *)programs.data;
  const tl_plan_extent *extents = (const tl_plan_extent *)(directory + 1);
  size_t head = sizeof *directory + TL_PLAN_TABLES_COUNT * sizeof *extents;
  if (programs.length < head || directory->tables_count != TL_PLAN_TABLES_COUNT) {
    return refuse(&c, "directory", 0, "has another number of tables");
  }
  const void *rows[TL_PLAN_TABLES_COUNT];
  for (uint32_t i = 0; i < TL_PLAN_TABLES_COUNT; i++) {
    const tl_plan_extent *extent = &extents[i];
    if (extent->row_bytes != row_sizes[i] || extent->count > PLAN_ROWS_MAX ||
        extent->offset % 8 != 0 || extent->offset < head ||
        !lies_within(extent->offset, (uint64_t)extent->count * extent->row_bytes,
                     programs.length)) {
      return refuse(&c, table_names[i], 0, "lies outside of it");
    }
    rows[i] = programs.data + extent->offset;
  }
  if (directory->strings_bytes == 0 ||
      !lies_within(directory->strings_offset, directory->strings_bytes, programs.length) ||
      programs.data[directory->strings_offset + directory->strings_bytes - 1] != 0) {
    return refuse(&c, "strings", 0, "lie outside of it");
  }
  *out = (tl_plan_tables){
#define X(name)                                                                                    \
  .name##s = rows[TL_PLAN_TABLE_##name], .name##s_count = extents[TL_PLAN_TABLE_##name].count,
      TL_PLAN_TABLE_MAP(X)
#undef X
          .strings = programs.data + directory->strings_offset,
      .strings_bytes = directory->strings_bytes};
  return TL_OK;
}

static bool is_text(const checker *c, uint32_t text) {
  return text < c->t->strings_bytes;
}

// A text that is compared and hashed, so it must not be as long as the section.
static bool is_word(const checker *c, uint32_t text) {
  if (!is_text(c, text)) return false;
  size_t left = c->t->strings_bytes - text;
  return memchr(c->t->strings + text, 0, left < PLAN_WORD_BYTES_MAX ? left : PLAN_WORD_BYTES_MAX);
}

static tl_status check_counts(const checker *c) {
  const tl_plan_tables *t = c->t;
  if (t->models_count != 1) return refuse(c, "model", 0, "is not the only one");
  if (t->targets_count == 0 || t->targets_count > TL_PLAN_SECTIONS_MAX) {
    return refuse(c, "target", t->targets_count, "is missing or one too many");
  }
  if (t->programs_count == 0 || t->programs_count > PLAN_PROGRAMS_MAX) {
    return refuse(c, "program", t->programs_count, "is missing or one too many");
  }
  return TL_OK;
}

static tl_status check_model(const checker *c) {
  const tl_plan_model *m = c->t->models;
  uint32_t all = (1u << TL_PLAN_KV_COUNT) - 1;
  if (m->task >= TL_PLAN_TASK_COUNT || m->outputs == 0 || m->outputs > PLAN_VALUES_MAX ||
      m->vocabulary == 0 || m->vocabulary > PLAN_VALUES_MAX || m->context == 0 ||
      m->context > INT32_MAX || m->kv_types == 0 || (m->kv_types & ~all) != 0 ||
      m->kv_default >= TL_PLAN_KV_COUNT || !(m->kv_types & 1u << m->kv_default) ||
      m->has_weights > 1 || m->reserved != 0 || m->types > PLAN_VALUES_MAX) {
    return refuse(c, "model", 0, "has a value out of range");
  }
  return TL_OK;
}

static tl_status check_target(const checker *c, uint32_t i) {
  const tl_plan_target *row = &c->t->targets[i];
  if (!is_word(c, row->name) || row->text_bytes > row->code_bytes ||
      row->scratch_bytes > PLAN_SCRATCH_MAX) {
    return refuse(c, "target", i, "has a value out of range");
  }
  return TL_OK;
}

static tl_status check_weight(const checker *c, uint32_t i) {
  const tl_plan_weight *row = &c->t->weights[i];
  bool bad = !is_text(c, row->name) || !is_word(c, row->format) ||
             row->layout >= TL_PLAN_LAYOUT_COUNT || row->shards != 1 || row->offset % 64 != 0 ||
             row->rows <= 0 || row->columns <= 0 || row->stride <= 0 || row->experts <= 0 ||
             !lies_within(row->offset, row->bytes, c->weights_bytes);
  int64_t panels = 0, bytes = 0;
  bad = bad || __builtin_add_overflow(row->rows, 63, &panels);
  if (!bad && row->layout == TL_PLAN_LAYOUT_ROWS) {
    bad = row->stride % 64 != 0 || __builtin_mul_overflow(panels / 64 * 64, row->stride, &bytes) ||
          __builtin_mul_overflow(bytes, row->experts, &bytes) || (uint64_t)bytes != row->bytes;
  } else if (!bad && row->layout == TL_PLAN_LAYOUT_PANEL64) {
    bad = row->stride % 64 != 0 || __builtin_mul_overflow(panels / 64, row->stride, &bytes) ||
          __builtin_mul_overflow(bytes, row->experts, &bytes) || (uint64_t)bytes != row->bytes;
  } else if (!bad) {
    bad = row->rows > PLAN_VALUES_MAX || (uint64_t)(panels / 64 * 64 * 4) != row->bytes;
  }
  return bad ? refuse(c, "weight", i, "lies outside of the weights or has a wrong size") : TL_OK;
}

static tl_status check_group(const checker *c, uint32_t i) {
  const tl_plan_group *row = &c->t->groups[i];
  bool bad = row->kind >= TL_PLAN_GROUP_COUNT || row->span > INT32_MAX || i >= TL_GROUPS_MAX;
  bool spans = row->kind == TL_PLAN_GROUP_WINDOW || row->kind == TL_PLAN_GROUP_CHUNK;
  bad |= spans && row->span == 0;
  for (int kv = 0; kv < TL_PLAN_KV_COUNT; kv++)
    bad |= row->page_bytes[kv] > PLAN_KV_PAGE_BYTES_MAX || row->page_bytes[kv] % 64 != 0;
  return bad ? refuse(c, "group", i, "has a value out of range") : TL_OK;
}

// Bytes that a page holds of the state at least, whatever the target's layout adds.
static uint64_t state_bytes(const tl_plan_state *row, int kv) {
  uint64_t element_bytes = kv == TL_PLAN_KV_BF16 ? 2 : 4;
  return row->heads * ((uint64_t)row->key + row->value) * TL_PAGE_TOKENS * element_bytes;
}

static tl_status check_state(const checker *c, uint32_t i) {
  const tl_plan_state *row = &c->t->states[i];
  bool bad = !is_text(c, row->name) || row->group >= c->t->groups_count || row->reserved != 0 ||
             row->heads == 0 || row->heads > PLAN_HEAD_MAX || row->key > PLAN_HEAD_MAX ||
             row->value > PLAN_HEAD_MAX;
  for (int kv = 0; !bad && kv < TL_PLAN_KV_COUNT; kv++) {
    const tl_plan_group *group = &c->t->groups[row->group];
    bad = row->offset[kv] % 64 != 0 ||
          !lies_within(row->offset[kv], state_bytes(row, kv), group->page_bytes[kv]);
  }
  return bad ? refuse(c, "state", i, "lies outside of its group's pages") : TL_OK;
}

static tl_status check_buffer(const checker *c, uint32_t i) {
  const tl_plan_buffer *row = &c->t->buffers[i];
  bool bad = !is_text(c, row->name) || !is_word(c, row->format) ||
             row->symbol >= TL_PLAN_SYMBOL_COUNT || row->offset % 64 != 0 || row->row_bytes == 0 ||
             row->row_bytes % 64 != 0 || row->row_bytes > PLAN_ROW_BYTES_MAX || row->columns == 0 ||
             row->columns > row->row_bytes;
  return bad ? refuse(c, "buffer", i, "has a value out of range") : TL_OK;
}

// Buffers beside each other fill an arena; one that is larger was never laid out, and would only be
// found to be too large when somebody runs out of memory.
static bool arenas_fit(const checker *c, const tl_plan_program *row) {
  uint64_t most[TL_PLAN_SYMBOL_COUNT] = {0};
  for (uint32_t b = 0; b < c->t->buffers_count; b++) {
    const tl_plan_buffer *buffer = &c->t->buffers[b];
    if (buffer->symbol < TL_PLAN_SYMBOL_COUNT && buffer->row_bytes <= PLAN_ROW_BYTES_MAX) {
      most[buffer->symbol] += buffer->row_bytes;
    }
  }
  bool fit = true;
  for (int s = 0; s < 8; s++)
    fit &= row->arena_bytes[s] <= (s < TL_PLAN_SYMBOL_COUNT ? most[s] : 0);
  return fit;
}

// Buffer `row` - 1 of the wanted rows has room for `bytes` in each; 0 is none.
static bool is_of_rows(const checker *c, uint32_t row, uint64_t bytes) {
  const tl_plan_buffer *buffer = &c->t->buffers[row - 1];
  return row == 0 || (row <= c->t->buffers_count && buffer->symbol == TL_PLAN_SYMBOL_R &&
                      buffer->row_bytes == bytes);
}

// Launches are of one program each, in the order of programs.
static tl_status check_program(const checker *c, uint32_t i) {
  const tl_plan_program *row = &c->t->programs[i], *last = &c->t->programs[i - (i > 0)];
  uint64_t begin = i > 0 ? (uint64_t)last->first_launch + last->launches_count : 0;
  bool bad = !is_text(c, row->name) || row->target >= c->t->targets_count || row->whole > 1 ||
             row->launches_count == 0 || row->first_launch < begin ||
             !lies_within(row->first_launch, row->launches_count, c->t->launchs_count) ||
             row->output >= c->t->buffers_count || !arenas_fit(c, row);
  bad = bad || !row->best != !row->candidates || !is_of_rows(c, row->best, TL_PLAN_BEST_BYTES) ||
        !is_of_rows(c, row->candidates, TL_STEP_CANDIDATES * sizeof(tl_step_candidate));
  if (!bad) {
    const tl_plan_buffer *output = &c->t->buffers[row->output];
    bad = output->symbol != TL_PLAN_SYMBOL_R || output->columns != c->t->models->outputs ||
          output->row_bytes / 4 < output->columns;
  }
  return bad ? refuse(c, "program", i, "has a value out of range") : TL_OK;
}

static tl_status check_kernel(const checker *c, uint32_t i) {
  const tl_plan_kernel *row = &c->t->kernels[i];
  bool bad = !is_text(c, row->name) || row->target >= c->t->targets_count ||
             row->blocks > PLAN_THREADS_MAX || row->threads > PLAN_THREADS_MAX ||
             row->shared_bytes > PLAN_SHARED_MAX || row->registers > PLAN_REGISTERS_MAX;
  // Only modules have the rest; sources follow theirs.
  bad = bad || (row->module_bytes ? row->threads == 0
                                  : row->threads | row->shared_bytes | row->registers |
                                        row->blocks | row->source_bytes);
  uint64_t bytes = (uint64_t)row->module_bytes + row->source_bytes;
  bad = bad || row->offset >= c->t->targets[row->target].text_bytes ||
        !lies_within(row->offset, bytes, c->t->targets[row->target].text_bytes) ||
        row->scratch_bytes > c->t->targets[row->target].scratch_bytes;
  return bad ? refuse(c, "kernel", i, "lies outside of its target's code") : TL_OK;
}

static tl_status check_launch(const checker *c, uint32_t i) {
  const tl_plan_launch *row = &c->t->launchs[i];
  bool bad = !is_text(c, row->name) || !is_text(c, row->text) ||
             row->kind >= TL_PLAN_LAUNCH_COUNT || row->kernel >= c->t->kernels_count ||
             row->grid_symbol >= TL_PLAN_SYMBOL_COUNT || row->grid_rows == 0 ||
             row->grid_rows > PLAN_GRID_MAX || row->args_count > PLAN_ARGS_MAX ||
             row->grid_items > PLAN_GRID_MAX ||
             !lies_within(row->first_arg, row->args_count, c->t->args_count) ||
             row->guard_exact > 2 || row->guard_library > 2 || row->set > c->t->launchs_count ||
             (row->set && row->guard_exact != 1); // what is `deterministic` has one way
  return bad ? refuse(c, "launch", i, "has a value out of range") : TL_OK;
}

static tl_status check_arg(const checker *c, uint32_t i) {
  const tl_plan_arg *row = &c->t->args[i];
  uint32_t counts[TL_PLAN_ARG_COUNT] = {[TL_PLAN_ARG_INT] = 1,
                                        [TL_PLAN_ARG_WEIGHT] = c->t->weights_count,
                                        [TL_PLAN_ARG_BUFFER] = c->t->buffers_count,
                                        [TL_PLAN_ARG_STATE] = c->t->states_count,
                                        [TL_PLAN_ARG_PAGE_BYTES] = c->t->states_count,
                                        [TL_PLAN_ARG_GROUP] = c->t->states_count,
                                        [TL_PLAN_ARG_WEIGHT_MAP] = c->t->weights_count,
                                        [TL_PLAN_ARG_BUFFER_MAP] = c->t->buffers_count};
  bool is_map = row->kind == TL_PLAN_ARG_WEIGHT_MAP || row->kind == TL_PLAN_ARG_BUFFER_MAP;
  bool bad = row->kind >= TL_PLAN_ARG_COUNT || row->index >= counts[row->kind] ||
             (row->kind != TL_PLAN_ARG_INT && !is_map && row->value != 0) ||
             (is_map && (row->value < 1 || row->value > PLAN_BOX_MAX));
  return bad ? refuse(c, "argument", i, "has a value out of range") : TL_OK;
}

static bool is_format(const checker *c, uint32_t text, const char *format) {
  return strcmp(c->t->strings + text, format) == 0;
}

// A buffer of T whose rows hold `values` from `first` on.
static bool is_rows(const checker *c, const tl_plan_arg *arg, const char *format, int64_t first,
                    int64_t values) {
  if (arg->kind != TL_PLAN_ARG_BUFFER) return false;
  const tl_plan_buffer *row = &c->t->buffers[arg->index];
  int64_t room = (int64_t)row->row_bytes / (strcmp(format, "f32") == 0 ? 4 : 2);
  return row->symbol == TL_PLAN_SYMBOL_T && is_format(c, row->format, format) && first >= 0 &&
         first <= room && values >= 0 && values <= room - first;
}

// A matrix in f32 or bf16 of which as many rows lie within the weights.
static bool is_matrix(const checker *c, const tl_plan_arg *arg, int64_t rows) {
  int64_t bytes;
  if (arg->kind != TL_PLAN_ARG_WEIGHT || rows < 1 || rows % 64 != 0) return false;
  const tl_plan_weight *row = &c->t->weights[arg->index];
  bool is_f32 = is_format(c, row->format, "f32");
  return row->layout == TL_PLAN_LAYOUT_ROWS && row->experts == 1 &&
         (is_f32 || is_format(c, row->format, "bf16")) &&
         row->columns <= row->stride / (is_f32 ? 4 : 2) &&
         !__builtin_mul_overflow(rows, row->stride, &bytes) &&
         lies_within(row->offset, (uint64_t)bytes, c->weights_bytes);
}

static bool is_absent(const tl_plan_arg *arg) {
  return arg->kind == TL_PLAN_ARG_INT && arg->value == 0;
}

static bool is_bias(const checker *c, const tl_plan_arg *arg, int64_t values) {
  if (arg->kind != TL_PLAN_ARG_WEIGHT) return false;
  const tl_plan_weight *row = &c->t->weights[arg->index];
  return row->layout == TL_PLAN_LAYOUT_VECTOR && (uint64_t)values <= row->bytes / 4;
}

// A library checks nothing: what it is given must fit.
static bool is_product(const checker *c, const tl_plan_launch *row) {
  const tl_plan_arg *args = &c->t->args[row->first_arg];
  if (row->args_count != TL_PLAN_PRODUCT_ARGS || c->t->kernels[row->kernel].module_bytes ||
      row->guard_library != 2 || row->grid_symbol != TL_PLAN_SYMBOL_T || row->grid_items != 1 ||
      row->grid_rows != 1 || args[TL_PLAN_PRODUCT_COLUMNS].kind != TL_PLAN_ARG_INT ||
      args[TL_PLAN_PRODUCT_FIRST].kind != TL_PLAN_ARG_INT) {
    return false;
  }
  int64_t columns = args[TL_PLAN_PRODUCT_COLUMNS].value, first = args[TL_PLAN_PRODUCT_FIRST].value;
  const tl_plan_arg *added = &args[TL_PLAN_PRODUCT_ADDED], *bias = &args[TL_PLAN_PRODUCT_BIAS];
  if (!is_matrix(c, &args[TL_PLAN_PRODUCT_WEIGHT], columns)) return false;
  const tl_plan_weight *weight = &c->t->weights[args[TL_PLAN_PRODUCT_WEIGHT].index];
  return first % 64 == 0 &&
         is_rows(c, &args[TL_PLAN_PRODUCT_ROWS], c->t->strings + weight->format, 0,
                 weight->columns) &&
         is_rows(c, &args[TL_PLAN_PRODUCT_OUT], "f32", first, columns) &&
         (is_absent(added) || is_rows(c, added, "f32", first, columns)) &&
         (is_absent(bias) || is_bias(c, bias, columns));
}

// A product may take several matrices that follow each other as one. `weights_bytes` of the checker
// end where the target's weights do.
static tl_status check_products(const checker *c, uint32_t target) {
  for (uint32_t i = 0; i < c->t->launchs_count; i++) {
    const tl_plan_launch *row = &c->t->launchs[i];
    if (row->kind != TL_PLAN_LAUNCH_PRODUCT || c->t->kernels[row->kernel].target != target)
      continue;
    if (!is_product(c, row)) {
      return refuse(c, "launch", i, "is a product of what does not fit together");
    }
  }
  return TL_OK;
}

// Arguments may be shared, but not so often that reading them all takes long.
static tl_status check_all_args(const checker *c) {
  uint64_t args = 0;
  for (uint32_t i = 0; i < c->t->launchs_count; i++) {
    args += c->t->launchs[i].args_count;
    if (args > PLAN_ALL_ARGS_MAX) return refuse(c, "launch", i, "has one argument too many");
  }
  return TL_OK;
}

static bool is_in_arena(const checker *c, const tl_plan_program *program, uint32_t buffer) {
  const tl_plan_buffer *row = &c->t->buffers[buffer];
  return lies_within(row->offset, row->row_bytes, program->arena_bytes[row->symbol]);
}

static bool buffers_are_in_arenas(const checker *c, const tl_plan_program *program,
                                  const tl_plan_launch *launch) {
  bool are = true;
  for (uint32_t a = 0; a < launch->args_count; a++) {
    const tl_plan_arg *arg = &c->t->args[launch->first_arg + a];
    bool is_buffer = arg->kind == TL_PLAN_ARG_BUFFER || arg->kind == TL_PLAN_ARG_BUFFER_MAP;
    are &= !is_buffer || is_in_arena(c, program, arg->index);
  }
  return are;
}

// A launch runs code of its program's target only, in its program's arenas. Programs of other
// targets may have other buffers.
static tl_status check_program_agrees(const checker *c, uint32_t p) {
  const tl_plan_program *program = &c->t->programs[p];
  if (!is_in_arena(c, program, program->output) ||
      (program->best && !is_in_arena(c, program, program->best - 1)) ||
      (program->candidates && !is_in_arena(c, program, program->candidates - 1))) {
    return refuse(c, "program", p, "has outputs outside of their arena");
  }
  for (uint32_t i = 0; i < program->launches_count; i++) {
    const tl_plan_launch *launch = &c->t->launchs[program->first_launch + i];
    if (c->t->kernels[launch->kernel].target != program->target) {
      return refuse(c, "launch", program->first_launch + i, "runs another target's code");
    }
    if (!buffers_are_in_arenas(c, program, launch)) {
      return refuse(c, "launch", program->first_launch + i, "has a buffer outside of its arena");
    }
  }
  return TL_OK;
}

tl_status tl_plan_tables_read(tl_str programs, uint64_t weights_bytes, const char *where,
                              tl_plan_tables *out_tables, tl_diag *diag) {
  TL_TRY(locate(programs, where, out_tables, diag));
  checker c = {out_tables, weights_bytes, where, diag};
  TL_TRY(check_counts(&c));
  TL_TRY(check_model(&c));
#define CHECK_ROWS(name)                                                                           \
  for (uint32_t i = 0; i < out_tables->name##s_count; i++)                                         \
  TL_TRY(check_##name(&c, i))
  CHECK_ROWS(target);
  CHECK_ROWS(group);
  CHECK_ROWS(weight);
  CHECK_ROWS(state);
  CHECK_ROWS(program);
  CHECK_ROWS(buffer);
  CHECK_ROWS(kernel);
  CHECK_ROWS(launch);
  CHECK_ROWS(arg);
#undef CHECK_ROWS
  TL_TRY(check_all_args(&c));
  for (uint32_t target = 0; target < out_tables->targets_count; target++) {
    tl_plan_range range = tl_plan_target_weights(out_tables, target);
    checker within = {out_tables, range.offset + range.bytes, where, diag};
    TL_TRY(check_products(&within, target));
  }
  for (uint32_t p = 0; p < out_tables->programs_count; p++)
    TL_TRY(check_program_agrees(&c, p));
  return TL_OK;
}

tl_status tl_plan_tables_check_shapes(const tl_plan_tables *tables, uint32_t target, tl_str shapes,
                                      const char *where, tl_diag *diag) {
  checker c = {.t = tables, .where = where, .diag = diag};
  const uint64_t *list = (const uint64_t *)shapes.data;
  size_t count = shapes.length / sizeof *list;
  for (uint32_t i = 0; i < tables->launchs_count; i++) {
    if (tables->kernels[tables->launchs[i].kernel].target != target) continue;
    if (!tl_plan_shapes_hold(list, count, tl_plan_launch_shape(tables, i))) {
      return refuse(&c, "launch", i, "does not fit its kernel");
    }
  }
  return TL_OK;
}

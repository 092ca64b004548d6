// Law: a programs section with any fields changed is refused with a diagnostic, or everything the
// engine and the devices look up in it exists: texts end, rows lie in their tables, places in their
// arenas, pages and weights. What is accepted can be described.
//
// The input is a list of patches of the tiny plan's section, eight bytes each:
//
//   | place, 3 bytes | how, 1 byte | number, 4 bytes |
#include <stdlib.h>
#include <string.h>

#include "runtime/base/json.h"
#include "runtime/base/plan_shape.h"
#include "runtime/plan/describe.h"
#include "runtime/plan/range.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/check.h"
#include "tests/lib/tiny_plan.h"

enum {
  PATCH_BYTES = 8,
  PATCHES_MAX = 64,
  SECTION_MAX = 1 << 14,
  MEMORY_MAX = 16 << 20,
  NUMBERS_COUNT = 12
};

#define WEIGHTS_BYTES ((uint64_t)4 << 20)

// The good section, taken from a file because only the writer makes one.
static tl_str good_section(void) {
  static _Alignas(64) char section[SECTION_MAX];
  static size_t length;
  if (length) return (tl_str){section, length};
  char path[] = "/tmp/tlmc-fuzz-plan-??????";
  memset(strchr(path, '?'), 'X', 6);
  int file = mkstemp(path);
  CHECK(file >= 0);
  tl_tiny_plan tiny;
  tl_arena arena;
  tl_plan plan;
  tl_diag diag = {0};
  tl_arena_init(&arena, (size_t)1 << 30);
  tl_tiny_plan_init(&tiny, 1, true);
  CHECK(tl_ok(tl_plan_write(&tiny.parts, path, 1, &arena, &diag)));
  CHECK(tl_ok(tl_plan_open(path, NULL, &plan, &diag)));
  tl_str bytes = tl_plan_bytes(&plan, tl_plan_find(&plan, TL_PLAN_SECTION_PROGRAMS, 0));
  CHECK(bytes.length <= sizeof section);
  memcpy(section, bytes.data, bytes.length);
  length = bytes.length;
  tl_plan_close(&plan);
  tl_arena_finish(&arena);
  CHECK(remove(path) == 0);
  return (tl_str){section, length};
}

static void patch(char *section, size_t length, const uint8_t *data) {
  static const uint32_t numbers[NUMBERS_COUNT] = {
      0, 1, 2, 63, 64, 4096, 0x7fffffff, 0x80000000, 0xffffffff, 0xffffffc0, 1 << 20, 1 << 24};
  size_t words = length / 4, place = (data[0] | data[1] << 8 | (size_t)data[2] << 16) % words * 4;
  uint32_t number, old;
  memcpy(&number, data + 4, sizeof number);
  memcpy(&old, section + place, sizeof old);
  switch (data[3] % 5) {
  case 0: old = numbers[number % NUMBERS_COUNT]; break;
  case 1: old += number % 17 - 8; break;
  case 2: old = number; break;
  case 3: old ^= 1u << number % 32; break;
  default: memcpy(&old, section + number % words * 4, sizeof old); break;
  }
  memcpy(section + place, &old, sizeof old);
}

static void check_texts(const tl_plan_tables *t) {
#define TEXT(table, field)                                                                         \
  for (uint32_t i = 0; i < t->table##s_count; i++)                                                 \
    CHECK(t->table##s[i].field < t->strings_bytes &&                                               \
          t->table##s[i].field + strlen(tl_plan_string(t, t->table##s[i].field)) <                 \
              t->strings_bytes);
  TEXT(target, name)
  TEXT(weight, name)
  TEXT(weight, format)
  TEXT(state, name)
  TEXT(buffer, name)
  TEXT(buffer, format)
  TEXT(program, name)
  TEXT(kernel, name)
  TEXT(launch, name)
  TEXT(launch, text)
#undef TEXT
}

static void check_buffer(const tl_plan_tables *t, const tl_plan_program *program, uint32_t row) {
  CHECK(row < t->buffers_count);
  const tl_plan_buffer *buffer = &t->buffers[row];
  CHECK(buffer->offset + buffer->row_bytes <= program->arena_bytes[buffer->symbol]);
}

// A device has no other weights than those of its target's range.
static void check_weight(const tl_plan_tables *t, const tl_plan_range *range, uint32_t row) {
  CHECK(row < t->weights_count);
  const tl_plan_weight *weight = &t->weights[row];
  CHECK(range->offset % TL_PLAN_PAGE_BYTES == 0 && range->offset + range->bytes <= WEIGHTS_BYTES);
  CHECK(tl_plan_range_holds(range, weight));
}

static void check_arg(const tl_plan_tables *t, const tl_plan_program *program,
                      const tl_plan_range *range, const tl_plan_arg *arg) {
  switch (arg->kind) {
  case TL_PLAN_ARG_INT: break;
  case TL_PLAN_ARG_WEIGHT_MAP:
  case TL_PLAN_ARG_WEIGHT: check_weight(t, range, arg->index); break;
  case TL_PLAN_ARG_BUFFER_MAP:
  case TL_PLAN_ARG_BUFFER: check_buffer(t, program, arg->index); break;
  default: CHECK(arg->index < t->states_count); break;
  }
}

// The last values of all matrices of a product lie where they may.
static void check_product(const tl_plan_tables *t, const tl_plan_launch *launch) {
  const tl_plan_arg *args = &t->args[launch->first_arg];
  CHECK(launch->args_count == TL_PLAN_PRODUCT_ARGS && launch->guard_library == 2);
  CHECK(args[TL_PLAN_PRODUCT_WEIGHT].kind == TL_PLAN_ARG_WEIGHT);
  const tl_plan_weight *weight = &t->weights[args[TL_PLAN_PRODUCT_WEIGHT].index];
  uint64_t columns = (uint64_t)args[TL_PLAN_PRODUCT_COLUMNS].value;
  uint64_t end = (uint64_t)args[TL_PLAN_PRODUCT_FIRST].value + columns;
  uint64_t bytes = strcmp(tl_plan_string(t, weight->format), "f32") == 0 ? 4 : 2;
  CHECK(columns > 0 && columns <= end && end < 1 << 26);
  CHECK(weight->columns > 0 && (uint64_t)weight->columns * bytes <= (uint64_t)weight->stride);
  tl_plan_range range = tl_plan_target_weights(t, t->kernels[launch->kernel].target);
  CHECK(weight->offset + columns * (uint64_t)weight->stride <= range.offset + range.bytes);
  const int buffers[] = {TL_PLAN_PRODUCT_ROWS, TL_PLAN_PRODUCT_OUT, TL_PLAN_PRODUCT_ADDED};
  for (int i = 0; i < 3; i++) {
    const tl_plan_arg *arg = &args[buffers[i]];
    if (i == 2 && arg->kind == TL_PLAN_ARG_INT) continue;
    CHECK(arg->kind == TL_PLAN_ARG_BUFFER);
    const tl_plan_buffer *buffer = &t->buffers[arg->index];
    CHECK(buffer->symbol == TL_PLAN_SYMBOL_T);
    CHECK(buffer->row_bytes >= (i == 0 ? (uint64_t)weight->columns * bytes : end * 4));
  }
  const tl_plan_arg *bias = &args[TL_PLAN_PRODUCT_BIAS];
  if (bias->kind == TL_PLAN_ARG_INT) return;
  CHECK(bias->kind == TL_PLAN_ARG_WEIGHT && t->weights[bias->index].bytes >= columns * 4);
}

static void check_program(const tl_plan_tables *t, const tl_plan_program *program) {
  CHECK(program->target < t->targets_count);
  tl_plan_range range = tl_plan_target_weights(t, program->target);
  check_buffer(t, program, program->output);
  if (program->best) check_buffer(t, program, program->best - 1);
  if (program->candidates) check_buffer(t, program, program->candidates - 1);
  CHECK(t->buffers[program->output].row_bytes >= t->models->outputs * sizeof(float));
  for (uint32_t i = 0; i < program->launches_count; i++) {
    const tl_plan_launch *launch = &t->launchs[program->first_launch + i];
    const tl_plan_kernel *kernel = &t->kernels[launch->kernel];
    CHECK(kernel->target == program->target && launch->grid_rows > 0);
    CHECK(kernel->offset < t->targets[kernel->target].text_bytes);
    CHECK(kernel->scratch_bytes <= t->targets[kernel->target].scratch_bytes);
    for (uint32_t a = 0; a < launch->args_count; a++)
      check_arg(t, program, &range, &t->args[launch->first_arg + a]);
    if (launch->kind == TL_PLAN_LAUNCH_PRODUCT) check_product(t, launch);
  }
}

static void check_places(const tl_plan_tables *t) {
  CHECK(t->groups_count <= TL_GROUPS_MAX && t->models_count == 1);
  for (uint32_t i = 0; i < t->weights_count; i++)
    CHECK(t->weights[i].offset + t->weights[i].bytes <= WEIGHTS_BYTES);
  for (uint32_t i = 0; i < t->states_count; i++) {
    const tl_plan_group *group = &t->groups[t->states[i].group];
    CHECK(t->states[i].group < t->groups_count);
    uint64_t head = t->states[i].key;
    if (group->kind != TL_PLAN_GROUP_LATENT) head += t->states[i].value;
    for (int kv = 0; kv < TL_PLAN_KV_COUNT; kv++) {
      uint64_t bytes = t->states[i].heads * head * TL_PAGE_TOKENS * (kv == TL_PLAN_KV_F32 ? 4 : 2);
      CHECK(t->states[i].offset[kv] + bytes <= group->page_bytes[kv]);
    }
  }
}

// Reads all that launches rely on.
static void check_shapes(const tl_plan_tables *t) {
  uint64_t *shapes = malloc((t->launchs_count + 1u) * sizeof *shapes);
  CHECK(shapes);
  uint32_t count = 0;
  for (uint32_t i = 0; i < t->targets_count; i++)
    count += tl_plan_target_shapes(t, i, shapes);
  CHECK(count <= t->launchs_count);
  free(shapes);
}

static void check_description(const tl_plan_tables *tables) {
  tl_plan plan = {.file = -1, .name = "fuzz", .tables = *tables};
  tl_arena arena;
  tl_str text;
  tl_json_reader reader;
  tl_json_token token;
  tl_arena_init(&arena, MEMORY_MAX);
  tl_status status = tl_plan_describe_text(&plan, &arena, &text);
  CHECK(tl_ok(status) ? text.data[text.length - 1] == '\n' : status == TL_MEMORY);
  tl_arena_reset(&arena);
  status = tl_plan_describe_json(&plan, &arena, &text);
  CHECK(tl_ok(status) || status == TL_MEMORY);
  if (tl_ok(status)) {
    tl_source source = {"description", text};
    tl_json_reader_init(&reader, &source, NULL);
    do {
      CHECK(tl_ok(tl_json_next(&reader, &token)));
    } while (token.kind != TL_JSON_END);
  }
  tl_arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static _Alignas(64) char copy[SECTION_MAX];
  tl_str section = good_section();
  tl_plan_tables tables;
  tl_diag diag = {0};
  memcpy(copy, section.data, section.length);
  for (size_t i = 0; i + PATCH_BYTES <= size && i < PATCHES_MAX * PATCH_BYTES; i += PATCH_BYTES)
    patch(copy, section.length, data + i);
  // On memory of its own length, so that sanitizers see a step beyond it.
  char *exact = aligned_alloc(64, (section.length + 63) / 64 * 64);
  CHECK(exact);
  memcpy(exact, copy, section.length);
  tl_status status =
      tl_plan_tables_read((tl_str){exact, section.length}, WEIGHTS_BYTES, "fuzz", &tables, &diag);
  CHECK(tl_ok(status) == (diag.count == 0));
  tl_fuzz_accepted = tl_ok(status);
  if (tl_ok(status)) {
    check_texts(&tables);
    check_places(&tables);
    check_shapes(&tables);
    for (uint32_t i = 0; i < tables.programs_count; i++)
      check_program(&tables, &tables.programs[i]);
    check_description(&tables);
  }
  free(exact);
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
  uint64_t random = (seed + 1) * 0x9e3779b97f4a7c15ull;
  size_t patches = 1 + random % 3;
  if (patches * PATCH_BYTES > size_max) return size;
  for (size_t i = 0; i < patches * PATCH_BYTES; i++) {
    random ^= random >> 29;
    random *= 0xbf58476d1ce4e5b9ull;
    random ^= random >> 32;
    data[i] = (uint8_t)random;
  }
  return patches * PATCH_BYTES;
}

// Launch shapes: a plan with one fact changed that a kernel relies on, and all digests made right
// again, is refused with a sentence that names the launch; what kernels cannot tell may change.
#include "runtime/base/plan_shape.h"

#include <unistd.h>

#include "runtime/plan/plan.h"
#include "tests/lib/check.h"
#include "tests/lib/plan_file.h"
#include "tests/lib/tiny_plan.h"

enum { EDITS_MAX = 4 };

static plan_file file;
static tl_diag diag;

// A field of a row and its new number, or the row that it is copied from.
typedef struct edit {
  tl_plan_table table;
  uint32_t row;
  size_t offset, size;
  int64_t number;
  bool is_copied;
} edit;

#define SET(table, row, field, number)                                                             \
  {TL_PLAN_TABLE_##table,                                                                          \
   row,                                                                                            \
   offsetof(tl_plan_##table, field),                                                               \
   sizeof((tl_plan_##table *)0)->field,                                                            \
   number,                                                                                         \
   false}
#define COPY(table, row, field, from)                                                              \
  {TL_PLAN_TABLE_##table,                                                                          \
   row,                                                                                            \
   offsetof(tl_plan_##table, field),                                                               \
   sizeof((tl_plan_##table *)0)->field,                                                            \
   from,                                                                                           \
   true}

static void apply(const edit *e) {
  char *field = (char *)plan_file_row(&file, e->table, e->row) + e->offset;
  const void *from = &e->number;
  if (e->size == 0) return; // no edit
  if (e->is_copied) from = (char *)plan_file_row(&file, e->table, (uint32_t)e->number) + e->offset;
  memcpy(field, from, e->size);
}

// Opens the sealed file; NULL if it is accepted, else the sentence.
static const char *sentence(void) {
  tl_plan plan;
  diag = (tl_diag){0};
  plan_file_seal(&file);
  tl_status status = tl_plan_open(file.path, NULL, &plan, &diag);
  if (tl_ok(status)) {
    CHECK(diag.count == 0);
    tl_plan_close(&plan);
    return NULL;
  }
  CHECK(status == TL_INPUT && diag.count == 1);
  return diag.entries[0].text;
}

// Launch 0 has an integer, a matrix and a buffer; 1 a state; 4 vectors and matrices; 5 is the first
// of the second target.
static const struct {
  edit edits[EDITS_MAX];
  const char *words;
} refused[] = {
    {{SET(model, 0, vocabulary, 101)}, "launch 0 does not fit its kernel"},
    {{SET(model, 0, types, 2)}, "launch 0 does not fit"},
    {{SET(model, 0, context, 4096)}, "launch 0 does not fit"},
    {{SET(model, 0, task, TL_PLAN_TASK_SCORE_TOKENS)}, "launch 0 does not fit"},
    {{SET(model, 0, kv_types, 2)}, "launch 0 does not fit"},
    {{SET(model, 0, outputs, 99)}, "program 0 has"},
    {{SET(model, 0, outputs, 99), SET(buffer, 2, columns, 99)}, "launch 0 does not fit"},
    {{COPY(target, 0, name, 1)}, "launch 0 does not fit"},
    {{SET(target, 1, code_bytes, TL_TINY_CODE_BYTES + 8)}, "launch 5 does not fit"},
    {{SET(target, 1, code_bytes, TL_TINY_CODE_BYTES - 8)}, "launch 5 does not fit"},
    {{SET(target, 1, code_bytes, 1 << 20)}, "section code (target 1) has"},
    {{SET(target, 1, text_bytes, 128)}, "launch 5 does not fit"},
    {{SET(target, 0, scratch_bytes, 512)}, "kernel 0 lies"},
    {{SET(kernel, 0, offset, 4)}, "launch 0 does not fit"},
    {{SET(kernel, 0, scratch_bytes, 64)}, "launch 0 does not fit"},
    {{SET(launch, 0, kernel, 1)}, "launch 0 runs another target's code"},
    {{SET(launch, 1, guard_kv, 3)}, "launch 1 does not fit"},
    {{SET(launch, 1, guard_min, 2)}, "launch 1 does not fit"},
    {{SET(launch, 1, guard_max, 2)}, "launch 1 does not fit"},
    {{SET(launch, 4, grid_symbol, TL_PLAN_SYMBOL_T)}, "launch 4 does not fit"},
    {{SET(launch, 3, grid_items, 4)}, "launch 3 does not fit"},
    {{SET(launch, 3, grid_rows, 1)}, "launch 3 does not fit"},
    {{SET(launch, 0, args_count, 2)}, "launch 0 does not fit"},
    {{SET(launch, 0, first_arg, 1)}, "launch 0 does not fit"},
    {{SET(arg, 0, value, -8)}, "launch 0 does not fit"},
    {{SET(arg, 2, kind, TL_PLAN_ARG_WEIGHT)}, "launch 0 does not fit"},
    {{SET(arg, 1, index, 0)}, "launch 0 does not fit"},
    {{SET(arg, 2, index, 1)}, "launch 0 does not fit"},
    {{SET(arg, 3, index, 1)}, "launch 1 does not fit"},
    {{SET(arg, 4, index, 1)}, "launch 1 does not fit"},
    {{SET(arg, 5, index, 0)}, "launch 1 does not fit"},
    {{COPY(weight, 1, format, 0)}, "launch 0 does not fit"},
    {{SET(weight, 1, rows, 1001)}, "launch 0 does not fit"},
    {{SET(weight, 1, columns, 257)}, "launch 0 does not fit"},
    {{SET(weight, 1, experts, 2), SET(weight, 1, stride, 1 << 16)}, "launch 0 does not fit"},
    {{SET(weight, 1, experts, 5)}, "weight 1 lies"},
    {{SET(weight, 2, rows, 101)}, "launch 4 does not fit"},
    {{SET(weight, 3, stride, 4353)}, "weight 3 lies"},
    {{SET(buffer, 0, format, 0)}, "launch 10 is a product"},
    {{SET(buffer, 2, symbol, TL_PLAN_SYMBOL_T)}, "program 0 has"},
    {{SET(buffer, 0, symbol, TL_PLAN_SYMBOL_R), SET(buffer, 1, offset, 0),
      SET(program, 0, arena_bytes[1], 64), SET(program, 1, arena_bytes[1], 64)},
     "launch 10 is a product"},
    {{SET(buffer, 0, row_bytes, 576)}, "launch 0 does not fit"},
    {{SET(buffer, 0, columns, 101)}, "launch 0 does not fit"},
    {{SET(state, 0, group, 1)}, "launch 1 does not fit"},
    {{SET(state, 0, heads, 1)}, "launch 1 does not fit"},
    {{SET(state, 0, key, 63)}, "launch 1 does not fit"},
    {{SET(state, 0, value, 63)}, "launch 1 does not fit"},
    {{SET(state, 0, heads, 1), SET(state, 0, offset[0], 64)}, "launch 1 does not fit"},
    {{SET(group, 1, span, 192)}, "launch 0 does not fit"},
    {{SET(group, 1, span, 0)}, "group 1 has"},
    {{SET(group, 0, kind, TL_PLAN_GROUP_LATENT)}, "launch 0 does not fit"},
    {{SET(group, 0, page_bytes[1], 65536)}, "launch 0 does not fit"},
    {{SET(group, 0, page_bytes[0], (int64_t)1 << 40)}, "group 0 has"},
    {{SET(program, 0, output, 0)}, "program 0 has"},
    {{SET(program, 0, launches_count, 0)}, "program 0 has"},
    {{SET(program, 0, launches_count, 6)}, "program 1 has"},
    {{SET(program, 1, first_launch, 4)}, "program 1 has"},
    {{SET(program, 0, arena_bytes[1], 640)}, "program 0 has"},
    {{SET(program, 0, arena_bytes[1], 448)}, "launch 0 has a buffer outside of its arena"},
    {{SET(program, 1, arena_bytes[1], 448)}, "launch 5 has a buffer outside of its arena"},
    {{SET(program, 1, arena_bytes[3], 448)}, "program 1 has outputs outside of their arena"},
    {{SET(program, 0, arena_bytes[7], 64)}, "program 0 has"},
    {{SET(launch, 0, guard_library, 1)}, "launch 0 does not fit"},
    {{SET(launch, 0, guard_library, 3)}, "launch 0 has"},
    {{SET(launch, 0, set, 1)}, "launch 0 has"},
    {{SET(launch, 0, set, 1), SET(launch, 0, guard_exact, 1)}, "launch 0 does not fit"},
    {{SET(launch, 10, set, 0)}, "launch 10 does not fit"},
    {{SET(launch, 10, set, 11)}, "launch 10 does not fit"},
    {{SET(launch, 10, set, 12)}, "launch 10 has"},
    {{SET(launch, 10, guard_exact, 2)}, "launch 10 has"},
    {{SET(launch, 0, kind, TL_PLAN_LAUNCH_PRODUCT)}, "launch 0 is a product of what"},
    {{SET(launch, 10, kind, TL_PLAN_LAUNCH_KERNEL)}, "launch 10 does not fit"},
    {{SET(launch, 10, kind, TL_PLAN_LAUNCH_COUNT)}, "launch 10 has"},
    {{SET(launch, 10, guard_library, 1)}, "launch 10 is a product"},
    {{SET(launch, 10, grid_symbol, TL_PLAN_SYMBOL_R)}, "launch 10 is a product"},
    {{SET(launch, 10, grid_items, 2)}, "launch 10 is a product"},
    {{SET(launch, 10, grid_rows, 2)}, "launch 10 is a product"},
    {{SET(launch, 10, args_count, 6)}, "launch 10 is a product"},
    {{SET(launch, 10, first_arg, 8)}, "launch 10 is a product"},
    {{SET(launch, 10, guard_min, 7)}, "launch 10 does not fit"},
    {{SET(arg, 9, index, 1)}, "launch 10 is a product"},
    {{SET(arg, 9, index, 2)}, "launch 10 is a product"},
    {{SET(arg, 10, index, 0)}, "launch 10 is a product"},
    {{SET(arg, 11, value, 0)}, "launch 10 is a product"},
    {{SET(arg, 11, value, -64)}, "launch 10 is a product"},
    {{SET(arg, 11, value, 63)}, "launch 10 is a product"},
    {{SET(arg, 11, value, 128)}, "launch 10 is a product"}, // 64 more than there are
    {{SET(arg, 11, value, INT64_MAX - 63)}, "launch 10 is a product"},
    {{SET(arg, 11, kind, TL_PLAN_ARG_WEIGHT), SET(arg, 11, value, 0)}, "launch 10 is a product"},
    {{SET(arg, 12, index, 1)}, "launch 10 is a product"},
    {{SET(arg, 12, index, 2)}, "launch 10 is a product"},
    {{SET(arg, 13, value, 64)}, "launch 10 does not fit"}, // it has room
    {{SET(arg, 13, value, 128)}, "launch 10 is a product"},
    {{SET(arg, 13, value, 4)}, "launch 10 is a product"},
    {{SET(arg, 13, value, -64)}, "launch 10 is a product"},
    {{SET(arg, 14, value, 1)}, "launch 10 is a product"},
    {{SET(arg, 14, kind, TL_PLAN_ARG_BUFFER)}, "launch 10 does not fit"},
    {{SET(arg, 14, kind, TL_PLAN_ARG_BUFFER), SET(arg, 14, index, 1)}, "launch 10 is a product"},
    {{SET(arg, 15, index, 4)}, "launch 10 is a product"},
    {{SET(weight, 4, columns, 129)}, "launch 10 is a product"},
    {{SET(weight, 4, columns, 99)}, "launch 10 does not fit"},
    {{COPY(weight, 4, format, 1)}, "launch 10 is a product"}, // rows are not
    {{COPY(weight, 4, format, 3)}, "launch 10 is a product"},
    {{SET(weight, 4, layout, TL_PLAN_LAYOUT_PANEL64), SET(weight, 4, stride, 32768)},
     "launch 10 is a product"},
    {{SET(kernel, 2, module_bytes, 8), SET(kernel, 2, threads, 32)}, "launch 10 is a product"},
};

static void test_refused(void) {
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    for (int e = 0; e < EDITS_MAX; e++)
      apply(&refused[i].edits[e]);
    const char *found = sentence();
    if (!found || !strstr(found, refused[i].words)) {
      fprintf(stderr, "case %zu: \"%s\", expected \"%s\"\n", i, found ? found : "accepted",
              refused[i].words);
    }
    CHECK(found && strstr(found, refused[i].words) && strstr(found, "is damaged"));
    plan_file_restore(&file);
  }
}

static void test_accepted(void) {
  static const edit edits[] = {
      SET(launch, 0, flops, 7),     SET(launch, 0, layer, 9),
      COPY(launch, 0, name, 1),     COPY(kernel, 0, name, 1),
      SET(weight, 0, offset, 4096), SET(buffer, 1, offset, 0),
      SET(model, 0, kv_default, 0), SET(program, 0, launches_count, 4),
      SET(launch, 1, guard_kv, 2), // there is such a launch
  };
  for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
    apply(&edits[i]);
    const char *found = sentence();
    if (found) fprintf(stderr, "edit %zu: \"%s\"\n", i, found);
    CHECK(!found);
    plan_file_restore(&file);
  }
}

// The list is what plan_shape.h says: ascending, each shape once, found by its launches only.
static void test_list(void) {
  tl_plan plan;
  CHECK(tl_ok(tl_plan_open(file.path, NULL, &plan, &diag)));
  const tl_plan_tables *t = &plan.tables;
  uint64_t lists[TL_TINY_TARGETS][16];
  for (uint32_t target = 0; target < TL_TINY_TARGETS; target++) {
    uint32_t count = tl_plan_target_shapes(t, target, lists[target]);
    CHECK(count == 5 + target);
    for (uint32_t i = 1; i < count; i++)
      CHECK(lists[target][i - 1] < lists[target][i]);
    const tl_plan_section *code = tl_plan_find(&plan, TL_PLAN_SECTION_CODE, target);
    uint64_t begin = tl_plan_shapes_offset(t->targets[target].code_bytes);
    CHECK(begin % 8 == 0 && code->bytes == begin + count * sizeof(uint64_t));
    CHECK(memcmp(tl_plan_bytes(&plan, code).data + begin, lists[target],
                 count * sizeof(uint64_t)) == 0);
  }
  for (uint32_t i = 0; i < t->launchs_count; i++) {
    uint64_t shape = tl_plan_launch_shape(t, i);
    uint32_t target = i >= 5;
    CHECK(tl_plan_shapes_hold(lists[target], 5 + target, shape));
    CHECK(!tl_plan_shapes_hold(lists[1 - target], 6 - target, shape));
    CHECK(!tl_plan_shapes_hold(lists[0], 0, shape));
  }
  tl_plan_close(&plan);
}

int main(void) {
  char path[] = "/tmp/tlmc-shape-??????";
  memset(strchr(path, '?'), 'X', 6);
  int made = mkstemp(path);
  CHECK(made >= 0 && close(made) == 0);
  tl_tiny_plan tiny;
  tl_arena arena;
  tl_arena_init(&arena, (size_t)256 << 20);
  tl_tiny_plan_init(&tiny, 1, false);
  CHECK(tl_ok(tl_plan_write(&tiny.parts, path, 1, &arena, &diag)));
  plan_file_open(&file, path);
  CHECK(unlink(path) == 0 && !sentence());
  test_list();
  test_refused();
  test_accepted();
  plan_file_close(&file);
  tl_arena_finish(&arena);
  return 0;
}

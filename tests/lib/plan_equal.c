// A function per row type, made from plan.def: a new field is compared as soon as it is there.
#include "tests/lib/plan_equal.h"

#include <string.h>

#include "runtime/plan/plan.h"

static bool same_text(const tl_plan_tables *a, uint32_t text, const tl_plan_tables *b,
                      uint32_t other) {
  return strcmp(tl_plan_string(a, text), tl_plan_string(b, other)) == 0;
}

// Programs may share arguments, so that those of each launch are compared, not where they are.
static bool is_place(const char *field) {
  return strcmp(field, "first_arg") == 0;
}

#define TABLE(name)                                                                                \
  __attribute__((unused)) static bool name##_equal(                                                \
      const tl_plan_tables *ta, const tl_plan_##name *a, const tl_plan_tables *tb,                 \
      const tl_plan_##name *b) {                                                                   \
    bool is_equal = ta && tb;
#define FIELD(type, name, summary)                                                                 \
  is_equal = is_equal && (strncmp(summary, "text", 4) == 0                                         \
                              ? same_text(ta, (uint32_t)a->name, tb, (uint32_t)b->name)            \
                              : is_place(#name) || a->name == b->name);
#define ARRAY(type, name, count, summary)                                                          \
  is_equal = is_equal && memcmp(a->name, b->name, sizeof a->name) == 0;
#define END(name)                                                                                  \
  return is_equal;                                                                                 \
  }
#include "runtime/base/plan.def"
#undef TABLE
#undef FIELD
#undef ARRAY
#undef END

static bool same_args(const tl_plan_tables *a, const tl_plan_tables *b) {
  for (uint32_t i = 0; i < a->launchs_count; i++) {
    const tl_plan_launch *left = &a->launchs[i], *right = &b->launchs[i];
    for (uint32_t n = 0; n < left->args_count; n++) {
      if (!arg_equal(a, &a->args[left->first_arg + n], b, &b->args[right->first_arg + n])) {
        return false;
      }
    }
  }
  return true;
}

bool tl_plan_tables_equal(const tl_plan_tables *a, const tl_plan_tables *b) {
#define X(name)                                                                                    \
  bool name##_rows = TL_PLAN_TABLE_##name != TL_PLAN_TABLE_arg;                                    \
  if (name##_rows && a->name##s_count != b->name##s_count) return false;                           \
  for (uint32_t i = 0; name##_rows && i < a->name##s_count; i++) {                                 \
    if (!name##_equal(a, &a->name##s[i], b, &b->name##s[i])) return false;                         \
  }
  TL_PLAN_TABLE_MAP(X)
#undef X
  return same_args(a, b);
}

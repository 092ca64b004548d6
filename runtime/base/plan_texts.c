// The texts, from the lists of runtime/base/plan.h.
#include "runtime/base/plan_texts.h"

#define X(name, text, summary) text,
const char *const tl_plan_section_texts[TL_PLAN_SECTION_COUNT] = {TL_PLAN_SECTION_MAP(X)};
const char *const tl_plan_task_texts[TL_PLAN_TASK_COUNT] = {TL_PLAN_TASK_MAP(X)};
const char *const tl_plan_kv_texts[TL_PLAN_KV_COUNT] = {TL_PLAN_KV_MAP(X)};
const char *const tl_plan_group_texts[TL_PLAN_GROUP_COUNT] = {TL_PLAN_GROUP_MAP(X)};
const char *const tl_plan_symbol_texts[TL_PLAN_SYMBOL_COUNT] = {TL_PLAN_SYMBOL_MAP(X)};
const char *const tl_plan_layout_texts[TL_PLAN_LAYOUT_COUNT] = {TL_PLAN_LAYOUT_MAP(X)};
const char *const tl_plan_launch_texts[TL_PLAN_LAUNCH_COUNT] = {TL_PLAN_LAUNCH_MAP(X)};
const char *const tl_plan_arg_texts[TL_PLAN_ARG_COUNT] = {TL_PLAN_ARG_MAP(X)};
#undef X

int tl_plan_kv_from_text(tl_str text) {
  int kv = 0;
  while (kv < TL_PLAN_KV_COUNT && !tl_str_is(text, tl_plan_kv_texts[kv]))
    kv++;
  return kv;
}

// Texts of the enumerations of runtime/base/plan.h, by number: what errors, descriptions and
// options call sections, tasks, KV types and so on. Read only; any thread.
//
//   tl_plan_kv_texts[TL_PLAN_KV_BF16] is "bf16"; tl_plan_kv_from_text(TL_STR("bf16")) the reverse
#ifndef TL_BASE_PLAN_TEXTS_H
#define TL_BASE_PLAN_TEXTS_H

#include "runtime/base/plan.h"
#include "runtime/base/str.h"

extern const char *const tl_plan_section_texts[TL_PLAN_SECTION_COUNT];
extern const char *const tl_plan_task_texts[TL_PLAN_TASK_COUNT];
extern const char *const tl_plan_kv_texts[TL_PLAN_KV_COUNT];
extern const char *const tl_plan_group_texts[TL_PLAN_GROUP_COUNT];
extern const char *const tl_plan_symbol_texts[TL_PLAN_SYMBOL_COUNT];
extern const char *const tl_plan_layout_texts[TL_PLAN_LAYOUT_COUNT];
extern const char *const tl_plan_launch_texts[TL_PLAN_LAUNCH_COUNT];
extern const char *const tl_plan_arg_texts[TL_PLAN_ARG_COUNT];

// TL_PLAN_KV_COUNT if no KV type is called `text`.
int tl_plan_kv_from_text(tl_str text);

#endif

// Texts of the enumerations of runtime/base/plan.h, by number: what errors and descriptions call
// sections, tasks, KV types and so on.
#ifndef TL_PLAN_TEXTS_H
#define TL_PLAN_TEXTS_H

#include "runtime/base/plan.h"

extern const char *const tl_plan_section_texts[TL_PLAN_SECTION_COUNT];
extern const char *const tl_plan_task_texts[TL_PLAN_TASK_COUNT];
extern const char *const tl_plan_kv_texts[TL_PLAN_KV_COUNT];
extern const char *const tl_plan_group_texts[TL_PLAN_GROUP_COUNT];
extern const char *const tl_plan_symbol_texts[TL_PLAN_SYMBOL_COUNT];
extern const char *const tl_plan_layout_texts[TL_PLAN_LAYOUT_COUNT];
extern const char *const tl_plan_arg_texts[TL_PLAN_ARG_COUNT];

#endif

// What a program becomes for CPU targets: see drafts.h.
#ifndef TL_COMPILER_CODEGEN_CPU_PLAN_H
#define TL_COMPILER_CODEGEN_CPU_PLAN_H

#include "compiler/codegen/drafts.h"

// One launch a kernel; all x86 levels have the same ones. Read only; any thread.
extern const tl_draft_rules tl_cpu_rules;

#endif

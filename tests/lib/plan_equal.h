// Whether two plans' tables say the same.
#ifndef TL_TESTS_PLAN_EQUAL_H
#define TL_TESTS_PLAN_EQUAL_H

#include <stdbool.h>

#include "runtime/base/plan.h"

// Compares all rows field by field; texts and arguments by what they say, wherever they lie.
bool tl_plan_tables_equal(const tl_plan_tables *a, const tl_plan_tables *b);

#endif

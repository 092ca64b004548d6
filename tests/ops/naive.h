// An independent implementation of every op, in doubles and by other formulas than the reference
// templates where there are any: what keeps the reference itself honest.
#ifndef TL_TESTS_OPS_NAIVE_H
#define TL_TESTS_OPS_NAIVE_H

#include "tests/ops/op_case.h"

bool naive_run(const op_case *c, double *out);

#endif

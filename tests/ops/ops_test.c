// Op conformance: every case of cases.def through every target, against the reference.
//
// The bound is that of the op's row: |y - reference| / std(reference). Every op must have a case,
// and every case must be covered by a target. A new target is a row of `targets`.
#include <math.h>

#include "tests/lib/check.h"
#include "tests/ops/naive.h"

static const op_target targets[] = {
    {"naive", naive_run},
};

enum { TARGETS_COUNT = sizeof targets / sizeof *targets };

static double reference_number(const tl_ref_tensor *y, int64_t i) {
  return y->f ? y->f[i] : y->i[i];
}

// Of all elements; 1 if they are all the same, so that the bound stays absolute.
static double deviation(const tl_ref_tensor *y, int64_t count) {
  double mean = 0, variance = 0;
  for (int64_t i = 0; i < count; i++)
    mean += reference_number(y, i) / (double)count;
  for (int64_t i = 0; i < count; i++)
    variance += pow(reference_number(y, i) - mean, 2) / (double)count;
  return variance > 0 ? sqrt(variance) : 1;
}

static bool check_target(const op_case *c, const op_target *target, double *out) {
  const tl_ref_tensor *y = &c->args.result;
  int64_t count = tl_ref_elements(y);
  for (int64_t i = 0; i < count; i++)
    out[i] = NAN;
  if (!target->run(c, out)) return false;
  double spread = deviation(y, count), worst = 0;
  for (int64_t i = 0; i < count; i++) {
    double error = fabs(out[i] - reference_number(y, i)) / spread;
    if (!(error <= worst)) worst = error;
  }
  if (worst <= c->node->op->tolerance) return true;
  fprintf(stderr, "%s: error %g, allowed %g, in the case:\n%s%s\n", target->name, worst,
          c->node->op->tolerance, c->spec->declarations, c->spec->expression);
  exit(1);
}

// The cost model knows every op that computes something.
static void check_flops(const op_case *c) {
  const tl_type *types[TL_OPERANDS_MAX] = {0};
  for (int i = 0; i < TL_OPERANDS_MAX; i++) {
    const tl_value *value = c->node->operands[i];
    if (value && value->producer->kind != TL_NODE_STATE) types[i] = &value->type;
  }
  tl_op_call call = {.info = c->node->op,
                     .operands = types,
                     .attrs = c->node->attrs,
                     .symbols = &c->graph->symbols};
  int64_t flops = tl_op_flops(&call, c->symbols), elements = tl_ref_elements(&c->args.result);
  CHECK(tl_str_is(c->node->op->flops, "0") ? flops == 0 : flops > 0);
  CHECK(flops == 0 || flops >= elements || c->node->op->id == TL_OP_position_scale ||
        c->node->op->id == TL_OP_rope);
}

int main(void) {
  static tl_op_table table;
  static tl_diag diag;
  tl_arena arena;
  int cases_per_op[TL_OP_COUNT] = {0}, covered = 0;
  if (!tl_ok(tl_op_table_init(&table, &diag))) tl_diag_print(&diag, stderr);
  CHECK(diag.count == 0);
  tl_arena_init(&arena, SIZE_MAX);
  for (int i = 0; i < op_case_specs_count; i++) {
    const op_case *c = op_case_create(&arena, &table, &op_case_specs[i]);
    double *out = tl_arena_array(&arena, (size_t)tl_ref_elements(&c->args.result), sizeof *out);
    CHECK(out);
    int targets_count = 0;
    for (int t = 0; t < TARGETS_COUNT; t++)
      targets_count += check_target(c, &targets[t], out);
    CHECK(targets_count > 0);
    check_flops(c);
    covered += targets_count;
    cases_per_op[c->spec->op]++;
    tl_arena_reset(&arena);
  }
  tl_arena_finish(&arena);
  for (int op = 0; op < TL_OP_COUNT; op++) {
    if (cases_per_op[op]) continue;
    fprintf(stderr, "cases.def has no case of %.*s\n", TL_STR_ARG(table.ops[op].name));
    return 1;
  }
  printf("%d cases, %d results compared\n", op_case_specs_count, covered);
  return 0;
}

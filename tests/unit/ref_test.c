// Reference templates against numbers worked out by hand, and what they refuse. tests/ops compares
// all of them with an independent implementation.
#include "ir/reference.h"

#include <math.h>

#include "tests/lib/check.h"

static tl_arena scratch;

static tl_ref_tensor floats(float *f, int64_t rows, int64_t columns) {
  return (tl_ref_tensor){.f = f, .rank = 2, .dims = {rows, columns}};
}

static tl_ref_tensor ints(int32_t *i, int64_t rows, int64_t columns) {
  return (tl_ref_tensor){.i = i, .rank = 2, .dims = {rows, columns}};
}

static tl_ref_tensor heads(float *f, int64_t rows, int64_t heads_count, int64_t width) {
  return (tl_ref_tensor){.f = f, .rank = 3, .dims = {rows, heads_count, width}};
}

static bool near(double a, double b) {
  return fabs(a - b) <= 1e-6 * (1 + fabs(b));
}

static void test_linear(void) {
  float x[] = {1, 2, 3}, w[] = {1, 0, -1, 2, 2, 2}, b[] = {10, 20}, y[2];
  tl_ref_args args = {.operands = {floats(x, 1, 3), floats(w, 2, 3), {.f = b, .rank = 1}},
                      .present = {true, true, true},
                      .result = floats(y, 1, 2),
                      .scratch = &scratch};
  CHECK(tl_ok(tl_ref_linear(&args)) && y[0] == 8 && y[1] == 32);
  args.present[2] = false;
  CHECK(tl_ok(tl_ref_linear(&args)) && y[0] == -2 && y[1] == 12);
}

// 1e8 + 1 - 1e8 is 1 in doubles and 0 in floats.
static void test_sums_are_doubles(void) {
  float a[] = {1e8f, 1, -1e8f}, ones[] = {1, 1, 1};
  CHECK(tl_ref_dot(a, ones, 3) == 1);
  float x[] = {1e8f, 1, -1e8f}, y[1];
  tl_ref_args args = {.operands = {heads(x, 1, 3, 1)}, .result = floats(y, 1, 1)};
  CHECK(tl_ok(tl_ref_combine(&args)) && y[0] == 1);
}

static void test_norms(void) {
  float x[] = {3, 4}, w[] = {1, 2}, y[2];
  tl_ref_args args = {.operands = {floats(x, 1, 2), floats(w, 1, 2)},
                      .present = {true, true},
                      .attrs = {{.f = 0}, {.f = 1}},
                      .result = floats(y, 1, 2)};
  double rms = sqrt(12.5);
  CHECK(tl_ok(tl_ref_rmsnorm(&args)) && near(y[0], 6 / rms) && near(y[1], 12 / rms));
  args.present[1] = false; // and then the offset has no meaning
  CHECK(tl_ok(tl_ref_rmsnorm(&args)) && near(y[0], 3 / rms) && near(y[1], 4 / rms));
  CHECK(tl_ok(tl_ref_layernorm(&args)) && near(y[0], -2) && near(y[1], 3));
}

static void test_activations(void) {
  CHECK(near(tl_ref_activation(0, 1), 0.731058578630));
  CHECK(near(tl_ref_activation(1, 1), 0.841344746069));
  CHECK(near(tl_ref_activation(2, 1), 0.841191990608));
  CHECK(near(tl_ref_activation(3, 1), 0.845795765954));
  CHECK(tl_ref_activation(4, -1) == 0 && tl_ref_activation(4, 2) == 2);
  CHECK(tl_ref_activation(5, -3) == 0 && tl_ref_activation(5, 3) == 9);
  CHECK(near(tl_ref_activation(6, 1), 0.761594155956));
  CHECK(near(tl_ref_activation(7, 0), 0.5) && tl_ref_activation(7, -1000) == 0);
  CHECK(isnan(tl_ref_activation(4, NAN)) && isnan(tl_ref_activation(0, NAN)));
}

static void test_softmax(void) {
  float x[] = {1000, 1000, -INFINITY}, y[3];
  tl_ref_args args = {
      .operands = {floats(x, 1, 3)}, .result = floats(y, 1, 3), .scratch = &scratch};
  CHECK(tl_ok(tl_ref_softmax(&args)) && y[0] == 0.5f && y[1] == 0.5f && y[2] == 0);
}

// A quarter turn of the first pair: half pairs (0, 2), interleaved pairs (0, 1); position 0 turns
// nothing. The last value is outside of the pairs.
static void test_rope(void) {
  float x[] = {1, 2, 3, 4, 5, 1, 2, 3, 4, 5}, y[10], freqs[] = {(float)M_PI_2, 0};
  int32_t pos[] = {0, 1};
  tl_ref_args args = {.operands = {heads(x, 2, 1, 5),
                                   {.i = pos, .rank = 1, .dims = {2}},
                                   {.f = freqs, .rank = 1, .dims = {2}}},
                      .attrs = {{.i = 0}, {.f = 1}},
                      .result = heads(y, 2, 1, 5)};
  CHECK(tl_ok(tl_ref_rope(&args)) && memcmp(x, y, 5 * sizeof *x) == 0);
  CHECK(near(y[5], -3) && near(y[7], 1) && near(y[6], 2) && near(y[8], 4) && y[9] == 5);
  args.attrs[0].i = 1;
  args.attrs[1].f = 2;
  CHECK(tl_ok(tl_ref_rope(&args)));
  CHECK(near(y[5], -4) && near(y[6], 2) && near(y[7], 6) && near(y[8], 8) && y[9] == 5);
}

// The angle is a float: at large positions the product is rounded before the cosine.
static void test_rope_angle(void) {
  float x[] = {1, 0}, y[2], freqs[] = {0.1f};
  int32_t pos[] = {100003};
  tl_ref_args args = {.operands = {heads(x, 1, 1, 2),
                                   {.i = pos, .rank = 1, .dims = {1}},
                                   {.f = freqs, .rank = 1, .dims = {1}}},
                      .attrs = {{.i = 0}, {.f = 1}},
                      .result = heads(y, 1, 1, 2)};
  float angle = 100003.0f * 0.1f;
  CHECK(tl_ok(tl_ref_rope(&args)) && y[0] == (float)cos(angle) && y[1] == (float)sin(angle));
}

static void test_position_scale(void) {
  float x[] = {1, 1}, y[2];
  int32_t pos[] = {6, 7};
  tl_ref_args args = {.operands = {heads(x, 2, 1, 1), {.i = pos, .rank = 1, .dims = {2}}},
                      .attrs = {{.f = 0.5}, {.i = 8}},
                      .result = heads(y, 2, 1, 1)};
  CHECK(tl_ok(tl_ref_position_scale(&args)) && y[0] == 1 && near(y[1], 1 + 0.5 * log(2)));
}

// With equal scores a row gets the mean of the values it sees, which tells what it sees.
static void check_means(tl_ref_args *args, const double *means) {
  CHECK(tl_ok(tl_ref_attention(args)));
  for (int64_t t = 0; t < args->result.dims[0]; t++)
    CHECK(near(args->result.f[t], means[t])); // NOLINT(*.CallAndMessage): as many as rows
}

static void test_masks(void) {
  float q[6] = {0}, k[6] = {0}, v[] = {1, 2, 4, 8, 16, 32}, y[6];
  tl_ref_args args = {.operands = {heads(q, 6, 1, 1), heads(k, 6, 1, 1), heads(v, 6, 1, 1)},
                      .attrs = {{.f = 1}, {.i = 0}, {.i = 0}, {.i = 0}, {.f = 0}},
                      .result = heads(y, 6, 1, 1),
                      .scratch = &scratch};
  check_means(&args, (double[]){1, 1.5, 7 / 3.0, 15 / 4.0, 31 / 5.0, 63 / 6.0});
  args.attrs[2].i = 2; // window: the row itself and the one before
  check_means(&args, (double[]){1, 1.5, 3, 6, 12, 24});
  args.attrs[2].i = 0;
  args.attrs[3].i = 4; // chunks 0..3 and 4..5
  check_means(&args, (double[]){1, 1.5, 7 / 3.0, 15 / 4.0, 16, 24});
  args.attrs[3].i = 0;
  args.attrs[1].i = 1; // full
  check_means(&args, (double[]){10.5, 10.5, 10.5, 10.5, 10.5, 10.5});
}

static void test_state(void) {
  float q[2] = {0}, k[2] = {0}, v[] = {1, 3}, y[2], keys[3], values[3];
  tl_ref_state state = {keys, values, 1, 1, 0, 3};
  tl_ref_args args = {.operands = {heads(q, 2, 1, 1), heads(k, 2, 1, 1), heads(v, 2, 1, 1)},
                      .attrs = {{.f = 1}},
                      .result = heads(y, 2, 1, 1),
                      .state = &state,
                      .scratch = &scratch};
  check_means(&args, (double[]){1, 2});
  CHECK(state.length == 2 && tl_ref_attention(&args) == TL_MEMORY && state.length == 2);
  v[0] = 5;
  for (int i = 0; i < 3; i++)
    args.operands[i].dims[0] = args.result.dims[0] = 1;
  check_means(&args, (double[]){3});
  CHECK(state.length == 3 && values[2] == 5);
}

static void check_topk(tl_ref_args *args, int32_t first, int32_t second) {
  CHECK(tl_ok(tl_ref_group_topk(args)));
  CHECK(args->result.i[0] == first && args->result.i[1] == second);
}

static void test_topk(void) {
  float scores[] = {1, 5, 5, 0, 4, 2}, bias[] = {0, 0, 0, 9, 0, 0};
  int32_t y[2];
  tl_ref_args args = {.operands = {floats(scores, 1, 6), {.f = bias, .rank = 1, .dims = {6}}},
                      .present = {true, false},
                      .attrs = {{.i = 2}, {.i = 1}, {.i = 1}, {.i = 2}},
                      .result = ints(y, 1, 2),
                      .scratch = &scratch};
  check_topk(&args, 1, 2); // equal: the lower id first
  args.present[1] = true;
  check_topk(&args, 3, 1);
  args.present[1] = false;
  args.attrs[1].i = 3; // groups {1,5} {5,0} {4,2}: sums 6, 5, 6; the first of the equals wins
  check_topk(&args, 1, 0);
  args.attrs[3].i = 1; // best of each: 5, 5, 4
  check_topk(&args, 1, 0);
  args.attrs[2].i = 2;
  check_topk(&args, 1, 2);
  for (int i = 0; i < 6; i++)
    scores[i] = NAN;
  CHECK(tl_ok(tl_ref_group_topk(&args)));
  CHECK(y[0] >= 0 && y[0] < 6 && y[1] >= 0 && y[1] < 6 && y[0] != y[1]);
}

static void test_ids(void) {
  float w[] = {1, 2, 3, 4, 5, 6}, y[6];
  int32_t bad[] = {-1, 3};
  for (int i = 0; i < 2; i++) {
    tl_ref_tensor ids = {.i = bad + i, .rank = 1, .dims = {1}};
    tl_ref_args args = {.operands = {ids, floats(w, 3, 2)}, .result = floats(y, 1, 2)};
    CHECK(tl_ref_embed(&args) == TL_INPUT);
    args.operands[0] = floats(w, 3, 2);
    args.operands[1] = ids;
    CHECK(tl_ref_select_rows(&args) == TL_INPUT);
    args.operands[0] = floats(w, 1, 3);
    args.operands[1] = ints(bad + i, 1, 1);
    CHECK(tl_ref_take(&args) == TL_INPUT);
    args.operands[0] = floats(w, 1, 1);
    args.operands[2] = heads(w, 3, 2, 1);
    CHECK(tl_ref_expert_linear(&args) == TL_INPUT);
  }
}

int main(void) {
  tl_arena_init(&scratch, 1 << 20);
  test_linear();
  test_sums_are_doubles();
  test_norms();
  test_activations();
  test_softmax();
  test_rope();
  test_rope_angle();
  test_position_scale();
  test_masks();
  test_state();
  test_topk();
  test_ids();
  tl_arena_finish(&scratch);
  return 0;
}

// rope_table: for each row the cosines, then the sines, of position times frequency.
//
//   args: frequencies (T_PAIRS) f32, out (rows, 2 * T_PAIRS) f32; item: T_BLOCK rows
//   The angle is one f32 product, as the models were trained with; its cosine and sine are right to
//   f32 also for angles of millions: reduced by multiples of pi/2 in double, then Taylor series.
#include "templates/cpu/constants.h"
#include "templates/cpu/vector.h"

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end);

// Series on |r| <= pi/4.
TL_INLINE double sine(double r) {
  double s = r * r;
  double p = -7.6471637318198164e-13;
  p = p * s + 1.6059043836821613e-10;
  p = p * s - 2.5052108385441720e-08;
  p = p * s + 2.7557319223985893e-06;
  p = p * s - 1.9841269841269841e-04;
  p = p * s + 8.3333333333333332e-03;
  p = p * s - 1.6666666666666666e-01;
  return r + r * s * p;
}

TL_INLINE double cosine(double r) {
  double s = r * r;
  double p = -1.1470745597729725e-11;
  p = p * s + 2.0876756987868100e-09;
  p = p * s - 2.7557319223985888e-07;
  p = p * s + 2.4801587301587302e-05;
  p = p * s - 1.3888888888888889e-03;
  p = p * s + 4.1666666666666664e-02;
  p = p * s - 0.5;
  return 1.0 + s * p;
}

TL_INLINE void turn(float angle, float *out_cosine, float *out_sine) {
  double n = __builtin_elementwise_roundeven((double)angle * 0.63661977236758134);
  double r = (double)angle - n * 1.5707963267341256;
  r -= n * 6.0771005065061922e-11;
  int64_t quarter = (int64_t)n & 3;
  double c = cosine(r), s = sine(r);
  double turned_c = quarter & 1 ? s : c, turned_s = quarter & 1 ? c : s;
  *out_cosine = (float)(T_FACTOR * (quarter == 1 || quarter == 2 ? -turned_c : turned_c));
  *out_sine = (float)(T_FACTOR * (quarter >= 2 ? -turned_s : turned_s));
}

// e^x for x in -700 .. 0: 2^n times the series of what is left.
TL_INLINE double exponential(double x) {
  double n = __builtin_elementwise_roundeven(x * 1.4426950408889634);
  double r = x - n * 0.69314718055994531, sum = 1, term = 1;
  for (int k = 1; k < 14; k++) {
    term *= r / k;
    sum += term;
  }
  int64_t bits = ((int64_t)n + 1023) << 52;
  double power;
  __builtin_memcpy(&power, &bits, 8);
  return sum * power;
}

// log of x >= 1: x = 2^e m with m in [0.75, 1.5), log m by the odd series.
TL_INLINE double logarithm(double x) {
  double e = 0, sum = 0;
  for (; x >= 1.5; x *= 0.5)
    e += 1;
  double s = (x - 1) / (x + 1), power = s;
  for (int k = 1; k < 30; k += 2, power *= s * s)
    sum += power / k;
  return 2 * sum + e * 0.69314718055994531;
}

// What the logarithm of frequency j falls by, for each j; see the op rope.
TL_INLINE double fall(int64_t length) {
  if (T_LIMIT == 0 || T_PAIRS < 2 || length <= T_LIMIT) return 0;
  double growth = T_STRETCH * (double)length / (double)T_LIMIT - (T_STRETCH - 1);
  return logarithm(growth) / (double)(T_PAIRS - 1);
}

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end) {
  const float *frequencies = args[0].in;
  const int32_t *positions = tl_step_ints(step, step->positions);
  const int32_t *lengths = tl_step_ints(step, step->lengths);
  int64_t rows = step->rows_count, last = end * T_BLOCK < rows ? end * T_BLOCK : rows;
  (void)scratch;
  for (int64_t row = begin * T_BLOCK; row < last; row++) {
    float *out = (float *)((char *)args[1].out + row * T_INPUT_BYTES);
    double step_down = T_LIMIT ? fall(lengths[row]) : 0;
    for (int64_t j = 0; j < T_PAIRS; j++) {
      float frequency = frequencies[j];
      if (step_down != 0) frequency = (float)(frequency * exponential(-step_down * (double)j));
      turn((float)positions[row] * frequency, out + j, out + T_PAIRS + j);
    }
  }
}

// Functions of numbers that CUDA and C have by the same names; after TL_INLINE is defined.
#ifndef TL_TEMPLATES_CUDA_NUMBERS_CUH
#define TL_TEMPLATES_CUDA_NUMBERS_CUH

TL_INLINE float tl_exp(float x) {
  return expf(x);
}

TL_INLINE float tl_log(float x) {
  return logf(x);
}

TL_INLINE float tl_tanh(float x) {
  return tanhf(x);
}

TL_INLINE float tl_erf(float x) {
  return erff(x);
}

TL_INLINE float tl_sqrt(float x) {
  return sqrtf(x);
}

TL_INLINE float tl_sin(float x) {
  return sinf(x);
}

TL_INLINE float tl_cos(float x) {
  return cosf(x);
}

TL_INLINE float tl_fma(float a, float b, float c) {
  return fmaf(a, b, c);
}

TL_INLINE float tl_max(float a, float b) {
  return fmaxf(a, b);
}

#endif

// Types of the kernels' dialect, also as C: shared with the stand-in of tests/lib/cuda and its tests.
#ifndef TL_TEMPLATES_CUDA_TYPES_CUH
#define TL_TEMPLATES_CUDA_TYPES_CUH

typedef unsigned char tl_u8;
typedef unsigned short tl_u16;
typedef unsigned int tl_u32;
typedef unsigned long long tl_u64;
typedef int tl_i32;
typedef long long tl_i64;

// 16 bytes, moved at once.
typedef struct tl_quad {
  tl_u32 x, y, z, w;
} tl_quad;

// 8 bytes, moved at once.
typedef struct tl_pair {
  tl_u32 x, y;
} tl_pair;

// What a launch is given: addresses and numbers that stay as they are from step to step.
typedef union tl_argument {
  void *p;
  tl_i64 i;
} tl_argument;

typedef struct tl_arguments {
  tl_argument at[48];
} tl_arguments;

#endif

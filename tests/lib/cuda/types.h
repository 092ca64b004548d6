// Types of the kernels' dialect, as C has them: shared by kernels under test and by their tests.
// The twin of templates/cuda/dialect.cuh's first lines.
#ifndef TL_TESTS_CUDA_TYPES_H
#define TL_TESTS_CUDA_TYPES_H

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

// What a kernel is given, by value.
typedef union tl_argument {
  void *p;
  tl_i64 i;
} tl_argument;

typedef struct tl_arguments {
  tl_argument at[32];
} tl_arguments;

#endif

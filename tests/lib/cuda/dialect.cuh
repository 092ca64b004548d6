// The stand-in for templates/cuda/dialect.cuh: the same names, compiled as C, for a kernel that runs
// on the CPU under tests/lib/cuda/shim.h. Force it in front of a template (-include), or include it
// before the template's text: the guard is the same, so the real dialect is left out.
#ifndef TL_TEMPLATES_CUDA_DIALECT_CUH
#define TL_TEMPLATES_CUDA_DIALECT_CUH

#include <math.h>
#include <string.h>

#include "tests/lib/cuda/calls.h"
#include "templates/cuda/types.cuh"

// A kernel is declared nowhere, and takes what all kernels take.
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define TL_KERNEL(threads, blocks)                                                                 \
  _Static_assert((threads) % 32 == 0 && (threads) <= 1024 && (blocks) >= 1, "whole warps");        \
  __attribute__((visibility("default"))) void
#define TL_ARGUMENTS const tl_arguments
#define TL_CLUSTER(blocks)
#define TL_INLINE static inline __attribute__((unused))
#define TL_UNROLL
#define TL_UNROLL_BY(count)

// The place of a call, by its address.
#define TL_SITE(operation)                                                                         \
  (__extension__({                                                                                 \
    static const tl_site tl_site_here = {__FILE__, operation, __LINE__};                           \
    &tl_site_here;                                                                                 \
  }))

// ---- places

#define tl_thread() tl_shim_thread()
#define tl_block() tl_shim_block()
#define tl_blocks() tl_shim_blocks()
#define tl_from_here(value) (value)

// ---- global memory

#define TL_GLOBAL(type, name)                                                                      \
  TL_INLINE type tl_shim_load_##name(const tl_site *site, const void *base, tl_i64 index) {        \
    type v;                                                                                        \
    tl_shim_load(site, base, index, &v, sizeof v);                                                 \
    return v;                                                                                      \
  }                                                                                                \
  TL_INLINE void tl_shim_store_##name(const tl_site *site, void *base, tl_i64 index, type value) { \
    tl_shim_store(site, base, index, &value, sizeof value);                                        \
  }
TL_GLOBAL(float, f32)
TL_GLOBAL(tl_u16, u16)
TL_GLOBAL(tl_u32, u32)
TL_GLOBAL(tl_i32, i32)
TL_GLOBAL(tl_pair, pair)
TL_GLOBAL(tl_quad, quad)
#undef TL_GLOBAL

TL_INLINE tl_quad tl_shim_load_stream(const tl_site *site, const void *base, tl_i64 index) {
  tl_quad v;
  tl_shim_stream(site, base, index, &v, sizeof v);
  return v;
}

#define tl_load_f32(...) tl_shim_load_f32(TL_SITE("tl_load_f32"), __VA_ARGS__)
#define tl_load_u16(...) tl_shim_load_u16(TL_SITE("tl_load_u16"), __VA_ARGS__)
#define tl_load_u32(...) tl_shim_load_u32(TL_SITE("tl_load_u32"), __VA_ARGS__)
#define tl_load_i32(...) tl_shim_load_i32(TL_SITE("tl_load_i32"), __VA_ARGS__)
#define tl_load_pair(...) tl_shim_load_pair(TL_SITE("tl_load_pair"), __VA_ARGS__)
#define tl_load_quad(...) tl_shim_load_quad(TL_SITE("tl_load_quad"), __VA_ARGS__)
#define tl_load_stream(...) tl_shim_load_stream(TL_SITE("tl_load_stream"), __VA_ARGS__)
#define tl_store_f32(...) tl_shim_store_f32(TL_SITE("tl_store_f32"), __VA_ARGS__)
#define tl_store_u16(...) tl_shim_store_u16(TL_SITE("tl_store_u16"), __VA_ARGS__)
#define tl_store_u32(...) tl_shim_store_u32(TL_SITE("tl_store_u32"), __VA_ARGS__)
#define tl_store_i32(...) tl_shim_store_i32(TL_SITE("tl_store_i32"), __VA_ARGS__)
#define tl_store_pair(...) tl_shim_store_pair(TL_SITE("tl_store_pair"), __VA_ARGS__)
#define tl_store_quad(...) tl_shim_store_quad(TL_SITE("tl_store_quad"), __VA_ARGS__)

// ---- blocks that meet in global memory

#define tl_arrive(...) tl_shim_arrive(TL_SITE("tl_arrive"), __VA_ARGS__)

// ---- shared memory

#define TL_SHARED(type, name)                                                                      \
  TL_INLINE type tl_shim_get_##name(const tl_site *site, tl_u32 at) {                              \
    type v;                                                                                        \
    tl_shim_get(site, at, &v, sizeof v);                                                           \
    return v;                                                                                      \
  }                                                                                                \
  TL_INLINE void tl_shim_put_##name(const tl_site *site, tl_u32 at, type value) {                  \
    tl_shim_put(site, at, &value, sizeof value);                                                   \
  }
TL_SHARED(float, f32)
TL_SHARED(tl_u32, u32)
TL_SHARED(tl_u16, u16)
TL_SHARED(tl_quad, quad)
#undef TL_SHARED

#define tl_shared_f32(...) tl_shim_get_f32(TL_SITE("tl_shared_f32"), __VA_ARGS__)
#define tl_shared_u32(...) tl_shim_get_u32(TL_SITE("tl_shared_u32"), __VA_ARGS__)
#define tl_shared_u16(...) tl_shim_get_u16(TL_SITE("tl_shared_u16"), __VA_ARGS__)
#define tl_shared_quad(...) tl_shim_get_quad(TL_SITE("tl_shared_quad"), __VA_ARGS__)
#define tl_shared_put_f32(...) tl_shim_put_f32(TL_SITE("tl_shared_put_f32"), __VA_ARGS__)
#define tl_shared_put_u32(...) tl_shim_put_u32(TL_SITE("tl_shared_put_u32"), __VA_ARGS__)
#define tl_shared_put_u16(...) tl_shim_put_u16(TL_SITE("tl_shared_put_u16"), __VA_ARGS__)
#define tl_shared_put_quad(...) tl_shim_put_quad(TL_SITE("tl_shared_put_quad"), __VA_ARGS__)

#define tl_copy_async(...) tl_shim_copy(TL_SITE("tl_copy_async"), __VA_ARGS__)
#define tl_copy_commit() tl_shim_copy_commit()
// An array's size, so that `left` is a constant here too.
#define tl_copy_wait(left) tl_shim_copy_wait((tl_i32)sizeof(char[(left) + 1]) - 1)

#define tl_matrices(...) tl_shim_matrices(TL_SITE("tl_matrices"), __VA_ARGS__, false)
#define tl_matrices_turned(...) tl_shim_matrices(TL_SITE("tl_matrices_turned"), __VA_ARGS__, true)

// ---- warps and blocks

#define tl_barrier() tl_shim_barrier(TL_SITE("tl_barrier"))
#define tl_warp_barrier() tl_shim_warp_barrier(TL_SITE("tl_warp_barrier"))
#define tl_any(...) tl_shim_any(TL_SITE("tl_any"), __VA_ARGS__)
#define tl_lanes_sum(...) tl_shim_lanes_sum(TL_SITE("tl_lanes_sum"), __VA_ARGS__)
#define tl_lanes_largest(...) tl_shim_lanes_largest(TL_SITE("tl_lanes_largest"), __VA_ARGS__)
#define tl_from_lane_xor(...) tl_shim_from_lane_xor(TL_SITE("tl_from_lane_xor"), __VA_ARGS__)
#define tl_from_lane(...) tl_shim_from_lane(TL_SITE("tl_from_lane"), __VA_ARGS__)
#define tl_cluster_arrive() tl_shim_cluster_arrive(TL_SITE("tl_cluster_arrive"))
#define tl_cluster_begin() tl_shim_cluster_arrive(TL_SITE("tl_cluster_begin"))
#define tl_cluster_wait() tl_shim_cluster_wait(TL_SITE("tl_cluster_wait"))
#define tl_cluster_put_f32(...) tl_shim_cluster_put_f32(TL_SITE("tl_cluster_put_f32"), __VA_ARGS__)
#define tl_multiply_bf16(...) tl_shim_multiply(TL_SITE("tl_multiply_bf16"), __VA_ARGS__)

// ---- sm_90a: boxes, gates and the wide matrix unit

#define tl_gate_make(...) tl_shim_gate_make(TL_SITE("tl_gate_make"), __VA_ARGS__)
#define tl_gates_made() tl_shim_gates_made()
#define tl_gate_arrive(at) tl_shim_gate_await(TL_SITE("tl_gate_arrive"), at, 0)
#define tl_gate_await(...) tl_shim_gate_await(TL_SITE("tl_gate_await"), __VA_ARGS__)
#define tl_gate_pass(...) tl_shim_gate_pass(TL_SITE("tl_gate_pass"), __VA_ARGS__)
#define tl_map_begin(map) tl_shim_map_begin(TL_SITE("tl_map_begin"), map)
#define tl_box_load(...) tl_shim_box_load(TL_SITE("tl_box_load"), __VA_ARGS__)
#define tl_box_stream(...) tl_shim_box_load(TL_SITE("tl_box_stream"), __VA_ARGS__)
#define tl_boxes_begin() tl_shim_boxes_begin()
#define tl_wide_operand(at) tl_shim_wide_operand(TL_SITE("tl_wide_operand"), at)
#define tl_wide_begin() tl_shim_wide_begin()
#define tl_wide_commit() tl_shim_wide_commit()
#define tl_wide_wait(left)                                                                         \
  tl_shim_wide_wait(TL_SITE("tl_wide_wait"), (tl_i32)sizeof(char[(left) + 1]) - 1)
#define tl_wide_end(d, count) ((void)0)
#define TL_WIDE_CALL(columns, ...)                                                                 \
  tl_shim_wide_multiply(TL_SITE("tl_wide_multiply"), columns, __VA_ARGS__)
#define tl_wide_multiply(columns) TL_WIDE_OF(columns)
#define TL_WIDE_OF(columns) tl_wide_multiply_##columns
#define tl_wide_multiply_16(...) TL_WIDE_CALL(16, __VA_ARGS__)
#define tl_wide_multiply_32(...) TL_WIDE_CALL(32, __VA_ARGS__)
#define tl_wide_multiply_64(...) TL_WIDE_CALL(64, __VA_ARGS__)
#define tl_wide_multiply_128(...) TL_WIDE_CALL(128, __VA_ARGS__)
#define tl_wide_multiply_256(...) TL_WIDE_CALL(256, __VA_ARGS__)

// ---- launches that overlap

#define tl_wait_for_launch() tl_shim_wait_for_launch()
#define tl_allow_next_launch() ((void)0)

// ---- numbers; the names of the first two are those of runtime/base/half.h too

TL_INLINE float tl_shim_bits_f32(tl_u32 bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

TL_INLINE tl_u32 tl_shim_f32_bits(float value) {
  tl_u32 bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

#define tl_bits_f32(...) tl_shim_bits_f32(__VA_ARGS__)
#define tl_f32_bits(...) tl_shim_f32_bits(__VA_ARGS__)

TL_INLINE float tl_exp2(float x) {
  return x < -126 ? 0 : exp2f(x);
}

// Every NaN becomes the one that the hardware makes.
TL_INLINE tl_u32 tl_shim_round_bf16(float value) {
  tl_u32 bits = tl_shim_f32_bits(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return 0x7FFF;
  return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
}

TL_INLINE tl_u32 tl_pack_bf16(float low, float high) {
  return tl_shim_round_bf16(low) | tl_shim_round_bf16(high) << 16;
}

TL_INLINE float tl_from_f16(tl_u16 bits) {
  _Float16 value;
  memcpy(&value, &bits, sizeof value);
  return (float)value;
}

#include "templates/cuda/numbers.cuh"

#endif

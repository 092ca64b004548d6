// What tests/lib/cuda/dialect.cuh calls: every touch of the hardware by a kernel, each with the
// place it is written at. Only valid in a kernel that tl_shim_launch runs. A call that is at fault
// does not return.
#ifndef TL_TESTS_CUDA_CALLS_H
#define TL_TESTS_CUDA_CALLS_H

#include <stdbool.h>

#include "templates/cuda/types.cuh"

// A place in a kernel's text: one object for each call that is written, so that addresses tell
// whether lanes are at the same call.
typedef struct tl_site {
  const char *file, *operation;
  int line;
} tl_site;

#pragma GCC visibility push(default) // kernels may live in a module that is loaded

tl_i32 tl_shim_thread(void);
tl_i32 tl_shim_block(void);
tl_i32 tl_shim_blocks(void);

// Element `index` of `bytes` bytes.
void tl_shim_load(const tl_site *site, const void *base, tl_i64 index, void *out, tl_u32 bytes);
void tl_shim_store(const tl_site *site, void *base, tl_i64 index, const void *in, tl_u32 bytes);
// The same from memory that this launch must not write.
void tl_shim_stream(const tl_site *site, const void *base, tl_i64 index, void *out, tl_u32 bytes);

tl_u32 tl_shim_arrive(const tl_site *site, void *counters, tl_i64 index, tl_u32 count);

void tl_shim_get(const tl_site *site, tl_u32 at, void *out, tl_u32 bytes);
void tl_shim_put(const tl_site *site, tl_u32 at, const void *in, tl_u32 bytes);

void tl_shim_copy(const tl_site *site, tl_u32 at, const void *from, tl_u32 bytes);
void tl_shim_copy_commit(void);
void tl_shim_copy_wait(tl_i32 left);

void tl_shim_matrices(const tl_site *site, tl_u32 *out, tl_u32 at, bool turned);
void tl_shim_multiply(const tl_site *site, float *d, const tl_u32 *a, const tl_u32 *b);
float tl_shim_from_lane(const tl_site *site, float value, tl_i32 lane);
float tl_shim_from_lane_xor(const tl_site *site, float value, tl_i32 mask);
tl_u32 tl_shim_lanes_sum(const tl_site *site, tl_u32 value);
tl_u32 tl_shim_lanes_largest(const tl_site *site, tl_u32 value);
tl_i32 tl_shim_any(const tl_site *site, tl_i32 condition);
void tl_shim_warp_barrier(const tl_site *site);
void tl_shim_barrier(const tl_site *site);
void tl_shim_cluster_arrive(const tl_site *site);
void tl_shim_cluster_wait(const tl_site *site);
void tl_shim_cluster_put_f32(const tl_site *site, tl_i32 rank, tl_u32 at, float value);
void tl_shim_wait_for_launch(void);

void tl_shim_gate_make(const tl_site *site, tl_u32 at, tl_u32 arrivals);
void tl_shim_gates_made(void);
void tl_shim_gate_await(const tl_site *site, tl_u32 at, tl_u32 bytes);
void tl_shim_gate_pass(const tl_site *site, tl_u32 at, tl_u32 phase);
void tl_shim_map_begin(const tl_site *site, const void *map);
void tl_shim_box_load(const tl_site *site, tl_u32 at, const void *map, tl_i32 column, tl_i32 row,
                      tl_u32 gate);
void tl_shim_boxes_begin(void);
tl_u64 tl_shim_wide_operand(const tl_site *site, tl_u32 at);
void tl_shim_wide_begin(void);
void tl_shim_wide_commit(void);
void tl_shim_wide_wait(const tl_site *site, tl_i32 left);
void tl_shim_wide_multiply(const tl_site *site, int columns, float *d, tl_u64 a, tl_u64 b);

#pragma GCC visibility pop
#endif

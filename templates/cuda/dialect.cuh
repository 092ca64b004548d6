// The hardware as CUDA templates know it: the only place with inline assembly. Templates are C with
// a few words of CUDA, include no header of a toolkit and reach memory, barriers and the matrix
// unit through these functions alone, so that the same text also runs on a CPU behind a stand-in
// for this file (tests/lib/cuda/dialect.cuh), which checks every access.
//
//   global memory   through pointers; `TL_GLOBAL_..` functions, aligned to what they move
//   shared memory   one arena per block, addressed by byte offsets
//   warps           32 threads; a collective is called by all of them with equal constants
//   clusters        neighbouring blocks that run together and write each other's shared memory
//   fragments       of the matrix unit, m16n8k16, lane = 4 * g + t:
//
//     a[0] row g     k 2t,2t+1     a[1] row g+8  k 2t,2t+1      b[0] column g  k 2t,2t+1
//     a[2] row g     k 2t+8,2t+9   a[3] row g+8  k 2t+8,2t+9    b[1] column g  k 2t+8,2t+9
//     d[0] row g     column 2t     d[1] the next column         d[2], d[3] row g+8
//
// The dot product does not mind the order of K: a lane may take any 4 neighbours of K for its two
// pairs if both operands do.
#ifndef TL_TEMPLATES_CUDA_DIALECT_CUH
#define TL_TEMPLATES_CUDA_DIALECT_CUH

#include "templates/cuda/types.cuh"

// The first parameter of a kernel; it may be indexed and pointed to without being copied.
#define TL_ARGUMENTS const __grid_constant__ tl_arguments

// A kernel of `threads` threads a block; `blocks` of them must fit a multiprocessor.
#define TL_KERNEL(threads, blocks) extern "C" __global__ void __launch_bounds__(threads, blocks)
#define TL_INLINE static __device__ __forceinline__

// After TL_KERNEL(..): clusters of 1, 2, 4 or 8 blocks; more than 1 from sm_90 on.
#define TL_CLUSTER(blocks) TL_CLUSTER_OF(blocks)
#define TL_CLUSTER_OF(blocks) TL_CLUSTER_##blocks
#define TL_CLUSTER_1
#define TL_CLUSTER_2 __cluster_dims__(2, 1, 1)
#define TL_CLUSTER_4 __cluster_dims__(4, 1, 1)
#define TL_CLUSTER_8 __cluster_dims__(8, 1, 1)

#define TL_UNROLL _Pragma("unroll")
#define TL_UNROLL_BY(count) TL_PRAGMA(unroll count)
#define TL_PRAGMA(text) _Pragma(#text)

// ---- places

TL_INLINE tl_i32 tl_thread(void) {
  return (tl_i32)threadIdx.x;
}

TL_INLINE tl_i32 tl_block(void) {
  return (tl_i32)blockIdx.x;
}

// Blocks of the launch.
TL_INLINE tl_i32 tl_blocks(void) {
  return (tl_i32)gridDim.x;
}

// The same number, unknown to the compiler until here: nothing that is made of it is made earlier
// and kept in registers meanwhile.
TL_INLINE tl_i32 tl_from_here(tl_i32 value) {
  asm volatile("" : "+r"(value));
  return value;
}

// ---- global memory

#define TL_GLOBAL(type, name)                                                                      \
  TL_INLINE type tl_load_##name(const void *base, tl_i64 index) {                                  \
    return ((const type *)base)[index];                                                            \
  }                                                                                                \
  TL_INLINE void tl_store_##name(void *base, tl_i64 index, type value) {                           \
    ((type *)base)[index] = value;                                                                 \
  }
TL_GLOBAL(float, f32)
TL_GLOBAL(tl_u16, u16)
TL_GLOBAL(tl_u32, u32)
TL_GLOBAL(tl_i32, i32)
TL_GLOBAL(tl_pair, pair)
TL_GLOBAL(tl_quad, quad)
#undef TL_GLOBAL

// What is read once by the whole grid, weights: does not displace other lines.
TL_INLINE tl_quad tl_load_stream(const void *base, tl_i64 index) {
  tl_quad v;
  asm volatile("ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"((const tl_quad *)base + index));
  return v;
}

// ---- blocks that meet in global memory

// One of `count` blocks to come: how many came before it; after the last the counter is 0 again.
// What the thread wrote, and what others of its block wrote before a barrier, is there for threads
// that come later, and after a barrier for the others of their blocks.
TL_INLINE tl_u32 tl_arrive(void *counters, tl_i64 index, tl_u32 count) {
  tl_u32 before;
  asm volatile("fence.acq_rel.gpu;\n\t"
               "atom.relaxed.gpu.global.inc.u32 %0, [%1], %2;\n\t"
               "fence.acq_rel.gpu;"
               : "=r"(before)
               : "l"((tl_u32 *)counters + index), "r"(count - 1)
               : "memory");
  return before;
}

// ---- shared memory

extern __shared__ __align__(1024) tl_u8 tl_arena[];

// The hardware's address of byte `at` of the arena, which need not begin at 0.
TL_INLINE tl_u32 tl_place(tl_u32 at) {
  tl_u32 arena;
  asm("{\n.reg .u64 p;\ncvta.to.shared.u64 p, %1;\ncvt.u32.u64 %0, p;\n}"
      : "=r"(arena)
      : "l"(tl_arena));
  return arena + at;
}

#define TL_SHARED(type, name, move, constraint)                                                    \
  TL_INLINE type tl_shared_##name(tl_u32 at) {                                                     \
    type v;                                                                                        \
    asm volatile("ld.shared." move " %0, [%1];"                                                    \
                 : "=" constraint(v)                                                               \
                 : "r"(tl_place(at))                                                               \
                 : "memory");                                                                      \
    return v;                                                                                      \
  }                                                                                                \
  TL_INLINE void tl_shared_put_##name(tl_u32 at, type value) {                                     \
    asm volatile("st.shared." move " [%0], %1;"                                                    \
                 :                                                                                 \
                 : "r"(tl_place(at)), constraint(value)                                            \
                 : "memory");                                                                      \
  }
TL_SHARED(float, f32, "f32", "f")
TL_SHARED(tl_u32, u32, "u32", "r")
TL_SHARED(tl_u16, u16, "u16", "h")
#undef TL_SHARED

TL_INLINE tl_quad tl_shared_quad(tl_u32 at) {
  tl_quad v;
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(tl_place(at))
               : "memory");
  return v;
}

TL_INLINE void tl_shared_put_quad(tl_u32 at, tl_quad v) {
  asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};"
               :
               : "r"(tl_place(at)), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w)
               : "memory");
}

// 16 bytes from global to shared memory without waiting; the rest after `bytes` is zero.
TL_INLINE void tl_copy_async(tl_u32 at, const void *from, tl_u32 bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(tl_place(at)), "l"(from), "r"(bytes)
               : "memory");
}

// Ends a group of copies, as a thread sees them.
TL_INLINE void tl_copy_commit(void) {
  asm volatile("cp.async.commit_group;" : : : "memory");
}

// Waits until at most `left` (a constant) of the thread's groups are under way.
#define tl_copy_wait(left) asm volatile("cp.async.wait_group %0;" : : "n"(left) : "memory")

// Four 8x8 matrices of 16-bit values; lane i gives the address of row i % 8 of matrix i / 8.
TL_INLINE void tl_matrices(tl_u32 out[4], tl_u32 at) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(tl_place(at))
               : "memory");
}

// The same, each matrix transposed.
TL_INLINE void tl_matrices_turned(tl_u32 out[4], tl_u32 at) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(tl_place(at))
               : "memory");
}

// ---- warps and blocks

TL_INLINE void tl_barrier(void) {
  __syncthreads();
}

// What the warp's lanes wrote before is there for all of them.
TL_INLINE void tl_warp_barrier(void) {
  __syncwarp();
}

// Whether it is true in any lane.
TL_INLINE tl_i32 tl_any(tl_i32 condition) {
  return __any_sync(0xffffffffu, condition);
}

// Of all lanes, in every lane.
TL_INLINE tl_u32 tl_lanes_sum(tl_u32 value) {
  return __reduce_add_sync(0xffffffffu, value);
}

TL_INLINE tl_u32 tl_lanes_largest(tl_u32 value) {
  return __reduce_max_sync(0xffffffffu, value);
}

TL_INLINE float tl_from_lane_xor(float value, tl_i32 mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}

TL_INLINE float tl_from_lane(float value, tl_i32 lane) {
  return __shfl_sync(0xffffffffu, value, lane);
}

// An arrival that says no more than that its block runs.
TL_INLINE void tl_cluster_begin(void) {
  asm volatile("barrier.cluster.arrive.relaxed.aligned;" : : : "memory");
}

// A thread's words are seen by the other blocks of the cluster that wait after its arrival. Every
// arrival is followed by a wait; a block is written to when it is known to run.
TL_INLINE void tl_cluster_arrive(void) {
  asm volatile("barrier.cluster.arrive.release.aligned;" : : : "memory");
}

TL_INLINE void tl_cluster_wait(void) {
  asm volatile("barrier.cluster.wait.acquire.aligned;" : : : "memory");
}

// Into the shared memory of block `rank` of the cluster.
TL_INLINE void tl_cluster_put_f32(tl_i32 rank, tl_u32 at, float value) {
  asm volatile("{\n.reg .u32 p;\nmapa.shared::cluster.u32 p, %0, %1;\n"
               "st.shared::cluster.f32 [p], %2;\n}"
               :
               : "r"(tl_place(at)), "r"(rank), "f"(value)
               : "memory");
}

// d += a b, bf16 x bf16 in f32.
TL_INLINE void tl_multiply_bf16(float d[4], const tl_u32 a[4], const tl_u32 b[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
               "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// ---- sm_90a: boxes, gates and the wide matrix unit
//
//   map    128 bytes in global memory, made by the driver: a matrix, its rows cut into boxes of 64
//          bf16 by some rows; a line of 128 bytes of each row, its 16-byte pieces in an order that
//          depends on the row
//   gate   8 bytes of shared memory: opens when as many threads have arrived, and as many bytes, as
//          are awaited; then its next phase begins. Phases are counted from 0
//   wide   d (64, N) += a (64, 16) b (N, 16)^T by 128 threads; a and b lie in boxes

#if __CUDA_ARCH__ >= 900

// By one thread; the others see the gate behind tl_gates_made and a barrier.
TL_INLINE void tl_gate_make(tl_u32 at, tl_u32 arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;"
               :
               : "r"(tl_place(at)), "r"(arrivals)
               : "memory");
}

TL_INLINE void tl_gates_made(void) {
  asm volatile("fence.mbarrier_init.release.cluster;" : : : "memory");
}

TL_INLINE void tl_gate_arrive(tl_u32 at) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" : : "r"(tl_place(at)) : "memory");
}

// Arrives, and awaits so many bytes too.
TL_INLINE void tl_gate_await(tl_u32 at, tl_u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;"
               :
               : "r"(tl_place(at)), "r"(bytes)
               : "memory");
}

// Until phase `phase` (its last bit counts) is over.
TL_INLINE void tl_gate_pass(tl_u32 at, tl_u32 phase) {
  asm volatile("{\n.reg .pred open;\nAGAIN:\n"
               "mbarrier.try_wait.parity.shared::cta.b64 open, [%0], %1;\n"
               "@open bra PASSED;\nbra AGAIN;\nPASSED:\n}"
               :
               : "r"(tl_place(at)), "r"(phase & 1)
               : "memory");
}

// Before its first use by a block: the map may have been written since an earlier launch used it.
TL_INLINE void tl_map_begin(const void *map) {
  asm volatile("fence.proxy.tensormap::generic.acquire.sys [%0], 128;" : : "l"(map) : "memory");
}

// By one thread: the box from column and row on, zeros outside of the matrix. Its bytes, all of
// them, arrive at the gate. `at` is a multiple of 1024.
TL_INLINE void tl_box_load(tl_u32 at, const void *map, tl_i32 column, tl_i32 row, tl_u32 gate) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
               "[%0], [%1, {%2, %3}], [%4];"
               :
               : "r"(tl_place(at)), "l"(map), "r"(column), "r"(row), "r"(tl_place(gate))
               : "memory");
}

// The same of what is read once, or by neighbours together: it leaves the cache before the rest.
TL_INLINE void tl_box_stream(tl_u32 at, const void *map, tl_i32 column, tl_i32 row, tl_u32 gate) {
  asm volatile("{\n.reg .b64 policy;\n"
               "createpolicy.fractional.L2::evict_first.b64 policy, 1.0;\n"
               "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes"
               ".L2::cache_hint [%0], [%1, {%2, %3}], [%4], policy;\n}"
               :
               : "r"(tl_place(at)), "l"(map), "r"(column), "r"(row), "r"(tl_place(gate))
               : "memory");
}

// What was written before by other means is what boxes are loaded from.
TL_INLINE void tl_boxes_begin(void) {
  asm volatile("fence.proxy.async;" : : : "memory");
}

// Lines of 64 or more rows that lie behind each other from `at` on, a multiple of 1024, as an
// operand; + 2 for every 16 values of K.
TL_INLINE tl_u64 tl_wide_operand(tl_u32 at) {
  tl_u64 form = (tl_u64)1 << 16 | (tl_u64)(1024 >> 4) << 32 | (tl_u64)1 << 62;
  return form | tl_place(at) >> 4;
}

// Before the first product that adds to registers which were touched otherwise.
TL_INLINE void tl_wide_begin(void) {
  asm volatile("wgmma.fence.sync.aligned;" : : : "memory");
}

// Ends a group of products.
TL_INLINE void tl_wide_commit(void) {
  asm volatile("wgmma.commit_group.sync.aligned;" : : : "memory");
}

// Waits until at most `left` (a constant) groups are under way.
#define tl_wide_wait(left)                                                                         \
  asm volatile("wgmma.wait_group.sync.aligned %0;" : : "n"(left) : "memory")

// Once more of these registers, nothing under way: they are not read earlier.
#define tl_wide_end(d, count)                                                                      \
  TL_UNROLL for (tl_i32 i_ = 0; i_ < (count); i_++) asm volatile("" : "+f"((d)[i_]) : : "memory")

// d[4 * j + i] of lane 4 * g + t of warp w: row 16 * w + g + i / 2 * 8, column 8 * j + 2 * t + i % 2.
#define tl_wide_multiply(columns) TL_WIDE_OF(columns)
#define TL_WIDE_OF(columns) tl_wide_multiply_##columns

#define TL_TEN(t)                                                                                  \
  "%" #t "0, %" #t "1, %" #t "2, %" #t "3, %" #t "4, %" #t "5, %" #t "6, %" #t "7, %" #t "8, %" #t \
  "9, "
#define TL_TO_9 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, "
#define TL_TO_29 TL_TO_9 TL_TEN(1) TL_TEN(2)
#define TL_TO_59 TL_TO_29 TL_TEN(3) TL_TEN(4) TL_TEN(5)
#define TL_TO_119 TL_TO_59 TL_TEN(6) TL_TEN(7) TL_TEN(8) TL_TEN(9) TL_TEN(10) TL_TEN(11)
#define TL_FOUR(d, i) "+f"(d[i]), "+f"(d[(i) + 1]), "+f"(d[(i) + 2]), "+f"(d[(i) + 3])
#define TL_EIGHT(d, i) TL_FOUR(d, i), TL_FOUR(d, (i) + 4)
#define TL_16(d, i) TL_EIGHT(d, i), TL_EIGHT(d, (i) + 8)
#define TL_32(d, i) TL_16(d, i), TL_16(d, (i) + 16)
#define TL_64(d, i) TL_32(d, i), TL_32(d, (i) + 32)
#define TL_128(d, i) TL_64(d, i), TL_64(d, (i) + 64)

#define TL_WIDE(columns, registers, a, b, ...)                                                     \
  TL_INLINE void tl_wide_multiply_##columns(float *d, tl_u64 left, tl_u64 right) {                 \
    asm volatile("{\n.reg .pred adds;\nsetp.eq.u64 adds, %" #a ", %" #a ";\n"                      \
                 "wgmma.mma_async.sync.aligned.m64n" #columns "k16.f32.bf16.bf16 {" registers      \
                 "}, %" #a ", %" #b ", adds, 1, 1, 0, 0;\n}"                                       \
                 : __VA_ARGS__                                                                     \
                 : "l"(left), "l"(right));                                                         \
  }
TL_WIDE(16, "%0, %1, %2, %3, %4, %5, %6, %7", 8, 9, TL_EIGHT(d, 0))
TL_WIDE(32, TL_TO_9 "%10, %11, %12, %13, %14, %15", 16, 17, TL_16(d, 0))
TL_WIDE(64, TL_TO_29 "%30, %31", 32, 33, TL_32(d, 0))
TL_WIDE(128, TL_TO_59 "%60, %61, %62, %63", 64, 65, TL_64(d, 0))
TL_WIDE(256, TL_TO_119 "%120, %121, %122, %123, %124, %125, %126, %127", 128, 129, TL_128(d, 0))
#undef TL_WIDE

#endif

// ---- launches that overlap: the wait comes before the first read of what an earlier launch wrote

TL_INLINE void tl_wait_for_launch(void) {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" : : : "memory");
#endif
}

TL_INLINE void tl_allow_next_launch(void) {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" : : : "memory");
#endif
}

// ---- numbers

TL_INLINE float tl_bits_f32(tl_u32 bits) {
  return __uint_as_float(bits);
}

TL_INLINE tl_u32 tl_f32_bits(float value) {
  return __float_as_uint(value);
}

// 2 to the power of x, to 2 units of the last place; 0 below the normal numbers.
TL_INLINE float tl_exp2(float x) {
  float out;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(x));
  return out;
}

// Two bf16, rounded to nearest even; `low` in the low half.
TL_INLINE tl_u32 tl_pack_bf16(float low, float high) {
  tl_u32 out;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(high), "f"(low));
  return out;
}

TL_INLINE float tl_from_f16(tl_u16 bits) {
  float out;
  asm("cvt.f32.f16 %0, %1;" : "=f"(out) : "h"(bits));
  return out;
}

#include "templates/cuda/numbers.cuh"

#endif

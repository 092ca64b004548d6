// Runs CUDA kernels of templates/cuda/dialect.cuh on the CPU, one cluster of blocks at a time, with
// semantics that are as hostile as the hardware allows. A test compiles a kernel's text with
// tests/lib/cuda/dialect.cuh in front (as C; kernels are `TL_KERNEL(threads, blocks) name(const
// tl_arguments arguments, const void *step)`) and launches it:
//
//     tl_shim *shim = tl_shim_create(seed);
//     tl_shim_memory(shim, x, sizeof x, TL_SHIM_READ, "x");
//     tl_shim_memory(shim, y, sizeof y, TL_SHIM_READ | TL_SHIM_WRITE, "y");
//     tl_arguments arguments = {.at = {{.p = x}, {.p = y}, {.i = 100}}};
//     tl_shim_grid grid = {.kernel = scale, .arguments = &arguments, .blocks = 4, .threads = 128};
//     if (!tl_shim_launch(shim, &grid)) puts(tl_shim_fault(shim));
//
// What is checked, each a fault that ends the launch and is named in its text:
//
//   bounds       a global access outside the ranges that were registered, or against their flags;
//                a shared access outside the block's arena
//   alignment    an access that is not aligned to its size
//   race         a 4-byte word of shared memory written by one thread, read or written by another
//                with no barrier between; one of the warp will do for lanes of one warp (global
//                memory is not checked); for what another block of the cluster writes, no barrier
//                of the cluster
//   exchange     memory by which blocks of one launch give to each other read before it was
//                written, or with no tl_arrive of the writer and the reader between
//   divergence   lanes of a warp at different collectives, or threads at different barriers
//   deadlock     nobody can run: some threads wait at a barrier, others at a collective
//   copy         an asynchronous copy that was not waited for when its thread ended, too many
//   early        memory written by an earlier launch used before tl_wait_for_launch, another
//                block's before it was known to run
//   pairing      arrivals and waits of a cluster that do not follow each other
//   gate         arrivals that nobody awaits, waits for a phase that is not the next, a gate that
//                another thread made with no tl_gates_made
//   fence        shared memory, gates too, that was written otherwise used by boxes or wide
//                products, no tl_boxes_begin of the writers between; boxes of memory that an
//                earlier launch wrote, none of the thread since it waited for it
//   wide         products without tl_wide_begin, or not waited for when their thread ended
//
// What is hostile: a block's shared memory starts as 0xFF (NaN); a copy makes its 16 bytes 0xFF at
// once and copies in the wait that covers it; a box does so and arrives at any time after, and any
// other use of its place until then is a fault; wide products take place in the wait that covers
// them, their results are NaN until then; warps run in an order drawn from the seed, as far as
// they can or not, their lanes upwards or downwards; blocks too. The matrix unit adds in f32,
// ascending in K.
//
// Not shown: weak memory order, bank conflicts, registers, time. A global access that does not go
// through the dialect is not seen. x86-64 only; a kernel that overflows its stack (64 KiB a thread)
// hits a guard page.
//
// One launch at a time in each thread of the process. Memory that fails to be had ends the program.
#ifndef TL_TESTS_CUDA_SHIM_H
#define TL_TESTS_CUDA_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "templates/cuda/types.cuh"

enum {
  TL_SHIM_READ = 1,
  TL_SHIM_WRITE = 2,
  TL_SHIM_EARLIER = 4,  // an earlier launch writes it: only after tl_wait_for_launch
  TL_SHIM_EXCHANGE = 8, // blocks of a launch write it for each other
  TL_SHIM_KEPT = 16,    // with EARLIER: what no launch wrote since it was registered may be read
};

enum {
  TL_SHIM_THREADS_MAX = 1024,  // of a block
  TL_SHIM_TOGETHER_MAX = 2048, // of a cluster
  TL_SHIM_CLUSTER_MAX = 8,
  TL_SHIM_SHARED_MAX = 227 << 10,
};

typedef struct tl_shim tl_shim;
typedef void (*tl_shim_kernel)(const tl_arguments arguments, const void *step);

typedef struct tl_shim_grid {
  tl_shim_kernel kernel;
  const tl_arguments *arguments; // null: all zero
  const void *step;
  int blocks, threads; // threads: what the kernel's TL_KERNEL says
  int cluster;         // what its TL_CLUSTER says; 0 is 1
  int64_t shared_bytes;
} tl_shim_grid;

// The same seed gives the same order of everything. Owned by the caller.
tl_shim *tl_shim_create(uint64_t seed);
void tl_shim_destroy(tl_shim *shim); // null is fine

// Kernels may use [pointer, pointer + bytes) as `flags` say, through pointers into it alone; `name`
// is copied for messages. Registered again (same pointer) a range takes the new size, flags and
// name. Ranges must not overlap and number 256 at most: false otherwise, nothing is changed.
bool tl_shim_memory(tl_shim *shim, const void *pointer, size_t bytes, int flags, const char *name);

// Forgets all ranges.
void tl_shim_memory_clear(tl_shim *shim);

// Runs all blocks. False at the first fault, or if the grid is impossible; see tl_shim_fault. What
// the kernel wrote until then stays.
bool tl_shim_launch(tl_shim *shim, const tl_shim_grid *grid);

// The last launch's fault, "file:line: operation: kind: ..", or "" if it had none.
const char *tl_shim_fault(const tl_shim *shim);

// Bytes of global memory that kernels loaded, by threads, copies and boxes, while it was counted.
typedef struct tl_shim_traffic {
  uint64_t read;
  uint64_t unique; // each of them once, in units of 4
} tl_shim_traffic;

// Counts from nothing on, or no more; then it costs nothing.
void tl_shim_count(tl_shim *shim, bool counts);
tl_shim_traffic tl_shim_counted(const tl_shim *shim);

// How often a thread was resumed, by all launches.
int64_t tl_shim_resumes(const tl_shim *shim);

#endif

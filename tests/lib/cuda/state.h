// The state of a launch: what shim.c, memory.c and warp.c of this folder share. Calls of kernels
// find it by tl_shim_current.
#ifndef TL_TESTS_CUDA_STATE_H
#define TL_TESTS_CUDA_STATE_H

#include "tests/lib/cuda/calls.h"
#include "tests/lib/cuda/fiber.h"
#include "tests/lib/cuda/map.h"
#include "tests/lib/cuda/shim.h"

enum { TL_LANES = 32, TL_WARPS_MAX = TL_SHIM_TOGETHER_MAX / TL_LANES };
enum { TL_RANGES_MAX = 256, TL_COPIES_MAX = 64 }; // copies: under way, of one thread
enum { TL_COPY_BYTES = 16 };
enum { TL_GATES_MAX = 64, TL_BOXES_MAX = 256, TL_MAPS_MAX = 8 }; // boxes: of a cluster
enum { TL_TOGETHER = 128, TL_WIDES_MAX = 32, TL_HIDDEN_MAX = 4, TL_WIDE_COLUMNS_MAX = 256 };
enum { TL_WIDE_ROWS = 64, TL_WIDE_DEPTH = 16 }; // of a group's product
enum { TL_POISON = 0xFF };

// Of traffic.c.
typedef struct tl_traffic tl_traffic;

// A word of memory that blocks exchange: its last write, if `launch` is this one.
typedef struct tl_exchanged {
  uint32_t launch, epoch;
  int block, thread;
  uint64_t tick;
} tl_exchanged;

// A block's last tl_arrive; tick 0: none.
typedef struct tl_arrival {
  int thread;
  uint32_t epoch;
  uint64_t tick;
} tl_arrival;

typedef struct tl_range {
  uintptr_t begin;
  size_t bytes;
  int flags;
  tl_exchanged *exchanged; // one for each 4 bytes, or null
  unsigned char *written;  // of kept memory: whether each 4 bytes were, or null
  char name[40];
} tl_range;

// A word of shared memory: who used it since the last barrier, if its epoch is the block's.
typedef struct tl_word {
  uint32_t epoch;
  uint32_t readers;                    // bit w: warp w
  uint32_t writer;                     // warp + 1, or 0
  int read_lane, written_lane;         // of the warp that read or wrote last; -1: several
  uint32_t read_meeting, written_turn; // of the warp then
  const tl_site *read, *written;
  uint32_t own, others; // the cluster's epochs when its block and another one used it last
  int other;            // the warp that did
  uint32_t plain;       // the block's number if it was written otherwise than by a box, ..
  uint32_t plain_warp;  // .. and by whom
} tl_word;

typedef struct tl_copy {
  const tl_site *site;
  const void *from;
  tl_u32 at, bytes;
  uint32_t group;
} tl_copy;

typedef enum tl_thread_state {
  TL_READY,
  TL_AT_WARP,
  TL_AT_BARRIER,
  TL_AT_CLUSTER,
  TL_AT_GATE,
  TL_AT_WIDE,
  TL_ENDED
} tl_thread_state;

// What a lane gives to a collective and wants of it.
typedef struct tl_parcel {
  float *d;
  tl_u32 *out;
  const tl_u32 *a, *b;
  tl_u32 at;
  float value;
  tl_i32 lane;
} tl_parcel;

typedef struct tl_gate {
  tl_u32 at, arrivals;
  tl_u32 left;   // arrivals that are still awaited
  int64_t bytes; // the same
  tl_u32 phase;
  int maker; // a thread; the others know of it when it is made
  bool made;
} tl_gate;

struct tl_block_data;

// A box under way.
typedef struct tl_box {
  const tl_site *site;
  struct tl_block_data *block;
  tl_shim_map map;
  tl_u32 at, gate;
  tl_i32 column, row;
} tl_box;

// A product that was asked for.
typedef struct tl_wide {
  const tl_site *site;
  int columns, hidden;
  tl_u64 a, b;
  uint32_t group;
} tl_wide;

// Results of products under way; d is null if there are none.
typedef struct tl_hidden {
  float *d;
  int count;
  float values[TL_WIDE_COLUMNS_MAX / 2];
} tl_hidden;

typedef struct tl_thread_data {
  bool waited;      // for the earlier launch
  bool fenced;      // since then: boxes hold what it wrote
  bool arrived;     // at the cluster's barrier, not yet waited for the others
  uint32_t arrival; // the cluster's epoch then
  uint32_t groups;
  int copies_begin, copies_count; // a ring
  tl_copy copies[TL_COPIES_MAX];
  int maps_count, wides_count;
  const void *maps[TL_MAPS_MAX]; // begun
  bool wide_begun;
  uint32_t wide_groups;
  tl_wide wides[TL_WIDES_MAX];
  tl_hidden hidden[TL_HIDDEN_MAX];
} tl_thread_data;

typedef struct tl_warp {
  const tl_site *site;
  int arrived;
  uint32_t turn;     // counts the warp's barriers
  uint32_t meetings; // and its collectives: what was read before one is not overwritten too early
  tl_parcel parcels[TL_LANES];
} tl_warp;

typedef struct tl_block_data {
  int live, at_barrier;
  const tl_site *barrier;
  uint32_t epoch;
  unsigned char *shared; // its arena: (shared_bytes)
  tl_word *words;        // one for each 4 bytes that an arena may have
  uint32_t number;       // of all blocks that there were
  int gates_count;
  tl_gate gates[TL_GATES_MAX];
} tl_block_data;

struct tl_shim {
  uint64_t random;
  int64_t resumes;
  tl_traffic *traffic; // NULL: not counted
  int ranges_count, range_last;
  tl_range ranges[TL_RANGES_MAX]; // ascending
  tl_shim_grid grid;
  int first_block, thread; // who runs: threads are counted through a cluster
  int lanes_seen, turn;    // of its warp, in this pass; they are gone through up- or downwards
  int cluster;             // blocks
  int arrived;             // at the cluster's barrier
  uint32_t epoch;          // of the cluster: grows at its barrier
  uint32_t epoch_begun;    // when it began
  uint32_t launch;
  uint64_t tick;        // counts writes to exchanged memory and arrivals
  tl_arrival *arrivals; // (blocks)
  bool faulted;
  char fault[512];
  uint32_t numbers; // of blocks
  int boxes_count;
  tl_box boxes[TL_BOXES_MAX];
  int at_wide[TL_SHIM_TOGETHER_MAX / TL_TOGETHER];
  const tl_site *wide_sites[TL_SHIM_TOGETHER_MAX / TL_TOGETHER];
  float wide_a[TL_WIDE_ROWS][TL_WIDE_DEPTH], wide_b[TL_WIDE_COLUMNS_MAX][TL_WIDE_DEPTH];
  tl_fibers fibers;
  tl_warp warps[TL_WARPS_MAX];
  tl_block_data blocks[TL_SHIM_CLUSTER_MAX];
  tl_thread_state states[TL_SHIM_TOGETHER_MAX]; // of threads: together, as all are asked often
  tl_thread_data threads[TL_SHIM_TOGETHER_MAX];
};

extern _Thread_local tl_shim *tl_shim_current __attribute__((tls_model("initial-exec")));

static inline tl_thread_data *tl_shim_running(tl_shim *shim) {
  return &shim->threads[shim->thread];
}

// The running thread's block.
static inline tl_block_data *tl_shim_block_of(tl_shim *shim) {
  return &shim->blocks[shim->thread / shim->grid.threads];
}

// Writes the fault's text, of the running thread, and ends the launch.
_Noreturn void tl_shim_fail(tl_shim *shim, const tl_site *site, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// The running thread gives this at the next meeting.
static inline void tl_warp_give(tl_shim *shim, tl_parcel parcel) {
  shim->warps[shim->thread / TL_LANES].parcels[shim->thread % TL_LANES] = parcel;
}

// The running thread waits; the next lane of its warp that can run goes on.
void tl_shim_wait(tl_shim *shim, tl_thread_state state);

// Collects the lanes of the running thread's warp; true for the last one, which then acts for all
// and calls tl_warp_release. The others return once that is done.
bool tl_warp_meet(tl_shim *shim, const tl_site *site);
void tl_warp_release(tl_shim *shim);

// Notes an access of `warp` to shared memory, checked.
void tl_shared_touch(tl_shim *shim, const tl_site *site, tl_u32 at, tl_u32 bytes, bool write);

// Notes an access to exchanged memory, checked.
void tl_exchange_touch(tl_shim *shim, const tl_site *site, const tl_range *range, uintptr_t at,
                       tl_u32 bytes, bool write);
// The address of an element that may be accessed.
void *tl_shim_element(tl_shim *shim, const tl_site *site, const void *base, tl_i64 index,
                      tl_u32 bytes, int need);
// `memory`, or the program ends.
void *tl_shim_need(void *memory);
// An access of the machinery of boxes and wide products: not while a box is under way to it, nor to
// what was written otherwise with no fence since; a write also not to what other warps used since
// the last barrier.
void tl_async_touch(tl_shim *shim, const tl_site *site, tl_u32 at, tl_u32 bytes, bool write);

// The first box under way to any of these bytes, or null.
const tl_box *tl_box_over(const tl_shim *shim, const tl_block_data *block, tl_u32 at, tl_u32 bytes);

// Some boxes arrive, at least one if it `must` be and there is one; false if none did.
bool tl_boxes_arrive(tl_shim *shim, bool must);

// Notes a load.
void tl_traffic_add(tl_traffic *traffic, uintptr_t at, size_t bytes);

// These bytes of global memory may be read; by a box.
void tl_global_check(tl_shim *shim, const tl_site *site, const void *from, tl_u32 bytes);
void tl_global_check_async(tl_shim *shim, const tl_site *site, const void *from, tl_u32 bytes);

uint32_t tl_shim_draw(tl_shim *shim, uint32_t below);

// What an ended thread leaves behind is a fault.
void tl_copies_check(tl_shim *shim);
void tl_wides_check(tl_shim *shim);

#endif

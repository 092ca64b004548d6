// The CUDA device's parts, for the files of this folder.
//
//   device memory   weights | arenas | pages of each group | step block | a library's workspace
//   pinned memory   step block, outputs of the wanted rows and what was found of them, two pieces
//                   that weights pass through
#ifndef TL_DEVICE_CUDA_STATE_H
#define TL_DEVICE_CUDA_STATE_H

#include "runtime/base/kernel.h"
#include "runtime/device/cuda/blas.h"
#include "runtime/device/cuda/driver.h"
#include "runtime/device/device.h"
#include "runtime/plan/range.h"
#include "runtime/plan/tuning.h"

enum {
  TL_CUDA_GRAPHS_MAX = 192,
  TL_CUDA_TUNED_ROWS_MAX = 48, // numbers of rows where a tuning goes from way to way
  TL_CUDA_WORKSPACE_BYTES = 32 << 20,
  TL_CUDA_NOTE_BYTES = 384
};

// What a kernel of the plan is given; see templates/cuda/types.cuh.
typedef struct tl_cuda_arguments {
  tl_arg at[TL_CUDA_ARGUMENTS_MAX];
} tl_cuda_arguments;

// A program's launches for steps of at most `rows` rows, in one piece.
typedef struct tl_cuda_graph {
  uint32_t program, rows;
  void *exec;
} tl_cuda_graph;

// Steps of at most `rows` rows of a program, with products by a library or without.
typedef struct tl_cuda_steps {
  uint32_t program, rows;
  bool has_library;
  bool by_guards;            // whatever a tuning says
  const tl_tuning_way *only; // what else runs in them does not count; NULL = all counts
} tl_cuda_steps;

typedef struct tl_cuda_kernel {
  void *module, *function;
} tl_cuda_kernel;

// What a library's way to compute a product depends on; strides are values from row to row.
typedef struct tl_cuda_shape {
  uint32_t rows, columns, depth;
  uint32_t x_stride, weight_stride, out_stride;
  uint32_t added_stride; // 0 = nothing is added
  uint32_t is_bf16, has_bias;
} tl_cuda_shape;

typedef struct tl_cuda_way {
  tl_cuda_shape shape;
  tl_blas_way way;
} tl_cuda_way;

typedef struct tl_cuda_device {
  tl_device device;
  tl_device_config config;
  tl_cuda_driver driver;
  int gpu; // as the driver numbers it
  bool has_context;
  void *context, *stream;
  tl_plan_range range; // of the weights section that the target reads; all of it is at `weights`
  tl_cuda_address weights, step, maps, arenas[TL_PLAN_SYMBOL_COUNT], groups[TL_GROUPS_MAX];
  tl_step *host_step;
  char *host_outputs;
  char *host_best;               // of the last run, rows of TL_PLAN_BEST_BYTES
  tl_step_candidate *host_lists; // [R][TL_STEP_CANDIDATES]
  uint64_t bytes;                // of device memory, without weights
  bool is_filled;                // weights are there
  tl_cuda_kernel *kernels;       // by row of the kernel table
  tl_cuda_arguments *arguments;  // by row of the launch table
  tl_cuda_graph graphs[TL_CUDA_GRAPHS_MAX];
  uint32_t graphs_count;
  tl_blas blas; // loaded if the session has steps for it
  tl_cuda_address workspace;
  tl_cuda_way *ways;
  uint32_t ways_count, ways_capacity;
  tl_tuning *tuning;                     // what PLAN.tune says, if it is used
  char identity[TL_TUNING_DEVICE_BYTES]; // of the GPU, as tunings name it
  char note[TL_CUDA_NOTE_BYTES];         // what a user should know; empty = nothing
  bool has_told_product;                 // the note says for which product there is no way
  const tl_plan_program *program;        // of the last run
} tl_cuda_device;

// Puts the plan's weights, or random ones, into device memory. The context is current.
tl_status tl_cuda_upload(tl_cuda_device *device, tl_diag *diag) TL_CHECKED;

// Makes the maps that launches want and puts their addresses into the arguments.
tl_status tl_cuda_make_maps(tl_cuda_device *device, tl_diag *diag) TL_CHECKED;

// Where a weight of the target lies.
static inline tl_cuda_address tl_cuda_weight_at(const tl_cuda_device *device,
                                                const tl_plan_weight *weight) {
  return device->weights + (weight->offset - device->range.offset);
}

// Where a buffer lies.
tl_cuda_address tl_cuda_buffer_at(const tl_cuda_device *device, const tl_plan_buffer *buffer);

// Adds a sentence to the note.
void tl_cuda_note(tl_cuda_device *device, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Reads the tuning beside the plan; one that is not for this plan on this GPU is left alone, and
// the note says so. `deterministic` has none.
void tl_cuda_tuning_open(tl_cuda_device *device);

// Measures ways, as the device's table has it. The context is current.
tl_status tl_cuda_measure(tl_cuda_device *device, const tl_device_tune *job,
                          tl_diag *diag) TL_CHECKED;

// Whether a launch of the program belongs to the steps.
bool tl_cuda_runs(const tl_cuda_device *device, const tl_cuda_steps *steps,
                  const tl_plan_launch *row);

// Loads a library of matmuls if the session has steps for it; without one the note says why. The
// context is current.
void tl_cuda_products_open(tl_cuda_device *device);

// The same, with its memory, for who measures what it could do. False if there is none.
bool tl_cuda_products_load(tl_cuda_device *device);

// Finds ways to compute all products of the steps, were they made by a library, and takes each new
// one once; not while the stream is captured. If the library has none for a product, `out_works` is
// false and, unless only a part counts, the note says so.
tl_status tl_cuda_products_prepare(tl_cuda_device *device, const tl_cuda_steps *steps,
                                   bool *out_works) TL_CHECKED;

// Launches a product for `rows` rows that are prepared.
tl_status tl_cuda_product_launch(const tl_cuda_device *device, const tl_plan_launch *row,
                                 uint32_t rows, tl_diag *diag) TL_CHECKED;

// Host memory for what the GPU finds of wanted rows, given back; what follows a step's graph on the
// stream; and a row of it, as the device's table has it.
tl_status tl_cuda_best_take(tl_cuda_device *device, tl_diag *diag) TL_CHECKED;
void tl_cuda_best_release(tl_cuda_device *device);
tl_cuda_result tl_cuda_best_copy(const tl_cuda_device *device);
const tl_step_best *tl_cuda_best(tl_device *device, uint32_t row,
                                 const tl_step_candidate **out_list);

// Makes a graph of the steps' launches, whose products are prepared. The context is current.
tl_status tl_cuda_graph_make(tl_cuda_device *device, const tl_cuda_steps *steps, void **out_exec,
                             tl_diag *diag) TL_CHECKED;

// Captures the graphs of all programs of the target. The context is current.
tl_status tl_cuda_capture(tl_cuda_device *device, tl_diag *diag) TL_CHECKED;

// The graph for a step of `rows` rows, or NULL.
const tl_cuda_graph *tl_cuda_graph_for(const tl_cuda_device *device, uint32_t program,
                                       uint32_t rows);

#endif

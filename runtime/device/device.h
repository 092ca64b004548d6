// Devices: where plans run. One table of functions per kind; the engine knows nothing else.
//
// A device is opened for one target of one plan, with everything it will ever need: after
// `open` returns, running steps allocates nothing and takes no lock. A step is: the engine fills
// the block that `step_block` gave, `run` executes the program's launches in order, `output` gives
// the rows that were wanted. Functions of one device are called by one thread at a time.
#ifndef TL_DEVICE_DEVICE_H
#define TL_DEVICE_DEVICE_H

#include "runtime/base/diag.h"
#include "runtime/base/plan.h"

typedef struct tl_device tl_device;
typedef struct tl_tuning tl_tuning;
typedef struct tl_pool tl_pool;

// What a device is opened with. Everything pointed to must outlive the device.
typedef struct tl_device_config {
  const tl_plan_tables *tables; // verified
  uint32_t target;              // row of the target table
  int ordinal;                  // of several devices of the kind
  int file;                     // descriptor of the plan
  const char *file_name;        // for errors; a tuning lies beside it
  const uint8_t *plan_digest;   // of 32 bytes, by which tunings name the plan; NULL = it has none
  uint64_t code_offset;         // of the target's code section in the file
  const char *code;             // the same section mapped
  const char *weights;          // the weights section mapped or copied; NULL = none (skeleton)
  tl_pool *pool;
  tl_plan_kv_type kv_type;
  uint64_t symbols_max[TL_PLAN_SYMBOL_COUNT]; // bounds of T, S, R, A; ONE is 1
  uint64_t step_bytes;                        // of the step block
  uint64_t pages_count[TL_GROUPS_MAX];        // pages of each KV group
  bool prefault;                              // commit all memory now
  bool deterministic;                         // a row's outputs do not depend on the batch
  uint64_t random_seed;                       // of a skeleton's weights, made at the first run
} tl_device_config;

// What came of measuring the ways of one set; texts are good for the call.
typedef struct tl_device_tuned {
  const char *name;            // of the first launch of the set
  uint32_t launches, rows;     // how often the model computes it; rows of the step
  const char *usual, *fastest; // ways: what guards say, and what is taken from now on
  double usual_us, fastest_us; // all of them together
} tl_device_tuned;

// What is to be measured. `report` gets every result; false ends the work, with TL_CANCELLED.
typedef struct tl_device_tune {
  uint32_t program, rows;
  tl_tuning *tuning; // results are added
  bool (*report)(void *user, const tl_device_tuned *tuned);
  void *user;
} tl_device_tune;

typedef struct tl_device_vtable {
  const char *name;
  int32_t attention_rows; // of a piece of attention work, at most

  // True if this machine has device `ordinal`. NULL = it always has one.
  bool (*is_there)(int ordinal);

  // True if device `ordinal` of this machine can run `target`; of several, the engine takes the
  // highest rank. True for everything if there is no such device: `open` then says why.
  bool (*supports)(const char *target, int ordinal);

  // Takes all memory, maps or copies weights and code. TL_MEMORY says how much was asked for;
  // TL_UNSUPPORTED or TL_IO says what to change.
  tl_status (*open)(const tl_device_config *config, tl_device **out_device, tl_diag *diag);

  // Gives everything back. Accepts NULL.
  void (*close)(tl_device *device);

  // Host memory for the next step's block, `step_bytes` long. Valid until the next `run`.
  tl_step *(*step_block)(tl_device *device);

  // Uploads the block and runs the launches of `program` whose guards hold; returns when the
  // outputs can be read.
  tl_status (*run)(tl_device *device, uint32_t program, tl_diag *diag);

  // Row `row` of the wanted rows of the last run: the model's `outputs` floats in host memory,
  // valid until the next run. A device that keeps them elsewhere copies them now; NULL if it fails.
  const float *(*output)(tl_device *device, uint32_t row);

  // What was found of that row, as `asked` of the step block said; NULL if the device does not
  // look. `*out_list` is the list if one was asked for. Who needs no more spares the copy.
  const tl_step_best *(*best)(tl_device *device, uint32_t row, const tl_step_candidate **out_list);

  // Copies whole pages inside a group (copy on write), in order, before the next run.
  tl_status (*copy_pages)(tl_device *device, uint32_t group, const int32_t (*pairs)[2],
                          uint32_t pairs_count);

  // Moves a page to and from host memory; `bytes` is the group's page size. For export and tests.
  tl_status (*read_page)(tl_device *device, uint32_t group, int32_t page, void *out_bytes);
  tl_status (*write_page)(tl_device *device, uint32_t group, int32_t page, const void *bytes);

  // Bytes the device holds now, without weights, for `info` and `bench`.
  uint64_t (*memory_bytes)(const tl_device *device);

  // Behind a run of `program` with as many rows, measures all ways of its sets (base/plan.h) and
  // adds to the job's tuning what is the fastest, and the plan and itself as tunings name them.
  // Takes memory, and leaves activations as nobody can use them. TL_UNSUPPORTED for `deterministic`
  // sessions. NULL = this device has no ways.
  tl_status (*tune)(tl_device *device, const tl_device_tune *job, tl_diag *diag);

  // Whether runs go by a tuning that was found beside the plan. May be NULL: they do not.
  bool (*is_tuned)(const tl_device *device);

  // Name and version of a library that makes products of large steps, and a sentence that the user
  // should know of the device; NULL = there is none. Texts live as long as the device. Both may be
  // NULL.
  const char *(*library)(const tl_device *device);
  const char *(*note)(const tl_device *device);
} tl_device_vtable;

// Every device begins with its table.
struct tl_device {
  const tl_device_vtable *vtable;
};

// Runs nothing and outputs zeros: for tests of everything above devices.
extern const tl_device_vtable tl_device_null;

// The processor the program runs on.
extern const tl_device_vtable tl_device_cpu;

// A GPU of NVIDIA's, through the driver alone.
extern const tl_device_vtable tl_device_cuda;

#endif

// What is behind the handles of tlmc.h. Private to runtime/engine.
//
// A session owns one device and everything a step needs; all of it is taken in tlmc_session_open.
// Sequences of the caller and requests share the KV memory and the step:
//
//   tlmc_step_add, requests -> tl_session_add_rows -> step block -> device -> outputs
#ifndef TL_ENGINE_SESSION_H
#define TL_ENGINE_SESSION_H

#include "runtime/base/arena.h"
#include "runtime/base/pool.h"
#include "runtime/device/device.h"
#include "runtime/engine/kv.h"
#include "runtime/plan/plan.h"
#include "runtime/text/chat.h"
#include "runtime/text/tokenizer.h"
#include "runtime/tlmc.h"

enum {
  TL_SESSION_BATCH_MAX = 4096,
  TL_SESSION_CHUNK_MAX = 65536,
  TL_SESSION_REQUESTS_MAX = 65536,
  TL_OPTIONS_BYTES_MAX = 1 << 16, // of an option or event struct of any version
  TL_SESSION_COPIES_MAX = TL_SESSION_BATCH_MAX * TL_GROUPS_MAX,
};

struct tlmc_pool {
  tl_arena memory;
  tl_pool *pool;
};

struct tlmc_plan {
  tl_arena memory;
  tl_plan plan;
  char *copied; // weights in own memory, with the option `copy`
  size_t copied_bytes;
  tl_tokenizer tokenizer;
  bool has_tokenizer;
  tl_arena chat_memory; // of the parsed templates
  tl_chat chat;
  bool has_chat;
  const char *name, *targets, *kv_types;
  int32_t *stop_ids;
  int32_t stop_ids_count;
  const char **labels; // of the outputs, or NULL
  bool labels_independent;
};

// Bounds a session was opened with; see tlmc_session_options.
typedef struct tl_session_limits {
  int64_t context;
  int32_t batch, chunk, outputs, sequences, requests, rollback;
} tl_session_limits;

// A sequence's part of the step that is being put together.
typedef struct tl_session_part {
  int32_t sequence, rows_count, length_before;
} tl_session_part;

struct tlmc_session {
  int32_t attention_rows; // of a piece of attention work, as the device takes them
  tl_arena memory;
  const tlmc_plan *plan;
  tl_pool *pool;
  bool owns_pool;
  tl_device *device;
  uint32_t target, program;
  uint64_t weights_bytes; // that the target reads
  tl_plan_kv_type kv_type;
  tl_session_limits limits;
  tl_kv_config kv_config;
  tl_kv *kv;
  int32_t *prompts; // length of each sequence's prompt
  bool *lent;       // sequences that requests run in; to the caller they do not exist
  tl_step *step;    // header and places of the block; its arrays are the device's memory
  tl_session_part *parts;
  int32_t parts_count;
  tl_kv_copy *copies;
  int32_t copies_count;
  int32_t outputs_count; // of the last step run
  bool broken;           // a step failed; only closing is left
  struct tl_requests *requests;
};

// Rows of one sequence for the step; what tlmc_step_add checks first.
typedef struct tl_session_rows {
  int32_t sequence, count;
  const int32_t *ids, *types; // types may be NULL
  tlmc_wanted wanted;
  const int32_t *wanted_rows;
  int32_t wanted_count;
  int32_t prompt; // length of the prompt that the first rows of a sequence begin; 0 = count
  float asked;    // of the wanted rows; see tl_step_best
} tl_session_rows;

// Bytes of the step block for `limits`.
uint64_t tl_session_step_bytes(const tlmc_session *session);

// Work pieces of a step at most.
int32_t tl_session_work_max(const tlmc_session *session);

// Lays the block out in the device's memory. Once, after the device is open.
void tl_session_step_init(tlmc_session *session);

// Starts an empty step; what was added and not run is taken back. If that fails, the session is
// broken.
void tl_session_step_begin(tlmc_session *session);

// Adds checked rows. TL_MEMORY if the step or the KV memory is full; then nothing changed.
tl_status tl_session_step_add(tlmc_session *session, const tl_session_rows *rows,
                              int32_t *out_first) TL_CHECKED;

// Runs the step and starts an empty one. Sequences of requests are not trimmed: their pages are
// published first.
tl_status tl_session_step_run(tlmc_session *session, tl_diag *diag) TL_CHECKED;

// True if the step that is being put together has rows of the sequence.
bool tl_session_step_has(const tlmc_session *session, int32_t sequence);

// The requests of a session: memory for all that may exist, taken at open. Without requests, as
// for plans that do not generate, session->requests is NULL.
tl_status tl_requests_create(tlmc_session *session, const tlmc_session_options *options,
                             tl_diag *diag) TL_CHECKED;
void tl_requests_destroy(tlmc_session *session);

// Fills in waiting, running and preempted, and adds to memory_bytes.
void tl_requests_info(const tlmc_session *session, tlmc_session_facts *facts);

// The device of a session for which none is named: see tlmc_plan_facts. Loads the driver if the
// plan is for CPUs and GPUs.
const char *tl_session_usual_device(const tlmc_plan *plan);

// tlmc_session_open in `memory`, an arena without allocations that the session takes over; tests
// let it fail.
tlmc_status tl_session_open_in(tl_arena memory, const tlmc_plan *plan,
                               const tlmc_session_options *options, tlmc_session **out_session,
                               tlmc_error *error);

// Fills `error` (may be NULL) from the first error of `diag`, or from `status` alone, and returns
// the public status.
tlmc_status tl_error_fill(tlmc_error *error, tl_status status, const tl_diag *diag);

// Fills `error` with a sentence.
tlmc_status tl_error_set(tlmc_error *error, tlmc_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Copies an option struct of `known` bytes, perhaps of a newer version. False if it is shorter (all
// are of version 0.1, there are no older ones) or has something set that this version does not
// know. NULL reads as all zero.
bool tl_options_read(const void *options, size_t known, void *out_options);

#endif

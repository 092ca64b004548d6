// Sessions that run a toy model: what comes next is a hash of all ids so far, so every output can
// be foretold without a session. The tiny plan supplies groups and bounds, a device of its own the
// numbers.
//
//   toy_plan plan;                    toy_session_open(&plan, &options, &toy);
//   toy_plan_open(&plan, (tl_str){0});  .. submit, step, poll ..
//   toy_next(ids, count) == the id that greedy sampling must choose
//
// The device keeps ids in its pages through the slots of the step block and reads them back through
// its page tables: a page shared too long, copied too late or freed too early ends the program.
#ifndef TL_TESTS_TOY_SESSION_H
#define TL_TESTS_TOY_SESSION_H

#include "runtime/engine/session.h"
#include "tests/lib/check.h"

enum {
  TOY_VOCABULARY = 512,
  TOY_CONTEXT = 2048, // of the model
  TOY_WINDOW = 128,   // of its second group
  TOY_STOP = 0,       // the plan's stop id; comes next only after TOY_STOPS
  TOY_STOPS = 511,    // the id after which TOY_STOP is the likeliest
  TOY_POISON = 510,   // the id after which no logit is a number
};

typedef struct toy_plan {
  tlmc_plan *plan;
  char path[64];
} toy_plan;

typedef struct toy_session {
  tl_device device; // in the session's place of its own, which is kept in `inner`
  tl_device *inner;
  tlmc_session *session;
  int32_t *cells[TL_GROUPS_MAX]; // ids of the pages
  float *outputs;
  const int32_t *script; // ids that must come at positions 0 ..; NULL = hashes
  int32_t script_count;
  bool fails;    // the next steps fail
  int64_t steps; // that ran
  int64_t rows;
} toy_session;

// Writes and opens a plan with `tokenizer` (a compiled section; none if empty) and `task`.
void toy_plan_open(toy_plan *plan, tl_str tokenizer, tl_plan_task task);

// Closes it and removes the file.
void toy_plan_close(toy_plan *plan);

// Opens a session with the options, whose device is set to "null", and puts the toy in its place.
void toy_session_open(toy_session *toy, const toy_plan *plan, tlmc_session_options options);

// Checks the bookkeeping, with all requests and sequences released if `is_empty`, and closes.
void toy_session_close(toy_session *toy, bool is_empty);

// The logits after `ids`, and the likeliest.
void toy_logits(const int32_t *ids, int32_t count, float out_logits[TOY_VOCABULARY]);
int32_t toy_next(const int32_t *ids, int32_t count);

// A prompt of `count` ids that depends on `seed`; none of those with a meaning.
void toy_prompt(uint32_t seed, int32_t count, int32_t *out_ids);

#endif

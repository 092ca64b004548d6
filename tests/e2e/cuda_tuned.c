// A tuning beside a plan is used by sessions, but for `deterministic` ones: prints whether each
// kind goes by it, and the hash of its logits.
//
//   LD_LIBRARY_PATH=build/tests/driver cuda_tuned PLAN
#include <inttypes.h>

#include "runtime/base/hash.h"
#include "runtime/tlmc.h"
#include "tests/lib/check.h"

enum { ROWS = 24 };

static tlmc_error error;

#define TRY(call)                                                                                  \
  do {                                                                                             \
    if ((call) == TLMC_OK) break;                                                                  \
    fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, error.text);                                \
    exit(1);                                                                                       \
  } while (0)

static void run(const tlmc_plan *plan, int32_t deterministic) {
  tlmc_plan_facts facts = {.size = sizeof facts};
  tlmc_session_options options = {
      .size = sizeof options, .chunk = ROWS, .outputs = ROWS, .deterministic = deterministic};
  tlmc_session_facts session_facts = {.size = sizeof session_facts};
  tlmc_session *session;
  int32_t ids[ROWS], sequence;
  TRY(tlmc_plan_info(plan, &facts));
  TRY(tlmc_session_open(plan, &options, &session, &error));
  TRY(tlmc_session_info(session, &session_facts));
  TRY(tlmc_sequence_open(session, &sequence, &error));
  for (int32_t i = 0; i < ROWS; i++)
    ids[i] = i * 37 % facts.vocabulary;
  tlmc_rows rows = {.size = sizeof rows,
                    .sequence = sequence,
                    .count = ROWS,
                    .ids = ids,
                    .wanted = TLMC_WANTED_ALL};
  tlmc_step_begin(session);
  TRY(tlmc_step_add(session, &rows, NULL, &error));
  TRY(tlmc_step_run(session, &error));
  uint64_t hash = 0;
  for (int32_t i = 0; i < ROWS; i++)
    hash = tl_hash64(tlmc_step_output(session, i), (size_t)facts.outputs * sizeof(float), hash);
  printf("%s: %s, %016" PRIx64 "\n", deterministic ? "deterministic" : "by default",
         session_facts.tuned ? "tuned" : "not tuned", hash);
  if (deterministic) CHECK(!session_facts.note && tlmc_session_tune(session, NULL, NULL, &error));
  tlmc_session_close(session);
}

int main(int argc, char **argv) {
  tlmc_plan *plan;
  CHECK(argc == 2);
  TRY(tlmc_plan_open(argv[1], NULL, &plan, &error));
  run(plan, 0);
  run(plan, 1);
  tlmc_plan_close(plan);
  return 0;
}

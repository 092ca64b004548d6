// Continues a text and streams what comes.
//
//   cc -I. examples/complete.c -Lbuild -ltlmrt -o complete
//   ./complete model.plan "The capital of France is"
//
// The shape of every program on tlmc.h: plan, session, request; step and poll until it is finished;
// close in the opposite order. Closing accepts NULL, so one way out serves success and failure.
#include <stdio.h>
#include <string.h>

#include "runtime/tlmc.h"

enum { TOKENS_MAX = 128 };

// Steps until the request is finished; text is printed as soon as it is certain.
static tlmc_status stream(tlmc_session *session, tlmc_request *request, tlmc_error *error) {
  tlmc_event event = {.size = sizeof event};
  while (event.kind != TLMC_EVENT_FINISHED) {
    tlmc_status status = tlmc_session_step(session, NULL, error);
    if (status != TLMC_OK) return status;
    do {
      status = tlmc_request_poll(request, &event);
      if (status != TLMC_OK) return status;
      fwrite(event.text, 1, event.text_bytes, stdout);
    } while (event.kind == TLMC_EVENT_TOKEN);
    fflush(stdout);
  }
  return event.status; // of FINISH_FAULT; else TLMC_OK
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: complete PLAN TEXT\n");
    return 2;
  }
  tlmc_error error = {.text = ""};
  tlmc_plan *plan = NULL;
  tlmc_session *session = NULL;
  tlmc_request *request = NULL;
  tlmc_request_options ask = {
      .size = sizeof ask,
      .text = argv[2],
      .text_bytes = strlen(argv[2]),
      .tokens_max = TOKENS_MAX,
  };
  tlmc_status status = tlmc_plan_open(argv[1], NULL, &plan, &error);
  if (status == TLMC_OK) status = tlmc_session_open(plan, NULL, &session, &error);
  if (status == TLMC_OK) status = tlmc_request_submit(session, &ask, &request, &error);
  if (status == TLMC_OK) status = stream(session, request, &error);
  if (status == TLMC_OK) {
    putchar('\n');
  } else {
    fprintf(stderr, "error: %s\n", error.text[0] ? error.text : tlmc_status_text(status));
  }
  tlmc_request_release(request);
  tlmc_session_close(session);
  tlmc_plan_close(plan);
  return status == TLMC_OK ? 0 : 1;
}

// Continues several texts at a time: every step decodes all of them together, and a text that is
// done makes room for the next one.
//
//   cc -I. examples/batch.c -Lbuild -ltlmrt -o batch
//   ./batch model.plan "Once upon a time" "Two plus two is" "The sea is"
//
// On the CPU the answers are bit for bit those that each text would get alone.
#include <stdio.h>
#include <string.h>

#include "runtime/tlmc.h"

enum { ASKS_MAX = 64, BATCH = 4, TOKENS_MAX = 64, TEXT_BYTES_MAX = 4096 };

typedef struct reply {
  tlmc_request *request;
  char text[TEXT_BYTES_MAX]; // cut if longer
  size_t text_bytes;
  int is_finished;
} reply;

static tlmc_status submit(tlmc_session *session, const char *prompt, reply *out_reply,
                          tlmc_error *error) {
  tlmc_sampling sampling = {
      .size = sizeof sampling, .temperature = 0.8f, .top_p = 0.95f, .seed = 42};
  tlmc_request_options ask = {
      .size = sizeof ask,
      .text = prompt,
      .text_bytes = strlen(prompt),
      .tokens_max = TOKENS_MAX,
      .sampling = &sampling, // copied, like everything in `ask`
  };
  return tlmc_request_submit(session, &ask, &out_reply->request, error);
}

// Takes the events that are there; the last one says why the request ended.
static tlmc_status take_events(reply *answer) {
  tlmc_event event = {.size = sizeof event};
  while (!answer->is_finished) {
    tlmc_status status = tlmc_request_poll(answer->request, &event);
    if (status != TLMC_OK || event.kind == TLMC_EVENT_NONE) return status;
    size_t room = sizeof answer->text - answer->text_bytes;
    size_t bytes = event.text_bytes < room ? event.text_bytes : room;
    memcpy(answer->text + answer->text_bytes, event.text, bytes);
    answer->text_bytes += bytes;
    answer->is_finished = event.kind == TLMC_EVENT_FINISHED;
  }
  return event.status; // a fault of this request; the others go on in a program that wants that
}

static tlmc_status run(tlmc_session *session, reply *answers, int count, tlmc_error *error) {
  tlmc_status status = TLMC_OK;
  int32_t unfinished = count;
  while (status == TLMC_OK && unfinished > 0) {
    status = tlmc_session_step(session, &unfinished, error);
    for (int i = 0; i < count && status == TLMC_OK; i++) {
      if (!answers[i].is_finished) status = take_events(&answers[i]);
    }
  }
  return status;
}

int main(int argc, char **argv) {
  int count = argc - 2;
  if (count < 1 || count > ASKS_MAX) {
    fprintf(stderr, "usage: batch PLAN TEXT.. (at most %d)\n", ASKS_MAX);
    return 2;
  }
  static reply answers[ASKS_MAX];
  tlmc_error error = {.text = ""};
  tlmc_plan *plan = NULL;
  tlmc_session *session = NULL;
  tlmc_session_options options = {.size = sizeof options, .batch = BATCH, .requests = count};
  tlmc_status status = tlmc_plan_open(argv[1], NULL, &plan, &error);
  if (status == TLMC_OK) status = tlmc_session_open(plan, &options, &session, &error);
  for (int i = 0; i < count && status == TLMC_OK; i++) {
    status = submit(session, argv[i + 2], &answers[i], &error);
  }
  if (status == TLMC_OK) status = run(session, answers, count, &error);
  if (status != TLMC_OK) {
    fprintf(stderr, "error: %s\n", error.text[0] ? error.text : tlmc_status_text(status));
  }
  for (int i = 0; i < count; i++) {
    if (status == TLMC_OK) {
      printf("%s%.*s\n", argv[i + 2], (int)answers[i].text_bytes, answers[i].text);
    }
    tlmc_request_release(answers[i].request);
  }
  tlmc_session_close(session);
  tlmc_plan_close(plan);
  return status == TLMC_OK ? 0 : 1;
}

// Implementation of generation.h.
#include "runtime/cli/generation.h"

#include "runtime/cli/signals.h"

static tl_status take_text(tl_cli *cli, tl_cli_generation *generation, const tlmc_event *event) {
  if (event->text_bytes == 0) return TL_OK;
  if (generation->is_streamed) TL_TRY(tl_cli_write(cli, (tl_str){event->text, event->text_bytes}));
  size_t bytes = generation->text_bytes + event->text_bytes;
  char *text = tl_arena_grow(&cli->arena, generation->text, &generation->text_capacity, bytes, 1);
  if (!text) return tl_cli_full(cli);
  memcpy(text + generation->text_bytes, event->text, event->text_bytes);
  generation->text = text;
  generation->text_bytes = bytes;
  return TL_OK;
}

static tl_status take_id(tl_cli *cli, tl_cli_generation *generation, int32_t id) {
  size_t count = generation->ids_count;
  int32_t *ids = tl_arena_grow(&cli->arena, generation->ids, &generation->ids_capacity, count + 1,
                               sizeof *ids);
  if (!ids) return tl_cli_full(cli);
  ids[count] = id;
  generation->ids = ids;
  generation->ids_count = count + 1;
  return TL_OK;
}

// Takes all events there are; `end.kind` is FINISHED behind the last one.
static tl_status take_events(tl_cli *cli, tl_cli_generation *generation, tlmc_request *request,
                             double start) {
  tlmc_event event = {.size = sizeof event};
  do {
    TL_TRY(tl_cli_take(cli, tlmc_request_poll(request, &event)));
    if (event.kind == TLMC_EVENT_NONE) return TL_OK;
    TL_TRY(take_text(cli, generation, &event));
    if (event.kind != TLMC_EVENT_TOKEN) continue;
    TL_TRY(take_id(cli, generation, event.id));
    generation->total_seconds = tl_cli_seconds() - start;
    if (generation->ids_count == 1) generation->first_seconds = generation->total_seconds;
  } while (event.kind == TLMC_EVENT_TOKEN);
  generation->end = event;
  return TL_OK;
}

static tl_status run_request(tl_cli *cli, tl_cli_generation *generation, tlmc_request *request,
                             double start) {
  int32_t unfinished = 1;
  while (generation->end.kind != TLMC_EVENT_FINISHED) {
    if (unfinished == 0) return tl_cli_fail(cli, TL_INTERNAL, "the request ended without an event");
    if (tl_cli_interrupted()) tlmc_request_cancel(request);
    TL_TRY(tl_cli_take(cli, tlmc_session_step(cli->session, &unfinished, &cli->error)));
    TL_TRY(take_events(cli, generation, request, start));
  }
  if (generation->end.finish != TLMC_FINISH_FAULT) return TL_OK;
  snprintf(cli->error.text, sizeof cli->error.text, "the generation ended after %zu tokens: %s",
           generation->ids_count, tlmc_status_text(generation->end.status));
  return tl_cli_take(cli, generation->end.status);
}

tl_status tl_cli_generation_run(tl_cli *cli, tl_cli_generation *generation) {
  tlmc_request *request = NULL;
  double start = tl_cli_seconds();
  tl_status submitted =
      tl_cli_take(cli, tlmc_request_submit(cli->session, &generation->ask, &request, &cli->error));
  if (!tl_ok(submitted)) {
    tlmc_request_release(generation->ask.after);
    return submitted;
  }
  tlmc_request_release(generation->ask.after);
  tl_status status = run_request(cli, generation, request, start);
  generation->kept = tl_ok(status) && generation->ask.keep ? request : NULL;
  if (!generation->kept) tlmc_request_release(request);
  return status;
}

const char *tl_cli_finish_text(tlmc_finish finish) {
  switch (finish) {
  case TLMC_FINISH_NONE: return "none";
  case TLMC_FINISH_STOP_ID: return "stop_id";
  case TLMC_FINISH_STOP_TEXT: return "stop_text";
  case TLMC_FINISH_LENGTH: return "length";
  case TLMC_FINISH_CANCELLED: return "cancelled";
  case TLMC_FINISH_FAULT: return "fault";
  }
  return "none";
}

// `tlmrt run`: text to text. The text is streamed to stdout; with --json one object is printed at
// the end.
//
//   tlmrt run x.plan -p "The capital of France is" -n 8
//   {"text": " Paris.", "ids": [12366, 13], "finish": "length", "stop_index": null,
//    "timings": {"prompt_tokens": 5, "reused_tokens": 0, "generated_tokens": 2, "ttft_ms": 40.1,
//                "total_ms": 61.5, "prefill_tok_s": 124.7, "decode_tok_s": 46.7}}
#include <math.h>
#include <unistd.h>

#include "runtime/base/json_write.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/conversation.h"
#include "runtime/cli/generation.h"
#include "runtime/cli/input.h"
#include "runtime/cli/sampling.h"

static tl_status read_prompt(tl_cli *cli, tl_str *out_text) {
  const tl_cli_options *options = &cli->options;
  if (!options->prompt == !options->prompt_file) {
    return tl_cli_fail(cli, TL_USAGE,
                       "the prompt is expected %s: -p TEXT, -p - for stdin, or -f FILE",
                       options->prompt ? "once" : "in one of these");
  }
  if (options->prompt_file) return tl_cli_read_text(cli, options->prompt_file, out_text);
  if (strcmp(options->prompt, "-") == 0) return tl_cli_read_text(cli, "-", out_text);
  *out_text = tl_str_from(options->prompt);
  return TL_OK;
}

// Tokens per second, 0 where there is nothing to divide.
static double rate(size_t tokens, double seconds) {
  return tokens && seconds > 0 ? (double)tokens / seconds : 0;
}

static double decode_rate(const tl_cli_generation *generation) {
  size_t count = generation->ids_count;
  return rate(count ? count - 1 : 0, generation->total_seconds - generation->first_seconds);
}

static double prefill_rate(const tl_cli_generation *generation) {
  const tlmc_event *end = &generation->end;
  return rate((size_t)(end->prompt_count - end->reused_count), generation->first_seconds);
}

static void write_figure(tl_json_writer *writer, const char *key, double value) {
  tl_json_write_key(writer, tl_str_from(key));
  tl_json_write_real(writer, value > 0 ? round(value * 1000) / 1000 : (double)NAN);
}

static void write_count(tl_json_writer *writer, const char *key, int64_t value) {
  tl_json_write_key(writer, tl_str_from(key));
  tl_json_write_int(writer, value);
}

static void write_timings(tl_json_writer *writer, const tl_cli_generation *generation) {
  tl_json_write_key(writer, TL_STR("timings"));
  tl_json_write_object_begin(writer);
  write_count(writer, "prompt_tokens", generation->end.prompt_count);
  write_count(writer, "reused_tokens", generation->end.reused_count);
  write_count(writer, "generated_tokens", (int64_t)generation->ids_count);
  write_figure(writer, "ttft_ms", generation->first_seconds * 1e3);
  write_figure(writer, "total_ms", generation->total_seconds * 1e3);
  write_figure(writer, "prefill_tok_s", prefill_rate(generation));
  write_figure(writer, "decode_tok_s", decode_rate(generation));
  tl_json_write_object_end(writer);
}

static tl_status print_json(tl_cli *cli, const tl_cli_generation *generation) {
  tl_json_writer writer;
  tl_str text;
  tl_json_writer_init(&writer, &cli->arena, 0);
  tl_json_write_object_begin(&writer);
  tl_json_write_key(&writer, TL_STR("text"));
  tl_json_write_string(&writer, (tl_str){generation->text, generation->text_bytes});
  tl_json_write_key(&writer, TL_STR("ids"));
  tl_json_write_array_begin(&writer);
  for (size_t i = 0; i < generation->ids_count; i++)
    tl_json_write_int(&writer, generation->ids[i]);
  tl_json_write_array_end(&writer);
  tl_json_write_key(&writer, TL_STR("finish"));
  tl_json_write_string(&writer, tl_str_from(tl_cli_finish_text(generation->end.finish)));
  tl_json_write_key(&writer, TL_STR("stop_index"));
  if (generation->end.stop_index >= 0)
    tl_json_write_int(&writer, generation->end.stop_index);
  else
    tl_json_write_null(&writer);
  write_timings(&writer, generation);
  tl_json_write_object_end(&writer);
  if (!tl_ok(tl_json_writer_finish(&writer, &text))) return tl_cli_full(cli);
  TL_TRY(tl_cli_write(cli, text));
  return tl_cli_write(cli, TL_STR("\n"));
}

// For people at a terminal: the shell's prompt on its own line, and how fast it was.
static tl_status print_end(tl_cli *cli, const tl_cli_generation *generation) {
  const tlmc_event *end = &generation->end;
  if (isatty(STDOUT_FILENO)) TL_TRY(tl_cli_write(cli, TL_STR("\n")));
  if (isatty(STDERR_FILENO)) {
    fprintf(stderr, "[%d + %zu tokens, first after %.0f ms, then %.1f per second, end: %s]\n",
            end->prompt_count, generation->ids_count, generation->first_seconds * 1e3,
            decode_rate(generation), tl_cli_finish_text(end->finish));
  }
  return TL_OK;
}

// The text as one question of a conversation.
static tl_status ids_of_question(tl_cli *cli, tl_str text, int32_t **out_ids, size_t *out_count) {
  const tl_cli_options *options = &cli->options;
  tl_conversation talk = {.cli = cli, .variables = options->template_variables};
  tl_prompt prompt;
  TL_TRY(tl_conversation_check(cli));
  if (options->system) TL_TRY(tl_conversation_add(&talk, "system", tl_str_from(options->system)));
  TL_TRY(tl_conversation_add(&talk, "user", text));
  TL_TRY(tl_conversation_prompt(&talk, &cli->arena, &prompt));
  *out_ids = prompt.ids;
  *out_count = prompt.count;
  return TL_OK;
}

static tl_status check_options(tl_cli *cli) {
  const tl_cli_options *options = &cli->options;
  const char *name = options->system ? "--system" : "--chat-template-kwargs";
  if (options->chat || (!options->system && !options->template_variables)) return TL_OK;
  return tl_cli_fail(cli, TL_USAGE, "%s is for a conversation: add --chat", name);
}

tl_status tl_cli_run(tl_cli *cli) {
  const tl_cli_options *options = &cli->options;
  tl_str text = {0};
  int32_t *ids;
  size_t count;
  tlmc_session_options session;
  TL_TRY(check_options(cli));
  TL_TRY(read_prompt(cli, &text));
  TL_TRY(tl_cli_plan_open(cli));
  TL_TRY(tl_cli_need_generator(cli, "run"));
  TL_TRY(options->chat ? ids_of_question(cli, text, &ids, &count)
                       : tl_cli_tokenize(cli, text, &ids, &count));
  if (count == 0 || count > TL_CLI_IDS_MAX) {
    return tl_cli_fail(cli, TL_INPUT, "the prompt has %zu tokens, expected 1 to %d", count,
                       TL_CLI_IDS_MAX);
  }
  TL_TRY(tl_cli_check_length(cli, (int64_t)count));
  tl_cli_session_options(cli, &session);
  tl_cli_session_fit(cli, &session, (int64_t)count + options->tokens + 1);
  TL_TRY(tl_cli_session_open(cli, &session));
  tlmc_sampling sampling = tl_cli_sampling(options);
  tlmc_bytes stops[TL_CLI_LIST_MAX];
  for (int i = 0; i < options->stops.count; i++) {
    stops[i] = (tlmc_bytes){options->stops.items[i], strlen(options->stops.items[i])};
  }
  tl_cli_generation generation = {
      .ask = {.size = sizeof generation.ask,
              .ids = ids,
              .ids_count = (int32_t)count,
              .tokens_max = (int32_t)options->tokens,
              .sampling = &sampling,
              .stops = stops,
              .stops_count = options->stops.count,
              .ignore_stop_ids = options->ignore_eos},
      .is_streamed = !options->json,
  };
  TL_TRY(tl_cli_generation_run(cli, &generation));
  TL_TRY(options->json ? print_json(cli, &generation) : print_end(cli, &generation));
  return tl_cli_check_interrupt(cli);
}

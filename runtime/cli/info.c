// `tlmrt info`: what a plan is and whether it fits here.
//
//   --json    the meta section and the memory table, for scripts
//   --text    the programs, line by line
//   neither   a page for people; opens a session with the given --batch, --ctx and so on, which
//             reserves its memory without using it
#include "runtime/cli/available.h"
#include "runtime/cli/commands.h"

#include <inttypes.h>
#include <stdarg.h>

enum { SIZE_TEXT_BYTES = 32 };

static tl_status print_description(tl_cli *cli, tlmc_format format) {
  size_t bytes;
  TL_TRY(tl_cli_take(cli, tlmc_plan_describe(cli->plan, format, NULL, 0, &bytes, &cli->error)));
  char *text = tl_arena_alloc(&cli->arena, bytes + 1);
  if (!text) return tl_cli_full(cli);
  TL_TRY(tl_cli_take(cli, tlmc_plan_describe(cli->plan, format, text, bytes, &bytes, &cli->error)));
  if (bytes == 0 || text[bytes - 1] != '\n') text[bytes++] = '\n';
  return tl_cli_write(cli, (tl_str){text, bytes});
}

__attribute__((format(printf, 3, 4))) static tl_status print(tl_cli *cli, const char *key,
                                                             const char *format, ...) {
  char value[TL_DIAG_TEXT_MAX * 4];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(value, sizeof value, format, arguments);
  va_end(arguments);
  tl_str line = tl_arena_format(&cli->arena, "%-12s %s\n", key, value);
  return line.data ? tl_cli_write(cli, line) : tl_cli_full(cli);
}

typedef struct size_text {
  char text[SIZE_TEXT_BYTES];
} size_text;

// "1.19 GiB"; in MiB below one.
static size_text size_of(uint64_t bytes) {
  size_text size;
  bool is_large = bytes >= 1u << 30;
  double value = (double)bytes / (is_large ? 1 << 30 : 1 << 20);
  snprintf(size.text, sizeof size.text, "%.2f %s", value, is_large ? "GiB" : "MiB");
  return size;
}

static const char *task_text(tlmc_task task) {
  switch (task) {
  case TLMC_TASK_GENERATE: return "generates text";
  case TLMC_TASK_SCORE_TOKENS: return "scores every token";
  case TLMC_TASK_SCORE_FIRST: return "scores a text, from its first token";
  case TLMC_TASK_SCORE_LAST: return "scores a text, from its last token";
  }
  return "unknown";
}

static tl_status print_facts(tl_cli *cli) {
  const tlmc_plan_facts *facts = &cli->facts;
  TL_TRY(print(cli, "model", "%s", facts->name));
  TL_TRY(print(cli, "task", "%s", task_text(facts->task)));
  TL_TRY(print(cli, "vocabulary", "%d", facts->vocabulary));
  if (facts->task != TLMC_TASK_GENERATE) TL_TRY(print(cli, "labels", "%d", facts->outputs));
  TL_TRY(print(cli, "context", "%d", facts->context));
  TL_TRY(print(cli, "targets", "%s", facts->targets));
  TL_TRY(print(cli, "kv types", "%s", facts->kv_types));
  TL_TRY(print(cli, "tokenizer", "%s", facts->has_tokenizer ? "yes" : "no: ids only"));
  TL_TRY(print(cli, "kernels", "%d", facts->kernels));
  return print(cli, "weights", "%s%s", size_of(facts->weights_bytes).text,
               facts->has_weights ? "" : ", not in the plan: random ones, for measuring");
}

static tl_status print_fit(tl_cli *cli) {
  const tlmc_session_facts *facts = &cli->session_facts;
  uint64_t available = tl_cli_available_bytes();
  uint64_t needed = facts->weights_bytes + facts->memory_bytes;
  TL_TRY(print(cli, "session", "batch %d, context %" PRId64 ", kv %s, %s on %s, %d threads",
               facts->batch, facts->context, facts->kv_type, facts->target, facts->device,
               facts->threads));
  TL_TRY(print(cli, "kv", "%" PRIu64 " bytes a token, %s for %" PRId64 " tokens",
               facts->token_bytes, size_of(facts->kv_bytes).text, facts->context));
  TL_TRY(print(cli, "memory", "%s: weights %s, session %s", size_of(needed).text,
               size_of(facts->weights_bytes).text, size_of(facts->memory_bytes).text));
  if (facts->tuned) TL_TRY(print(cli, "tuned", "by %s.tune", cli->options.plan));
  if (strncmp(facts->device, "cuda", 4) == 0) {
    return print(cli, "fits", "yes: the GPU has given the memory");
  }
  if (available == 0) return print(cli, "fits", "unknown: the system does not say what is free");
  return print(cli, "fits", "%s, %s are available", needed <= available ? "yes" : "no",
               size_of(available).text);
}

// A session that cannot be opened is an answer, not a failure of the command.
static tl_status print_session(tl_cli *cli) {
  tlmc_session_options options;
  tl_cli_session_options(cli, &options);
  tl_status status = tl_cli_session_reserve(cli, &options);
  if (tl_ok(status)) return print_fit(cli);
  if (status == TL_USAGE) return status;
  status = print(cli, "fits", "no: %s", cli->error.text);
  cli->error.text[0] = 0;
  return status;
}

tl_status tl_cli_info(tl_cli *cli) {
  if (cli->options.json && cli->options.text) {
    return tl_cli_fail(cli, TL_USAGE, "--json and --text exclude each other");
  }
  TL_TRY(tl_cli_plan_open(cli));
  if (cli->options.json) return print_description(cli, TLMC_FORMAT_JSON);
  if (cli->options.text) return print_description(cli, TLMC_FORMAT_TEXT);
  TL_TRY(print_facts(cli));
  return print_session(cli);
}

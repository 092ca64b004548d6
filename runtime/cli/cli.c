// Implementation of cli.h.
#include "runtime/cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "runtime/cli/available.h"
#include "runtime/cli/signals.h"

#define ARENA_BYTES ((size_t)8 << 30)

enum { CONTEXT_DEFAULT = 4096 }; // of tlmc_session_options

void tl_cli_init(tl_cli *cli) {
  memset(cli, 0, sizeof *cli);
  tl_arena_init(&cli->arena, ARENA_BYTES);
}

void tl_cli_finish(tl_cli *cli) {
  tlmc_session_close(cli->session);
  tlmc_plan_close(cli->plan);
  tlmc_pool_close(cli->pool);
  tl_arena_finish(&cli->arena);
}

tl_status tl_cli_take(tl_cli *cli, tlmc_status status) {
  static const tl_status statuses[] = {
#define X(name, exit_code, text, use) [TLMC_##name] = TL_##name,
      TL_STATUS_MAP(X)
#undef X
  };
  if (status == TLMC_OK) return TL_OK;
  // A function without an error argument leaves the text to its status.
  if (!cli->error.text[0]) {
    snprintf(cli->error.text, sizeof cli->error.text, "%s", tlmc_status_text(status));
  }
  return (unsigned)status < TL_STATUS_COUNT ? statuses[status] : TL_INTERNAL;
}

tl_status tl_cli_fail(tl_cli *cli, tl_status status, const char *format, ...) {
  char text[TL_DIAG_TEXT_MAX];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return tl_diag_error(&cli->diag, status, (tl_span){0}, "%s", text);
}

tl_status tl_cli_full(tl_cli *cli) {
  return tl_cli_fail(cli, TL_MEMORY, "the command needs more memory than there is");
}

tl_status tl_cli_check_interrupt(tl_cli *cli) {
  return tl_cli_interrupted() ? tl_cli_fail(cli, TL_CANCELLED, "interrupted") : TL_OK;
}

tl_status tl_cli_plan_open(tl_cli *cli) {
  const tl_cli_options *options = &cli->options;
  tlmc_pool_options pool = {.size = sizeof pool, .threads = (int32_t)options->threads};
  TL_TRY(tl_cli_take(cli, tlmc_pool_open(&pool, &cli->pool, &cli->error)));
  tlmc_plan_options plan = {.size = sizeof plan, .trust = options->trust, .pool = cli->pool};
  TL_TRY(tl_cli_take(cli, tlmc_plan_open(options->plan, &plan, &cli->plan, &cli->error)));
  cli->facts = (tlmc_plan_facts){.size = sizeof cli->facts};
  TL_TRY(tl_cli_take(cli, tlmc_plan_info(cli->plan, &cli->facts)));
  if (cli->facts.vocabulary > 0 && cli->facts.outputs > 0) return TL_OK;
  return tl_cli_fail(cli, TL_INPUT, "%s has no vocabulary or no outputs", options->plan);
}

tl_status tl_cli_need_generator(tl_cli *cli, const char *command) {
  if (cli->facts.task == TLMC_TASK_GENERATE) return TL_OK;
  return tl_cli_fail(cli, TL_UNSUPPORTED,
                     "`tlmrt %s` needs a model that generates text, and '%s' scores it: use `tlmrt "
                     "classify` or `score`",
                     command, cli->facts.name);
}

tl_status tl_cli_check_length(tl_cli *cli, int64_t length) {
  if (cli->facts.context <= 0 || length <= cli->facts.context) return TL_OK;
  return tl_cli_fail(cli, TL_INPUT,
                     "a sequence of %lld tokens is asked for, and '%s' was made for %d",
                     (long long)length, cli->facts.name, cli->facts.context);
}

void tl_cli_session_options(const tl_cli *cli, tlmc_session_options *out_options) {
  const tl_cli_options *options = &cli->options;
  *out_options = (tlmc_session_options){
      .size = sizeof *out_options,
      .device = options->device,
      .target = options->target,
      .kv_type = options->kv_type,
      .kv_bytes = options->kv_memory,
      .context = options->context,
      .batch = (int32_t)options->batch,
      .chunk = (int32_t)options->chunk,
      .pool = cli->pool,
      .prefault = options->prefault,
  };
}

void tl_cli_session_fit(const tl_cli *cli, tlmc_session_options *options, int64_t length) {
  if (options->context || options->kv_bytes) return;
  int64_t each = cli->facts.context;
  if (each <= 0 || each > CONTEXT_DEFAULT) each = CONTEXT_DEFAULT;
  if (length > each) each = length;
  options->context = each * (options->batch ? options->batch : 1);
}

tl_status tl_cli_session_open(tl_cli *cli, const tlmc_session_options *options) {
  uint64_t available = tl_cli_available_bytes(), weights = cli->facts.weights_bytes;
  const char *device = options->device   ? options->device
                       : options->target ? options->target
                                         : cli->facts.device;
  bool is_gpu = strncmp(device, "cuda", 4) == 0; // which has memory of its own
  if (!cli->facts.has_weights && !is_gpu && available && weights > available) {
    return tl_cli_fail(cli, TL_MEMORY,
                       "random weights for this plan need %.1f GiB and %.1f GiB are available",
                       (double)weights / (1 << 30), (double)available / (1 << 30));
  }
  return tl_cli_session_reserve(cli, options);
}

tl_status tl_cli_session_reserve(tl_cli *cli, const tlmc_session_options *options) {
  TL_TRY(tl_cli_take(cli, tlmc_session_open(cli->plan, options, &cli->session, &cli->error)));
  cli->session_facts = (tlmc_session_facts){.size = sizeof cli->session_facts};
  TL_TRY(tl_cli_take(cli, tlmc_session_info(cli->session, &cli->session_facts)));
  if (strncmp(cli->session_facts.target, "cuda:compute_", 13) == 0) {
    fprintf(stderr, "tlmrt: the plan has no code for this GPU, whose driver compiled its text\n");
  }
  if (cli->session_facts.note) fprintf(stderr, "tlmrt: %s\n", cli->session_facts.note);
  tl_cli_signals_defer();
  return TL_OK;
}

tl_status tl_cli_write(tl_cli *cli, tl_str text) {
  bool written = fwrite(text.data, 1, text.length, stdout) == text.length && fflush(stdout) == 0;
  return written ? TL_OK : tl_cli_fail(cli, TL_IO, "stdout cannot be written: %s", strerror(errno));
}

tl_status tl_cli_detokenize(tl_cli *cli, const int32_t *ids, size_t count, tl_str *out_text) {
  size_t bytes = 0;
  TL_TRY(tl_cli_take(cli, tlmc_detokenize(cli->plan, ids, count, TLMC_TEXT_SPECIAL, NULL, 0, &bytes,
                                          &cli->error)));
  char *text = tl_arena_alloc(&cli->arena, bytes ? bytes : 1);
  if (!text) return tl_cli_full(cli);
  *out_text = (tl_str){text, bytes};
  return tl_cli_take(cli, tlmc_detokenize(cli->plan, ids, count, TLMC_TEXT_SPECIAL, text, bytes,
                                          &bytes, &cli->error));
}

tl_status tl_cli_tokenize(tl_cli *cli, tl_str text, int32_t **out_ids, size_t *out_count) {
  tlmc_bytes bytes = {text.data, text.length};
  uint32_t flags = TLMC_TEXT_ADD | TLMC_TEXT_SPECIAL;
  // Most texts have fewer tokens than bytes; the second round is for those that have not.
  size_t capacity = text.length + 16;
  for (int round = 0; round < 2; round++) {
    int32_t *ids = tl_arena_array(&cli->arena, capacity, sizeof *ids);
    if (!ids) return tl_cli_full(cli);
    TL_TRY(tl_cli_take(
        cli, tlmc_tokenize(cli->plan, bytes, flags, ids, capacity, out_count, &cli->error)));
    *out_ids = ids;
    if (*out_count <= capacity) return TL_OK;
    capacity = *out_count;
  }
  return tl_cli_fail(cli, TL_INTERNAL, "the tokenizer gave two different counts for one text");
}

double tl_cli_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int tl_cli_report(const tl_cli *cli, tl_status status) {
  if (tl_cli_interrupted()) return TL_CLI_INTERRUPTED_EXIT;
  if (tl_ok(status)) return 0;
  if (cli->diag.count) {
    tl_diag_print(&cli->diag, stderr);
  } else {
    fprintf(stderr, "error: %s\n", cli->error.text[0] ? cli->error.text : tl_status_text(status));
  }
  return tl_status_exit_code(status);
}

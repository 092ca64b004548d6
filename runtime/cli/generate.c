// `tlmrt generate`: ids to ids, always the likeliest; for tests and scripts.
//
//   echo '[1,2,3]' | tlmrt generate x.plan --ids - -n 2        {"ids": [17, 4]}
//
// Prints exactly -n ids, fewer only with --stop-eos, whose stop id is then the last.
#include "runtime/base/json_write.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/generation.h"
#include "runtime/cli/input.h"

static tl_status print_ids(tl_cli *cli, const tl_cli_generation *generation) {
  tl_json_writer writer;
  tl_str text;
  tl_json_writer_init(&writer, &cli->arena, 0);
  tl_json_write_object_begin(&writer);
  tl_json_write_key(&writer, TL_STR("ids"));
  tl_json_write_array_begin(&writer);
  for (size_t i = 0; i < generation->ids_count; i++)
    tl_json_write_int(&writer, generation->ids[i]);
  tl_json_write_array_end(&writer);
  tl_json_write_object_end(&writer);
  if (!tl_ok(tl_json_writer_finish(&writer, &text))) return tl_cli_full(cli);
  TL_TRY(tl_cli_write(cli, text));
  return tl_cli_write(cli, TL_STR("\n"));
}

tl_status tl_cli_generate(tl_cli *cli) {
  const tl_cli_options *options = &cli->options;
  tl_cli_ids prompt;
  tlmc_session_options session;
  if (options->tokens == 0) {
    return tl_cli_fail(cli, TL_USAGE, "-n N is missing: how many ids to generate");
  }
  TL_TRY(tl_cli_plan_open(cli));
  TL_TRY(tl_cli_need_generator(cli, "generate"));
  TL_TRY(tl_cli_read_prompt_ids(cli, options->ids, &prompt));
  if (prompt.types) {
    return tl_cli_fail(cli, TL_UNSUPPORTED, "token_type_ids are read by `tlmrt logits` only");
  }
  TL_TRY(tl_cli_check_length(cli, prompt.count + options->tokens - 1)); // the last is not fed
  tl_cli_session_options(cli, &session);
  tl_cli_session_fit(cli, &session, prompt.count + options->tokens);
  TL_TRY(tl_cli_session_open(cli, &session));
  tl_cli_generation generation = {
      .ask = {.size = sizeof generation.ask,
              .ids = prompt.ids,
              .ids_count = prompt.count,
              .tokens_max = (int32_t)options->tokens,
              .ignore_stop_ids = !options->stop_eos},
  };
  TL_TRY(tl_cli_generation_run(cli, &generation));
  TL_TRY(tl_cli_check_interrupt(cli));
  if (generation.end.finish == TLMC_FINISH_LENGTH &&
      generation.ids_count < (size_t)options->tokens) {
    return tl_cli_fail(cli, TL_MEMORY,
                       "the context is full after %d ids and %zu of %lld new ones: raise --ctx or "
                       "--kv-memory",
                       prompt.count, generation.ids_count, (long long)options->tokens);
  }
  return print_ids(cli, &generation);
}

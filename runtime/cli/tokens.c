// `tlmrt tokenize` and `tlmrt detokenize`: stdin to stdout, byte for byte; a line end behind the
// JSON array only.
//
//   printf 'Hello' | tlmrt tokenize x.plan        [9707]
//   echo '[9707]' | tlmrt detokenize x.plan       Hello
#include "runtime/base/json_write.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/input.h"

tl_status tl_cli_tokens(tl_cli *cli) {
  tl_str text;
  int32_t *ids;
  size_t count;
  TL_TRY(tl_cli_plan_open(cli));
  TL_TRY(tl_cli_read_text(cli, "-", &text));
  TL_TRY(tl_cli_tokenize(cli, text, &ids, &count));
  tl_json_writer writer;
  tl_json_writer_init(&writer, &cli->arena, 0);
  tl_json_write_array_begin(&writer);
  for (size_t i = 0; i < count; i++)
    tl_json_write_int(&writer, ids[i]);
  tl_json_write_array_end(&writer);
  if (!tl_ok(tl_json_writer_finish(&writer, &text))) return tl_cli_full(cli);
  TL_TRY(tl_cli_write(cli, text));
  return tl_cli_write(cli, TL_STR("\n"));
}

tl_status tl_cli_words(tl_cli *cli) {
  tl_cli_ids ids;
  tl_str text;
  TL_TRY(tl_cli_plan_open(cli));
  TL_TRY(tl_cli_read_ids(cli, "-", &ids));
  TL_TRY(tl_cli_detokenize(cli, ids.ids, (size_t)ids.count, &text));
  return tl_cli_write(cli, text);
}

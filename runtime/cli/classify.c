// `tlmrt classify` and `tlmrt score`: what a model that scores says of a text, a pair of texts, a
// conversation or ids.
//
//   tlmrt classify x.plan -p "Lovely."        0.9981 positive
//   {"label": "positive", "probability": 0.998, "labels": [{"label": .., "probability": ..,
//                                                           "logit": ..}, ..]}
//   tlmrt score x.plan -p "query" --pair "passage"            4.2193
//   tlmrt score x.plan --messages talk.json --step "<sep>"    a number for each step
//   {"scores": [..], "positions": [..]}                       or {"score": ..}
#include <math.h>

#include "runtime/base/json_write.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/conversation.h"
#include "runtime/cli/outputs.h"

typedef struct score_rows {
  tl_cli *cli;
  tl_cli_ids ids;
  float *rows; // (count, outputs)
  int32_t count, taken;
} score_rows;

// ---- Input

static tl_status read_pair(tl_cli *cli, tl_str first, tl_cli_ids *out) {
  const char *pair = cli->options.pair;
  const tlmc_bytes texts[2] = {{first.data, first.length}, {pair, pair ? strlen(pair) : 0}};
  uint32_t flags = TLMC_TEXT_ADD | TLMC_TEXT_SPECIAL;
  bool has_types = cli->facts.types > 0;
  // Most texts have fewer tokens than bytes; the second round is for those that have not.
  tlmc_tokens tokens = {.size = sizeof tokens, .capacity = texts[0].bytes + texts[1].bytes + 16};
  for (int round = 0; round < 2; round++) {
    tokens.ids = tl_arena_array(&cli->arena, tokens.capacity, 2 * sizeof *tokens.ids);
    if (!tokens.ids) return tl_cli_full(cli);
    tokens.types = has_types ? tokens.ids + tokens.capacity : NULL;
    TL_TRY(tl_cli_take(
        cli, tlmc_tokenize_pair(cli->plan, texts, pair ? 2 : 1, flags, &tokens, &cli->error)));
    if (tokens.count <= tokens.capacity) break;
    tokens.capacity = tokens.count;
  }
  if (tokens.count == 0 || tokens.count > TL_CLI_IDS_MAX) {
    return tl_cli_fail(cli, TL_INPUT, "the text has %zu tokens, expected 1 to %d", tokens.count,
                       TL_CLI_IDS_MAX);
  }
  *out = (tl_cli_ids){tokens.ids, tokens.types, (int32_t)tokens.count};
  return TL_OK;
}

static tl_status read_messages(tl_cli *cli, tl_cli_ids *out) {
  tl_str text = {0};
  tl_prompt prompt;
  TL_TRY(tl_conversation_check(cli));
  TL_TRY(tl_cli_read_text(cli, cli->options.messages, &text));
  TL_TRY(tl_conversation_tokenize(cli, text, &cli->arena, &prompt));
  *out = (tl_cli_ids){.ids = prompt.ids, .count = (int32_t)prompt.count};
  if (cli->facts.types == 0) return TL_OK;
  out->types = tl_arena_array(&cli->arena, prompt.count, sizeof *out->types);
  return out->types ? TL_OK : tl_cli_full(cli);
}

static tl_status check_input(tl_cli *cli) {
  const tl_cli_options *options = &cli->options;
  int given = (options->ids != NULL) + (options->prompt != NULL) + (options->prompt_file != NULL) +
              (options->messages != NULL);
  if (given != 1) {
    return tl_cli_fail(cli, TL_USAGE,
                       "one input is expected: -p TEXT, -f FILE, --messages FILE or --ids FILE");
  }
  if (!options->pair || options->prompt || options->prompt_file) return TL_OK;
  return tl_cli_fail(cli, TL_USAGE, "--pair is the second text behind -p or -f");
}

static tl_status read_input(tl_cli *cli, tl_cli_ids *out) {
  const tl_cli_options *options = &cli->options;
  tl_str text = {0};
  if (options->ids) return tl_cli_read_prompt_ids(cli, options->ids, out);
  if (options->messages) return read_messages(cli, out);
  bool is_file = options->prompt_file || strcmp(options->prompt, "-") == 0;
  const char *path = options->prompt_file ? options->prompt_file : "-";
  if (is_file) {
    TL_TRY(tl_cli_read_text(cli, path, &text));
  } else {
    text = tl_str_from(options->prompt);
  }
  return read_pair(cli, text, out);
}

// ---- Outputs

static tl_status take_rows(void *user, int32_t count) {
  score_rows *scores = user;
  tl_cli *cli = scores->cli;
  size_t outputs = (size_t)cli->facts.outputs;
  if (!tl_cli_has_row_each(cli)) scores->taken = 0; // of several parts the last one counts
  for (int32_t i = 0; i < count; i++) {
    const float *row = tlmc_step_output(cli->session, i);
    if (!row || scores->taken == scores->count) {
      return tl_cli_fail(cli, TL_INTERNAL, "the session gave %s output",
                         row ? "more than one" : "no");
    }
    memcpy(scores->rows + (size_t)scores->taken++ * outputs, row, outputs * sizeof *row);
  }
  return TL_OK;
}

static tl_status run(tl_cli *cli, const char *command, score_rows *out) {
  *out = (score_rows){.cli = cli};
  TL_TRY(check_input(cli));
  TL_TRY(tl_cli_plan_open(cli));
  if (cli->facts.task == TLMC_TASK_GENERATE) {
    return tl_cli_fail(cli, TL_UNSUPPORTED,
                       "`tlmrt %s` needs a model that scores, and '%s' generates text: use `tlmrt "
                       "run`",
                       command, cli->facts.name);
  }
  TL_TRY(read_input(cli, &out->ids));
  TL_TRY(tl_cli_check_length(cli, out->ids.count));
  out->count = tl_cli_has_row_each(cli) ? out->ids.count : 1;
  out->rows = tl_arena_array(&cli->arena, (size_t)out->count * (size_t)cli->facts.outputs,
                             sizeof *out->rows);
  if (!out->rows) return tl_cli_full(cli);
  TL_TRY(tl_cli_outputs_open(cli, out->ids.count));
  TL_TRY(tl_cli_outputs_feed(cli, &out->ids, take_rows, out));
  if (out->taken == out->count) return TL_OK;
  return tl_cli_fail(cli, TL_INTERNAL, "the session gave %d of %d output rows", out->taken,
                     out->count);
}

// Probability of each label of a row: they sum to one, or each is by itself.
static void probabilities(const tl_cli *cli, const float *row, double *out) {
  int32_t count = cli->facts.outputs;
  double most = -INFINITY, sum = 0;
  for (int32_t i = 0; i < count; i++)
    most = fmax(most, row[i]);
  for (int32_t i = 0; i < count; i++)
    sum += exp(row[i] - most);
  for (int32_t i = 0; i < count; i++) {
    out[i] = cli->facts.labels_independent ? 1 / (1 + exp(-row[i])) : exp(row[i] - most) / sum;
  }
}

static const char *label_of(tl_cli *cli, int32_t index) {
  if (cli->facts.labels) return cli->facts.labels[index];
  const char *text = tl_arena_format(&cli->arena, "LABEL_%d", index).data;
  return text ? text : "";
}

static int32_t likeliest(const double *probability, int32_t count) {
  int32_t best = 0;
  for (int32_t i = 1; i < count; i++) {
    if (probability[i] > probability[best]) best = i;
  }
  return best;
}

static tl_status write_json(tl_cli *cli, tl_json_writer *writer) {
  tl_str text = {0};
  if (!tl_ok(tl_json_writer_finish(writer, &text))) return tl_cli_full(cli);
  TL_TRY(tl_cli_write(cli, text));
  return tl_cli_write(cli, TL_STR("\n"));
}

static void write_key_text(tl_json_writer *writer, const char *key, const char *text) {
  tl_json_write_key(writer, tl_str_from(key));
  tl_json_write_string(writer, tl_str_from(text));
}

static void write_key_real(tl_json_writer *writer, const char *key, double value) {
  tl_json_write_key(writer, tl_str_from(key));
  tl_json_write_real(writer, value);
}

// ---- classify

static void write_label(tl_json_writer *writer, tl_cli *cli, const float *row,
                        const double *probability, int32_t index) {
  tl_json_write_object_begin(writer);
  write_key_text(writer, "label", label_of(cli, index));
  write_key_real(writer, "probability", probability[index]);
  write_key_real(writer, "logit", row[index]);
  tl_json_write_object_end(writer);
}

// An object for a row; its place is told where rows are tokens.
static void write_row(tl_json_writer *writer, const score_rows *scores, int32_t index,
                      const double *probability) {
  tl_cli *cli = scores->cli;
  const float *row = scores->rows + (size_t)index * (size_t)cli->facts.outputs;
  int32_t best = likeliest(probability, cli->facts.outputs);
  tl_json_write_object_begin(writer);
  if (tl_cli_has_row_each(cli)) {
    tl_json_write_key(writer, TL_STR("id"));
    tl_json_write_int(writer, scores->ids.ids[index]);
  }
  write_key_text(writer, "label", label_of(cli, best));
  write_key_real(writer, "probability", probability[best]);
  tl_json_write_key(writer, TL_STR("labels"));
  tl_json_write_array_begin(writer);
  for (int32_t i = 0; i < cli->facts.outputs; i++)
    write_label(writer, cli, row, probability, i);
  tl_json_write_array_end(writer);
  tl_json_write_object_end(writer);
}

static tl_status print_json(const score_rows *scores, double *probability) {
  tl_cli *cli = scores->cli;
  tl_json_writer writer;
  bool has_rows = tl_cli_has_row_each(cli);
  tl_json_writer_init(&writer, &cli->arena, 0);
  if (has_rows) tl_json_write_array_begin(&writer);
  for (int32_t i = 0; i < scores->count; i++) {
    probabilities(cli, scores->rows + (size_t)i * (size_t)cli->facts.outputs, probability);
    write_row(&writer, scores, i, probability);
  }
  if (has_rows) tl_json_write_array_end(&writer);
  return write_json(cli, &writer);
}

// The labels from the likeliest on; `probability` is used up.
static void print_labels(const score_rows *scores, double *probability) {
  tl_cli *cli = scores->cli;
  for (int32_t i = 0; i < cli->facts.outputs; i++) {
    int32_t best = likeliest(probability, cli->facts.outputs);
    fprintf(stdout, "%.4f %s\n", probability[best], label_of(cli, best));
    probability[best] = -1;
  }
}

static tl_status print_text(const score_rows *scores, double *probability) {
  tl_cli *cli = scores->cli;
  for (int32_t i = 0; i < scores->count; i++) {
    probabilities(cli, scores->rows + (size_t)i * (size_t)cli->facts.outputs, probability);
    int32_t best = likeliest(probability, cli->facts.outputs);
    if (tl_cli_has_row_each(cli)) {
      fprintf(stdout, "%d\t%d\t%.4f %s\n", i, scores->ids.ids[i], probability[best],
              label_of(cli, best));
    } else {
      print_labels(scores, probability);
    }
  }
  return tl_cli_write(cli, TL_STR(""));
}

tl_status tl_cli_classify(tl_cli *cli) {
  score_rows scores;
  TL_TRY(run(cli, "classify", &scores));
  if (cli->facts.outputs < 2) {
    return tl_cli_fail(cli, TL_UNSUPPORTED,
                       "'%s' gives one number and no classes: use `tlmrt score`", cli->facts.name);
  }
  double *probability =
      tl_arena_array(&cli->arena, (size_t)cli->facts.outputs, sizeof *probability);
  if (!probability) return tl_cli_full(cli);
  return cli->options.json ? print_json(&scores, probability) : print_text(&scores, probability);
}

// ---- score

// The id that ends a step: a number, or the spelling of one token.
static tl_status find_step(tl_cli *cli, int32_t *out_id) {
  const char *text = cli->options.step;
  int64_t number;
  int32_t id;
  size_t count = 0;
  *out_id = -1;
  if (!text) return TL_OK;
  if (tl_str_to_i64(tl_str_from(text), &number) && number >= 0 && number < cli->facts.vocabulary) {
    *out_id = (int32_t)number;
    return TL_OK;
  }
  tlmc_bytes bytes = {text, strlen(text)};
  TL_TRY(tl_cli_take(
      cli, tlmc_tokenize(cli->plan, bytes, TLMC_TEXT_SPECIAL, &id, 1, &count, &cli->error)));
  if (count != 1) {
    return tl_cli_fail(cli, TL_USAGE, "--step is '%s', which is %zu tokens and not one", text,
                       count);
  }
  *out_id = id;
  return TL_OK;
}

// One number for a row: its only output, or how likely the second of two is.
static double score_of(const score_rows *scores, int32_t index) {
  const tl_cli *cli = scores->cli;
  const float *row = scores->rows + (size_t)index * (size_t)cli->facts.outputs;
  // NOLINTNEXTLINE(*.NullDereference): run() gave a row or failed
  return cli->facts.outputs == 1 ? row[0] : 1 / (1 + exp((double)row[0] - row[1]));
}

static tl_status print_score(tl_cli *cli, double score) {
  tl_json_writer writer;
  if (!cli->options.json) {
    fprintf(stdout, "%.6g\n", score);
    return tl_cli_write(cli, TL_STR(""));
  }
  tl_json_writer_init(&writer, &cli->arena, 0);
  tl_json_write_object_begin(&writer);
  write_key_real(&writer, "score", score);
  tl_json_write_object_end(&writer);
  return write_json(cli, &writer);
}

// A number for each step: each row whose id is `step`, or all rows if that is -1.
static tl_status print_steps(const score_rows *scores, int32_t step) {
  tl_cli *cli = scores->cli;
  tl_json_writer writer;
  tl_json_writer_init(&writer, &cli->arena, 0);
  tl_json_write_object_begin(&writer);
  for (int round = 0; round < 2; round++) {
    tl_json_write_key(&writer, round == 0 ? TL_STR("scores") : TL_STR("positions"));
    tl_json_write_array_begin(&writer);
    for (int32_t i = 0; i < scores->count; i++) {
      // NOLINTNEXTLINE(*.NullDereference): a row is an id's
      if (step >= 0 && scores->ids.ids[i] != step) continue;
      if (round == 0) tl_json_write_real(&writer, score_of(scores, i));
      if (round == 1) tl_json_write_int(&writer, i);
      if (round == 0 && !cli->options.json) fprintf(stdout, "%.6g\n", score_of(scores, i));
    }
    tl_json_write_array_end(&writer);
  }
  tl_json_write_object_end(&writer);
  return cli->options.json ? write_json(cli, &writer) : tl_cli_write(cli, TL_STR(""));
}

tl_status tl_cli_score(tl_cli *cli) {
  score_rows scores;
  int32_t step = -1;
  TL_TRY(run(cli, "score", &scores));
  bool has_rows = tl_cli_has_row_each(cli);
  if (cli->facts.outputs > (has_rows ? 2 : 1)) {
    return tl_cli_fail(cli, TL_UNSUPPORTED,
                       "'%s' has %d classes and no single score: use `tlmrt classify`",
                       cli->facts.name, cli->facts.outputs);
  }
  if (!has_rows && cli->options.step) {
    return tl_cli_fail(cli, TL_USAGE, "--step is for models that score every token");
  }
  if (!has_rows) return print_score(cli, score_of(&scores, 0));
  TL_TRY(find_step(cli, &step));
  return print_steps(&scores, step);
}

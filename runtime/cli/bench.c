// `tlmrt bench`: how fast a plan runs here.
//
//   prefill  one sequence of --prompt tokens from nothing, in steps of --chunk rows; models that
//            score take --batch sequences at a time
//   decode   --gen steps of `batch` sequences, one row each, behind --depth positions that are
//            already in the KV memory; all sequences' tokens count
//
// Each figure is the median of the repeats behind one that does not count. Ids are pseudo-random,
// the same in every run; the time to sample is not in the figures.
#include <math.h>
#include <stdlib.h>

#include "runtime/base/json_write.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/feed.h"

enum {
  PROMPT_DEFAULT = 512,
  GEN_DEFAULT = 64,
  CHUNK_DEFAULT = 512, // of tlmc_session_options
  REPEATS_MIN = 3,
  REPEATS_MAX = 25,
  PAGE_SLACK = 256 // positions that a sequence's last page may waste
};
#define REPEATS_SECONDS 0.5 // short runs are repeated until they took as long together

typedef struct bench_cell {
  int32_t batch, depth;
  double prefill_seconds, decode_seconds; // medians; decode is 0 without decoding
} bench_cell;

typedef struct bench_set {
  tl_cli *cli;
  int32_t prompt, gen, batch_max;
  bench_cell *cells;
  int cells_count;
  int32_t *sequences; // batch_max
  int32_t *ids;       // batch_max x the longest feed
  int64_t ids_count;
} bench_set;

// What is measured: feeds `rows` random ids to each of `count` sequences.
typedef struct bench_run {
  int32_t count, rows;
  bool is_decode; // in steps of one row per sequence
} bench_run;

static bool is_generator(const bench_set *bench) {
  return bench->cli->facts.task == TLMC_TASK_GENERATE;
}

static tl_status feed(bench_set *bench, const bench_run *run) {
  tl_cli_feed feed = {
      .sequences = bench->sequences,
      .count = run->count,
      .rows = run->rows,
      .ids = bench->ids,
      .step_rows = bench->cli->session_facts.chunk,
      .wants_all = bench->cli->facts.task == TLMC_TASK_SCORE_TOKENS,
  };
  return tl_cli_feed_run(bench->cli, &feed);
}

static tl_status decode(bench_set *bench, const bench_run *run) {
  tl_cli_feed feed = {
      .sequences = bench->sequences,
      .count = run->count,
      .rows = 1,
      .step_rows = bench->cli->session_facts.chunk,
  };
  for (int32_t i = 0; i < run->rows; i++) {
    feed.ids = bench->ids + (int64_t)i * run->count;
    TL_TRY(tl_cli_feed_run(bench->cli, &feed));
  }
  return TL_OK;
}

static tl_status truncate_all(bench_set *bench, int32_t count, int64_t length) {
  tl_cli *cli = bench->cli;
  for (int32_t i = 0; i < count; i++) {
    TL_TRY(tl_cli_take(
        cli, tlmc_sequence_truncate(cli->session, bench->sequences[i], length, &cli->error)));
  }
  return TL_OK;
}

static int compare_seconds(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

static double median_of(double *seconds, int count) {
  qsort(seconds, (size_t)count, sizeof *seconds, compare_seconds);
  return (seconds[(count - 1) / 2] + seconds[count / 2]) / 2;
}

// Repeats `run` from sequences of `length` positions.
static tl_status measure(bench_set *bench, const bench_run *run, int64_t length,
                         double *out_seconds) {
  double seconds[REPEATS_MAX], total = 0;
  int count = 0;
  for (int round = 0; count < REPEATS_MAX && (count < REPEATS_MIN || total < REPEATS_SECONDS);
       round++) {
    TL_TRY(truncate_all(bench, run->count, length));
    double start = tl_cli_seconds();
    TL_TRY(run->is_decode ? decode(bench, run) : feed(bench, run));
    if (round == 0) continue; // the first one finds cold memory
    seconds[count] = tl_cli_seconds() - start;
    total += seconds[count++];
  }
  *out_seconds = median_of(seconds, count);
  return TL_OK;
}

static tl_status measure_prefill(bench_set *bench, bench_cell *cell) {
  // With one sequence the batch makes no difference: measured once.
  if (is_generator(bench) && cell != bench->cells) {
    cell->prefill_seconds = bench->cells[0].prefill_seconds;
    return TL_OK;
  }
  bench_run run = {.count = is_generator(bench) ? 1 : cell->batch, .rows = bench->prompt};
  TL_TRY(measure(bench, &run, 0, &cell->prefill_seconds));
  return truncate_all(bench, run.count, 0);
}

static tl_status measure_decode(bench_set *bench, bench_cell *cell) {
  if (!is_generator(bench) || bench->gen == 0) return TL_OK;
  TL_TRY(truncate_all(bench, bench->batch_max, 0));
  bench_run fill = {.count = cell->batch, .rows = cell->depth};
  if (cell->depth > 0) TL_TRY(feed(bench, &fill));
  bench_run run = {.count = cell->batch, .rows = bench->gen, .is_decode = true};
  return measure(bench, &run, cell->depth, &cell->decode_seconds);
}

static int64_t larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

static tl_status open_session(bench_set *bench) {
  tl_cli *cli = bench->cli;
  tlmc_session_options session;
  tl_cli_session_options(cli, &session);
  int64_t needed = bench->prompt;
  TL_TRY(tl_cli_check_length(cli, needed));
  for (int i = 0; i < bench->cells_count; i++) {
    int64_t each = bench->cells[i].depth + (int64_t)bench->gen;
    if (!is_generator(bench)) each = bench->prompt;
    TL_TRY(tl_cli_check_length(cli, each));
    needed = larger(needed, bench->cells[i].batch * (each + PAGE_SLACK));
  }
  if (!session.context && !session.kv_bytes) session.context = needed + PAGE_SLACK;
  session.batch = bench->batch_max;
  session.sequences = bench->batch_max;
  if (!session.chunk) session.chunk = CHUNK_DEFAULT;
  session.chunk = (int32_t)larger(session.chunk, bench->batch_max);
  if (cli->facts.whole) session.chunk = (int32_t)larger(session.chunk, bench->prompt);
  if (cli->facts.task == TLMC_TASK_SCORE_TOKENS) session.outputs = session.chunk;
  session.rollback = bench->gen;
  session.no_prefix_reuse = 1;
  if (!cli->facts.has_weights)
    session.prefault = 1; // random weights are made outside of what is timed
  return tl_cli_session_open(cli, &session);
}

static tl_status make_cells(bench_set *bench) {
  const tl_cli_options *options = &bench->cli->options;
  const tl_cli_list *batches = &options->bench_batch, *depths = &options->bench_depth;
  int count = batches->count * depths->count;
  bench->prompt = (int32_t)options->bench_prompt;
  bench->gen = (int32_t)options->bench_gen;
  bench->cells = tl_arena_array(&bench->cli->arena, (size_t)count, sizeof *bench->cells);
  if (!bench->cells) return tl_cli_full(bench->cli);
  int32_t depth_max = 0;
  for (int i = 0; i < count; i++) {
    bench_cell *cell = &bench->cells[bench->cells_count++];
    cell->batch = (int32_t)batches->items[i / depths->count];
    cell->depth = (int32_t)depths->items[i % depths->count];
    bench->batch_max = (int32_t)larger(bench->batch_max, cell->batch);
    depth_max = (int32_t)larger(depth_max, cell->depth);
  }
  bench->ids_count = bench->batch_max * larger(bench->prompt, larger(depth_max, bench->gen));
  return TL_OK;
}

// Ids of a fixed sequence of random numbers (splitmix64).
static tl_status make_ids(bench_set *bench) {
  tl_cli *cli = bench->cli;
  bench->ids = tl_arena_array(&cli->arena, (size_t)bench->ids_count, sizeof *bench->ids);
  bench->sequences =
      tl_arena_array(&cli->arena, (size_t)bench->batch_max, sizeof *bench->sequences);
  if (!bench->ids || !bench->sequences) return tl_cli_full(cli);
  for (int64_t i = 0; i < bench->ids_count; i++) {
    uint64_t bits = ((uint64_t)i + 1) * 0x9e3779b97f4a7c15u;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    bench->ids[i] = (int32_t)((bits ^ (bits >> 31)) % (uint64_t)cli->facts.vocabulary);
  }
  for (int32_t i = 0; i < bench->batch_max; i++) {
    TL_TRY(tl_cli_take(cli, tlmc_sequence_open(cli->session, &bench->sequences[i], &cli->error)));
  }
  return TL_OK;
}

static double prefill_rate(const bench_set *bench, const bench_cell *cell) {
  double tokens = (double)bench->prompt * (is_generator(bench) ? 1 : cell->batch);
  return tokens / cell->prefill_seconds;
}

static double decode_rate(const bench_set *bench, const bench_cell *cell) {
  double tokens = (double)bench->gen * cell->batch;
  return cell->decode_seconds > 0 ? tokens / cell->decode_seconds : (double)NAN;
}

static void write_int(tl_json_writer *writer, const char *key, int64_t value) {
  tl_json_write_key(writer, tl_str_from(key));
  tl_json_write_int(writer, value);
}

static void write_real(tl_json_writer *writer, const char *key, double value) {
  tl_json_write_key(writer, tl_str_from(key));
  tl_json_write_real(writer, round(value * 1000) / 1000);
}

static tl_status print_json(bench_set *bench) {
  tl_cli *cli = bench->cli;
  tl_json_writer writer;
  tl_str text;
  tl_json_writer_init(&writer, &cli->arena, 2);
  tl_json_write_array_begin(&writer);
  for (int i = 0; i < bench->cells_count; i++) {
    const bench_cell *cell = &bench->cells[i];
    tl_json_write_object_begin(&writer);
    write_int(&writer, "batch", cell->batch);
    write_int(&writer, "prompt", bench->prompt);
    write_int(&writer, "gen", bench->gen);
    write_int(&writer, "depth", cell->depth);
    write_real(&writer, "prefill_tok_s", prefill_rate(bench, cell));
    write_real(&writer, "decode_tok_s", decode_rate(bench, cell));
    write_real(&writer, "ttft_ms", cell->prefill_seconds * 1e3);
    tl_json_write_object_end(&writer);
  }
  tl_json_write_array_end(&writer);
  if (!tl_ok(tl_json_writer_finish(&writer, &text))) return tl_cli_full(cli);
  TL_TRY(tl_cli_write(cli, text));
  return tl_cli_write(cli, TL_STR("\n"));
}

static tl_status print_line(tl_cli *cli, tl_str line) {
  return line.data ? tl_cli_write(cli, line) : tl_cli_full(cli);
}

static tl_status print_table(bench_set *bench) {
  tl_cli *cli = bench->cli;
  const tlmc_session_facts *facts = &cli->session_facts;
  const char *library = facts->library ? facts->library : "";
  TL_TRY(print_line(cli,
                    tl_arena_format(&cli->arena, "%s: %s, %d threads, kv %s%s%s%s\n",
                                    cli->facts.name, facts->target, facts->threads, facts->kv_type,
                                    *library ? ", " : "", library, facts->tuned ? ", tuned" : "")));
  TL_TRY(print_line(cli, tl_arena_format(&cli->arena, "%6s %7s %6s %7s %14s %13s %10s\n", "batch",
                                         "prompt", "gen", "depth", "prefill tok/s", "decode tok/s",
                                         "ttft ms")));
  for (int i = 0; i < bench->cells_count; i++) {
    const bench_cell *cell = &bench->cells[i];
    char rate[32] = "-";
    if (cell->decode_seconds > 0) {
      snprintf(rate, sizeof rate, "%.1f", decode_rate(bench, cell));
    }
    TL_TRY(print_line(cli, tl_arena_format(&cli->arena, "%6d %7d %6d %7d %14.1f %13s %10.1f\n",
                                           cell->batch, bench->prompt, bench->gen, cell->depth,
                                           prefill_rate(bench, cell), rate,
                                           cell->prefill_seconds * 1e3)));
  }
  return TL_OK;
}

static void set_defaults(tl_cli_options *options) {
  if (options->bench_prompt == 0) options->bench_prompt = PROMPT_DEFAULT;
  if (options->bench_gen < 0) options->bench_gen = GEN_DEFAULT;
  if (options->bench_batch.count == 0) options->bench_batch = (tl_cli_list){{1}, 1};
  if (options->bench_depth.count == 0) options->bench_depth = (tl_cli_list){{0}, 1};
}

tl_status tl_cli_bench(tl_cli *cli) {
  bench_set bench = {.cli = cli};
  set_defaults(&cli->options);
  TL_TRY(make_cells(&bench));
  TL_TRY(tl_cli_plan_open(cli));
  TL_TRY(open_session(&bench));
  TL_TRY(make_ids(&bench));
  for (int i = 0; i < bench.cells_count; i++) {
    TL_TRY(measure_prefill(&bench, &bench.cells[i]));
    TL_TRY(measure_decode(&bench, &bench.cells[i]));
  }
  return cli->options.json ? print_json(&bench) : print_table(&bench);
}

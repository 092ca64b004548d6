// Fuzz target: IR text. What parses must print, parse again equal and print to the same bytes;
// nothing may crash, and a failure must come with a diagnostic. Graphs that verify also go through
// the cost model and the passes, which must leave them verifying.
//
// The mutator keeps texts near the grammar: it swaps, drops and doubles lines, exchanges words
// between places and changes numbers. `tests/ir` is the corpus.
#include "compiler/passes/pass.h"
#include "ir/cost.h"
#include "ir/graph_equal.h"
#include "ir/text_parse.h"
#include "ir/text_print.h"
#include "ir/verify.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/check.h"

enum { ARENA_BYTES = 256 << 20, PIECES_MAX = 4096, NUMBERS_COUNT = 12 };

static void check_round_trip(const tl_op_table *ops, const tl_graph *graph, tl_arena *arena) {
  tl_diag diag = {0};
  tl_graph *again;
  tl_str text = tl_text_print(graph, NULL, arena);
  CHECK(text.data);
  tl_source source = {"printed", text};
  CHECK(tl_ok(tl_text_parse(&source, ops, arena, &again, &diag)));
  CHECK(tl_graph_equal(graph, again));
  CHECK(tl_str_equal(tl_text_print(again, NULL, arena), text));
}

static void check_passes(tl_graph *graph, tl_arena *arena, tl_arena *scratch) {
  tl_diag diag = {0};
  tl_pass_ctx ctx = {arena, scratch, &diag};
  tl_module module = {.graph = graph};
  tl_pipeline_options options = tl_pipeline_defaults();
  options.first = options.stop_after = tl_pass_by_name(TL_STR("simplify"));
  CHECK(tl_ok(tl_pipeline_run(&ctx, &module, &options)));
  options.first = options.stop_after = tl_pass_by_name(TL_STR("fuse"));
  tl_status status = tl_pipeline_run(&ctx, &module, &options);
  if (status == TL_INTERNAL) tl_diag_print(&diag, stderr);
  CHECK(status != TL_INTERNAL && tl_ok(status) == (diag.count == 0));
  if (tl_ok(status)) CHECK(tl_module_print(&module, arena).data);
  tl_cost_point point = {{7, 3, 2, 1}, 3, 100, TL_FORMAT_BF16};
  tl_cost cost = tl_graph_cost(graph, &point);
  CHECK(cost.flops >= 0 && cost.weight_bytes >= 0 && cost.activation_bytes >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static tl_op_table ops;
  tl_diag diag = {0};
  tl_arena arena, scratch;
  tl_arena_init(&arena, ARENA_BYTES);
  tl_arena_init(&scratch, ARENA_BYTES);
  tl_source source = {"fuzz", {(const char *)data, size}};
  tl_graph *graph;
  CHECK(tl_ok(tl_op_table_init(&ops, &diag)));
  tl_status status = tl_text_parse(&source, &ops, &arena, &graph, &diag);
  CHECK(tl_ok(status) == (graph != NULL) && tl_ok(status) == (diag.count == 0));
  for (int i = 0; i < diag.count; i++) {
    const tl_span *span = &diag.entries[i].span;
    CHECK(span->source == &source && span->offset + span->length <= size);
  }
  if (graph) {
    check_round_trip(&ops, graph, &arena);
    status = tl_graph_verify(graph, &scratch, &diag);
    CHECK(tl_ok(status) == (diag.count == 0));
    if (tl_ok(status)) check_passes(graph, &arena, &scratch);
  }
  tl_arena_finish(&arena);
  tl_arena_finish(&scratch);
  return 0;
}

// A text cut into pieces: lines, or runs of word bytes and runs of others.
typedef struct pieces {
  tl_str items[PIECES_MAX];
  size_t count;
} pieces;

static bool is_word(uint8_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
         c == '_' || c == '%';
}

static void cut(const uint8_t *data, size_t size, bool lines, pieces *out) {
  out->count = 0;
  for (size_t at = 0; at < size && out->count < PIECES_MAX;) {
    size_t end = at + 1;
    if (lines) {
      while (end < size && data[end - 1] != '\n')
        end++;
    } else {
      while (end < size && is_word(data[end]) == is_word(data[at]))
        end++;
    }
    if (out->count == PIECES_MAX - 1) end = size;
    out->items[out->count++] = (tl_str){(const char *)data + at, end - at};
    at = end;
  }
}

static uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

static void change(pieces *p, bool lines, uint32_t *random) {
  static const char *const numbers[NUMBERS_COUNT] = {
      "0",     "1",  "-1",  "64",  "9223372036854775807", "-9223372036854775808", "1e309",
      "1e-46", "-0", "0.1", "1e5", "1099511627776"};
  size_t a = next_random(random) % p->count, b = next_random(random) % p->count;
  tl_str kept = p->items[a];
  bool number = kept.length && kept.data[0] >= '0' && kept.data[0] <= '9';
  switch (next_random(random) % 4) {
  case 0: p->items[a] = p->items[b]; break;
  case 1: p->items[a] = (tl_str){kept.data, 0}; break;
  case 2:
    p->items[a] = p->items[b];
    p->items[b] = kept;
    break;
  default:
    if (number && !lines) p->items[a] = tl_str_from(numbers[next_random(random) % NUMBERS_COUNT]);
    break;
  }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
  static pieces p;
  static uint8_t out[1 << 20];
  uint32_t random = seed * 2654435761u + 1;
  if (size_max > sizeof out) size_max = sizeof out;
  bool lines = next_random(&random) % 3 == 0;
  cut(data, size, lines, &p);
  if (p.count == 0) return size;
  for (uint32_t n = 1 + next_random(&random) % 3; n > 0; n--)
    change(&p, lines, &random);
  size_t used = 0;
  for (size_t i = 0; i < p.count; i++) {
    size_t length = p.items[i].length;
    if (length > size_max - used) length = size_max - used;
    if (length) memcpy(out + used, p.items[i].data, length);
    used += length;
  }
  if (used && next_random(&random) % 8 == 0) {
    out[next_random(&random) % used] = (uint8_t)next_random(&random);
  }
  memcpy(data, out, used);
  return used;
}

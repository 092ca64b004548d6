// Prints how fast a model ran beside what the card can do, and beside a peer where there is one:
//
//   cuda_table FILE..
//
// A file is what `tlmrt bench --json` printed, or lines of words; other lines are passed over:
//
//   card NAME..                    read_gb_s X, copy_gb_s X       what was measured of it
//   matmul_tflops X WITH..         bf16 products, and with what; the last line counts
//   layer_bytes X, ..              the model's costs, see tests/gpu/pack_models.py
//   peer decode|prefill SEQUENCES TOKENS TOK_S HOW    the fastest of a kind counts
//   library prefill SEQUENCES TOKENS TOK_S NAME       ours, with products of a library
//
// A decode step reads all weights but the embedding's table once, and each sequence's KV memory; a
// prefill does so for each of its chunks, of which the last alone makes logits.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/json_tree.h"

enum { ROWS_MAX = 32, WORD_MAX = 128, LINE_MAX = 1024, ARENA_BYTES = 1 << 24, CHUNK = 2048 };

typedef struct row {
  bool is_decode;
  int sequences, tokens; // of a prompt, or before decoding
  int steps;             // of decoding, measured
  double ours, peer;     // tokens/s; 0: not measured
  char how[WORD_MAX];    // of the peer's fastest
  double with_library;
  char library[WORD_MAX];
} row;

// Bytes and operations; `pair` is a row's with one position before it.
typedef struct costs {
  double layer_bytes, head_bytes, kv_bytes, layer_flops, head_flops, pair_flops;
} costs;

typedef struct table {
  char card[WORD_MAX], with[WORD_MAX];
  double read_gb_s, copy_gb_s, matmul_tflops;
  costs costs;
  row rows[ROWS_MAX];
  int rows_count;
} table;

typedef struct card {
  const char *word; // of its name
  double gb_s;
} card;

// What makers say of their memory.
static const card cards[] = {
    {"H200", 4800},           {"H100 80GB HBM3", 3350}, {"H100 PCIe", 2000},
    {"A100-SXM4-80GB", 2039}, {"A100 80GB PCIe", 1935}, {"A100-SXM4-40GB", 1555},
};

// ---- what is read

static row *row_of(table *t, bool is_decode, int sequences, int tokens) {
  static row none;
  for (int i = 0; i < t->rows_count; i++) {
    row *r = &t->rows[i];
    if (r->is_decode == is_decode && r->sequences == sequences && r->tokens == tokens) return r;
  }
  if (t->rows_count == ROWS_MAX) return &none;
  row *added = &t->rows[t->rows_count++];
  *added = (row){.is_decode = is_decode, .sequences = sequences, .tokens = tokens};
  return added;
}

static double number_of(const tl_json *cell, const char *key) {
  double value = 0;
  tl_json_to_real(tl_json_get(cell, tl_str_from(key)), &value);
  return value;
}

static void take_cell(table *t, const tl_json *cell) {
  row *prompt = row_of(t, false, 1, (int)number_of(cell, "prompt"));
  prompt->ours = number_of(cell, "prefill_tok_s");
  if (number_of(cell, "gen") < 1) return;
  row *decode = row_of(t, true, (int)number_of(cell, "batch"), (int)number_of(cell, "depth"));
  decode->ours = number_of(cell, "decode_tok_s");
  decode->steps = (int)number_of(cell, "gen");
}

static tl_status take_json(table *t, const tl_source *source) {
  static tl_diag diag;
  tl_arena arena;
  const tl_json *root = NULL;
  tl_arena_init(&arena, ARENA_BYTES);
  tl_status status = tl_json_parse(&arena, source, NULL, &root, &diag);
  for (size_t i = 0; tl_ok(status) && i < tl_json_count(root); i++)
    take_cell(t, tl_json_item(root, i));
  tl_diag_print(&diag, stdout);
  tl_arena_finish(&arena);
  return status;
}

// The number behind `key`.
static void take_number(const char *line, const char *key, double *out_value) {
  size_t length = strlen(key);
  if (strncmp(line, key, length) == 0 && line[length] == ' ')
    *out_value = strtod(line + length, NULL);
}

static void take_peer(table *t, const char *line) {
  char kind[WORD_MAX], how[WORD_MAX] = "";
  int sequences, tokens;
  double speed;
  int read = sscanf(line, "peer %127s %d %d %lf %127[^\n]", kind, &sequences, &tokens, &speed, how);
  if (read < 4) return;
  row *r = row_of(t, strcmp(kind, "decode") == 0, sequences, tokens);
  if (speed <= r->peer) return;
  r->peer = speed;
  memcpy(r->how, how, sizeof how);
}

static void take_library(table *t, const char *line) {
  char name[WORD_MAX] = "";
  int sequences, tokens;
  double speed;
  if (sscanf(line, "library prefill %d %d %lf %127[^\n]", &sequences, &tokens, &speed, name) < 3)
    return;
  row *r = row_of(t, false, sequences, tokens);
  r->with_library = speed;
  memcpy(r->library, name, sizeof name);
}

static void take_line(table *t, const char *line) {
  costs *c = &t->costs;
  sscanf(line, "card %127[^\n]", t->card);
  sscanf(line, "matmul_tflops %lf %127[^\n]", &t->matmul_tflops, t->with);
  take_number(line, "read_gb_s", &t->read_gb_s);
  take_number(line, "copy_gb_s", &t->copy_gb_s);
  take_number(line, "layer_bytes", &c->layer_bytes);
  take_number(line, "head_bytes", &c->head_bytes);
  take_number(line, "kv_bytes", &c->kv_bytes);
  take_number(line, "layer_flops", &c->layer_flops);
  take_number(line, "head_flops", &c->head_flops);
  take_number(line, "pair_flops", &c->pair_flops);
  take_peer(t, line);
  take_library(t, line);
}

static void take_lines(table *t, tl_str text) {
  char line[LINE_MAX];
  for (size_t begin = 0, end; begin < text.length; begin = end + 1) {
    const char *next = memchr(text.data + begin, '\n', text.length - begin);
    end = next ? (size_t)(next - text.data) : text.length;
    snprintf(line, sizeof line, "%.*s", (int)(end - begin), text.data + begin);
    take_line(t, line);
  }
}

// A file that is not there leaves its rows empty.
static tl_status take_file(table *t, const char *path) {
  tl_file file = TL_FILE_CLOSED;
  tl_status status = tl_file_open(path, &file, NULL);
  if (!tl_ok(status)) {
    printf("there is no %s\n", path);
    return status;
  }
  tl_source source = {path, file.bytes};
  if (file.bytes.length > 0 && file.bytes.data[0] == '[')
    status = take_json(t, &source);
  else
    take_lines(t, file.bytes);
  tl_file_close(&file);
  return status;
}

// ---- what is printed

// Positions that the rows of a chunk read in the KV memory: what is before its end.
static double chunk_positions(int tokens) {
  double sum = 0;
  for (int end = CHUNK; end < tokens; end += CHUNK)
    sum += end;
  return sum + tokens;
}

// GB and TFLOP of a step of decoding, or of a whole prompt.
static double bytes_of(const costs *c, const row *r) {
  if (!r->is_decode) {
    int chunks = (r->tokens + CHUNK - 1) / CHUNK;
    return (chunks * c->layer_bytes + c->head_bytes + chunk_positions(r->tokens) * c->kv_bytes) /
           1e9;
  }
  double positions = r->sequences * (r->tokens + r->steps / 2.0);
  return (c->layer_bytes + c->head_bytes + positions * c->kv_bytes) / 1e9;
}

static double flops_of(const costs *c, const row *r) {
  double n = r->tokens;
  if (!r->is_decode)
    return (n * c->layer_flops + c->head_flops + n * (n + 1) / 2 * c->pair_flops) / 1e12;
  double row_flops = c->layer_flops + c->head_flops + (n + r->steps / 2.0) * c->pair_flops;
  return r->sequences * row_flops / 1e12;
}

// What the maker says in GB/s; 0: not known.
static double spec_of(const char *name) {
  for (size_t i = 0; i < sizeof cards / sizeof *cards; i++)
    if (strstr(name, cards[i].word)) return cards[i].gb_s;
  return 0;
}

static void print_share(double part, double whole) {
  if (whole > 0)
    printf(" %6.1f", 100 * part / whole);
  else
    printf(" %6s", "-");
}

// Tokens/s of a row, as time and as shares of what the card can do.
static void print_speed(const table *t, const row *r, const char *name, double speed) {
  printf("%-17s", name);
  if (speed > 0) {
    double seconds = (r->is_decode ? r->sequences : r->tokens) / speed;
    double gb_s = bytes_of(&t->costs, r) / seconds;
    printf(" %9.1f %9.3f", speed, seconds * 1e3);
    print_share(gb_s, t->read_gb_s);
    print_share(gb_s, t->copy_gb_s);
    print_share(gb_s, spec_of(t->card));
    print_share(flops_of(&t->costs, r) / seconds, t->matmul_tflops);
  } else {
    printf(" %9s %9s %6s %6s %6s %6s", "-", "-", "-", "-", "-", "-");
  }
}

static void print_row(const table *t, const row *r) {
  char name[WORD_MAX];
  if (r->is_decode)
    snprintf(name, sizeof name, "decode %d at %d", r->sequences, r->tokens);
  else
    snprintf(name, sizeof name, "prefill %d", r->tokens);
  print_speed(t, r, name, r->ours);
  if (r->peer > 0 && r->ours > 0)
    printf(" %9.1f %6.2f  %s\n", r->peer, r->ours / r->peer, r->how);
  else if (r->peer > 0)
    printf(" %9.1f %6s  %s\n", r->peer, "-", r->how);
  else
    printf("\n");
  if (r->with_library <= 0) return;
  print_speed(t, r, r->library, r->with_library);
  printf("\n");
}

static int by_kind(const void *a, const void *b) {
  const row *x = a, *y = b;
  if (x->is_decode != y->is_decode) return y->is_decode - x->is_decode;
  if (x->sequences != y->sequences) return x->sequences - y->sequences;
  return x->tokens - y->tokens;
}

static void print_table(table *t) {
  double spec = spec_of(t->card);
  printf("%s: read %.0f GB/s, copy %.0f GB/s measured", t->card, t->read_gb_s, t->copy_gb_s);
  if (spec > 0) printf(", %.0f GB/s by its maker", spec);
  printf("; bf16 matmul %.0f TFLOP/s with %s\n", t->matmul_tflops, t->with);
  printf(
      "ms: of a step of decoding, of a whole prompt; bytes as %% of what was read, copied and of "
      "the maker's figure\n");
  printf("%-17s %9s %9s %6s %6s %6s %6s %9s %6s\n", "", "tok/s", "ms", "read", "copy", "maker",
         "flops", "peer", "ratio");
  qsort(t->rows, (size_t)t->rows_count, sizeof *t->rows, by_kind);
  for (int i = 0; i < t->rows_count; i++)
    print_row(t, &t->rows[i]);
}

int main(int argc, char **argv) {
  static table t = {.card = "a card", .with = "nothing"};
  int faults = 0;
  for (int i = 1; i < argc; i++)
    faults += !tl_ok(take_file(&t, argv[i]));
  print_table(&t);
  return faults > 0;
}

// The tokenizer as a filter, for comparisons with other implementations.
//
//   tokenizer_driver compile TABLE tokenizer.{json,model} [tokenizer_config.json]
//   tokenizer_driver encode TABLE [special | plain] < texts > ids
//   tokenizer_driver pairs TABLE [special] < texts > ids
//   tokenizer_driver decode TABLE < ids > texts
//   tokenizer_driver bench TABLE ROUNDS < texts > seconds
//
// Texts and ids are framed: a uint32 count of bytes or ids, then the bytes or the int32 ids.
// `pairs` takes two texts at a time and gives their ids, then their types, as ids too.
// `decode` also pushes the ids one by one and fails if the stream differs from the whole.
#include <time.h>

#include "compiler/load/tokenizer.h"
#include "runtime/text/decoder.h"
#include "tests/lib/check.h"

static tl_str read_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) {
    fprintf(stderr, "cannot open %s\n", path);
    exit(1);
  }
  CHECK(fseek(file, 0, SEEK_END) == 0);
  long bytes = ftell(file);
  CHECK(bytes >= 0 && fseek(file, 0, SEEK_SET) == 0);
  char *data = malloc((size_t)bytes + 1);
  CHECK(data && fread(data, 1, (size_t)bytes, file) == (size_t)bytes);
  fclose(file);
  return (tl_str){data, (size_t)bytes};
}

static void check(tl_status status, const tl_diag *diag) {
  if (tl_ok(status)) return;
  tl_diag_print(diag, stderr);
  exit(tl_status_exit_code(status));
}

// Seconds of processor time.
static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int compile(int argc, char **argv) {
  static tl_diag diag;
  tl_source json = {argv[3], read_file(argv[3])}, config = {argv[argc - 1], {NULL, 0}};
  if (argc > 4) config.text = read_file(argv[4]);
  tl_arena arena;
  tl_arena_init(&arena, (size_t)4 << 30);
  tl_str section;
  double begin = now();
  bool pieces = tl_str_ends_with(tl_str_from(argv[3]), TL_STR(".model"));
  check((pieces ? tl_tokenizer_compile_pieces
                : tl_tokenizer_compile)(&json, argc > 4 ? &config : NULL, &arena, &diag, &section),
        &diag);
  fprintf(stderr, "compiled in %.2f s: %zu bytes\n", now() - begin, section.length);
  FILE *file = fopen(argv[2], "wb");
  CHECK(file && fwrite(section.data, 1, section.length, file) == section.length);
  CHECK(fclose(file) == 0);
  tl_arena_finish(&arena);
  return 0;
}

static bool read_text(tl_arena *arena, tl_str *out_text) {
  uint32_t bytes;
  if (fread(&bytes, sizeof bytes, 1, stdin) != 1) return false;
  char *data = tl_arena_alloc(arena, bytes);
  CHECK(data && fread(data, 1, bytes, stdin) == bytes);
  *out_text = (tl_str){data, bytes};
  return true;
}

static void write_ids(const int32_t *ids, size_t ids_count) {
  uint32_t count = (uint32_t)ids_count;
  fwrite(&count, sizeof count, 1, stdout);
  fwrite(ids, sizeof *ids, count, stdout);
}

static void encode_all(const tl_tokenizer *tokenizer, bool pairs, const char *mode,
                       tl_arena *arena) {
  static tl_diag diag;
  tl_str text, pair;
  tl_types types;
  tl_encode_options options = {.add_special = strcmp(mode, "special") == 0,
                               .plain_special = strcmp(mode, "plain") == 0,
                               .pair = pairs ? &pair : NULL,
                               .out_types = pairs ? &types : NULL};
  for (; tl_arena_reset(arena), read_text(arena, &text);) {
    if (pairs) CHECK(read_text(arena, &pair));
    tl_ids ids;
    check(tl_tokenizer_encode(tokenizer, text, &options, arena, &diag, &ids), &diag);
    write_ids(ids.items, ids.count);
    if (!pairs) continue;
    CHECK(types.count == ids.count);
    for (size_t i = 0; i < ids.count; i++)
      ids.items[i] = types.items[i];
    write_ids(ids.items, ids.count);
  }
}

static void check_stream(const tl_tokenizer *tokenizer, const int32_t *ids, uint32_t count,
                         tl_str whole, tl_arena *arena) {
  tl_decoder decoder;
  tl_decoder_init(&decoder, tokenizer, true, arena);
  size_t at = 0;
  for (uint32_t i = 0; i <= count; i++) {
    tl_str part;
    CHECK(tl_ok(i < count ? tl_decoder_push(&decoder, ids[i], &part)
                          : tl_decoder_finish(&decoder, &part)));
    CHECK(part.length <= whole.length - at);
    CHECK(part.length == 0 || memcmp(part.data, whole.data + at, part.length) == 0);
    at += part.length;
  }
  CHECK(at == whole.length);
}

static void decode_all(const tl_tokenizer *tokenizer, tl_arena *arena) {
  uint32_t count;
  while (fread(&count, sizeof count, 1, stdin) == 1) {
    tl_arena_reset(arena);
    int32_t *ids = tl_arena_array(arena, count, sizeof *ids);
    CHECK(ids && fread(ids, sizeof *ids, count, stdin) == count);
    tl_str text;
    CHECK(tl_ok(tl_tokenizer_decode(tokenizer, ids, count, true, arena, &text)));
    check_stream(tokenizer, ids, count, text, arena);
    uint32_t bytes = (uint32_t)text.length;
    fwrite(&bytes, sizeof bytes, 1, stdout);
    fwrite(text.data, 1, text.length, stdout);
  }
}

// Texts of stdin, all in memory.
static size_t read_texts(tl_arena *arena, tl_str *texts, size_t texts_max) {
  size_t count = 0;
  while (count < texts_max && read_text(arena, &texts[count]))
    count++;
  return count;
}

// One line for each round: seconds of the processor to open the table, to encode all texts, to
// decode all of that.
static void bench(tl_str table, int rounds, tl_arena *arena) {
  enum { TEXTS_MAX = 1 << 20 };
  static tl_str texts[TEXTS_MAX];
  static tl_ids ids[TEXTS_MAX];
  static tl_diag diag;
  tl_arena results;
  tl_tokenizer tokenizer;
  tl_arena_init(&results, (size_t)4 << 30);
  size_t count = read_texts(arena, texts, TEXTS_MAX);
  for (int round = 0; round < rounds; round++) {
    tl_arena_reset(&results);
    double begin = now();
    check(tl_tokenizer_open(table, &diag, &tokenizer), &diag);
    double opened = now();
    for (size_t i = 0; i < count; i++)
      check(tl_tokenizer_encode(&tokenizer, texts[i], &(tl_encode_options){.add_special = true},
                                &results, &diag, &ids[i]),
            &diag);
    double encoded = now();
    for (size_t i = 0; i < count; i++) {
      tl_str text;
      check(tl_tokenizer_decode(&tokenizer, ids[i].items, ids[i].count, true, &results, &text),
            &diag);
    }
    printf("%.6f %.6f %.6f\n", opened - begin, encoded - opened, now() - encoded);
  }
  tl_arena_finish(&results);
}

int main(int argc, char **argv) {
  CHECK(argc >= 3);
  if (strcmp(argv[1], "compile") == 0 && argc >= 4) return compile(argc, argv);
  static tl_diag diag;
  tl_tokenizer tokenizer;
  tl_str table = read_file(argv[2]);
  check(tl_tokenizer_open(table, &diag, &tokenizer), &diag);
  tl_arena arena;
  tl_arena_init(&arena, (size_t)4 << 30);
  const char *mode = argc > 3 ? argv[3] : "";
  if (strcmp(argv[1], "encode") == 0) encode_all(&tokenizer, false, mode, &arena);
  if (strcmp(argv[1], "pairs") == 0) encode_all(&tokenizer, true, mode, &arena);
  if (strcmp(argv[1], "decode") == 0) decode_all(&tokenizer, &arena);
  if (strcmp(argv[1], "bench") == 0) bench(table, argc > 3 ? atoi(argv[3]) : 5, &arena);
  tl_arena_finish(&arena);
  return 0;
}

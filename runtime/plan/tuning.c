// Implementation of tuning.h.
#include "runtime/plan/tuning.h"

#include <inttypes.h>
#include <stdio.h>

#include "runtime/base/file_writer.h"

enum { SUM_DIGITS = 16, PRINT_BYTES_MAX = 1 << 22 };

const tl_tuning_way *tl_tuning_find(const tl_tuning *tuning, uint32_t program, uint32_t set,
                                    uint32_t rows) {
  for (uint32_t i = 0; tuning && set && i < tuning->ways_count; i++) {
    const tl_tuning_way *way = &tuning->ways[i];
    if (way->program == program && way->set == set && rows <= way->rows) return way;
  }
  return NULL;
}

static tl_tuning_way *last_of(tl_tuning *tuning, const tl_tuning_way *like) {
  for (uint32_t i = tuning->ways_count; i-- > 0;) {
    tl_tuning_way *way = &tuning->ways[i];
    if (way->program == like->program && way->set == like->set) return way;
  }
  return NULL;
}

bool tl_tuning_add(tl_tuning *tuning, const tl_tuning_way *way) {
  tl_tuning_way *last = last_of(tuning, way);
  bool is_same = last && last->guard_min == way->guard_min && last->guard_max == way->guard_max &&
                 last->guard_library == way->guard_library;
  if (is_same) {
    last->rows = way->rows;
  } else if (tuning->ways_count < TL_TUNING_WAYS_MAX) {
    tuning->ways[tuning->ways_count++] = *way;
  } else {
    return false;
  }
  return true;
}

// ---- text

// After a fault nothing is read any more.
typedef struct reader {
  tl_str rest;
  bool failed;
} reader;

static bool take(reader *r, tl_str text) {
  if (r->failed || !tl_str_starts_with(r->rest, text)) return false;
  r->rest = tl_str_slice(r->rest, text.length, r->rest.length);
  return true;
}

static void expect(reader *r, tl_str text) {
  r->failed = !take(r, text);
}

// Written as printf writes it.
static uint32_t number(reader *r) {
  uint64_t value = 0;
  size_t digits = 0;
  while (digits < r->rest.length && r->rest.data[digits] >= '0' && r->rest.data[digits] <= '9' &&
         value <= UINT32_MAX) {
    value = value * 10 + (uint64_t)(r->rest.data[digits++] - '0');
  }
  bool is_long = digits > 1 && r->rest.data[0] == '0';
  r->failed |= digits == 0 || is_long || value > UINT32_MAX;
  if (!r->failed) r->rest = tl_str_slice(r->rest, digits, r->rest.length);
  return r->failed ? 0 : (uint32_t)value;
}

static uint64_t hex(reader *r, int digits) {
  uint64_t value = 0;
  for (int i = 0; i < digits && !r->failed; i++) {
    char digit = r->rest.length ? r->rest.data[0] : 0;
    bool is_digit = digit >= '0' && digit <= '9', is_letter = digit >= 'a' && digit <= 'f';
    r->failed = !is_digit && !is_letter;
    value = value << 4 | (uint64_t)(is_digit ? digit - '0' : digit - 'a' + 10);
    r->rest = tl_str_slice(r->rest, 1, r->rest.length);
  }
  return value;
}

static void read_device(reader *r, tl_tuning *out) {
  size_t length = 0;
  while (length < r->rest.length && (unsigned char)r->rest.data[length] >= ' ')
    length++;
  r->failed |= length == 0 || length >= TL_TUNING_DEVICE_BYTES;
  if (r->failed) return;
  memcpy(out->device, r->rest.data, length);
  r->rest = tl_str_slice(r->rest, length, r->rest.length);
}

static void read_way(reader *r, tl_tuning *out) {
  uint32_t fields[6];
  for (int i = 0; i < 6; i++) {
    expect(r, TL_STR(" "));
    fields[i] = number(r);
  }
  expect(r, TL_STR("\n"));
  tl_tuning_way way = {fields[0], fields[1], fields[2], fields[3], fields[4], fields[5]};
  const tl_tuning_way *last = last_of(out, &way);
  r->failed |= way.set == 0 || way.rows == 0 || (last && last->rows >= way.rows) ||
               out->ways_count == TL_TUNING_WAYS_MAX;
  if (!r->failed) out->ways[out->ways_count++] = way;
}

tl_status tl_tuning_parse(tl_str text, tl_tuning *out_tuning) {
  reader r = {.rest = text};
  memset(out_tuning, 0, sizeof *out_tuning);
  expect(&r, TL_STR("tlmc tuning "));
  r.failed |= number(&r) != TL_TUNING_VERSION;
  expect(&r, TL_STR("\nplan "));
  for (int i = 0; i < TL_SHA256_BYTES; i++)
    out_tuning->plan[i] = (uint8_t)hex(&r, 2);
  expect(&r, TL_STR("\ndevice "));
  read_device(&r, out_tuning);
  expect(&r, TL_STR("\n"));
  while (take(&r, TL_STR("way")))
    read_way(&r, out_tuning);
  uint64_t sum = tl_hash64(text.data, text.length - r.rest.length, 0);
  expect(&r, TL_STR("sum "));
  r.failed |= hex(&r, SUM_DIGITS) != sum;
  expect(&r, TL_STR("\n"));
  return r.failed || r.rest.length ? TL_INPUT : TL_OK;
}

tl_status tl_tuning_print(const tl_tuning *tuning, tl_arena *arena, tl_str *out_text) {
  char digest[TL_SHA256_TEXT_BYTES];
  tl_sha256_text(tuning->plan, digest);
  tl_str head = tl_arena_format(arena, "tlmc tuning %d\nplan %s\ndevice %s\n", TL_TUNING_VERSION,
                                digest, tuning->device);
  char *text = tl_arena_alloc(arena, TL_TUNING_BYTES_MAX);
  if (!head.data || !text) return TL_MEMORY;
  size_t length = head.length;
  memcpy(text, head.data, length);
  for (uint32_t i = 0; i < tuning->ways_count; i++) {
    const tl_tuning_way *way = &tuning->ways[i];
    length += (size_t)snprintf(
        text + length, TL_TUNING_BYTES_MAX - length,
        "way %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 "\n",
        way->program, way->set, way->rows, way->guard_min, way->guard_max, way->guard_library);
  }
  uint64_t sum = tl_hash64(text, length, 0);
  length +=
      (size_t)snprintf(text + length, TL_TUNING_BYTES_MAX - length, "sum %016" PRIx64 "\n", sum);
  *out_text = (tl_str){text, length};
  return TL_OK;
}

// ---- plans and files

static bool way_exists(const tl_tuning_way *way, const tl_plan_tables *t, uint32_t target) {
  if (way->program >= t->programs_count) return false;
  const tl_plan_program *program = &t->programs[way->program];
  for (uint32_t i = 0; program->target == target && i < program->launches_count; i++) {
    if (tl_tuning_has(way, &t->launchs[program->first_launch + i])) return true;
  }
  return false;
}

bool tl_tuning_fits(const tl_tuning *tuning, const tl_plan_tables *tables, uint32_t target) {
  for (uint32_t i = 0; i < tuning->ways_count; i++) {
    if (!way_exists(&tuning->ways[i], tables, target)) return false;
  }
  return true;
}

static bool path_of(const char *plan, char out_path[TL_FILE_PATH_MAX]) {
  int length = snprintf(out_path, TL_FILE_PATH_MAX, "%s.tune", plan);
  return length > 0 && length < TL_FILE_PATH_MAX;
}

tl_status tl_tuning_read(const char *path, tl_tuning *out_tuning, bool *out_found, tl_diag *diag) {
  char own[TL_FILE_PATH_MAX];
  tl_file file;
  *out_found = path_of(path, own) && tl_file_exists(own);
  if (!*out_found) return TL_OK;
  TL_TRY(tl_file_open(own, &file, diag));
  tl_status status =
      file.bytes.length > TL_TUNING_BYTES_MAX ? TL_INPUT : tl_tuning_parse(file.bytes, out_tuning);
  tl_file_close(&file);
  if (tl_ok(status)) return TL_OK;
  return tl_diag_error(diag, status, (tl_span){0}, "%s is damaged or of another version", own);
}

static tl_status write_text(const char *path, tl_str text, tl_diag *diag) {
  tl_file_writer writer;
  TL_TRY(tl_file_writer_open(path, &writer, diag));
  tl_status status = tl_file_writer_write(&writer, 0, text.data, text.length, diag);
  if (tl_ok(status)) status = tl_file_writer_commit(&writer, diag);
  tl_file_writer_close(&writer);
  return status;
}

tl_status tl_tuning_write(const tl_tuning *tuning, const char *path, tl_diag *diag) {
  char own[TL_FILE_PATH_MAX];
  tl_arena arena;
  tl_str text;
  if (!path_of(path, own)) {
    return tl_diag_error(diag, TL_IO, (tl_span){0}, "%s.tune is too long a name", path);
  }
  tl_arena_init(&arena, PRINT_BYTES_MAX);
  tl_status status = tl_tuning_print(tuning, &arena, &text);
  if (tl_ok(status)) status = write_text(own, text, diag);
  tl_arena_finish(&arena);
  return status;
}

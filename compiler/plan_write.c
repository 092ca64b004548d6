// Implementation of plan_write.h.
#include "compiler/plan_write.h"

#include <stdatomic.h>

#include "runtime/base/file_writer.h"
#include "runtime/base/hash.h"
#include "runtime/base/plan_shape.h"
#include "runtime/base/pool.h"

enum { TABLE_ALIGN = 8, SMALL_ALIGN = 64 };

typedef struct writer {
  const tl_plan_parts *parts;
  tl_file_writer file;
  tl_plan_header header;
  tl_plan_section sections[TL_PLAN_SECTIONS_MAX];
  tl_str contents[TL_PLAN_SECTIONS_MAX]; // data is NULL for the weights
  uint64_t weights_bytes, weights_offset;
  uint64_t *checksums;
  tl_arena *scratch;
  tl_diag *diag;
} writer;

static tl_status no_memory(const writer *w) {
  return tl_diag_error(w->diag, TL_MEMORY, (tl_span){0}, "out of memory for writing the plan");
}

static uint64_t align_up(uint64_t value, uint64_t to) {
  return (value + to - 1) / to * to;
}

// ---- the programs section

typedef struct table {
  const void *rows;
  uint32_t count, row_bytes;
} table;

// Directory, extents, tables, strings; see plan.def.
static tl_status print_programs(const writer *w, tl_str *out_programs) {
  const tl_plan_tables *t = w->parts->tables;
  const table tables[TL_PLAN_TABLES_COUNT] = {
#define X(name) {t->name##s, t->name##s_count, sizeof(tl_plan_##name)},
      TL_PLAN_TABLE_MAP(X)
#undef X
  };
  tl_plan_directory directory = {.tables_count = TL_PLAN_TABLES_COUNT,
                                 .strings_bytes = t->strings_bytes};
  tl_plan_extent extents[TL_PLAN_TABLES_COUNT];
  uint64_t end = sizeof directory + sizeof extents;
  for (int i = 0; i < TL_PLAN_TABLES_COUNT; i++) {
    end = align_up(end, TABLE_ALIGN);
    extents[i] = (tl_plan_extent){end, tables[i].count, tables[i].row_bytes};
    end += (uint64_t)tables[i].count * tables[i].row_bytes;
  }
  directory.strings_offset = end;
  char *bytes = tl_arena_alloc(w->scratch, end + t->strings_bytes);
  if (!bytes) return no_memory(w);
  memcpy(bytes, &directory, sizeof directory);
  memcpy(bytes + sizeof directory, extents, sizeof extents);
  for (int i = 0; i < TL_PLAN_TABLES_COUNT; i++) {
    size_t size = (size_t)tables[i].count * tables[i].row_bytes;
    if (size) memcpy(bytes + extents[i].offset, tables[i].rows, size);
  }
  memcpy(bytes + end, t->strings, t->strings_bytes);
  *out_programs = (tl_str){bytes, end + t->strings_bytes};
  return TL_OK;
}

// ---- code sections

// The image, then the shapes of the launches that it was made for; see plan_shape.h.
static tl_status print_code(const writer *w, uint32_t target, tl_str *out_code) {
  const tl_plan_tables *t = w->parts->tables;
  tl_str image = w->parts->images[target];
  uint64_t *shapes = tl_arena_array(w->scratch, t->launchs_count + 1u, sizeof *shapes);
  if (!shapes) return no_memory(w);
  size_t shapes_bytes = tl_plan_target_shapes(t, target, shapes) * sizeof *shapes;
  size_t offset = tl_plan_shapes_offset(t->targets[target].code_bytes);
  char *bytes = tl_arena_alloc(w->scratch, offset + shapes_bytes);
  if (!bytes) return no_memory(w);
  memcpy(bytes, image.data, image.length);
  memcpy(bytes + offset, shapes, shapes_bytes);
  *out_code = (tl_str){bytes, offset + shapes_bytes};
  return TL_OK;
}

// ---- layout

static void add_section(writer *w, tl_plan_section_kind kind, uint32_t target, tl_str content) {
  if (!content.length) return;
  uint32_t i = w->header.sections_count++;
  w->sections[i] =
      (tl_plan_section){.kind = kind,
                        .target = target,
                        .alignment = kind == TL_PLAN_SECTION_CODE      ? TL_PLAN_CODE_BYTES
                                     : kind == TL_PLAN_SECTION_WEIGHTS ? TL_PLAN_PAGE_BYTES
                                                                       : SMALL_ALIGN,
                        .bytes = content.length};
  w->contents[i] = content;
}

static void place_sections(writer *w) {
  uint64_t end = sizeof w->header + w->header.sections_count * sizeof *w->sections;
  for (uint32_t i = 0; i < w->header.sections_count; i++) {
    w->sections[i].offset = align_up(end, w->sections[i].alignment);
    end = w->sections[i].offset + w->sections[i].bytes;
    if (w->sections[i].kind == TL_PLAN_SECTION_WEIGHTS) w->weights_offset = w->sections[i].offset;
  }
  w->header.file_bytes = end;
}

// What the reader would refuse must not be written.
static tl_status check_parts(const writer *w, int jobs) {
  const tl_plan_tables *t = w->parts->tables;
  tl_span none = {0};
  if (jobs < 1 || jobs > TL_PLAN_JOBS_MAX) {
    return tl_diag_error(w->diag, TL_USAGE, none, "%d jobs, expected 1 to %d", jobs,
                         TL_PLAN_JOBS_MAX);
  }
  bool fits = t->models_count == 1 && t->strings_bytes > 0 && w->parts->meta.length > 0 &&
              t->models->has_weights == (w->parts->fill != NULL) &&
              t->targets_count <= TL_PLAN_SECTIONS_MAX - TL_PLAN_SECTION_COUNT;
  for (uint32_t i = 0; fits && i < t->targets_count; i++)
    fits = w->parts->images[i].length == t->targets[i].code_bytes && t->targets[i].code_bytes > 0;
  if (fits) return TL_OK;
  return tl_diag_error(w->diag, TL_INTERNAL, none, "the parts of the plan contradict each other");
}

static uint64_t end_of_weights(const tl_plan_tables *t) {
  uint64_t end = 0;
  for (uint32_t i = 0; i < t->weights_count; i++) {
    uint64_t weight_end = t->weights[i].offset + t->weights[i].bytes;
    if (weight_end > end) end = weight_end;
  }
  return end;
}

static tl_status lay_out(writer *w) {
  const tl_plan_parts *parts = w->parts;
  tl_str programs = {0};
  TL_TRY(print_programs(w, &programs));
  w->header = (tl_plan_header){.magic = TL_PLAN_MAGIC, .version = TL_PLAN_VERSION};
  // A plan with weights has a section for them, even if it had none.
  if (parts->fill) w->weights_bytes = end_of_weights(parts->tables);
  if (parts->fill && !w->weights_bytes) w->weights_bytes = TL_PLAN_PAGE_BYTES;
  uint64_t chunks = (w->weights_bytes + TL_PLAN_CHECKSUM_BYTES - 1) / TL_PLAN_CHECKSUM_BYTES;
  w->checksums = tl_arena_array(w->scratch, chunks + 1, sizeof *w->checksums);
  if (!w->checksums) return no_memory(w);
  add_section(w, TL_PLAN_SECTION_META, 0, parts->meta);
  add_section(w, TL_PLAN_SECTION_TOKENIZER, 0, parts->tokenizer);
  add_section(w, TL_PLAN_SECTION_TEMPLATE, 0, parts->chat_template);
  add_section(w, TL_PLAN_SECTION_PROGRAMS, 0, programs);
  add_section(w, TL_PLAN_SECTION_CHECKSUMS, 0,
              (tl_str){(const char *)w->checksums, chunks * sizeof *w->checksums});
  for (uint32_t i = 0; i < parts->tables->targets_count; i++) {
    tl_str code = {0};
    TL_TRY(print_code(w, i, &code));
    add_section(w, TL_PLAN_SECTION_CODE, i, code);
  }
  add_section(w, TL_PLAN_SECTION_WEIGHTS, 0, (tl_str){NULL, w->weights_bytes});
  place_sections(w);
  return TL_OK;
}

// ---- weights

typedef struct job {
  char *batch;
  tl_arena scratch;
  tl_diag diag;
  tl_status status;
  int64_t failed_batch;
} job;

typedef struct crew {
  writer *writer;
  job *jobs;
  int64_t batches_count;
  atomic_llong next_batch; // one at a time and in order: the first fault is then found by any
  atomic_bool failed;
} crew;

static tl_status write_batch(const writer *w, job *j, uint64_t begin) {
  uint64_t rest = w->weights_bytes - begin;
  size_t bytes = rest < TL_PLAN_BATCH_BYTES ? rest : TL_PLAN_BATCH_BYTES;
  memset(j->batch, 0, bytes);
  TL_TRY(w->parts->fill(w->parts->fill_context, begin, begin + bytes, j->batch, &j->scratch,
                        &j->diag));
  tl_arena_reset(&j->scratch);
  for (size_t at = 0; at < bytes; at += TL_PLAN_CHECKSUM_BYTES) {
    size_t count = bytes - at < TL_PLAN_CHECKSUM_BYTES ? bytes - at : TL_PLAN_CHECKSUM_BYTES;
    w->checksums[(begin + at) / TL_PLAN_CHECKSUM_BYTES] = tl_hash64(j->batch + at, count, 0);
  }
  return tl_file_writer_write(&w->file, w->weights_offset + begin, j->batch, bytes, &j->diag);
}

static void write_batches(void *context, int thread) {
  crew *c = context;
  job *j = &c->jobs[thread];
  while (!atomic_load(&c->failed)) {
    int64_t batch = atomic_fetch_add(&c->next_batch, 1);
    if (batch >= c->batches_count) return;
    j->status = write_batch(c->writer, j, (uint64_t)batch * TL_PLAN_BATCH_BYTES);
    if (tl_ok(j->status)) continue;
    j->failed_batch = batch;
    atomic_store(&c->failed, true);
  }
}

// The fault that comes first in the file, told to the caller's sink.
static tl_status first_fault(const crew *c, int jobs_count) {
  const job *first = NULL;
  for (int i = 0; i < jobs_count; i++) {
    const job *j = &c->jobs[i];
    if (!tl_ok(j->status) && (!first || j->failed_batch < first->failed_batch)) first = j;
  }
  if (!first) return TL_OK;
  for (int i = 0; i < first->diag.count; i++) {
    const tl_diag_entry *entry = &first->diag.entries[i];
    (void)tl_diag_error(c->writer->diag, entry->status, entry->span, "%s", entry->text);
    for (int n = 0; n < entry->notes_count; n++)
      tl_diag_note(c->writer->diag, "%s", entry->notes[n]);
  }
  return first->status;
}

static tl_status write_weights(writer *w, int jobs_count) {
  if (!w->parts->fill) return TL_OK;
  crew c = {.writer = w};
  c.batches_count = (int64_t)((w->weights_bytes + TL_PLAN_BATCH_BYTES - 1) / TL_PLAN_BATCH_BYTES);
  if (jobs_count > c.batches_count) jobs_count = (int)c.batches_count;
  c.jobs = tl_arena_array(w->scratch, (size_t)jobs_count, sizeof *c.jobs);
  if (!c.jobs) return no_memory(w);
  tl_status status = TL_OK;
  for (int i = 0; i < jobs_count; i++) {
    tl_arena_init(&c.jobs[i].scratch, TL_PLAN_FILL_BYTES);
    c.jobs[i].batch = tl_arena_alloc(w->scratch, TL_PLAN_BATCH_BYTES);
    if (!c.jobs[i].batch) status = no_memory(w);
  }
  tl_pool *pool = NULL;
  tl_pool_config config = {.threads = jobs_count};
  if (tl_ok(status)) status = tl_pool_create(&config, w->scratch, &pool, w->diag);
  if (tl_ok(status)) {
    tl_pool_run(pool, write_batches, &c);
    status = first_fault(&c, jobs_count);
  }
  tl_pool_destroy(pool);
  for (int i = 0; i < jobs_count; i++)
    tl_arena_finish(&c.jobs[i].scratch);
  return status;
}

// ---- the file

static void digest_of(const void *head, size_t head_bytes, tl_str rest,
                      uint8_t out_digest[TL_SHA256_BYTES]) {
  tl_sha256 sha;
  tl_sha256_init(&sha);
  tl_sha256_add(&sha, head, head_bytes);
  tl_sha256_add(&sha, rest.data, rest.length);
  tl_sha256_finish(&sha, out_digest);
}

// After the weights, because of their checksums.
static tl_status write_sections(writer *w) {
  for (uint32_t i = 0; i < w->header.sections_count; i++) {
    tl_str content = w->contents[i];
    if (!content.data) continue;
    digest_of(NULL, 0, content, w->sections[i].digest);
    TL_TRY(tl_file_writer_write(&w->file, w->sections[i].offset, content.data, content.length,
                                w->diag));
  }
  return TL_OK;
}

static tl_status write_head(writer *w) {
  tl_str rows = {(const char *)w->sections, w->header.sections_count * sizeof *w->sections};
  digest_of(&w->header, sizeof w->header, rows, w->header.digest);
  TL_TRY(tl_file_writer_write(&w->file, 0, &w->header, sizeof w->header, w->diag));
  return tl_file_writer_write(&w->file, sizeof w->header, rows.data, rows.length, w->diag);
}

tl_status tl_plan_write(const tl_plan_parts *parts, const char *path, int jobs, tl_arena *scratch,
                        tl_diag *diag) {
  writer *w = tl_arena_alloc(scratch, sizeof *w);
  if (!w) return TL_MEMORY;
  w->parts = parts;
  w->scratch = scratch;
  w->diag = diag;
  TL_TRY(check_parts(w, jobs));
  TL_TRY(lay_out(w));
  TL_TRY(tl_file_writer_open(path, &w->file, diag));
  tl_status status = write_weights(w, jobs);
  if (tl_ok(status)) status = write_sections(w);
  if (tl_ok(status)) status = write_head(w);
  if (tl_ok(status)) status = tl_file_writer_commit(&w->file, diag);
  tl_file_writer_close(&w->file);
  return status;
}

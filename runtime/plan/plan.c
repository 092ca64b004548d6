// Opens a plan and verifies every byte of it before anything is believed.
//
//   header, section table   SHA-256 of both together, in the header
//   each section            SHA-256, in the section table
//   weights                 XXH3 of each MiB, in the section `checksums`
//   gaps                    must be zero
//
// Sections and MiBs are hashed by all threads of the crew; the fault that comes first in the file's
// order is reported, whoever finds it.
#include "runtime/plan/plan.h"

#include <stdatomic.h>
#include <stdio.h>

#include "runtime/base/file.h"
#include "runtime/base/hash.h"
#include "runtime/base/plan_shape.h"
#include "runtime/base/plan_texts.h"
#include "runtime/tlmc.h"

// Weight rows of a plan without a weights section lie within this.
#define PLAN_SKELETON_BYTES_MAX ((uint64_t)1 << 46)

// A section as errors call it.
typedef struct label {
  char text[48];
} label;

static label label_of(const tl_plan_section *section) {
  label name;
  if (section->kind == TL_PLAN_SECTION_CODE) {
    snprintf(name.text, sizeof name.text, "section code (target %u)", section->target);
  } else {
    snprintf(name.text, sizeof name.text, "section %s", tl_plan_section_texts[section->kind]);
  }
  return name;
}

#define DAMAGE(plan, diag, format, ...)                                                            \
  tl_diag_error((diag), TL_INPUT, (tl_span){0}, "%s is damaged: " format, (plan)->name, __VA_ARGS__)

// ---- header and section table

static tl_status check_header(const tl_plan *plan, tl_diag *diag) {
  const tl_plan_header *header = plan->header;
  unsigned long long size = plan->bytes_count;
  tl_span none = {0};
  if (size < 8 || header->magic != TL_PLAN_MAGIC) {
    return tl_diag_error(diag, TL_INPUT, none,
                         "%s is no plan: its header does not begin with \"tlmcplan\"", plan->name);
  }
  if (size < sizeof *header) {
    return tl_diag_error(diag, TL_INPUT, none, "%s is cut short: it ends within its header",
                         plan->name);
  }
  if (header->version != TL_PLAN_VERSION) {
    return tl_diag_error(
        diag, TL_UNSUPPORTED, none,
        "%s has version %u of the plan format in its header and this runtime reads "
        "version %d: rebuild it with tlmc %s",
        plan->name, header->version, TL_PLAN_VERSION, TLMC_VERSION);
  }
  if (header->file_bytes != size) {
    return tl_diag_error(diag, TL_INPUT, none,
                         "%s is %s: its header says %llu bytes and the file has %llu", plan->name,
                         header->file_bytes > size ? "cut short" : "longer than it should be",
                         (unsigned long long)header->file_bytes, size);
  }
  return TL_OK;
}

static size_t table_end(const tl_plan *plan) {
  return sizeof(tl_plan_header) + plan->header->sections_count * sizeof(tl_plan_section);
}

static tl_status check_head_digest(const tl_plan *plan, tl_diag *diag) {
  uint32_t count = plan->header->sections_count;
  if (count == 0 || count > TL_PLAN_SECTIONS_MAX || table_end(plan) > plan->bytes_count) {
    return DAMAGE(plan, diag, "its header says %u sections, expected 1 to %d", count,
                  TL_PLAN_SECTIONS_MAX);
  }
  tl_plan_header zeroed = *plan->header;
  memset(zeroed.digest, 0, sizeof zeroed.digest);
  uint8_t digest[TL_SHA256_BYTES];
  tl_sha256 sha;
  tl_sha256_init(&sha);
  tl_sha256_add(&sha, &zeroed, sizeof zeroed);
  tl_sha256_add(&sha, plan->sections, count * sizeof *plan->sections);
  tl_sha256_finish(&sha, digest);
  if (memcmp(digest, plan->header->digest, sizeof digest) == 0) return TL_OK;
  return DAMAGE(plan, diag, "%s", "header and section table do not match their digest");
}

static uint32_t alignment_of(uint32_t kind) {
  if (kind == TL_PLAN_SECTION_CODE) return TL_PLAN_CODE_BYTES;
  return kind == TL_PLAN_SECTION_WEIGHTS ? TL_PLAN_PAGE_BYTES : 8;
}

// NULL, or what is wrong with section `i`, which must not begin before `end`.
static const char *section_fault(const tl_plan *plan, uint32_t i, uint64_t end) {
  const tl_plan_section *section = &plan->sections[i];
  uint64_t alignment = section->alignment;
  if (section->kind >= TL_PLAN_SECTION_COUNT) return "is of an unknown kind";
  if (section->file != 0) return "lies in another file";
  if (alignment < alignment_of(section->kind) || (alignment & (alignment - 1)) != 0 ||
      section->offset % alignment != 0) {
    return "is not aligned";
  }
  if (section->offset < end) return "overlaps what is before it";
  if (section->offset > plan->bytes_count || section->bytes > plan->bytes_count - section->offset) {
    return "ends outside of the file";
  }
  for (uint32_t before = 0; before < i; before++) {
    const tl_plan_section *other = &plan->sections[before];
    bool same_target = section->kind != TL_PLAN_SECTION_CODE || other->target == section->target;
    if (other->kind == section->kind && same_target) return "is there twice";
  }
  return NULL;
}

static tl_status check_sections(const tl_plan *plan, tl_diag *diag) {
  uint64_t end = table_end(plan);
  for (uint32_t i = 0; i < plan->header->sections_count; i++) {
    const char *fault = section_fault(plan, i, end);
    if (fault) return DAMAGE(plan, diag, "section table: row %u %s", i, fault);
    end = plan->sections[i].offset + plan->sections[i].bytes;
  }
  return TL_OK;
}

static bool is_zero(const char *bytes, size_t count) {
  return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

// The bytes before the first section, between two, and after the last.
static tl_status check_gaps(const tl_plan *plan, tl_diag *diag) {
  uint64_t begin = table_end(plan);
  uint32_t count = plan->header->sections_count;
  for (uint32_t i = 0; i <= count; i++) {
    uint64_t end = i < count ? plan->sections[i].offset : plan->bytes_count;
    if (!is_zero(plan->bytes + begin, end - begin)) {
      return DAMAGE(plan, diag, "the gap after %s is not zero",
                    i == 0 ? "the section table" : label_of(&plan->sections[i - 1]).text);
    }
    if (i < count) begin = end + plan->sections[i].bytes;
  }
  return TL_OK;
}

// ---- hashes

typedef struct verifier {
  const tl_plan *plan;
  tl_str weights;        // empty if they are not verified
  const char *checksums; // of the weights, 8 bytes each
  atomic_uint_least64_t first_fault;
} verifier;

static bool section_matches(const tl_plan *plan, const tl_plan_section *section) {
  uint8_t digest[TL_SHA256_BYTES] = {0};
  if (section->kind != TL_PLAN_SECTION_WEIGHTS) {
    tl_sha256 sha;
    tl_sha256_init(&sha);
    tl_sha256_add(&sha, plan->bytes + section->offset, section->bytes);
    tl_sha256_finish(&sha, digest);
  }
  return memcmp(digest, section->digest, sizeof digest) == 0;
}

static bool chunk_matches(const verifier *v, uint64_t chunk) {
  uint64_t begin = chunk * TL_PLAN_CHECKSUM_BYTES, rest = v->weights.length - begin, expected;
  memcpy(&expected, v->checksums + chunk * sizeof expected, sizeof expected);
  size_t bytes = rest < TL_PLAN_CHECKSUM_BYTES ? rest : TL_PLAN_CHECKSUM_BYTES;
  return tl_hash64(v->weights.data + begin, bytes, 0) == expected;
}

// Items are the sections, then the MiBs of the weights.
static void verify_items(void *context, uint64_t begin, uint64_t end) {
  verifier *v = context;
  uint64_t sections = v->plan->header->sections_count;
  for (uint64_t i = begin; i < end; i++) {
    bool matches = i < sections ? section_matches(v->plan, &v->plan->sections[i])
                                : chunk_matches(v, i - sections);
    if (matches) continue;
    uint_least64_t first = atomic_load(&v->first_fault);
    while (i < first && !atomic_compare_exchange_weak(&v->first_fault, &first, i))
      ;
  }
}

static tl_status report_fault(const verifier *v, uint64_t item, tl_diag *diag) {
  const tl_plan *plan = v->plan;
  uint32_t sections = plan->header->sections_count;
  if (item < sections) {
    return DAMAGE(plan, diag, "%s does not match its digest", label_of(&plan->sections[item]).text);
  }
  return DAMAGE(plan, diag, "MiB %llu of section weights does not match its checksum",
                (unsigned long long)(item - sections));
}

// Finds the weights and their checksums.
static tl_status verifier_init(verifier *v, const tl_plan *plan, bool trust, tl_diag *diag) {
  const tl_plan_section *weights = tl_plan_find(plan, TL_PLAN_SECTION_WEIGHTS, 0);
  const tl_plan_section *checksums = tl_plan_find(plan, TL_PLAN_SECTION_CHECKSUMS, 0);
  *v = (verifier){.plan = plan};
  atomic_init(&v->first_fault, UINT64_MAX);
  uint64_t bytes = weights ? weights->bytes : 0;
  uint64_t chunks = bytes / TL_PLAN_CHECKSUM_BYTES + (bytes % TL_PLAN_CHECKSUM_BYTES != 0);
  if ((checksums ? checksums->bytes : 0) != chunks * 8) {
    return DAMAGE(plan, diag,
                  "section checksums has %llu bytes, expected 8 for each MiB of weights",
                  (unsigned long long)(checksums ? checksums->bytes : 0));
  }
  if (trust || !chunks || !checksums) return TL_OK;
  v->weights = tl_plan_bytes(plan, weights);
  v->checksums = plan->bytes + checksums->offset;
  return TL_OK;
}

static tl_status check_hashes(const tl_plan *plan, const tl_plan_open_options *options,
                              tl_diag *diag) {
  verifier v;
  TL_TRY(verifier_init(&v, plan, options->trust, diag));
  uint64_t chunks = (v.weights.length + TL_PLAN_CHECKSUM_BYTES - 1) / TL_PLAN_CHECKSUM_BYTES;
  uint64_t items = plan->header->sections_count + chunks;
  const tl_plan_crew *crew = options->crew;
  if (crew) {
    crew->run(crew->crew, items, verify_items, &v);
  } else {
    verify_items(&v, 0, items);
  }
  uint64_t fault = atomic_load(&v.first_fault);
  return fault == UINT64_MAX ? TL_OK : report_fault(&v, fault, diag);
}

// ---- tables

static tl_status check_code(const tl_plan *plan, uint32_t target, tl_diag *diag) {
  const tl_plan_section *code = tl_plan_find(plan, TL_PLAN_SECTION_CODE, target);
  if (!code) {
    return DAMAGE(plan, diag, "section table: there is no code for target %u (%s)", target,
                  tl_plan_string(&plan->tables, plan->tables.targets[target].name));
  }
  uint32_t code_bytes = plan->tables.targets[target].code_bytes;
  uint64_t begin = tl_plan_shapes_offset(code_bytes);
  if (code->bytes < begin || (code->bytes - begin) % sizeof(uint64_t) != 0) {
    return DAMAGE(plan, diag, "%s has %llu bytes, expected %u of code and the shapes of launches",
                  label_of(code).text, (unsigned long long)code->bytes, code_bytes);
  }
  tl_str shapes = tl_str_slice(tl_plan_bytes(plan, code), begin, code->bytes);
  return tl_plan_tables_check_shapes(&plan->tables, target, shapes, plan->name, diag);
}

static tl_status read_tables(tl_plan *plan, tl_diag *diag) {
  const tl_plan_section *programs = tl_plan_find(plan, TL_PLAN_SECTION_PROGRAMS, 0);
  const tl_plan_section *weights = tl_plan_find(plan, TL_PLAN_SECTION_WEIGHTS, 0);
  if (!programs || !tl_plan_find(plan, TL_PLAN_SECTION_META, 0)) {
    return DAMAGE(plan, diag, "section table: there is no section %s",
                  programs ? "meta" : "programs");
  }
  TL_TRY(tl_plan_tables_read(tl_plan_bytes(plan, programs),
                             weights ? weights->bytes : PLAN_SKELETON_BYTES_MAX, plan->name,
                             &plan->tables, diag));
  if (plan->tables.models->has_weights != (weights != NULL)) {
    return DAMAGE(plan, diag, "section table: the weights are %s",
                  weights ? "there, but this is a plan without" : "missing");
  }
  uint32_t code_sections = 0;
  for (uint32_t i = 0; i < plan->header->sections_count; i++)
    code_sections += plan->sections[i].kind == TL_PLAN_SECTION_CODE;
  if (code_sections != plan->tables.targets_count) {
    return DAMAGE(plan, diag, "section table: there are %u sections of code for %u targets",
                  code_sections, plan->tables.targets_count);
  }
  for (uint32_t i = 0; i < plan->tables.targets_count; i++)
    TL_TRY(check_code(plan, i, diag));
  return TL_OK;
}

// ---- the plan

static tl_status verify(tl_plan *plan, const tl_plan_open_options *options, tl_diag *diag) {
  TL_TRY(check_header(plan, diag));
  TL_TRY(check_head_digest(plan, diag));
  TL_TRY(check_sections(plan, diag));
  TL_TRY(check_gaps(plan, diag));
  TL_TRY(check_hashes(plan, options, diag));
  return read_tables(plan, diag);
}

tl_status tl_plan_open(const char *path, const tl_plan_open_options *options, tl_plan *out_plan,
                       tl_diag *diag) {
  static const tl_plan_open_options defaults;
  *out_plan = (tl_plan){.file = -1, .name = path};
  tl_file file;
  TL_TRY(tl_file_open(path, &file, diag));
  out_plan->file = file.fd;
  out_plan->bytes = file.bytes.data;
  out_plan->bytes_count = file.bytes.length;
  out_plan->header = (const tl_plan_header *)out_plan->bytes;
  out_plan->sections = (const tl_plan_section *)(out_plan->header + 1);
  tl_status status = tl_file_lock_shared(&file, path, diag);
  if (tl_ok(status)) status = verify(out_plan, options ? options : &defaults, diag);
  if (!tl_ok(status)) tl_plan_close(out_plan);
  return status;
}

void tl_plan_close(tl_plan *plan) {
  tl_file file = {{plan->bytes, plan->bytes_count}, plan->file};
  if (plan->bytes) tl_file_close(&file);
  *plan = (tl_plan){.file = -1};
}

const tl_plan_section *tl_plan_find(const tl_plan *plan, tl_plan_section_kind kind,
                                    uint32_t target) {
  for (uint32_t i = 0; i < plan->header->sections_count; i++) {
    const tl_plan_section *section = &plan->sections[i];
    bool is_target = kind != TL_PLAN_SECTION_CODE || section->target == target;
    if (section->kind == (uint32_t)kind && is_target) return section;
  }
  return NULL;
}

tl_str tl_plan_bytes(const tl_plan *plan, const tl_plan_section *section) {
  return (tl_str){plan->bytes + section->offset, section->bytes};
}

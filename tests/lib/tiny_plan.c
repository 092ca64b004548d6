// The tables of the tiny plan, written out.
#include "tests/lib/tiny_plan.h"

#include "runtime/base/hash.h"

// Texts are fields, so that offsetof is their place.
static const struct strings {
  char empty[1], v3[14], v4[14], f32[4], bf16[5], q8g32[6];
  char embed[6], up[6], norm[8], down[8], kv0[6], kv1[6], h[2], sums[5], logits[7], step[5];
  char square[10], kernel[16], library[16], gather[7], attention[13], mlp[7], head[5],
      statements[64];
} strings = {.empty = "",
             .v3 = "cpu:x86-64-v3",
             .v4 = "cpu:x86-64-v4",
             .f32 = "f32",
             .bf16 = "bf16",
             .q8g32 = "q8g32",
             .embed = "embed",
             .up = "l0.up",
             .norm = "l0.norm",
             .down = "l0.down",
             .kv0 = "l0.kv",
             .kv1 = "l1.kv",
             .h = "h",
             .sums = "sums",
             .logits = "logits",
             .step = "step",
             .square = "l0.square",
             .library = "library: matmul",
             .kernel = "matmul \"64\" {}",
             .gather = "embed",
             .attention = "l0.attention",
             .mlp = "l0.mlp",
             .head = "head",
             .statements = "x = rows h\ny = x * l0.up\nstore y -> h\n"};

#define TEXT(name) ((uint32_t)offsetof(struct strings, name))

static const tl_plan_target targets[TL_TINY_TARGETS] = {
    {.name = TEXT(v3), .code_bytes = 64, .text_bytes = 64, .scratch_bytes = 4096},
    {.name = TEXT(v4), .code_bytes = TL_TINY_CODE_BYTES, .text_bytes = 64, .scratch_bytes = 4096}};

enum { MIB = 1 << 20 };

static const tl_plan_weight weight_rows[] = {
    {TEXT(embed), TEXT(f32), TL_PLAN_LAYOUT_PANEL64, 1, 0, MIB, 200, 1024, MIB / 4, 1},
    {TEXT(up), TEXT(bf16), TL_PLAN_LAYOUT_PANEL64, 1, MIB, 2 * MIB, 1000, 256, MIB / 32, 4},
    {TEXT(norm), TEXT(f32), TL_PLAN_LAYOUT_VECTOR, 1, 3 * MIB, 512, 100, 1, 4, 1},
    {TEXT(down), TEXT(q8g32), TL_PLAN_LAYOUT_PANEL64, 1, 3 * MIB + 4096, 4352, 64, 64, 4352, 1},
    {TEXT(square), TEXT(f32), TL_PLAN_LAYOUT_ROWS, 1, 3 * MIB + 12288, 32768, 64, 100, 512, 1}};

static const tl_plan_group groups[] = {{TL_PLAN_GROUP_FULL, 0, {65536, 32768}},
                                       {TL_PLAN_GROUP_WINDOW, 128, {65536, 32768}}};

static const tl_plan_state states[] = {{TEXT(kv0), 0, 2, 64, 64, 0, {0, 0}},
                                       {TEXT(kv1), 1, 2, 64, 64, 0, {0, 0}}};

static const tl_plan_buffer buffers[] = {{TEXT(h), TEXT(f32), TL_PLAN_SYMBOL_T, 100, 0, 512},
                                         {TEXT(sums), TEXT(f32), TL_PLAN_SYMBOL_T, 2, 512, 64},
                                         {TEXT(logits), TEXT(f32), TL_PLAN_SYMBOL_R, 100, 0, 512}};

#define PROGRAM(number)                                                                            \
  {.name = TEXT(step),                                                                             \
   .target = (number),                                                                             \
   .first_launch = (number) * 5,                                                                   \
   .launches_count = 5 + (number),                                                                 \
   .output = 2,                                                                                    \
   .arena_bytes = {[TL_PLAN_SYMBOL_T] = 576, [TL_PLAN_SYMBOL_R] = 512}}
static const tl_plan_program programs[] = {PROGRAM(0), PROGRAM(1)};

static const tl_plan_kernel kernels[] = {{.name = TEXT(kernel), .scratch_bytes = 1024},
                                         {.name = TEXT(kernel), .target = 1, .scratch_bytes = 1024},
                                         {.name = TEXT(library), .target = 1}};

static const tl_plan_arg args[] = {
    {TL_PLAN_ARG_INT, 0, -7},   {TL_PLAN_ARG_WEIGHT, 1, 0},     {TL_PLAN_ARG_BUFFER, 0, 0},
    {TL_PLAN_ARG_STATE, 0, 0},  {TL_PLAN_ARG_PAGE_BYTES, 0, 0}, {TL_PLAN_ARG_GROUP, 1, 0},
    {TL_PLAN_ARG_WEIGHT, 2, 0}, {TL_PLAN_ARG_WEIGHT, 3, 0},     {TL_PLAN_ARG_WEIGHT, 0, 0},
    {TL_PLAN_ARG_BUFFER, 0, 0}, {TL_PLAN_ARG_WEIGHT, 4, 0},     {TL_PLAN_ARG_INT, 0, 64},
    {TL_PLAN_ARG_BUFFER, 0, 0}, {TL_PLAN_ARG_INT, 0, 0},        {TL_PLAN_ARG_INT, 0, 0},
    {TL_PLAN_ARG_WEIGHT, 2, 0}};

// name, KV types, symbol, items, first argument, arguments, layer, flops
#define LAUNCH(k, name_, kv, symbol, items, first, count, layer_, flops_)                          \
  {.name = TEXT(name_),                                                                            \
   .kernel = (k),                                                                                  \
   .guard_kv = (kv),                                                                               \
   .guard_max = UINT32_MAX,                                                                        \
   .grid_symbol = TL_PLAN_SYMBOL_##symbol,                                                         \
   .grid_items = (items),                                                                          \
   .grid_rows = 4,                                                                                 \
   .args_count = (count),                                                                          \
   .first_arg = (first),                                                                           \
   .layer = (layer_),                                                                              \
   .text = TEXT(statements),                                                                       \
   .flops = (flops_)}
#define LAUNCHES(k)                                                                                \
  LAUNCH(k, gather, 3, T, 1, 0, 3, 0, 0), LAUNCH(k, attention, 1, A, 2, 2, 4, 1, 0),               \
      LAUNCH(k, attention, 2, A, 2, 2, 4, 1, 0), LAUNCH(k, mlp, 3, T, 3, 1, 2, 1, 512000),         \
      LAUNCH(k, head, 3, R, 2, 6, 3, 0, 409600)
// The last is a product, which no CPU makes.
static const tl_plan_launch launches[] = {LAUNCHES(0),
                                          LAUNCHES(1),
                                          {.name = TEXT(mlp),
                                           .kind = TL_PLAN_LAUNCH_PRODUCT,
                                           .kernel = 2,
                                           .guard_kv = 3,
                                           .guard_max = UINT32_MAX,
                                           .guard_exact = 1,
                                           .guard_library = 2,
                                           .set = 1,
                                           .grid_symbol = TL_PLAN_SYMBOL_T,
                                           .grid_items = 1,
                                           .grid_rows = 1,
                                           .args_count = TL_PLAN_PRODUCT_ARGS,
                                           .first_arg = 9,
                                           .text = TEXT(statements),
                                           .flops = 12800}};

// mov eax, TL_TINY_ANSWER; ret
static const char code[TL_TINY_CODE_BYTES] = {
    (char)0xb8, TL_TINY_ANSWER, 0, 0, 0, (char)0xc3, [TL_PLAN_CODE_BYTES + 3] = 1};

static tl_status fill(void *context, uint64_t begin, uint64_t end, char *out, tl_arena *scratch,
                      tl_diag *diag) {
  (void)scratch, (void)diag;
  uint64_t seed = *(const uint64_t *)context;
  for (uint64_t at = begin; at < end; at++) {
    uint64_t word = (at / 8 + seed) * 0x9e3779b97f4a7c15ull;
    out[at - begin] = (char)((word ^ word >> 29) >> at % 8 * 8);
  }
  return TL_OK;
}

#define ROWS(array) .array = (array), .array##_count = sizeof(array) / sizeof *(array)

void tl_tiny_plan_init(tl_tiny_plan *tiny, uint64_t seed, bool skeleton) {
  *tiny = (tl_tiny_plan){.seed = seed};
  tiny->model = (tl_plan_model){.task = TL_PLAN_TASK_GENERATE,
                                .outputs = 100,
                                .vocabulary = 100,
                                .context = 2048,
                                .kv_types = 3,
                                .kv_default = TL_PLAN_KV_BF16,
                                .has_weights = !skeleton};
  tiny->tables = (tl_plan_tables){ROWS(targets),
                                  .weights = weight_rows,
                                  .weights_count = sizeof weight_rows / sizeof *weight_rows,
                                  ROWS(groups),
                                  ROWS(states),
                                  ROWS(buffers),
                                  ROWS(programs),
                                  ROWS(kernels),
                                  ROWS(args),
                                  .models = &tiny->model,
                                  .models_count = 1,
                                  .launchs = launches,
                                  .launchs_count = sizeof launches / sizeof *launches,
                                  .strings = (const char *)&strings,
                                  .strings_bytes = sizeof strings};
  for (int i = 0; i < TL_TINY_TARGETS; i++)
    tiny->images[i] = (tl_str){code, targets[i].code_bytes};
  tiny->parts = (tl_plan_parts){.meta = TL_STR("{\"model\": \"tiny\", \"stop_ids\": [0]}"),
                                .tokenizer = TL_STR("a tokenizer of noise"),
                                .chat_template = TL_STR("{\"templates\": [{\"name\": \"default\", "
                                                        "\"text\": \"{{ messages }}\"}]}"),
                                .tables = &tiny->tables,
                                .images = tiny->images,
                                .fill = skeleton ? NULL : fill,
                                .fill_context = &tiny->seed};
}

tl_plan_section *tl_tiny_plan_find(char *file, tl_plan_section_kind kind) {
  const tl_plan_header *header = (const tl_plan_header *)file;
  tl_plan_section *section = (tl_plan_section *)(file + sizeof *header);
  for (uint32_t i = 0; i < header->sections_count; i++, section++) {
    if (section->kind == (uint32_t)kind) return section;
  }
  return NULL;
}

static void digest_of(const char *bytes, size_t count, uint8_t out_digest[TL_SHA256_BYTES]) {
  tl_sha256 sha;
  tl_sha256_init(&sha);
  tl_sha256_add(&sha, bytes, count);
  tl_sha256_finish(&sha, out_digest);
}

static void seal_weights(char *file) {
  const tl_plan_section *weights = tl_tiny_plan_find(file, TL_PLAN_SECTION_WEIGHTS);
  const tl_plan_section *checksums = tl_tiny_plan_find(file, TL_PLAN_SECTION_CHECKSUMS);
  if (!weights || !checksums) return;
  for (uint64_t i = 0; i < checksums->bytes / 8; i++) {
    uint64_t at = i * TL_PLAN_CHECKSUM_BYTES, rest = weights->bytes - at;
    size_t bytes = rest < TL_PLAN_CHECKSUM_BYTES ? rest : TL_PLAN_CHECKSUM_BYTES;
    uint64_t sum = tl_hash64(file + weights->offset + at, bytes, 0);
    memcpy(file + checksums->offset + i * 8, &sum, sizeof sum);
  }
}

void tl_tiny_plan_seal_head(char *file) {
  tl_plan_header *header = (tl_plan_header *)file;
  uint8_t digest[TL_SHA256_BYTES];
  memset(header->digest, 0, sizeof header->digest);
  digest_of(file, sizeof *header + header->sections_count * sizeof(tl_plan_section), digest);
  memcpy(header->digest, digest, sizeof digest);
}

void tl_tiny_plan_seal(char *file) {
  const tl_plan_header *header = (const tl_plan_header *)file;
  tl_plan_section *sections = (tl_plan_section *)(file + sizeof *header);
  seal_weights(file);
  for (uint32_t i = 0; i < header->sections_count; i++) {
    if (sections[i].kind == TL_PLAN_SECTION_WEIGHTS) continue;
    digest_of(file + sections[i].offset, sections[i].bytes, sections[i].digest);
  }
  tl_tiny_plan_seal_head(file);
}

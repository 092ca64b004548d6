// The order of a build.
#include "compiler/build/build.h"

#include <stdio.h>

#include "compiler/build/meta.h"
#include "compiler/build/output.h"
#include "compiler/codegen/cpu_module.h"
#include "compiler/codegen/cpu_plan.h"
#include "compiler/codegen/cpu_target.h"
#include "compiler/codegen/cuda_plan.h"
#include "compiler/codegen/cuda_target.h"
#include "compiler/codegen/pack.h"
#include "compiler/load/chat_template.h"
#include "compiler/load/tokenizer.h"
#include "compiler/plan_write.h"
#include "runtime/base/file.h"
#include "runtime/base/tokenizer_table.h"

#define ARENA_BYTES ((size_t)16 << 30)

void tl_build_init(tl_build *build) {
  *build = (tl_build){0};
  tl_arena_init(&build->arena, ARENA_BYTES);
  tl_arena_init(&build->scratch, ARENA_BYTES);
}

void tl_build_finish(tl_build *build) {
  tl_checkpoint_close(build->checkpoint);
  tl_arena_finish(&build->scratch);
  tl_arena_finish(&build->arena);
}

const tl_program *tl_build_program(const tl_build *build) {
  const tl_program *found = NULL;
  for (int device = 0; device < TL_TARGET_DEVICE_COUNT; device++)
    if (build->modules[device].program) found = build->modules[device].program;
  return found;
}

static void say(const tl_build_options *options, const char *line) {
  if (options->say) options->say(options->user, line);
}

static tl_status read_source(tl_arena *arena, const char *path, const tl_source **out,
                             tl_diag *diag) {
  tl_file file;
  TL_TRY(tl_file_open(path, &file, diag));
  tl_source *source = tl_arena_alloc(arena, sizeof *source);
  tl_str text = tl_arena_copy(arena, file.bytes), name = tl_arena_copy(arena, tl_str_from(path));
  tl_file_close(&file);
  if (!source || !text.data || !name.data) return TL_MEMORY;
  *source = (tl_source){name.data, text};
  *out = source;
  return TL_OK;
}

static tl_status load_config(tl_build *build, const tl_build_options *options, tl_diag *diag) {
  if (!options->skeleton) {
    TL_TRY(tl_checkpoint_open(&build->arena, options->model, NULL, &build->checkpoint, diag));
    build->config_source = build->checkpoint->config_source;
    build->config = build->checkpoint->config;
    return TL_OK;
  }
  TL_TRY(read_source(&build->arena, options->model, &build->config_source, diag));
  TL_TRY(tl_json_parse(&build->arena, build->config_source, NULL, &build->config, diag));
  if (tl_json_kind_of(build->config) == TL_JSON_OBJECT) return TL_OK;
  return tl_json_expected(build->config_source, build->config, "the config", "an object", diag);
}

static tl_status find_arch(tl_build *build, const tl_build_options *options, tl_diag *diag) {
  if (options->arch) {
    const tl_source *source = NULL;
    TL_TRY(read_source(&build->arena, options->arch, &source, diag));
    return tl_arch_load(&build->arena, source, &build->arch, diag);
  }
  const tl_json *list = tl_json_get(build->config, TL_STR("architectures"));
  const tl_json *first = tl_json_item(list, 0);
  tl_str name;
  if (!list) {
    return tl_diag_error(diag, TL_INPUT, tl_json_span(build->config_source, build->config),
                         "there are no 'architectures': give a description with --arch");
  }
  if (!tl_json_to_string(first, &name)) {
    return tl_diag_error(diag, TL_INPUT, tl_json_span(build->config_source, list),
                         "'architectures' is not a list with the name of the model's class");
  }
  return tl_arch_find(&build->arena, name, tl_json_span(build->config_source, first), &build->arch,
                      diag);
}

tl_status tl_build_lower(tl_build *build, const tl_build_options *options, tl_diag *diag) {
  TL_TRY(tl_op_table_init(&build->ops, diag));
  TL_TRY(load_config(build, options, diag));
  TL_TRY(find_arch(build, options, diag));
  tl_lower_input input = {.arena = &build->arena,
                          .ops = &build->ops,
                          .arch = &build->arch,
                          .config_source = build->config_source,
                          .config = build->config,
                          .checkpoint = build->checkpoint};
  return tl_lower(&input, &build->model, diag);
}

static const tl_draft_rules *const rules_of[TL_TARGET_DEVICE_COUNT] = {
    [TL_TARGET_DEVICE_CPU] = &tl_cpu_rules, [TL_TARGET_DEVICE_CUDA] = &tl_cuda_rules};

static bool is_for(const tl_build_options *options, int device) {
  for (int target = 0; target < TL_TARGET_COUNT; target++) {
    if (options->targets[target] && (int)tl_target_of(target)->device == device) return true;
  }
  return false;
}

tl_status tl_build_fuse(tl_build *build, const tl_build_options *options, tl_diag *diag) {
  int64_t lossy = 0;
  char line[128];
  TL_TRY(tl_pass_formats(build->model.graph, options->weights, &lossy, diag));
  if (lossy > 0) {
    snprintf(line, sizeof line, "%lld matrices lose precision in the chosen format",
             (long long)lossy);
    say(options, line);
  }
  if (is_for(options, TL_TARGET_DEVICE_CPU) && is_for(options, TL_TARGET_DEVICE_CUDA)) {
    say(options, "matrices are stored twice: CPUs and GPUs read them in layouts of their own");
  }
  for (int device = 0; device < TL_TARGET_DEVICE_COUNT; device++) {
    if (!is_for(options, device)) continue;
    tl_pass_ctx ctx = {&build->arena, &build->scratch, diag, rules_of[device]->unit_max};
    build->modules[device] = (tl_module){.graph = build->model.graph};
    TL_TRY(tl_pipeline_run(&ctx, &build->modules[device], &options->pipeline));
  }
  return TL_OK;
}

// KV types compiled for, and the one that `auto` means: that of the weights where it is one.
static void choose_kv(const tl_build *build, const tl_build_options *options,
                      tl_plan_model *model) {
  uint32_t all = (1u << TL_PLAN_KV_COUNT) - 1;
  model->kv_types = options->kv_types ? options->kv_types : all;
  bool bf16 = false;
  for (size_t i = 0; i < build->model.graph->nodes_count; i++) {
    const tl_node *node = build->model.graph->nodes[i];
    bool matrix = node->kind == TL_NODE_WEIGHT && node->result->type.rank >= 2;
    bf16 |= matrix && node->result->type.format == TL_FORMAT_BF16;
  }
  model->kv_default = bf16 ? TL_PLAN_KV_BF16 : TL_PLAN_KV_F32;
  if (!(model->kv_types & 1u << model->kv_default)) {
    model->kv_default = model->kv_types & 1u << TL_PLAN_KV_F32 ? TL_PLAN_KV_F32 : TL_PLAN_KV_BF16;
  }
}

// Every CPU is of the same class.
static uint32_t classes_of(const tl_build_options *options, int device) {
  uint32_t classes = 0;
  if (device == TL_TARGET_DEVICE_CPU) return UINT32_MAX;
  for (int target = 0; target < TL_TARGET_COUNT; target++) {
    bool is_cuda = tl_target_of(target)->device == TL_TARGET_DEVICE_CUDA;
    if (options->targets[target] && is_cuda) classes |= tl_cuda_class(target);
  }
  return classes;
}

typedef struct code {
  tl_str bytes[TL_TARGET_COUNT]; // of each target of the plan
  uint32_t count;
} code;

// The target of texts that the compiler writes on its way to `target`'s code; -1 if there is none.
static int text_target_of(const tl_build_options *options, int target) {
  const char *machine = tl_target_of(target)->machine, *sm = "sm_", *text = "compute_";
  for (int i = 0; i < TL_TARGET_COUNT; i++) {
    const char *other = tl_target_of(i)->machine;
    if (!options->targets[i] || tl_target_of(i)->device != TL_TARGET_DEVICE_CUDA) continue;
    if (strncmp(machine, sm, strlen(sm)) == 0 && strncmp(other, text, strlen(text)) == 0 &&
        strcmp(machine + strlen(sm), other + strlen(text)) == 0) {
      return i;
    }
  }
  return -1;
}

static tl_status emit(const tl_build_options *options, const tl_drafts *drafts, int target,
                      tl_plan_builder *builder, tl_str *out_code, tl_diag *diag) {
  if (tl_target_of(target)->device == TL_TARGET_DEVICE_CUDA) {
    tl_cuda_options cuda = {target, text_target_of(options, target), options->jobs,
                            options->keeps_source};
    return tl_cuda_target_emit(drafts, &cuda, builder, out_code, diag);
  }
  tl_image image;
  TL_TRY(tl_cpu_target_emit(drafts, target, options->jobs, builder, &image, diag));
  *out_code = (tl_str){image.bytes, image.bytes_count};
  return TL_OK;
}

// The shortest prompt length above which a sequence turns its positions in its own way; 0 = none.
static uint32_t prompt_limit(const tl_program *program) {
  int64_t least = 0;
  for (size_t i = 0; i < program->kernels_count; i++) {
    int64_t limit = program->kernels[i]->limit;
    if (limit > 0 && (least == 0 || limit < least)) least = limit;
  }
  return least < UINT32_MAX ? (uint32_t)least : UINT32_MAX;
}

static tl_status draft_device(const tl_build *build, const tl_build_options *options, int device,
                              tl_plan_builder *builder, tl_drafts *out_drafts, tl_diag *diag) {
  int other = device == TL_TARGET_DEVICE_CPU ? TL_TARGET_DEVICE_CUDA : TL_TARGET_DEVICE_CPU;
  tl_draft_choice choice = {builder->models->kv_types, classes_of(options, device),
                            is_for(options, other) ? rules_of[other] : NULL};
  return tl_drafts_build(build->modules[device].program, choice, rules_of[device], builder,
                         out_drafts, diag);
}

// The rows and the code of all targets of `device`.
static tl_status compile_device(const tl_build_options *options, int device,
                                const tl_drafts *drafts, tl_plan_builder *builder, code *out_code,
                                tl_diag *diag) {
  if (device == TL_TARGET_DEVICE_CPU) tl_cpu_module_setup();
  for (int target = 0; target < TL_TARGET_COUNT; target++) {
    if (!options->targets[target] || (int)tl_target_of(target)->device != device) continue;
    TL_TRY(emit(options, drafts, target, builder, &out_code->bytes[out_code->count++], diag));
  }
  return TL_OK;
}

static tl_status compile(tl_build *build, const tl_build_options *options, tl_plan_builder *builder,
                         code *out_code, tl_diag *diag) {
  tl_drafts drafts[TL_TARGET_DEVICE_COUNT];
  tl_plan_model model = {.task = build->model.task,
                         .outputs = (uint32_t)build->model.outputs,
                         .vocabulary = (uint32_t)build->model.vocabulary,
                         .context = (uint32_t)build->model.context,
                         .types = (uint32_t)build->model.types,
                         .prompt_limit = prompt_limit(tl_build_program(build)),
                         .has_weights = !options->skeleton};
  choose_kv(build, options, &model);
  tl_plan_builder_init(builder, &build->arena);
  tl_plan_add_model(builder, &model);
  if (builder->failed) return TL_MEMORY;
  // Code takes the time: what a device cannot do is said before any is compiled.
  for (int device = 0; device < TL_TARGET_DEVICE_COUNT; device++) {
    if (is_for(options, device))
      TL_TRY(draft_device(build, options, device, builder, &drafts[device], diag));
  }
  for (int device = 0; device < TL_TARGET_DEVICE_COUNT; device++) {
    if (is_for(options, device))
      TL_TRY(compile_device(options, device, &drafts[device], builder, out_code, diag));
  }
  return TL_OK;
}

// Checkpoints whose tokenizer has a few added tokens more than the model exist and work.
static void say_foreign_ids(const tl_build *build, const tl_build_options *options,
                            tl_str section) {
  tl_tokenizer_header header;
  char line[160];
  memcpy(&header, section.data, sizeof header);
  if (header.tokens_count <= build->model.vocabulary) return;
  snprintf(line, sizeof line,
           "the tokenizer has ids up to %u, the model has %lld: a text that needs more is refused",
           header.tokens_count - 1, (long long)build->model.vocabulary);
  say(options, line);
}

static tl_status compile_tokenizer(tl_build *build, const tl_build_options *options,
                                   tl_str *out_section, tl_diag *diag) {
  const tl_source *tokenizer = NULL, *pieces = NULL, *config = NULL;
  *out_section = (tl_str){0};
  if (!build->checkpoint) return TL_OK;
  TL_TRY(tl_checkpoint_text(build->checkpoint, &build->arena, "tokenizer.json", &tokenizer, diag));
  TL_TRY(
      tl_checkpoint_text(build->checkpoint, &build->arena, "tokenizer_config.json", &config, diag));
  if (!tokenizer)
    TL_TRY(tl_checkpoint_text(build->checkpoint, &build->arena, "tokenizer.model", &pieces, diag));
  if (!tokenizer && !pieces) {
    say(options, "the folder has neither tokenizer.json nor tokenizer.model: the plan takes and "
                 "gives ids only");
    return TL_OK;
  }
  if (tokenizer) {
    TL_TRY(tl_tokenizer_compile(tokenizer, config, &build->arena, diag, out_section));
  } else {
    TL_TRY(tl_tokenizer_compile_pieces(pieces, config, &build->arena, diag, out_section));
  }
  say_foreign_ids(build, options, *out_section);
  return TL_OK;
}

static tl_status load_chat_template(tl_build *build, const tl_build_options *options,
                                    tl_str *out_section, tl_diag *diag) {
  tl_chat_template_section section = {0};
  if (!build->checkpoint) return TL_OK;
  TL_TRY(tl_chat_template_load(build->checkpoint, &build->arena, diag, &section));
  if (section.warning) say(options, section.warning);
  *out_section = section.bytes;
  return TL_OK;
}

tl_status tl_build_compile(tl_build *build, const tl_build_options *options,
                           tl_plan_tables *out_tables, tl_diag *diag) {
  tl_plan_builder builder;
  code compiled = {0};
  TL_TRY(tl_build_lower(build, options, diag));
  TL_TRY(tl_build_fuse(build, options, diag));
  TL_TRY(compile(build, options, &builder, &compiled, diag));
  return tl_plan_builder_tables(&builder, out_tables);
}

tl_status tl_build_run(tl_build *build, const tl_build_options *options, tl_diag *diag) {
  tl_plan_builder builder;
  tl_plan_tables tables;
  code compiled = {0};
  tl_plan_parts parts = {0};
  tl_packer *packer = NULL;
  TL_TRY(tl_build_check_output(options->output, diag));
  TL_TRY(tl_build_lower(build, options, diag));
  TL_TRY(tl_build_fuse(build, options, diag));
  if (!tl_build_program(build)) return TL_OK; // stopped before
  TL_TRY(compile_tokenizer(build, options, &parts.tokenizer, diag));
  TL_TRY(load_chat_template(build, options, &parts.chat_template, diag));
  TL_TRY(compile(build, options, &builder, &compiled, diag));
  TL_TRY(tl_plan_builder_tables(&builder, &tables));
  TL_TRY(tl_build_meta(build, options, &parts.meta));
  parts.tables = &tables;
  parts.images = compiled.bytes;
  tl_weight_source source = {0};
  if (build->checkpoint) {
    source = tl_lower_source(build->checkpoint);
    TL_TRY(tl_packer_create(&build->arena, &builder, &source, &packer, diag));
    parts.fill = tl_packer_fill;
    parts.fill_context = packer;
  }
  return tl_plan_write(&parts, options->output, options->jobs, &build->scratch, diag);
}

// Loading of architecture files.
#include "compiler/lower/arch.h"

// Sections of a file, and what each is.
static const struct {
  const char *name;
  tl_yaml_kind kind;
} sections[] = {
    {"architectures", TL_YAML_SEQUENCE}, {"task", TL_YAML_SCALAR},
    {"about", TL_YAML_SCALAR},           {"include", TL_YAML_SEQUENCE},
    {"params", TL_YAML_MAPPING},         {"layer_params", TL_YAML_MAPPING},
    {"tables", TL_YAML_MAPPING},         {"weights", TL_YAML_MAPPING},
    {"blocks", TL_YAML_MAPPING},         {"prefix", TL_YAML_SEQUENCE},
    {"quantised", TL_YAML_MAPPING},      {"refuse", TL_YAML_SEQUENCE},
    {"ignore", TL_YAML_MAPPING},         {"graph", TL_YAML_SCALAR},
};

enum { SECTIONS_COUNT = sizeof sections / sizeof *sections };

static tl_status check_section(const tl_yaml *member, tl_diag *diag) {
  size_t best = 0, best_distance = SIZE_MAX;
  for (size_t i = 0; i < SECTIONS_COUNT; i++) {
    tl_str name = tl_str_from(sections[i].name);
    if (tl_str_equal(member->key, name)) {
      if (member->kind == sections[i].kind) return TL_OK;
      return tl_diag_error(diag, TL_INPUT, member->span, "section '%s' has the wrong form",
                           sections[i].name);
    }
    size_t distance = tl_str_distance(member->key, name, 16);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = i;
  }
  tl_diag_error(diag, TL_INPUT, member->key_span, "there is no section '%.*s'",
                TL_STR_ARG(member->key));
  tl_diag_note(diag, "the closest is '%s'", sections[best].name);
  return TL_INPUT;
}

static tl_status load_part(tl_arena *arena, const tl_source *source, tl_arch *arch, tl_diag *diag) {
  const tl_yaml *root = NULL;
  TL_TRY(tl_yaml_parse(arena, source, &root, diag));
  if (root->kind != TL_YAML_MAPPING) {
    return tl_diag_error(diag, TL_INPUT, root->span, "a mapping of sections was expected");
  }
  tl_status status = TL_OK;
  for (const tl_yaml *member = root->first; member; member = member->next) {
    tl_status one = check_section(member, diag);
    if (tl_ok(status)) status = one;
  }
  arch->parts[arch->parts_count++] = root;
  return status;
}

static tl_status load_embedded(tl_arena *arena, const tl_arch_file *file, tl_arch *arch,
                               tl_diag *diag) {
  tl_source *source = tl_arena_alloc(arena, sizeof *source);
  if (!source) return TL_MEMORY;
  *source = (tl_source){file->name, {file->text, (size_t)(file->text_end - file->text)}};
  return load_part(arena, source, arch, diag);
}

static const tl_arch_file *find_block(tl_str name, tl_arena *arena) {
  size_t count;
  const tl_arch_file *files = tl_arch_embedded(&count);
  tl_str path = tl_arena_format(arena, "archs/blocks/%.*s.yaml", TL_STR_ARG(name));
  for (size_t i = 0; i < count; i++) {
    if (tl_str_is(path, files[i].name)) return &files[i];
  }
  return NULL;
}

static tl_status load_includes(tl_arena *arena, tl_arch *arch, tl_diag *diag) {
  for (int part = 0; part < arch->parts_count; part++) {
    const tl_yaml *include = tl_yaml_get(arch->parts[part], "include");
    for (const tl_yaml *name = include ? include->first : NULL; name; name = name->next) {
      const tl_arch_file *file = find_block(name->text, arena);
      if (!file) {
        return tl_diag_error(diag, TL_INPUT, name->span, "there is no archs/blocks/%.*s.yaml",
                             TL_STR_ARG(name->text));
      }
      bool known = false;
      for (int i = 0; i < arch->parts_count; i++)
        known |= tl_str_is(tl_str_from(file->name), arch->parts[i]->span.source->name);
      if (known) continue;
      if (arch->parts_count == TL_ARCH_PARTS_MAX) {
        return tl_diag_error(diag, TL_INPUT, name->span, "more than %d included files",
                             TL_ARCH_PARTS_MAX);
      }
      TL_TRY(load_embedded(arena, file, arch, diag));
    }
  }
  return TL_OK;
}

static tl_status read_task(tl_arch *arch, tl_diag *diag) {
  static const char *const texts[TL_PLAN_TASK_COUNT] = {
#define X(name, text, summary) text,
      TL_PLAN_TASK_MAP(X)
#undef X
  };
  const tl_yaml *task = tl_yaml_get(arch->parts[0], "task");
  for (int i = 0; task && i < TL_PLAN_TASK_COUNT; i++) {
    arch->task = (tl_plan_task)i;
    if (tl_str_is(task->text, texts[i])) return TL_OK;
  }
  return tl_diag_error(diag, TL_INPUT, task ? task->span : arch->parts[0]->span,
                       "section 'task' must be generate, score_tokens, score_first or score_last");
}

static tl_status finish(tl_arena *arena, tl_arch *arch, tl_diag *diag) {
  TL_TRY(load_includes(arena, arch, diag));
  TL_TRY(read_task(arch, diag));
  arch->graph = tl_yaml_get(arch->parts[0], "graph");
  if (arch->graph && arch->graph->is_literal) return TL_OK;
  return tl_diag_error(diag, TL_INPUT, arch->parts[0]->span,
                       "section 'graph' must be a literal block (graph: |)");
}

tl_status tl_arch_load(tl_arena *arena, const tl_source *source, tl_arch *out_arch, tl_diag *diag) {
  *out_arch = (tl_arch){0};
  TL_TRY(load_part(arena, source, out_arch, diag));
  return finish(arena, out_arch, diag);
}

bool tl_arch_lists(const tl_arch *arch, tl_str architecture) {
  const tl_yaml *list = tl_yaml_get(arch->parts[0], "architectures");
  for (const tl_yaml *name = list ? list->first : NULL; name; name = name->next) {
    if (tl_str_equal(name->text, architecture)) return true;
  }
  return false;
}

tl_status tl_arch_find(tl_arena *arena, tl_str architecture, tl_span span, tl_arch *out_arch,
                       tl_diag *diag) {
  size_t count, best_distance = SIZE_MAX;
  const tl_arch_file *files = tl_arch_embedded(&count);
  tl_str best = {0};
  for (size_t i = 0; i < count; i++) {
    if (tl_str_starts_with(tl_str_from(files[i].name), TL_STR("archs/blocks/"))) continue;
    *out_arch = (tl_arch){0};
    TL_TRY(load_embedded(arena, &files[i], out_arch, diag));
    if (tl_arch_lists(out_arch, architecture)) return finish(arena, out_arch, diag);
    const tl_yaml *list = tl_yaml_get(out_arch->parts[0], "architectures");
    for (const tl_yaml *name = list ? list->first : NULL; name; name = name->next) {
      size_t distance = tl_str_distance(architecture, name->text, 64);
      if (distance >= best_distance) continue;
      best_distance = distance;
      best = name->text;
    }
  }
  tl_diag_error(diag, TL_UNSUPPORTED, span,
                "architecture '%.*s' is not known; describe it in a file and give it with --arch",
                TL_STR_ARG(architecture));
  tl_diag_note(diag, "the closest known one is '%.*s'", TL_STR_ARG(best));
  return TL_UNSUPPORTED;
}

const tl_yaml *tl_arch_member(const tl_arch *arch, const char *section, tl_str key) {
  for (int part = 0; part < arch->parts_count; part++) {
    const tl_yaml *mapping = tl_yaml_get(arch->parts[part], section);
    for (const tl_yaml *member = mapping ? mapping->first : NULL; member; member = member->next) {
      if (tl_str_equal(member->key, key)) return member;
    }
  }
  return NULL;
}

// Implementation of arch.h: the file, then what it includes, each part once.
#include "compiler/lower/arch.h"

#include "compiler/lower/arch_check.h"

static tl_status load_part(tl_arena *arena, const tl_source *source, tl_arch *arch, tl_diag *diag) {
  const tl_yaml *root = NULL;
  TL_TRY(tl_yaml_parse(arena, source, &root, diag));
  arch->parts[arch->parts_count++] = root;
  return tl_arch_check(arena, root, diag);
}

static tl_status load_embedded(tl_arena *arena, const tl_arch_file *file, tl_arch *arch,
                               tl_diag *diag) {
  tl_source *source = tl_arena_alloc(arena, sizeof *source);
  if (!source) return TL_MEMORY;
  *source = (tl_source){file->name, {file->text, (size_t)(file->text_end - file->text)}};
  return load_part(arena, source, arch, diag);
}

static bool is_block(tl_str path, tl_str name) {
  tl_str folder = TL_STR("archs/blocks/"), end = TL_STR(".yaml");
  return path.length == folder.length + name.length + end.length &&
         tl_str_starts_with(path, folder) && tl_str_ends_with(path, end) &&
         tl_str_equal(tl_str_slice(path, folder.length, folder.length + name.length), name);
}

static const tl_arch_file *find_block(tl_str name) {
  size_t count;
  const tl_arch_file *files = tl_arch_embedded(&count);
  for (size_t i = 0; i < count; i++) {
    if (is_block(tl_str_from(files[i].name), name)) return &files[i];
  }
  return NULL;
}

static tl_status load_includes(tl_arena *arena, tl_arch *arch, tl_diag *diag) {
  for (int part = 0; part < arch->parts_count; part++) {
    const tl_yaml *include = tl_yaml_get(arch->parts[part], "include");
    for (const tl_yaml *name = include ? include->first : NULL; name; name = name->next) {
      const tl_arch_file *file = find_block(name->text);
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
  if (arch->graph) return TL_OK;
  return tl_diag_error(diag, TL_INPUT, arch->parts[0]->span, "section 'graph' is missing");
}

tl_status tl_arch_load(tl_arena *arena, const tl_source *source, tl_arch *out_arch, tl_diag *diag) {
  *out_arch = (tl_arch){0};
  TL_TRY(load_part(arena, source, out_arch, diag));
  return finish(arena, out_arch, diag);
}

// True if `architecture` is in the file's list.
static bool lists(const tl_arch *arch, tl_str architecture) {
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
    if (lists(out_arch, architecture)) return finish(arena, out_arch, diag);
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

// An architecture file with the blocks it includes, loaded and checked (archs/README.md has the
// language). Lives on an arena; read only after loading.
#ifndef TL_COMPILER_LOWER_ARCH_H
#define TL_COMPILER_LOWER_ARCH_H

#include "compiler/load/yaml_tree.h"
#include "runtime/base/plan.h"

enum { TL_ARCH_PARTS_MAX = 16 };

// A file that is embedded in the compiler: archs/NAME.yaml or archs/blocks/NAME.yaml.
typedef struct tl_arch_file {
  const char *name; // `archs/x.yaml`
  const char *text, *text_end;
} tl_arch_file;

// All embedded files, by name. Static; any thread.
const tl_arch_file *tl_arch_embedded(size_t *out_count);

typedef struct tl_arch {
  const tl_yaml *parts[TL_ARCH_PARTS_MAX]; // the file itself, then what it includes, in order
  int parts_count;
  tl_plan_task task;
  const tl_yaml *graph; // the literal block
} tl_arch;

// Loads `source` and, by name, the embedded blocks it includes. Reports every fault of structure.
tl_status tl_arch_load(tl_arena *arena, const tl_source *source, tl_arch *out_arch,
                       tl_diag *diag) TL_CHECKED;

// The embedded file that lists `architecture`; TL_UNSUPPORTED at `span` names the closest.
tl_status tl_arch_find(tl_arena *arena, tl_str architecture, tl_span span, tl_arch *out_arch,
                       tl_diag *diag) TL_CHECKED;

// Member `key` of section `section`: the file's own, else that of the first part that has it.
const tl_yaml *tl_arch_member(const tl_arch *arch, const char *section, tl_str key);

#endif

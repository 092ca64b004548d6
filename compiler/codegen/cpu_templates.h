// The CPU templates' bitcode, embedded when tlmc is built: one per file of templates/cpu and row of
// targets.def. Read only; any thread.
#ifndef TL_COMPILER_CODEGEN_CPU_TEMPLATES_H
#define TL_COMPILER_CODEGEN_CPU_TEMPLATES_H

typedef struct tl_cpu_template {
  const char *name; // of the anchor
  int target;       // row of targets.def
  const char *cpu, *features;
  const char *bitcode, *bitcode_end;
} tl_cpu_template;

// NULL if there is none.
const tl_cpu_template *tl_cpu_template_of(const char *name, int target);

#endif

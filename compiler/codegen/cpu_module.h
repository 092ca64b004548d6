// One CPU kernel: a template's bitcode with its constants set and its statements filled in,
// compiled to an object by LLVM.
#ifndef TL_COMPILER_CODEGEN_CPU_MODULE_H
#define TL_COMPILER_CODEGEN_CPU_MODULE_H

#include "compiler/codegen/spec.h"

// Readies LLVM; call once before any compilation, from one thread.
void tl_cpu_module_setup(void);

// Compiles `spec` for row `target` of targets.def into an ELF object on `arena`. Safe on several
// threads at once with an arena and sink each. TL_INTERNAL if LLVM complains, with its words.
tl_status tl_cpu_module_compile(const tl_spec *spec, int target, tl_arena *arena,
                                tl_str *out_object, tl_diag *diag) TL_CHECKED;

#endif

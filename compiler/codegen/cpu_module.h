// One CPU kernel: a template's bitcode with its constants set and its statements filled in,
// compiled to an object by LLVM. The text of a kernel says everything it was made from; equal texts
// are equal kernels, so it is compiled once.
//
//   matmul T_COLUMNS=576 .. {row_rms(7) 576 9 | rope(8) 64 32 0 ..}
#ifndef TL_COMPILER_CODEGEN_CPU_MODULE_H
#define TL_COMPILER_CODEGEN_CPU_MODULE_H

#include "compiler/program/program.h"

enum { TL_CPU_CONSTANTS_MAX = 24 };

typedef struct tl_cpu_constant {
  const char *name; // of templates/cpu/constants.h
  bool is_real;
  int64_t i;
  double f;
} tl_cpu_constant;

// A call of tl_statement_<text>; see templates/cpu/statements.h for the constants.
typedef struct tl_cpu_call {
  tl_statement_kind kind;
  int first_arg; // its operands are args[first_arg], ..
  int64_t ints[TL_STATEMENT_INTS_MAX];
  double real;
  int64_t row_bytes, format, key, value;
} tl_cpu_call;

typedef struct tl_cpu_spec {
  tl_anchor anchor;
  tl_cpu_constant constants[TL_CPU_CONSTANTS_MAX];
  int constants_count;
  tl_cpu_call calls[TL_SEGMENTS_MAX][TL_STATEMENTS_MAX];
  int calls_count[TL_SEGMENTS_MAX];
  int segments_count;
} tl_cpu_spec;

// Everything `spec` says, as one line; data is NULL if the arena is exhausted.
tl_str tl_cpu_spec_print(const tl_cpu_spec *spec, tl_arena *arena);

// Readies LLVM; call once before any compilation, from one thread.
void tl_cpu_module_setup(void);

// Compiles `spec` for row `target` of targets.def into an ELF object on `arena`. Safe on several
// threads at once with an arena and sink each. TL_INTERNAL if LLVM complains, with its words.
tl_status tl_cpu_module_compile(const tl_cpu_spec *spec, int target, tl_arena *arena,
                                tl_str *out_object, tl_diag *diag) TL_CHECKED;

#endif

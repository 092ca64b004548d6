// What one kernel is made of: an anchor's template, the constants it is specialised on and the
// statements that are filled in. The same for all targets; which constants a template wants is its
// own. The text of a spec says everything a kernel was made from; equal texts are equal kernels, so
// it is compiled once.
//
//   matmul COLUMNS=576 .. { row_rms(7 576,9,0 ..) rope(8 64,32,0 ..) .. }
#ifndef TL_COMPILER_CODEGEN_SPEC_H
#define TL_COMPILER_CODEGEN_SPEC_H

#include "compiler/program/program.h"

enum { TL_SPEC_CONSTANTS_MAX = 32 };

typedef struct tl_spec_constant {
  const char *name; // as the template has it, T_ in front
  bool is_real;
  int64_t i;
  double f;
} tl_spec_constant;

// A call of tl_statement_<text>; see a target's statements for the constants.
typedef struct tl_spec_call {
  tl_statement_kind kind;
  int first_arg; // its operands are args[first_arg], ..
  int64_t ints[TL_STATEMENT_INTS_MAX];
  double real;
  int64_t row_bytes, format, key, value;
} tl_spec_call;

typedef struct tl_spec {
  tl_anchor anchor;
  tl_spec_constant constants[TL_SPEC_CONSTANTS_MAX];
  int constants_count;
  tl_spec_call calls[TL_SEGMENTS_MAX][TL_STATEMENTS_MAX];
  int calls_count[TL_SEGMENTS_MAX];
  int segments_count;
} tl_spec;

// Everything `spec` says, as one line; data is NULL if the arena is exhausted.
tl_str tl_spec_print(const tl_spec *spec, tl_arena *arena);

#endif

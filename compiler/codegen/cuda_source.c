// Prints sources, a line for each constant and each statement.
#include "compiler/codegen/cuda_source.h"

static tl_str print_constants(const tl_spec *spec, tl_arena *arena) {
  tl_str text = TL_STR("");
  for (int i = 0; text.data && i < spec->constants_count; i++) {
    const tl_spec_constant *constant = &spec->constants[i];
    text = constant->is_real ? tl_arena_format(arena, "%.*s#define %s (%.17g)\n", TL_STR_ARG(text),
                                               constant->name, constant->f)
                             : tl_arena_format(arena, "%.*s#define %s %lld\n", TL_STR_ARG(text),
                                               constant->name, (long long)constant->i);
  }
  return text;
}

static tl_str print_calls(const tl_spec *spec, int segment, tl_str text, tl_arena *arena) {
  for (int c = 0; text.data && c < spec->calls_count[segment]; c++) {
    const tl_spec_call *call = &spec->calls[segment][c];
    text = tl_arena_format(arena,
                           "%.*s    tl_statement_%s(tile, a, step, %d, %lld, %lld, %lld, %lld, "
                           "(float)%.17g, %lld, %lld, "
                           "%lld, %lld);\n",
                           TL_STR_ARG(text), tl_statement_of(call->kind)->text, call->first_arg,
                           (long long)call->ints[0], (long long)call->ints[1],
                           (long long)call->ints[2], (long long)call->ints[3], call->real,
                           (long long)call->row_bytes, (long long)call->format,
                           (long long)call->key, (long long)call->value);
  }
  return text;
}

tl_str tl_cuda_source_print(const tl_spec *spec, const char *template, tl_arena *arena) {
  tl_str text = print_constants(spec, arena);
  if (!text.data) return text;
  text =
      tl_arena_format(arena, "%.*s#include \"templates/cuda/%s.cu\"\n", TL_STR_ARG(text), template);
  if (!text.data || spec->segments_count == 0) return text; // the template stores by itself
  text = tl_arena_format(arena,
                         "%.*sTL_INLINE void tl_epilogue(tl_tile *tile, const tl_arguments *a, "
                         "const tl_step *step,\n"
                         "                           tl_i32 segment) {\n  switch (segment) {\n",
                         TL_STR_ARG(text));
  for (int s = 0; text.data && s < spec->segments_count; s++) {
    text = tl_arena_format(arena, "%.*s  case %d:\n", TL_STR_ARG(text), s);
    text = print_calls(spec, s, text, arena);
    if (text.data) text = tl_arena_format(arena, "%.*s    break;\n", TL_STR_ARG(text));
  }
  return text.data ? tl_arena_format(arena, "%.*s  }\n}\n", TL_STR_ARG(text)) : text;
}

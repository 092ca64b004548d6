// The text of a spec.
#include "compiler/codegen/spec.h"

static tl_str print_calls(const tl_spec *spec, int segment, tl_str text, tl_arena *arena) {
  for (int c = 0; text.data && c < spec->calls_count[segment]; c++) {
    const tl_spec_call *call = &spec->calls[segment][c];
    text = tl_arena_format(arena, "%.*s %s(%d %lld,%lld,%lld,%lld %.17g %lld:%lld %lld,%lld)",
                           TL_STR_ARG(text), tl_statement_of(call->kind)->text, call->first_arg,
                           (long long)call->ints[0], (long long)call->ints[1],
                           (long long)call->ints[2], (long long)call->ints[3], call->real,
                           (long long)call->row_bytes, (long long)call->format,
                           (long long)call->key, (long long)call->value);
  }
  return text;
}

tl_str tl_spec_print(const tl_spec *spec, tl_arena *arena) {
  tl_str text = tl_str_from(tl_anchor_text(spec->anchor));
  for (int i = 0; text.data && i < spec->constants_count; i++) {
    const tl_spec_constant *constant = &spec->constants[i];
    text = constant->is_real ? tl_arena_format(arena, "%.*s %s=%.17g", TL_STR_ARG(text),
                                               constant->name + 2, constant->f)
                             : tl_arena_format(arena, "%.*s %s=%lld", TL_STR_ARG(text),
                                               constant->name + 2, (long long)constant->i);
  }
  for (int s = 0; text.data && s < spec->segments_count; s++) {
    text = tl_arena_format(arena, "%.*s {", TL_STR_ARG(text));
    text = print_calls(spec, s, text, arena);
    text = tl_arena_format(arena, "%.*s }", TL_STR_ARG(text));
  }
  return text;
}

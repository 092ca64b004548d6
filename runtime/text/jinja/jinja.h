// Jinja templates, as chat templates use them: parsed once, rendered any number of times.
//
// The text is the one that jinja2 gives in the environment transformers makes for chat templates:
// trim_blocks and lstrip_blocks on, no trailing line end, the immutable sandbox, break and
// continue, `generation` blocks, the functions raise_exception and strftime_now. What is not here
// (inheritance, imports, rare filters) is refused when the template is parsed, with its place.
//
//   tl_jinja_parse(arena, &source, &template, diag)
//   tl_jinja_variables sets[] = {{&source, tree}};          {"messages": [..], "bos_token": "<s>"}
//   tl_jinja_render(template, &(tl_jinja_input){sets, 1, now}, arena, diag, &text)
//
// A parsed template is read-only and may be shared by threads. A rendering keeps all it makes on
// its arena and has limits on steps, depth, memory and output, so that no template and no
// conversation can hang or exhaust a server.
#ifndef TL_TEXT_JINJA_JINJA_H
#define TL_TEXT_JINJA_JINJA_H

#include "runtime/base/json_tree.h"

enum {
  TL_JINJA_BYTES_MAX = 1 << 20,   // of a template
  TL_JINJA_NESTING_MAX = 200,     // blocks and expressions inside each other
  TL_JINJA_SYMBOLS_MAX = 4096,    // different names
  TL_JINJA_DEPTH_MAX = 600,       // nodes that are being evaluated inside each other
  TL_JINJA_STEPS_MAX = 200000000, // nodes evaluated, and 16 bytes of text touched each
  TL_JINJA_OUTPUT_MAX = 64 << 20  // bytes of a text that is made
};

typedef struct tl_jinja_template tl_jinja_template;

// Parses `source`, which must outlive the template; all of it is on `arena`. TL_INPUT for what is
// no Jinja, TL_UNSUPPORTED for what is not part of this implementation, TL_MEMORY beyond a limit;
// each with one diagnostic.
TL_CHECKED tl_status tl_jinja_parse(tl_arena *arena, const tl_source *source,
                                    const tl_jinja_template **out_template, tl_diag *diag);

// Variables: the members of a JSON object, whose tree has no duplicate keys.
typedef struct tl_jinja_variables {
  const tl_source *source; // that the tree was parsed from
  const tl_json *object;
} tl_jinja_variables;

typedef struct tl_jinja_input {
  const tl_jinja_variables *sets; // a later set wins
  size_t sets_count;
  int64_t now;       // seconds since 1970, what strftime_now tells in the local time zone
  int64_t steps_max; // 0 = TL_JINJA_STEPS_MAX
} tl_jinja_input;

// The rendered text, on `arena`. TL_INPUT with what the template raised or did wrong, TL_MEMORY if
// a limit was hit; with one diagnostic at the place in the template.
TL_CHECKED tl_status tl_jinja_render(const tl_jinja_template *template, const tl_jinja_input *input,
                                     tl_arena *arena, tl_diag *diag, tl_str *out_text);

#endif

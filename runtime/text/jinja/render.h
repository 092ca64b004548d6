// One rendering: where it is, what it has used up, and the parts of the evaluator that its files
// share.
//
//   statement.c   statements, loops, captured text       expression.c  expressions
//   call.c        arguments, macros, callables           access.c      attributes, items, slices
//   operator.c    arithmetic, comparison, order          write.c       str, repr, JSON
//   list.c        lists, dicts, iteration
#ifndef TL_TEXT_JINJA_RENDER_H
#define TL_TEXT_JINJA_RENDER_H

#include "runtime/base/arena.h"
#include "runtime/text/jinja/function.h"
#include "runtime/text/jinja/node.h"

typedef struct tl_binding {
  uint16_t symbol;
  tl_datum value;
} tl_binding;

// Names of a block. What a macro has captured lives on after its block.
typedef struct tl_render_scope tl_render_scope;
struct tl_render_scope {
  tl_render_scope *outer;
  tl_binding *bindings;
  size_t count, capacity;
};

// Text that grows.
typedef struct tl_text {
  char *data;
  size_t length, capacity;
} tl_text;

struct tl_render {
  const tl_jinja_template *template;
  tl_arena *arena;
  tl_diag *diag;
  const tl_jinja_node *at; // what is being evaluated, for messages
  tl_render_scope *scope;
  tl_text *out;
  tl_text joined;   // what + or ~ made last: it grows in place
  int64_t steps;    // that are left
  int64_t captures; // macros made so far, which keep their scopes
  int depth;
  int64_t now;
};

// A macro, or the body of a call block.
struct tl_macro {
  const tl_jinja_node *node; // MACRO or CALL_BLOCK
  tl_render_scope *scope;
};

// `loop` of a for block.
struct tl_loop {
  const tl_jinja_node *node;
  tl_render_scope *scope; // that the block is in
  const tl_datum *items;
  size_t at, count;
  int depth;        // of recursive loops
  tl_datum changed; // what loop.changed saw last
};

// Reports at the node that is being evaluated; returns TL_INPUT.
tl_status tl_render_fail(tl_render *render, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Reports that memory ran out.
void tl_render_say_full(tl_render *render);

// TL_MEMORY with the sentence that a limit was hit.
static inline tl_status tl_render_full(tl_render *render) {
  tl_render_say_full(render);
  return TL_MEMORY;
}

// Counts steps; TL_MEMORY beyond the limit. Texts cost a step for 16 bytes.
TL_CHECKED tl_status tl_render_charge(tl_render *render, size_t steps);
TL_CHECKED tl_status tl_render_charge_text(tl_render *render, size_t bytes);

// Goes one level deeper; TL_MEMORY beyond the limit. The caller counts `depth` down again.
TL_CHECKED tl_status tl_render_enter(tl_render *render);

// Reports the use of an undefined value, as its `why` says.
tl_status tl_render_undefined(tl_render *render, const tl_datum *value);

// ---- Statements and expressions

typedef enum tl_jump { TL_JUMP_NONE, TL_JUMP_BREAK, TL_JUMP_CONTINUE } tl_jump;

TL_CHECKED tl_status tl_render_items(tl_render *render, const tl_jinja_node *items,
                                     tl_jump *out_jump);

// Renders `items` into a text of its own.
TL_CHECKED tl_status tl_render_capture(tl_render *render, const tl_jinja_node *items,
                                       tl_str *out_text);

// A for block over `value`, with a loop of this depth.
TL_CHECKED tl_status tl_render_loop(tl_render *render, const tl_jinja_node *node,
                                    const tl_datum *value, int depth);

TL_CHECKED tl_status tl_render_value(tl_render *render, const tl_jinja_node *node, tl_datum *out);

// A filter node on a text: of blocks.
TL_CHECKED tl_status tl_render_filter(tl_render *render, const tl_jinja_node *node, tl_str text,
                                      tl_datum *out);

// ---- Scopes

// A new scope inside the current one; it becomes the current one. NULL if the arena is full.
tl_render_scope *tl_render_open_scope(tl_render *render, tl_render_scope *outer);

TL_CHECKED tl_status tl_render_set(tl_render *render, tl_render_scope *scope, uint16_t symbol,
                                   const tl_datum *value);

// The value of a symbol in this scope or around it; absent if there is none.
tl_datum tl_render_get(const tl_render_scope *scope, uint16_t symbol);

// ---- Calls

TL_CHECKED tl_status tl_call_node(tl_render *render, const tl_jinja_node *node,
                                  const tl_macro *caller, tl_datum *out);

TL_CHECKED tl_status tl_call_arguments(tl_render *render, const tl_jinja_node *items,
                                       tl_arguments *out);

TL_CHECKED tl_status tl_call_value(tl_render *render, const tl_datum *function,
                                   const tl_arguments *args, tl_datum *out);

// ---- Operators

TL_CHECKED tl_status tl_datum_operate(tl_render *render, tl_jinja_op op, const tl_datum *a,
                                      const tl_datum *b, tl_datum *out);

TL_CHECKED tl_status tl_datum_negate(tl_render *render, const tl_datum *a, tl_datum *out);

TL_CHECKED tl_status tl_datum_compare(tl_render *render, tl_jinja_op op, const tl_datum *a,
                                      const tl_datum *b, bool *out);

// Python's order: -1, 0 or 1. TL_INPUT for what has none.
TL_CHECKED tl_status tl_datum_order(tl_render *render, const tl_datum *a, const tl_datum *b,
                                    int *out);

TL_CHECKED tl_status tl_datum_equal(tl_render *render, const tl_datum *a, const tl_datum *b,
                                    bool *out);

// The same object.
bool tl_datum_same(const tl_datum *a, const tl_datum *b);

bool tl_datum_truth(const tl_datum *value);

// `text` % values.
TL_CHECKED tl_status tl_datum_format(tl_render *render, tl_str text, const tl_datum *values,
                                     tl_text *out);

// a + b, which may be done in place.
TL_CHECKED tl_status tl_datum_join(tl_render *render, tl_str a, tl_str b, tl_str *out);

// ---- Attributes and items

TL_CHECKED tl_status tl_datum_attribute(tl_render *render, const tl_datum *object, tl_str name,
                                        tl_datum *out);
TL_CHECKED tl_status tl_datum_item(tl_render *render, const tl_datum *object, const tl_datum *key,
                                   tl_datum *out);

// object[bounds[0]:bounds[1]:bounds[2]]; bounds are absent or none where they are open.
TL_CHECKED tl_status tl_datum_slice(tl_render *render, const tl_datum *object,
                                    const tl_datum bounds[3], tl_datum *out);

// What a name like "a.b.0" leads to from `object`: for filters with `attribute`.
TL_CHECKED tl_status tl_datum_path(tl_render *render, const tl_datum *object, const tl_datum *path,
                                   tl_datum *out);

// ---- Lists and dicts

TL_CHECKED tl_status tl_list_create(tl_render *render, size_t capacity, tl_datum_list **out);
TL_CHECKED tl_status tl_list_add(tl_render *render, tl_datum_list *list, const tl_datum *item);

// What iterating over `value` gives; a stream is empty afterwards. TL_INPUT if it is not iterable.
TL_CHECKED tl_status tl_list_of(tl_render *render, const tl_datum *value, tl_datum_list *out);

TL_CHECKED tl_status tl_dict_create(tl_render *render, size_t capacity, tl_datum_dict **out);
TL_CHECKED tl_status tl_dict_set(tl_render *render, tl_datum_dict *dict, const tl_datum *key,
                                 const tl_datum *value);

// The value of `key`; absent if there is none. TL_INPUT for a key that cannot be one.
TL_CHECKED tl_status tl_dict_get(tl_render *render, const tl_datum_dict *dict, const tl_datum *key,
                                 tl_datum *out);

// The same for a text.
tl_datum tl_dict_find(const tl_datum_dict *dict, tl_str key);

// The datum of a JSON node.
TL_CHECKED tl_status tl_datum_from_json(tl_render *render, const tl_source *source,
                                        const tl_json *node, tl_datum *out);

// Items in order, by order or by key; stable.
TL_CHECKED tl_status tl_list_sort(tl_render *render, tl_datum *items, const tl_datum *keys,
                                  size_t count, bool is_reverse);

// TL_INPUT for a name that a namespace does not take.
TL_CHECKED tl_status tl_namespace_check(tl_render *render, const tl_datum *name);

// ---- Text

TL_CHECKED tl_status tl_text_add(tl_render *render, tl_text *text, tl_str more);
TL_CHECKED tl_status tl_text_add_code(tl_render *render, tl_text *text, uint32_t code);

// str(value) and repr(value), added to `text`.
TL_CHECKED tl_status tl_text_add_str(tl_render *render, tl_text *text, const tl_datum *value);
TL_CHECKED tl_status tl_text_add_repr(tl_render *render, tl_text *text, const tl_datum *value);

// str(value): a text as it is.
TL_CHECKED tl_status tl_datum_to_str(tl_render *render, const tl_datum *value, tl_str *out);

// With & < > ' " as entities, as HTML wants them.
TL_CHECKED tl_status tl_text_add_escaped(tl_render *render, tl_text *text, tl_str more);

typedef struct tl_json_style {
  bool ascii, sorts;
  bool has_indent;
  tl_str indent, item_separator, key_separator;
} tl_json_style;

// json.dumps(value).
TL_CHECKED tl_status tl_text_add_json(tl_render *render, tl_text *text, const tl_datum *value,
                                      const tl_json_style *style, int level);

// The text in another case, added to `text`.
TL_CHECKED tl_status tl_text_add_upper(tl_render *render, tl_text *text, tl_str more);
TL_CHECKED tl_status tl_text_add_lower(tl_render *render, tl_text *text, tl_str more);
TL_CHECKED tl_status tl_text_add_capitalized(tl_render *render, tl_text *text, tl_str more);

// What datetime.now().strftime(format) gives at `render->now`.
TL_CHECKED tl_status tl_text_add_time(tl_render *render, tl_text *text, tl_str format);

static inline tl_datum tl_text_datum(const tl_text *text) {
  return tl_datum_of_text((tl_str){text->length ? text->data : "", text->length});
}

#endif

// Names while an architecture is lowered. Private to compiler/lower.
//
//   config, prefix      always
//   parameters          evaluated when first asked for; those of layer_params once per layer
//   loop variables      `i` of the loops around, also seen by layer parameters
//   arguments           of the block being used, hiding those of the block that uses it
//   definitions         section `let` of the table being computed
//
// Every member of config.json that an expression reads is recorded, so that what nobody read can be
// told at the end.
#ifndef TL_COMPILER_LOWER_SCOPE_H
#define TL_COMPILER_LOWER_SCOPE_H

#include "compiler/lower/expr.h"
#include "compiler/lower/lower.h"

enum {
  TL_SCOPE_PARAMS_MAX = 256,
  TL_SCOPE_LETS_MAX = 32,
  TL_SCOPE_LOCALS_MAX = 64,
  TL_SCOPE_NESTING_MAX = 24, // parameters defined by parameters
  TL_SCOPE_READS_MAX = 1 << 16
};

typedef struct tl_scope_param {
  const tl_yaml *definition;
  bool is_layer, is_known, is_busy; // busy: being evaluated, so that cycles are found
  tl_expr_value value;
} tl_scope_param;

typedef struct tl_scope_read {
  const tl_json *object;
  tl_str key;
} tl_scope_read;

// A loop variable or an argument.
typedef struct tl_scope_local {
  tl_str name;
  bool is_loop;
  tl_expr_value value;
} tl_scope_local;

// What an expression may name, besides parameters.
typedef enum tl_scope_view {
  TL_SCOPE_ALL,
  TL_SCOPE_LOOPS, // the definition of a layer parameter
  TL_SCOPE_NONE   // the definition of any other parameter
} tl_scope_view;

typedef struct tl_scope {
  const tl_lower_input *input;
  tl_diag *diag;
  tl_str prefix; // of tensor names
  tl_scope_param params[TL_SCOPE_PARAMS_MAX];
  int params_count;
  tl_scope_param lets[TL_SCOPE_LETS_MAX];
  int lets_count;
  tl_scope_local locals[TL_SCOPE_LOCALS_MAX]; // outermost first
  int locals_count;
  int frame; // arguments below this local are hidden
  int nesting;
  tl_scope_view view;
  bool single;          // a table is being made: its own expressions are in single precision
  tl_scope_read *reads; // the last one is the latest only if it was new
  size_t reads_count, reads_capacity;
  const tl_json *last_read; // what was read last, else what the first parameter named was; or NULL
} tl_scope;

tl_status tl_scope_init(tl_scope *scope, const tl_lower_input *input, tl_diag *diag) TL_CHECKED;

// Adds a local on top; TL_INPUT at `span` if there are too many.
tl_status tl_scope_push(tl_scope *scope, const tl_scope_local *local, tl_span span) TL_CHECKED;

// Removes the locals above the lowest `count`; layer parameters are forgotten.
void tl_scope_pop(tl_scope *scope, int count);

// Changes the topmost local, a loop variable; layer parameters and definitions are forgotten.
void tl_scope_set(tl_scope *scope, int64_t value);

// Makes the members of mapping `let` (or NULL) known, in place of those known before.
tl_status tl_scope_let(tl_scope *scope, const tl_yaml *let) TL_CHECKED;

// Evaluates the scalar `node`, or bytes [begin, end) of its text.
tl_status tl_scope_eval(tl_scope *scope, const tl_yaml *node, tl_expr_value *out) TL_CHECKED;
tl_status tl_scope_eval_part(tl_scope *scope, const tl_yaml *node, size_t begin, size_t end,
                             tl_expr_value *out) TL_CHECKED;

// The same, with an error (at the config's value, if it comes from there as it is) if the value is
// of another kind.
tl_status tl_scope_int(tl_scope *scope, const tl_yaml *node, int64_t *out) TL_CHECKED;
tl_status tl_scope_truth(tl_scope *scope, const tl_yaml *node, bool *out) TL_CHECKED;

// Reports that `value`, which `node` came to, is not what was expected, at the same place;
// TL_INPUT.
tl_status tl_scope_fault(tl_scope *scope, const tl_yaml *node, const tl_expr_value *value,
                         const char *expected) TL_CHECKED;

// The parameter `name` as an integer from `least` to `most`; `*out` stays as it is if there is no
// such parameter.
tl_status tl_scope_param_int(tl_scope *scope, const char *name, int64_t least, int64_t most,
                             int64_t *out) TL_CHECKED;

// What of the config the parameter `name` is, as it stands there; NULL if it is not from there or
// if there is no such parameter.
tl_status tl_scope_param_json(tl_scope *scope, const char *name, const tl_json **out) TL_CHECKED;

// Of the parameters that the expression `text` names and that are the config's values as they stand
// there: the first that is an integer and not positive, or NULL.
const tl_json *tl_scope_no_count(tl_scope *scope, tl_str text);

// The scalar `node` with every `{expression}` replaced by its value; `{e}` stays.
tl_status tl_scope_fill(tl_scope *scope, const tl_yaml *node, tl_str *out) TL_CHECKED;

// Whether an expression in braces of `node` names a loop variable that can be seen now.
bool tl_scope_is_of_loop(const tl_scope *scope, const tl_yaml *node);

// Every key of the config and of its objects that were looked into must have been read (also by a
// parameter that was not needed), be ignored by a pattern of section ignore.config, or be null,
// false, [] or {}.
tl_status tl_scope_check_unread(tl_scope *scope) TL_CHECKED;

// True if `text` matches `pattern`, in which `*` stands for anything.
bool tl_pattern_matches(tl_str pattern, tl_str text);

#endif

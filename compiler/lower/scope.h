// Names while an architecture is lowered: parameters (evaluated when first asked for), the layer,
// `config`. Private to compiler/lower.
#ifndef TL_COMPILER_LOWER_SCOPE_H
#define TL_COMPILER_LOWER_SCOPE_H

#include "compiler/lower/expr.h"
#include "compiler/lower/lower.h"

enum { TL_SCOPE_PARAMS_MAX = 256, TL_SCOPE_READS_MAX = 1024, TL_SCOPE_LOOPS_MAX = 4 };

typedef struct tl_scope_param {
  const tl_yaml *definition;
  bool is_layer, is_known, is_busy; // busy: being evaluated, so that cycles are found
  tl_expr_value value;
} tl_scope_param;

typedef struct tl_scope_read {
  const tl_json *object;
  tl_str key;
} tl_scope_read;

typedef struct tl_scope_variable {
  tl_str name;
  int64_t value;
} tl_scope_variable;

typedef struct tl_scope {
  const tl_lower_input *input;
  tl_diag *diag;
  tl_scope_param params[TL_SCOPE_PARAMS_MAX];
  int params_count;
  tl_scope_read reads[TL_SCOPE_READS_MAX]; // config members that were read
  int reads_count;
  tl_scope_variable variables[TL_SCOPE_LOOPS_MAX]; // of loops, outermost first
  int variables_count;
  const tl_yaml *let; // definitions that come first while a table is evaluated, or NULL
} tl_scope;

tl_status tl_scope_init(tl_scope *scope, const tl_lower_input *input, tl_diag *diag) TL_CHECKED;

// A loop's variable comes and goes; parameters of the layer are forgotten.
tl_status tl_scope_push(tl_scope *scope, tl_str name, int64_t value) TL_CHECKED;
void tl_scope_pop(tl_scope *scope);
void tl_scope_set(tl_scope *scope, int64_t value);

// Evaluates the scalar `node`, or bytes [begin, end) of its text.
tl_status tl_scope_eval(tl_scope *scope, const tl_yaml *node, tl_expr_value *out) TL_CHECKED;
tl_status tl_scope_eval_part(tl_scope *scope, const tl_yaml *node, size_t begin, size_t end,
                             tl_expr_value *out) TL_CHECKED;

// The same, with an error at `node` if the value is of another kind.
tl_status tl_scope_int(tl_scope *scope, const tl_yaml *node, int64_t *out) TL_CHECKED;
tl_status tl_scope_truth(tl_scope *scope, const tl_yaml *node, bool *out) TL_CHECKED;

// The parameter `name` as an integer; `missing` if there is no such parameter.
tl_status tl_scope_param_int(tl_scope *scope, const char *name, int64_t missing,
                             int64_t *out) TL_CHECKED;

// `{i}` and `{expr}` of a name replaced by values; `{e}` and `{prefix}` stay.
tl_status tl_scope_fill(tl_scope *scope, const tl_yaml *node, tl_str text, tl_str *out) TL_CHECKED;

// Every key of the config and of its objects that were looked into must have been read, be ignored
// by a pattern of section ignore.config, or be null or false.
tl_status tl_scope_check_unread(tl_scope *scope) TL_CHECKED;

// True if `text` matches `pattern`, in which `*` stands for anything.
bool tl_pattern_matches(tl_str pattern, tl_str text);

#endif

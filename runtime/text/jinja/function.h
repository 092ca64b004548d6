// Filters, tests, functions and methods: rows of tables that say how arguments are bound.
//
//   {"indent", "width first blank", 0, filter_indent}
//
// binds the arguments of `x | indent(4, blank=true)` to an array {4, absent, true}; too many, too
// few or unknown ones are reported before the function runs. A parameter like /key takes no name.
// Parameters NULL = the function looks at the arguments itself.
#ifndef TL_TEXT_JINJA_FUNCTION_H
#define TL_TEXT_JINJA_FUNCTION_H

#include "runtime/base/status.h"
#include "runtime/text/jinja/datum.h"

enum { TL_FUNCTION_PARAMETERS_MAX = 6 };

typedef struct tl_render tl_render;

// Arguments as they were written.
typedef struct tl_arguments {
  const tl_datum *items; // `count` without a name, then those with one
  const tl_str *names;   // of the latter
  size_t count, named_count;
} tl_arguments;

// One call. `self` is what a filter or test is applied to, or whose method is called.
typedef struct tl_call {
  const tl_function_row *row;
  tl_datum self;
  tl_datum args[TL_FUNCTION_PARAMETERS_MAX]; // bound, absent where not given
  const tl_arguments *given;
} tl_call;

typedef tl_status tl_function(tl_render *render, const tl_call *call, tl_datum *out);

struct tl_function_row {
  const char *name;
  const char *parameters;
  int required; // how many of them must be given
  tl_function *run;
};

// A method with what it belongs to.
struct tl_method {
  const tl_function_row *row;
  tl_datum self;
};

// The row of a name; NULL if there is none.
const tl_function_row *tl_filter_find(tl_str name);
const tl_function_row *tl_test_find(tl_str name);
const tl_function_row *tl_function_find(tl_str name);
const tl_function_row *tl_method_find(const tl_datum *self, tl_str name);

// Whether Python has this attribute on `self` and the sandbox hides it, as it changes `self`.
bool tl_method_is_hidden(const tl_datum *self, tl_str name);

// Binds `given` by the row and calls it. TL_INPUT for arguments that do not fit.
TL_CHECKED tl_status tl_function_call(tl_render *render, const tl_function_row *row, tl_datum self,
                                      const tl_arguments *given, tl_datum *out);

#endif

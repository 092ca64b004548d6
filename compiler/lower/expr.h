// Expressions of architecture files, in Python's spelling, over config.json and named values.
//
//   config.head_dim ?? config.hidden_size // heads
//   'sliding' if (i + 1) % pattern else 'full'
//   base ** (-2 * j / (2 * pairs))
//
//   a if c else b     only the chosen branch is evaluated
//   a ?? b            b if a is missing or null
//   or and not  == != < <= > >= in not-in  + - * / // % **  unary -
//   config.a.b  list[i]  [a, b]  f(x)  'text' in 'longer text'  x in list  'key' in config
//   abs ceil contains cos exp floor has int len log max min range real round round_up sin sqrt
//   starts_with sum
//
// Integers are exact, `/` gives a real, `//` and `%` round down as in Python. Reading a member that
// is not there gives "missing", which only `??`, has() and comparisons with null accept.
#ifndef TL_COMPILER_LOWER_EXPR_H
#define TL_COMPILER_LOWER_EXPR_H

#include "runtime/base/json_tree.h"

enum { TL_EXPR_DEPTH_MAX = 48, TL_EXPR_ITEMS_MAX = 4096, TL_EXPR_ARGS_MAX = 8 };

typedef enum tl_expr_kind {
  TL_EXPR_MISSING,
  TL_EXPR_NULL,
  TL_EXPR_BOOL,
  TL_EXPR_INT,
  TL_EXPR_REAL,
  TL_EXPR_TEXT,
  TL_EXPR_LIST, // `items`
  TL_EXPR_JSON  // an object or array of a JSON text
} tl_expr_kind;

typedef struct tl_expr_value tl_expr_value;
struct tl_expr_value {
  tl_expr_kind kind;
  int64_t i; // ints and bools
  double f;
  tl_str text; // of a text; of a missing value its name
  const tl_expr_value *items;
  size_t count;
  const tl_json *json; // of JSON values; of others, the node they were read from or NULL
};

// What names mean. `user` is passed to all.
typedef struct tl_expr_scope {
  void *user;
  tl_arena *arena;

  // False if there is no such name. A failure of its own is reported and returned.
  tl_status (*lookup)(void *user, tl_str name, bool *out_found, tl_expr_value *out_value,
                      tl_diag *diag);

  // Called for every member that is read, also if it is missing. May be NULL.
  void (*on_read)(void *user, const tl_json *object, tl_str key);

  // The place of bytes [offset, offset + length) of the expression's text.
  tl_span (*place)(void *user, size_t offset, size_t length);

  // Where a value that is no good was read: at a node of a JSON text, or NULL for one that is not
  // there. May be NULL: then faults of values are at the expression too.
  tl_span (*origin)(void *user, const tl_json *node);

  // Reals are rounded to f32 before and after each operation: how tables come out that models were
  // trained with.
  bool single;
} tl_expr_scope;

// Evaluates all of `text`. TL_INPUT for faults of the text and of values, at their places.
tl_status tl_expr_eval(const tl_expr_scope *scope, tl_str text, tl_expr_value *out_value,
                       tl_diag *diag) TL_CHECKED;

// Checks the grammar of all of `text`; nothing is looked up or computed.
tl_status tl_expr_check(const tl_expr_scope *scope, tl_str text, tl_diag *diag) TL_CHECKED;

// The value of a JSON node; objects and arrays stay JSON. NULL is missing.
tl_expr_value tl_expr_from_json(const tl_json *node);

// As a condition: null, false, 0 and missing are false, true and other numbers are true. Returns
// false for what is none: a text may say "no", so nothing is guessed.
bool tl_expr_to_truth(const tl_expr_value *value, bool *out_truth);

// Equal as JSON values; an int and a real of the same value are equal.
bool tl_expr_equal(const tl_expr_value *a, const tl_expr_value *b);

// Integers, and reals without a fraction. False for anything else.
bool tl_expr_to_int(const tl_expr_value *value, int64_t *out_value);

// Integers and reals.
bool tl_expr_to_real(const tl_expr_value *value, double *out_value);

// "an integer", "missing", ..; for messages.
const char *tl_expr_kind_text(const tl_expr_value *value);

// The value as text: 12, 0.5, name, [1, 2]. data is NULL if the arena is exhausted.
tl_str tl_expr_print(const tl_expr_value *value, tl_arena *arena);

#endif

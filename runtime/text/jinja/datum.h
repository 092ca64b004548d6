// The values of a template: Python's, as far as templates see them.
//
// A datum is 16 bytes and is copied freely. Texts are valid UTF-8; containers live on the
// rendering's arena and never change after they are made, except for namespaces, for lists that are
// read once (what `map` gives) and for the counters of loops.
#ifndef TL_TEXT_JINJA_DATUM_H
#define TL_TEXT_JINJA_DATUM_H

#include "runtime/base/str.h"

typedef enum tl_datum_kind {
  TL_DATUM_ABSENT,    // an argument that was not given; never a value of a template
  TL_DATUM_UNDEFINED, // `text`: what is not there; `flavour`: see tl_datum_why
  TL_DATUM_NONE,
  TL_DATUM_BOOL,
  TL_DATUM_INT,
  TL_DATUM_BIG, // an integer beyond int64_t: `text` has its digits; it can only be written
  TL_DATUM_REAL,
  TL_DATUM_TEXT,  // `flavour` 1: safe, what is added to it is escaped for HTML
  TL_DATUM_LIST,  // of any flavour
  TL_DATUM_RANGE, //
  TL_DATUM_DICT,
  TL_DATUM_NAMESPACE, // `dict`
  TL_DATUM_MACRO,
  TL_DATUM_FUNCTION, // of the rows of functions.c
  TL_DATUM_METHOD,   // a function with its receiver
  TL_DATUM_LOOP,
  TL_DATUM_CYCLER,
  TL_DATUM_JOINER
} tl_datum_kind;

// What a list is in Python; what it is written as and can do follows from it.
typedef enum tl_datum_flavour {
  TL_DATUM_AS_LIST,
  TL_DATUM_AS_TUPLE,
  TL_DATUM_AS_KEYS,
  TL_DATUM_AS_VALUES,
  TL_DATUM_AS_ITEMS,
  TL_DATUM_AS_STREAM // a generator: it has no length and is empty once it was read
} tl_datum_flavour;

// Why something is undefined: which sentence its use ends with.
typedef enum tl_datum_why {
  TL_DATUM_NO_NAME,  // a variable
  TL_DATUM_NO_ITEM,  // `owner` has no such attribute or element
  TL_DATUM_UNSAFE,   // an attribute that the sandbox hides
  TL_DATUM_SENTENCE, // `text` says it
} tl_datum_why;

typedef struct tl_datum tl_datum;
typedef struct tl_datum_list tl_datum_list;
typedef struct tl_datum_dict tl_datum_dict;
typedef struct tl_datum_range tl_datum_range;
typedef struct tl_macro tl_macro;
typedef struct tl_loop tl_loop;
typedef struct tl_method tl_method;
typedef struct tl_cycler tl_cycler;
typedef struct tl_function_row tl_function_row;

struct tl_datum {
  uint8_t kind;    // tl_datum_kind
  uint8_t flavour; // of a list or text, or why something is undefined
  uint16_t owner;  // of an undefined element: the kind of what lacks it
  uint32_t length; // bytes of `text`
  union {
    bool boolean;
    int64_t integer;
    double real;
    const char *text;
    tl_datum_list *list;
    tl_datum_dict *dict;
    const tl_datum_range *range;
    const tl_macro *macro;
    const tl_function_row *function;
    const tl_method *method;
    tl_loop *loop;
    tl_cycler *cycler; // of a joiner too
  };
};

struct tl_datum_list {
  tl_datum *items;
  size_t count, capacity;
  size_t *used; // of a sum: how many of `items` some sum has; the longest goes on where it ends
};

typedef struct tl_datum_pair {
  tl_datum key, value;
} tl_datum_pair;

struct tl_datum_dict {
  tl_datum_pair *pairs; // in the order they came
  size_t count, capacity;
  uint32_t *index; // of more than a few pairs: hash table of rows + 1
  size_t index_mask;
};

struct tl_datum_range {
  int64_t start, step, count;
  int64_t stop;   // as it was given
  bool is_beyond; // a number of it is beyond 64 bits, one that no item needs
};

struct tl_cycler {
  tl_datum_list items; // of a joiner: the separator
  size_t at;
};

static inline tl_datum tl_datum_of_text(tl_str text) {
  return (tl_datum){.kind = TL_DATUM_TEXT, .length = (uint32_t)text.length, .text = text.data};
}

static inline tl_datum tl_datum_of_int(int64_t value) {
  return (tl_datum){.kind = TL_DATUM_INT, .integer = value};
}

static inline tl_datum tl_datum_of_real(double value) {
  return (tl_datum){.kind = TL_DATUM_REAL, .real = value};
}

static inline tl_datum tl_datum_of_bool(bool value) {
  return (tl_datum){.kind = TL_DATUM_BOOL, .boolean = value};
}

static inline tl_datum tl_datum_none(void) {
  return (tl_datum){.kind = TL_DATUM_NONE};
}

static inline tl_datum tl_datum_of_list(tl_datum_list *list, tl_datum_flavour flavour) {
  return (tl_datum){.kind = TL_DATUM_LIST, .flavour = (uint8_t)flavour, .list = list};
}

// An undefined value; `text` is a name or a sentence.
static inline tl_datum tl_datum_undefined(tl_datum_why why, tl_str text) {
  return (tl_datum){.kind = TL_DATUM_UNDEFINED,
                    .flavour = (uint8_t)why,
                    .length = (uint32_t)text.length,
                    .text = text.data};
}

// The characters of a text, a big integer or an undefined value.
static inline tl_str tl_datum_str(const tl_datum *datum) {
  return (tl_str){datum->text, datum->length};
}

static inline bool tl_datum_is_given(const tl_datum *datum) {
  return datum->kind != TL_DATUM_ABSENT;
}

static inline bool tl_datum_is_number(const tl_datum *datum) {
  return datum->kind == TL_DATUM_INT || datum->kind == TL_DATUM_BOOL ||
         datum->kind == TL_DATUM_REAL;
}

// Whether it is an int64_t: of an integer, or 0 and 1 of a boolean.
static inline bool tl_datum_to_int(const tl_datum *datum, int64_t *out_value) {
  if (datum->kind == TL_DATUM_INT) *out_value = datum->integer;
  if (datum->kind == TL_DATUM_BOOL) *out_value = datum->boolean;
  return datum->kind == TL_DATUM_INT || datum->kind == TL_DATUM_BOOL;
}

static inline double tl_datum_to_real(const tl_datum *datum) {
  if (datum->kind == TL_DATUM_REAL) return datum->real;
  return datum->kind == TL_DATUM_BOOL ? datum->boolean : (double)datum->integer;
}

// What Python calls its type: "str", "list", ..
const char *tl_datum_type_text(const tl_datum *datum);

#endif

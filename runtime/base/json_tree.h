// JSON as a tree on an arena, with places: every node knows the bytes it came from.
//
//   tl_json_parse(arena, &source, &(tl_json_options){0}, &root, diag)
//   const tl_json *eps = tl_json_get(root, TL_STR("rms_norm_eps"));
//   if (!tl_json_to_real(eps, &value))
//     return tl_json_expected(&source, eps, "rms_norm_eps", "a number", diag);
//
// Order is the text's. Objects of more than a few members have a hash index, so that lookup costs
// the same in a vocabulary of 300,000 words. Nodes are never changed after parsing and may be read
// by any number of threads. Every getter accepts NULL, so that missing members need no checks in
// between.
#ifndef TL_BASE_JSON_TREE_H
#define TL_BASE_JSON_TREE_H

#include "runtime/base/json.h"

typedef enum tl_json_kind {
  TL_JSON_NULL,
  TL_JSON_BOOL,
  TL_JSON_INT,  // fits int64_t and was written without point or exponent
  TL_JSON_REAL, // any other number
  TL_JSON_STRING,
  TL_JSON_ARRAY,
  TL_JSON_OBJECT
} tl_json_kind;

typedef struct tl_json tl_json;
typedef struct tl_json_member tl_json_member;

// 32 bytes. `offset` and `length` are the node's bytes in its source.
struct tl_json {
  uint32_t kind;  // tl_json_kind
  uint32_t count; // of an array or object
  uint32_t offset, length;
  union {
    bool boolean;
    int64_t integer;
    double real;
    tl_str string;        // decoded
    const tl_json *items; // of an array: `count` nodes
    struct {              // of an object: `count` members in the text's order
      const tl_json_member *members;
      const uint32_t *index; // private
    };
  };
};

struct tl_json_member {
  tl_json key; // a string
  tl_json value;
};

typedef struct tl_json_options {
  bool allows_duplicates; // of keys in an object, the last one counts; by default they are faults
} tl_json_options;

// Parses the whole of `source`, whose text must outlive the tree (strings are views into it).
// `options` may be NULL. The tree is on `arena`. TL_INPUT with diagnostics (the first fault of
// syntax, every duplicate key before it), TL_MEMORY if a limit of json.h or of the arena is hit.
tl_status tl_json_parse(tl_arena *arena, const tl_source *source, const tl_json_options *options,
                        const tl_json **out_root, tl_diag *diag) TL_CHECKED;

// The value of `key` (the last one, if duplicates are allowed); NULL if `object` has none or is no
// object.
const tl_json *tl_json_get(const tl_json *object, tl_str key);

// Item `index` of an array; NULL if there is none or `array` is no array.
const tl_json *tl_json_item(const tl_json *array, size_t index);

// Items of an array or members of an object; 0 for anything else.
size_t tl_json_count(const tl_json *node);

// The node's kind. NULL is TL_JSON_NULL: where null and missing differ, test the pointer.
tl_json_kind tl_json_kind_of(const tl_json *node);

// Typed getters: false, with `*out` unchanged, if the node is NULL or of another kind.
bool tl_json_to_bool(const tl_json *node, bool *out_value);
bool tl_json_to_int(const tl_json *node, int64_t *out_value);
bool tl_json_to_real(const tl_json *node, double *out_value); // ints too, rounded to a double
bool tl_json_to_string(const tl_json *node, tl_str *out_value);

// Whether the node is an integer or an array of integers.
bool tl_json_holds_ints(const tl_json *node);

// "a string", "an integer", ..., "missing" for NULL; for messages.
const char *tl_json_kind_text(const tl_json *node);

// The place of `node`, without a length for arrays and objects; no place within `source` for NULL.
tl_span tl_json_span(const tl_source *source, const tl_json *node);

// Reports "'what' is a string, expected an integer" at the node's place; TL_INPUT.
tl_status tl_json_expected(const tl_source *source, const tl_json *node, const char *what,
                           const char *wanted, tl_diag *diag);

#endif

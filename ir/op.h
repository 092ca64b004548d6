// The op table decoded from ops.def: what printer, parser, verifier, inference, cost model and
// interpreter read. Decoded once into caller memory, then read only: any thread.
#ifndef TL_IR_OP_H
#define TL_IR_OP_H

#include "ir/type.h"
#include "runtime/base/diag.h"

enum { TL_OPERANDS_MAX = 8, TL_ATTRS_MAX = 6, TL_CHOICES_MAX = 10 };

typedef enum tl_op {
#define OP(name, ...) TL_OP_##name,
#include "ir/ops.def"
#undef OP
  TL_OP_COUNT
} tl_op;

typedef enum tl_operand_class {
  TL_OPERAND_FLOAT,  // f: a float activation
  TL_OPERAND_WEIGHT, // w: any format but i32
  TL_OPERAND_INT,    // i: i32
  TL_OPERAND_STATE   // s: a state
} tl_operand_class;

typedef enum tl_pattern_kind {
  TL_PATTERN_NAME, // a dim that unifies by name
  TL_PATTERN_REST, // `..`: any number of leading dims, the same everywhere
  TL_PATTERN_ANY,  // `_`: one dim
  TL_PATTERN_ATTR  // `$k`: the value of an integer attribute
} tl_pattern_kind;

typedef struct tl_pattern {
  tl_pattern_kind kind;
  tl_str name;
} tl_pattern;

typedef struct tl_shape_pattern {
  tl_pattern dims[TL_RANK_MAX];
  int count;
} tl_shape_pattern;

typedef struct tl_operand_info {
  tl_str name;
  tl_operand_class class;
  bool optional;
  tl_shape_pattern shape; // empty for states
} tl_operand_info;

typedef enum tl_attr_kind { TL_ATTR_INT, TL_ATTR_REAL, TL_ATTR_TEXT, TL_ATTR_CHOICE } tl_attr_kind;

typedef struct tl_attr_value {
  int64_t i; // integers; index of a choice
  double f;  // reals
  tl_str s;  // texts; the text of a choice
} tl_attr_value;

typedef struct tl_attr_info {
  tl_str name;
  tl_attr_kind kind;
  tl_str choices[TL_CHOICES_MAX];
  int choices_count;
  bool has_default;
  tl_attr_value value; // the default
} tl_attr_info;

typedef struct tl_op_info {
  tl_op id;
  tl_str name;
  tl_operand_info operands[TL_OPERANDS_MAX];
  int operands_count;
  int operands_required;
  tl_str result_name;
  int result_like;         // operand whose format the result has, or -1
  tl_format result_format; // if result_like is -1
  bool result_by_rule;     // dims come from shape_rules.c
  tl_shape_pattern result_shape;
  tl_attr_info attrs[TL_ATTRS_MAX];
  int attrs_count;
  tl_str flops;
  int effect_operand; // state operand appended to, or -1
  double tolerance;
  tl_str decomposition;
  tl_str summary;
} tl_op_info;

typedef struct tl_op_table {
  tl_op_info ops[TL_OP_COUNT];
} tl_op_table;

// Decodes every row. Fails with TL_INTERNAL on the first malformed row, naming it.
tl_status tl_op_table_init(tl_op_table *table, tl_diag *diag) TL_CHECKED;

// NULL if no op has that name.
const tl_op_info *tl_op_by_name(const tl_op_table *table, tl_str name);

// Index of the attribute called `name`, -1 if the op has none.
int tl_op_attr_index(const tl_op_info *info, tl_str name);

// Whether two values of an attribute are the same; reals by their bits.
bool tl_attr_equal(const tl_attr_info *info, const tl_attr_value *a, const tl_attr_value *b);

// One use of an op. Operand types are in table order, NULL = absent or a state.
typedef struct tl_op_call {
  const tl_op_info *info;
  const tl_type *const *operands;
  const tl_attr_value *attrs;
  const tl_symbols *symbols;
  tl_span span;
  const tl_span *operand_spans; // of each operand; NULL = `span` stands for all
} tl_op_call;

// The type of the result. Reports every operand that does not fit, as "declared .. but ..", at its
// span.
tl_status tl_op_infer(const tl_op_call *call, tl_type *out_type, tl_diag *diag) TL_CHECKED;

// A sum of products over dims of the operands, evaluated at `symbols`; see ops.def for the
// language. INT64_MAX if it is larger, 0 for a call that does not infer.
int64_t tl_op_flops(const tl_op_call *call, const int64_t *symbols);

#endif

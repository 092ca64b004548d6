// Implementation of weight.h. Sizes flow up from slices and stacks; the declared type is compared
// with what is known at the top.
#include "ir/weight.h"

static const char *const kind_texts[] = {
    [TL_WEIGHT_TENSOR] = "tensor", [TL_WEIGHT_TRANSPOSE] = "transpose",
    [TL_WEIGHT_SLICE] = "slice",   [TL_WEIGHT_CONCAT] = "concat",
    [TL_WEIGHT_STACK] = "stack",   [TL_WEIGHT_DEQUANT] = "dequant",
    [TL_WEIGHT_SPLIT] = "split",   [TL_WEIGHT_MERGE] = "merge",
};

const char *tl_weight_kind_text(tl_weight_kind kind) {
  return kind_texts[kind];
}

bool tl_weight_equal(const tl_weight *a, const tl_weight *b) {
  if (a->kind != b->kind || a->parts_count != b->parts_count || a->begin != b->begin ||
      a->end != b->end || a->count != b->count || !tl_str_equal(a->name, b->name)) {
    return false;
  }
  for (int i = 0; i < a->parts_count; i++) {
    if (!tl_weight_equal(a->parts[i], b->parts[i])) return false;
  }
  return true;
}

// The axis that slices cut and concats join: the next to last, or the only one of a vector.
static int row_axis(int rank) {
  return rank < 2 ? 0 : rank - 2;
}

static int64_t axis_size(const tl_weight *weight, int rank, int axis);

static int64_t split_size(const tl_weight *weight, int axis) {
  if (axis == 0) return weight->count;
  int64_t size = axis_size(weight->parts[0], 2, axis - 1);
  return axis == 1 && size >= 0 ? size / weight->count : size;
}

static int64_t merged_size(const tl_weight *weight, int axis) {
  if (axis == 1) return axis_size(weight->parts[0], 3, 2);
  int64_t matrices = axis_size(weight->parts[0], 3, 0), rows = axis_size(weight->parts[0], 3, 1);
  if (matrices < 0 || rows < 0) return -1;
  return matrices > 0 && rows > TL_DIM_MAX / matrices ? TL_DIM_MAX + 1 : matrices * rows;
}

// The known size of `axis` of `weight`, which has `rank` axes; -1 if only the checkpoint knows.
static int64_t axis_size(const tl_weight *weight, int rank, int axis) {
  switch (weight->kind) {
  case TL_WEIGHT_TENSOR: return -1;
  case TL_WEIGHT_TRANSPOSE:
    return axis_size(weight->parts[0], rank, axis < rank - 2 ? axis : 2 * rank - 3 - axis);
  case TL_WEIGHT_SLICE:
    if (axis == row_axis(rank)) return weight->end - weight->begin;
    return axis_size(weight->parts[0], rank, axis);
  case TL_WEIGHT_STACK:
    return axis ? axis_size(weight->parts[0], rank - 1, axis - 1) : weight->count;
  case TL_WEIGHT_DEQUANT: return axis_size(weight->parts[0], rank, axis);
  case TL_WEIGHT_SPLIT: return split_size(weight, axis);
  case TL_WEIGHT_MERGE: return merged_size(weight, axis);
  case TL_WEIGHT_CONCAT: break;
  }
  int64_t sum = 0, known = -1;
  for (int i = 0; i < weight->parts_count; i++) {
    int64_t size = axis_size(weight->parts[i], rank, axis);
    if (size >= 0) known = size;
    bool unknown = size < 0 || sum < 0;
    sum = unknown ? -1 : sum + size;
    if (sum > TL_DIM_MAX) sum = TL_DIM_MAX + 1; // more than any type declares
  }
  return axis == row_axis(rank) ? sum : known;
}

static const char *slice_fault(const tl_weight *weight, int rank) {
  if (weight->begin < 0 || weight->begin >= weight->end || weight->end > TL_DIM_MAX) {
    return "slice needs 0 <= begin < end";
  }
  int64_t rows = axis_size(weight->parts[0], rank, row_axis(rank));
  return rows >= 0 && weight->end > rows ? "slice ends behind the rows of its part" : NULL;
}

static const char *concat_fault(const tl_weight *weight, int rank) {
  for (int axis = 0; axis < rank; axis++) {
    int64_t first = -1;
    for (int i = 0; i < weight->parts_count && axis != row_axis(rank); i++) {
      int64_t size = axis_size(weight->parts[i], rank, axis);
      if (size >= 0 && first >= 0 && size != first) {
        return "the parts of concat differ in an axis that is not joined";
      }
      if (size >= 0) first = size;
    }
  }
  return NULL;
}

static const char *dequant_fault(const tl_weight *weight, int rank) {
  if (weight->count < 1 || weight->count > TL_DIM_MAX) return "dequant needs a block of at least 1";
  for (int axis = 0; axis < rank; axis++) {
    bool blocked = axis >= rank - 2;
    int64_t size = axis_size(weight->parts[0], rank, axis);
    int64_t scales = axis_size(weight->parts[1], rank, axis);
    int64_t wanted = blocked && size > 0 ? (size - 1) / weight->count + 1 : size;
    if (size >= 0 && scales >= 0 && scales != wanted) return "dequant has not one scale per block";
  }
  return NULL;
}

static const char *split_fault(const tl_weight *weight) {
  if (weight->count < 1 || weight->count > TL_DIM_MAX) return "split needs a count of at least 1";
  int64_t rows = axis_size(weight->parts[0], 2, 0);
  return rows >= 0 && rows % weight->count ? "split leaves a rest of rows" : NULL;
}

static const char *tensor_fault(const tl_weight *weight, int stacks) {
  static const char index[] = "{e}";
  bool indexed = weight->name.length &&
                 memmem(weight->name.data, weight->name.length, index, sizeof index - 1);
  if (weight->name.length == 0) return "a tensor needs a name";
  if (stacks > 1) return "a stack may not be inside of another";
  if (indexed && !stacks) return "{e} in a tensor's name needs a stack around it";
  if (!indexed && stacks) return "a tensor in a stack needs {e} in its name";
  return NULL;
}

// Faults of `weight` itself, once its parts have none.
static const char *own_fault(const tl_weight *weight, int rank, int stacks) {
  switch (weight->kind) {
  case TL_WEIGHT_TENSOR: return tensor_fault(weight, stacks);
  case TL_WEIGHT_TRANSPOSE: return NULL;
  case TL_WEIGHT_SLICE: return slice_fault(weight, rank);
  case TL_WEIGHT_CONCAT: return concat_fault(weight, rank);
  case TL_WEIGHT_STACK:
    return weight->count < 1 || weight->count > TL_DIM_MAX ? "stack needs a count of at least 1"
                                                           : NULL;
  case TL_WEIGHT_DEQUANT: return dequant_fault(weight, rank);
  case TL_WEIGHT_SPLIT: return split_fault(weight);
  case TL_WEIGHT_MERGE: return NULL;
  }
  return "unknown weight function";
}

static int parts_wanted(const tl_weight *weight) {
  if (weight->kind == TL_WEIGHT_TENSOR) return 0;
  if (weight->kind == TL_WEIGHT_CONCAT) return weight->parts_count ? weight->parts_count : 1;
  return weight->kind == TL_WEIGHT_DEQUANT ? 2 : 1;
}

// Axes of a part of `weight`, which has `rank`; 0 if it cannot have so many.
static int part_rank(const tl_weight *weight, int rank) {
  switch (weight->kind) {
  case TL_WEIGHT_STACK: return rank - 1;
  case TL_WEIGHT_SPLIT: return rank == 3 ? 2 : 0;
  case TL_WEIGHT_MERGE: return rank == 2 ? 3 : 0;
  default: return rank;
  }
}

// Recursion is bounded by `depth`; sizes are only asked for below faultless parts.
static const char *tree_fault(const tl_weight *weight, int rank, int depth, int stacks) {
  if (depth == TL_WEIGHT_DEPTH_MAX) return "weight functions are nested too deep";
  if (weight->parts_count != parts_wanted(weight)) return "a weight function lacks an argument";
  bool is_stack = weight->kind == TL_WEIGHT_STACK;
  if (is_stack && rank < 2) return "stack gives at least two axes";
  if (weight->kind == TL_WEIGHT_TRANSPOSE && rank < 2) return "transpose needs two axes";
  int below = part_rank(weight, rank);
  if (below == 0) return "split makes a stack of a matrix, merge a matrix of a stack";
  for (int i = 0; i < weight->parts_count; i++) {
    const char *fault = tree_fault(weight->parts[i], below, depth + 1, stacks + is_stack);
    if (fault) return fault;
  }
  return own_fault(weight, rank, stacks);
}

const char *tl_weight_fault(const tl_weight *weight, const tl_type *type) {
  const char *fault = tree_fault(weight, type->rank, 0, 0);
  if (fault) return fault;
  for (int axis = 0; axis < type->rank; axis++) {
    int64_t size = axis_size(weight, type->rank, axis);
    if (size >= 0 && size != type->dims[axis].constant) {
      return "the expression gives other dims than the type declares";
    }
  }
  return NULL;
}

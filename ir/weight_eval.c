// Implementation of weight_eval.h: a tree of bound nodes, read tile by tile.
//
// A tile is a rectangle of one matrix. Each node turns the tile it is asked for into tiles of its
// parts; only tensors convert, so the format asked for travels down the tree unchanged.
#include "ir/weight_eval.h"

#include <stdio.h>

#include "ir/convert.h"
#include "ir/weight.h"

enum {
  NAME_BYTES = 2048,
  RUN_ELEMENTS = 4096,     // converted at once
  STRIP_BYTES = 32 * 1024, // of a transposed part, read at once
  STRIP_COLUMNS = 1024,    // of these, at most
  DEQUANT_COLUMNS = 1024,  // of a row, scaled at once
  DIMS_TEXT = TL_RANK_MAX * 24
};

struct tl_weight_eval {
  tl_weight_kind kind;
  tl_format format; // without conversion
  int rank;
  int64_t matrices, rows, columns;
  const tl_weight_source *source;
  tl_weight_tensor tensor;
  tl_weight_eval **parts;
  int64_t parts_count;
  int64_t begin; // of a slice
  int64_t block; // of dequant
  tl_span span;
};

typedef struct binder {
  tl_arena *arena;
  const tl_weight_source *source;
  tl_span span;
  tl_diag *diag;
  int64_t stack_index; // what {e} stands for
} binder;

static tl_status bind_node(binder *b, const tl_weight *weight, tl_weight_eval **out_eval);

#define FAULT(b, ...) tl_diag_error((b)->diag, TL_INPUT, (b)->span, __VA_ARGS__)

static tl_status no_memory(const binder *b) {
  return tl_diag_error(b->diag, TL_MEMORY, b->span, "out of memory for a weight expression");
}

// The name with every {e} replaced by the stack's index; an empty string if it is too long.
static tl_str expand_name(const binder *b, tl_str name, char out[NAME_BYTES]) {
  size_t used = 0;
  for (size_t at = 0; at < name.length;) {
    if (used + 24 > NAME_BYTES) return (tl_str){out, 0};
    if (tl_str_starts_with(tl_str_slice(name, at, name.length), TL_STR("{e}"))) {
      used += (size_t)snprintf(out + used, 24, "%lld", (long long)b->stack_index);
      at += 3;
    } else {
      out[used++] = name.data[at++];
    }
  }
  return (tl_str){out, used};
}

static bool dims_fit(const tl_weight_tensor *tensor) {
  int64_t elements = 1;
  if (tensor->rank < 1 || tensor->rank > TL_RANK_MAX) return false;
  for (int i = 0; i < tensor->rank; i++) {
    int64_t dim = tensor->dims[i];
    if (dim < 1 || dim > TL_ELEMENTS_MAX / elements) return false;
    elements *= dim;
  }
  return true;
}

static void set_shape(tl_weight_eval *eval, const tl_weight_tensor *tensor) {
  const int64_t *dims = tensor->dims;
  bool is_stack = tensor->rank == 3;
  eval->rank = tensor->rank > 3 ? 2 : tensor->rank;
  eval->matrices = is_stack ? dims[0] : 1;
  eval->rows = is_stack ? dims[1] : dims[0];
  eval->columns = is_stack ? dims[2] : 1;
  for (int i = 1; i < tensor->rank && !is_stack; i++)
    eval->columns *= dims[i];
}

static tl_status bind_tensor(binder *b, const tl_weight *weight, tl_weight_eval *eval) {
  char buffer[NAME_BYTES];
  tl_str name = expand_name(b, weight->name, buffer);
  if (!name.length) return FAULT(b, "the name of a tensor is longer than %d bytes", NAME_BYTES);
  if (!b->source->find(b->source->context, name, &eval->tensor)) {
    return FAULT(b, "the checkpoint has no tensor '%.*s'", TL_STR_ARG(name));
  }
  if ((unsigned)eval->tensor.format >= TL_FORMAT_COUNT || !tl_convert_reads(eval->tensor.format)) {
    return tl_diag_error(b->diag, TL_UNSUPPORTED, b->span, "tensor '%.*s' is no float tensor",
                         TL_STR_ARG(name));
  }
  if (!dims_fit(&eval->tensor)) {
    return FAULT(b, "tensor '%.*s' has %d axes or is too large, expected 1 to %d axes",
                 TL_STR_ARG(name), eval->tensor.rank, TL_RANK_MAX);
  }
  eval->format = eval->tensor.format;
  set_shape(eval, &eval->tensor);
  return TL_OK;
}

// Parts of a node other than a stack; they all are looked at, so that every fault is told.
static tl_status bind_parts(binder *b, const tl_weight *weight, tl_weight_eval *eval) {
  tl_status status = TL_OK;
  eval->parts_count = weight->parts_count;
  eval->parts = tl_arena_array(b->arena, (size_t)weight->parts_count, sizeof(tl_weight_eval *));
  if (!eval->parts) return no_memory(b);
  for (int i = 0; i < weight->parts_count; i++) {
    tl_status one = bind_node(b, weight->parts[i], &eval->parts[i]);
    if (tl_ok(status)) status = one;
  }
  if (!tl_ok(status)) return status;
  const tl_weight_eval *first = eval->parts[0];
  eval->format = first->format;
  eval->rank = first->rank;
  eval->matrices = first->matrices;
  eval->rows = first->rows;
  eval->columns = first->columns;
  return TL_OK;
}

static tl_status bind_transpose(binder *b, tl_weight_eval *eval) {
  if (eval->rank < 2) return FAULT(b, "transpose of a vector");
  eval->rows = eval->parts[0]->columns;
  eval->columns = eval->parts[0]->rows;
  return TL_OK;
}

static tl_status bind_slice(binder *b, const tl_weight *weight, tl_weight_eval *eval) {
  if (weight->begin < 0 || weight->begin >= weight->end || weight->end > eval->rows) {
    return FAULT(b, "slice [%lld, %lld) of a tensor of %lld rows", (long long)weight->begin,
                 (long long)weight->end, (long long)eval->rows);
  }
  eval->begin = weight->begin;
  eval->rows = weight->end - weight->begin;
  return TL_OK;
}

static void join_format(tl_weight_eval *eval, const tl_weight_eval *part) {
  if (part->format != eval->format) eval->format = TL_FORMAT_F32;
}

static tl_status bind_concat(binder *b, tl_weight_eval *eval) {
  for (int64_t i = 1; i < eval->parts_count; i++) {
    const tl_weight_eval *part = eval->parts[i];
    if (part->rank != eval->rank || part->matrices != eval->matrices ||
        part->columns != eval->columns) {
      return FAULT(b, "part %lld of concat differs from the first in an axis that is not joined",
                   (long long)i + 1);
    }
    eval->rows += part->rows;
    join_format(eval, part);
  }
  return TL_OK;
}

static void print_dims(const int64_t *dims, int rank, char out[DIMS_TEXT]) {
  size_t used = 0;
  out[0] = 0;
  for (int i = 0; i < rank; i++) {
    // NOLINTNEXTLINE(*.CallAndMessage): a tensor's rank is at most 3
    int more = snprintf(out + used, DIMS_TEXT - used, "%s%lld", i ? "," : "", (long long)dims[i]);
    used += (size_t)more;
  }
}

// Says which tensor is unlike the first part's.
static tl_status unlike_first(binder *b, const tl_weight *weight, const tl_weight_eval *first,
                              const tl_weight_eval *part) {
  char name[NAME_BYTES], first_name[NAME_BYTES], is[DIMS_TEXT], expected[DIMS_TEXT];
  while (weight->kind != TL_WEIGHT_TENSOR)
    weight = weight->parts[0];
  while (part->kind != TL_WEIGHT_TENSOR) {
    part = part->parts[0];
    first = first->parts[0];
  }
  print_dims(part->tensor.dims, part->tensor.rank, is);
  print_dims(first->tensor.dims, first->tensor.rank, expected);
  tl_str own = expand_name(b, weight->name, name);
  b->stack_index = 0;
  tl_str other = expand_name(b, weight->name, first_name);
  return FAULT(b, "tensor '%.*s' is [%s] but '%.*s', which it is stacked with, is [%s]",
               TL_STR_ARG(own), is, TL_STR_ARG(other), expected);
}

static tl_status bind_stack(binder *b, const tl_weight *weight, tl_weight_eval *eval) {
  if (weight->count < 1 || weight->count > TL_WEIGHT_STACK_MAX) {
    return FAULT(b, "stack of %lld parts, expected 1 to %d", (long long)weight->count,
                 TL_WEIGHT_STACK_MAX);
  }
  eval->parts_count = weight->count;
  eval->parts = tl_arena_array(b->arena, (size_t)weight->count, sizeof(tl_weight_eval *));
  if (!eval->parts) return no_memory(b);
  for (b->stack_index = 0; b->stack_index < weight->count; b->stack_index++) {
    tl_weight_eval **part = &eval->parts[b->stack_index];
    TL_TRY(bind_node(b, weight->parts[0], part));
    const tl_weight_eval *first = eval->parts[0];
    if ((*part)->rank != first->rank || (*part)->rows != first->rows ||
        (*part)->columns != first->columns) {
      return unlike_first(b, weight->parts[0], first, *part);
    }
    if (b->stack_index == 0) eval->format = first->format;
    join_format(eval, *part);
  }
  const tl_weight_eval *first = eval->parts[0];
  if (first->rank > 2) return FAULT(b, "stack of tensors that are stacks already");
  eval->rank = first->rank + 1;
  eval->matrices = first->rank == 2 ? weight->count : 1;
  eval->rows = first->rank == 2 ? first->rows : weight->count;
  eval->columns = first->rank == 2 ? first->columns : first->rows;
  return TL_OK;
}

static tl_status bind_split(binder *b, const tl_weight *weight, tl_weight_eval *eval) {
  if (eval->rank != 2 || weight->count < 1 || eval->rows % weight->count) {
    return FAULT(b, "split of %lld rows into %lld parts", (long long)eval->rows,
                 (long long)weight->count);
  }
  eval->rank = 3;
  eval->matrices = weight->count;
  eval->rows /= weight->count;
  return TL_OK;
}

static tl_status bind_merge(binder *b, tl_weight_eval *eval) {
  if (eval->rank != 3) return FAULT(b, "merge of what is no stack");
  eval->rank = 2;
  eval->rows *= eval->matrices;
  eval->matrices = 1;
  return TL_OK;
}

static int64_t blocks(int64_t size, int64_t block) {
  return (size - 1) / block + 1;
}

static tl_status bind_dequant(binder *b, const tl_weight *weight, tl_weight_eval *eval) {
  const tl_weight_eval *scales = eval->parts[1];
  int64_t rows = blocks(eval->rows, weight->count), columns = blocks(eval->columns, weight->count);
  if (scales->rank != eval->rank || scales->matrices != eval->matrices || scales->rows != rows ||
      scales->columns != columns) {
    return FAULT(b, "dequant has scales '%.*s' of %lld x %lld, expected %lld x %lld",
                 TL_STR_ARG(weight->parts[1]->name), (long long)scales->rows,
                 (long long)scales->columns, (long long)rows, (long long)columns);
  }
  eval->block = weight->count;
  eval->format = TL_FORMAT_F32;
  return TL_OK;
}

// Recursion is bounded by tl_weight_fault, which has seen the expression.
static tl_status bind_node(binder *b, const tl_weight *weight, tl_weight_eval **out_eval) {
  tl_weight_eval *eval = tl_arena_alloc(b->arena, sizeof *eval);
  if (!eval) return no_memory(b);
  *eval = (tl_weight_eval){.kind = weight->kind, .source = b->source, .span = b->span};
  *out_eval = eval;
  if (weight->kind == TL_WEIGHT_TENSOR) return bind_tensor(b, weight, eval);
  if (weight->kind == TL_WEIGHT_STACK) return bind_stack(b, weight, eval);
  TL_TRY(bind_parts(b, weight, eval));
  if (weight->kind == TL_WEIGHT_TRANSPOSE) return bind_transpose(b, eval);
  if (weight->kind == TL_WEIGHT_SLICE) return bind_slice(b, weight, eval);
  if (weight->kind == TL_WEIGHT_CONCAT) return bind_concat(b, eval);
  if (weight->kind == TL_WEIGHT_SPLIT) return bind_split(b, weight, eval);
  if (weight->kind == TL_WEIGHT_MERGE) return bind_merge(b, eval);
  return bind_dequant(b, weight, eval);
}

static tl_status check_dims(const binder *b, const tl_weight_eval *eval, const tl_node *node) {
  const tl_type *type = &node->result->type;
  const int64_t all[3] = {eval->matrices, eval->rows, eval->columns};
  const int64_t *found = eval->rank == 3 ? all : all + 1;
  int64_t declared[TL_RANK_MAX] = {0};
  for (int i = 0; i < type->rank; i++)
    declared[i] = type->dims[i].constant;
  bool same = eval->rank == type->rank;
  for (int i = 0; same && i < eval->rank; i++)
    same = tl_dim_is_constant(type->dims[i]) && declared[i] == found[i];
  if (same) return TL_OK;
  char is[DIMS_TEXT], gives[DIMS_TEXT];
  print_dims(declared, type->rank, is);
  print_dims(found, eval->rank, gives);
  tl_str weight = node->result->name;
  if (node->weight->kind != TL_WEIGHT_TENSOR) {
    const tl_weight *from = node->weight;
    while (from->kind != TL_WEIGHT_TENSOR)
      from = from->parts[0];
    return FAULT(b, "weight '%.*s' is declared [%s] but tensor '%.*s' gives [%s]",
                 TL_STR_ARG(weight), is, TL_STR_ARG(from->name), gives);
  }
  return FAULT(b, "weight '%.*s' is declared [%s] but tensor '%.*s' is [%s]", TL_STR_ARG(weight),
               is, TL_STR_ARG(node->weight->name), gives);
}

tl_status tl_weight_eval_bind(tl_arena *arena, const tl_weight_source *source, const tl_node *node,
                              tl_weight_eval **out_eval, tl_diag *diag) {
  binder b = {.arena = arena, .source = source, .span = node->span, .diag = diag};
  const tl_type *type = &node->result->type;
  const char *fault = tl_weight_fault(node->weight, type);
  if (fault) return FAULT(&b, "weight: %s", fault);
  TL_TRY(bind_node(&b, node->weight, out_eval));
  return check_dims(&b, *out_eval, node);
}

int64_t tl_weight_eval_rows_count(const tl_weight_eval *eval) {
  return eval->matrices * eval->rows;
}

int64_t tl_weight_eval_columns_count(const tl_weight_eval *eval) {
  return eval->columns;
}

// Rows [row, + rows) by columns [column, + columns) of a matrix.
typedef struct tile {
  int64_t matrix;
  int64_t row, rows;
  int64_t column, columns;
} tile;

// Where a tile goes: row r of it to data + r * stride elements.
typedef struct target {
  char *data;
  int64_t stride;
  tl_format format;
  int64_t element_bytes;
  tl_diag *diag;
} target;

static tl_status read_tile(const tl_weight_eval *eval, const tile *t, const target *to);

static target shifted(const target *to, int64_t rows) {
  target moved = *to;
  moved.data += rows * to->stride * to->element_bytes;
  return moved;
}

// `count` elements from element `first` of the tensor, to `out` in the target's format.
static tl_status read_run(const tl_weight_eval *eval, int64_t first, int64_t count,
                          const target *to, char *out) {
  const tl_weight_source *source = eval->source;
  tl_format format = eval->format;
  int64_t bytes = (int64_t)tl_convert_element_bytes(format);
  if (format == to->format) {
    return source->read(source->context, &eval->tensor, first * bytes, count * bytes, out,
                        to->diag);
  }
  if (!tl_convert_writes(to->format)) {
    return tl_diag_error(to->diag, TL_UNSUPPORTED, eval->span, "a %.*s tensor is wanted as %.*s",
                         TL_STR_ARG(tl_format_of(format)->text),
                         TL_STR_ARG(tl_format_of(to->format)->text));
  }
  _Alignas(16) char stored[RUN_ELEMENTS * sizeof(float)];
  float values[RUN_ELEMENTS];
  for (int64_t at = 0; at < count; at += RUN_ELEMENTS) {
    int64_t run = count - at < RUN_ELEMENTS ? count - at : RUN_ELEMENTS;
    TL_TRY(source->read(source->context, &eval->tensor, (first + at) * bytes, run * bytes, stored,
                        to->diag));
    tl_convert_to_f32(format, stored, run, values);
    tl_convert_from_f32(to->format, values, run, out + at * to->element_bytes);
  }
  return TL_OK;
}

static tl_status read_tensor(const tl_weight_eval *eval, const tile *t, const target *to) {
  int64_t first = (t->matrix * eval->rows + t->row) * eval->columns + t->column;
  if (t->columns == eval->columns && to->stride == t->columns) {
    return read_run(eval, first, t->rows * t->columns, to, to->data);
  }
  for (int64_t r = 0; r < t->rows; r++) {
    TL_TRY(read_run(eval, first + r * eval->columns, t->columns, to, shifted(to, r).data));
  }
  return TL_OK;
}

// out[i * step] = in[i], elements of `bytes`.
static void scatter(const char *in, int64_t count, char *out, int64_t step, int64_t bytes) {
  for (int64_t i = 0; i < count && bytes == 1; i++)
    // NOLINTNEXTLINE(*.Assign): tiles are read whole
    out[i * step] = in[i];
  for (int64_t i = 0; i < count && bytes == 2; i++)
    memcpy(out + 2 * i * step, in + 2 * i, 2);
  for (int64_t i = 0; i < count && bytes == 4; i++)
    memcpy(out + 4 * i * step, in + 4 * i, 4);
}

// Strips of the part of at most STRIP_COLUMNS columns, which are rows here.
static tl_status read_transpose(const tl_weight_eval *eval, const tile *t, const target *to) {
  _Alignas(16) char strip[STRIP_BYTES];
  int64_t width = t->rows < STRIP_COLUMNS ? t->rows : STRIP_COLUMNS;
  int64_t height = STRIP_BYTES / (width * to->element_bytes);
  for (int64_t c = 0; c < t->columns; c += height) {
    for (int64_t r = 0; r < t->rows; r += width) {
      tile part = {t->matrix, t->column + c, t->columns - c, t->row + r, t->rows - r};
      if (part.rows > height) part.rows = height;
      if (part.columns > width) part.columns = width;
      target inside = {strip, part.columns, to->format, to->element_bytes, to->diag};
      TL_TRY(read_tile(eval->parts[0], &part, &inside));
      for (int64_t i = 0; i < part.rows; i++) {
        char *out = shifted(to, r).data + (c + i) * to->element_bytes;
        scatter(shifted(&inside, i).data, part.columns, out, to->stride, to->element_bytes);
      }
    }
  }
  return TL_OK;
}

static tl_status read_concat(const tl_weight_eval *eval, const tile *t, const target *to) {
  int64_t first = 0; // row of this part's first row
  for (int64_t i = 0; i < eval->parts_count; i++) {
    int64_t begin = t->row > first ? t->row : first, end = t->row + t->rows;
    int64_t next = first + eval->parts[i]->rows;
    if (end > next) end = next;
    if (begin < end) {
      tile part = {t->matrix, begin - first, end - begin, t->column, t->columns};
      target inside = shifted(to, begin - t->row);
      TL_TRY(read_tile(eval->parts[i], &part, &inside));
    }
    first = next;
  }
  return TL_OK;
}

static tl_status read_stack(const tl_weight_eval *eval, const tile *t, const target *to) {
  if (eval->rank == 3) {
    tile part = *t;
    part.matrix = 0;
    return read_tile(eval->parts[t->matrix], &part, to);
  }
  for (int64_t r = 0; r < t->rows; r++) { // vectors, each a row
    tile part = {0, t->column, t->columns, 0, 1};
    target row = shifted(to, r);
    row.stride = 1;
    TL_TRY(read_tile(eval->parts[t->row + r], &part, &row));
  }
  return TL_OK;
}

// At most DEQUANT_COLUMNS of one row.
static tl_status dequant_run(const tl_weight_eval *eval, const tile *t, const target *to) {
  float values[DEQUANT_COLUMNS], scales[DEQUANT_COLUMNS + 1];
  int64_t first = t->column / eval->block, last = (t->column + t->columns - 1) / eval->block;
  tile scale = {t->matrix, t->row / eval->block, 1, first, last - first + 1};
  target into_values = {(char *)values, t->columns, TL_FORMAT_F32, sizeof *values, to->diag};
  target into_scales = {(char *)scales, scale.columns, TL_FORMAT_F32, sizeof *scales, to->diag};
  TL_TRY(read_tile(eval->parts[0], t, &into_values));
  TL_TRY(read_tile(eval->parts[1], &scale, &into_scales));
  for (int64_t i = 0; i < t->columns; i++)
    values[i] *= scales[(t->column + i) / eval->block - first];
  tl_convert_from_f32(to->format, values, t->columns, to->data);
  return TL_OK;
}

static tl_status read_dequant(const tl_weight_eval *eval, const tile *t, const target *to) {
  if (!tl_convert_writes(to->format)) {
    return tl_diag_error(to->diag, TL_UNSUPPORTED, eval->span, "dequant cannot give %.*s",
                         TL_STR_ARG(tl_format_of(to->format)->text));
  }
  for (int64_t r = 0; r < t->rows; r++) {
    for (int64_t c = 0; c < t->columns; c += DEQUANT_COLUMNS) {
      tile run = {t->matrix, t->row + r, 1, t->column + c, t->columns - c};
      if (run.columns > DEQUANT_COLUMNS) run.columns = DEQUANT_COLUMNS;
      target out = shifted(to, r);
      out.data += c * to->element_bytes;
      TL_TRY(dequant_run(eval, &run, &out));
    }
  }
  return TL_OK;
}

static tl_status read_merge(const tl_weight_eval *eval, const tile *t, const target *to) {
  int64_t height = eval->parts[0]->rows;
  for (int64_t done = 0, here; done < t->rows; done += here) {
    int64_t row = t->row + done;
    here = height - row % height < t->rows - done ? height - row % height : t->rows - done;
    tile part = {row / height, row % height, here, t->column, t->columns};
    target inside = shifted(to, done);
    TL_TRY(read_tile(eval->parts[0], &part, &inside));
  }
  return TL_OK;
}

static tl_status read_tile(const tl_weight_eval *eval, const tile *t, const target *to) {
  tile moved = *t;
  switch (eval->kind) {
  case TL_WEIGHT_TENSOR: return read_tensor(eval, t, to);
  case TL_WEIGHT_TRANSPOSE: return read_transpose(eval, t, to);
  case TL_WEIGHT_SLICE: moved.row += eval->begin; return read_tile(eval->parts[0], &moved, to);
  case TL_WEIGHT_CONCAT: return read_concat(eval, t, to);
  case TL_WEIGHT_STACK: return read_stack(eval, t, to);
  case TL_WEIGHT_DEQUANT: return read_dequant(eval, t, to);
  case TL_WEIGHT_SPLIT:
    moved.matrix = 0;
    moved.row += t->matrix * eval->rows;
    return read_tile(eval->parts[0], &moved, to);
  case TL_WEIGHT_MERGE: return read_merge(eval, t, to);
  }
  return TL_INTERNAL;
}

tl_status tl_weight_eval_rows(const tl_weight_eval *eval, tl_format format, int64_t begin,
                              int64_t end, void *out, tl_diag *diag) {
  if (begin < 0 || begin > end || end > tl_weight_eval_rows_count(eval)) {
    return tl_diag_error(diag, TL_USAGE, eval->span, "rows [%lld, %lld) of a weight of %lld rows",
                         (long long)begin, (long long)end,
                         (long long)tl_weight_eval_rows_count(eval));
  }
  target to = {out, eval->columns, format, (int64_t)tl_convert_element_bytes(format), diag};
  while (begin < end) {
    int64_t row = begin % eval->rows, left = eval->rows - row;
    int64_t rows = end - begin < left ? end - begin : left;
    tile t = {begin / eval->rows, row, rows, 0, eval->columns};
    TL_TRY(read_tile(eval, &t, &to));
    to = shifted(&to, rows);
    begin += rows;
  }
  return TL_OK;
}

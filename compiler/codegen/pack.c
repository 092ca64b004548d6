// Implementation of pack.h.
#include "compiler/codegen/pack.h"

#include "compiler/codegen/panel.h"
#include "ir/convert.h"
#include "templates/cpu/panel.h"

#include <stdlib.h>

enum { CHUNK_BYTES = 1 << 20 }; // of rows evaluated at once: they stay in L2

typedef struct pack {
  const tl_plan_weight *row;
  const tl_packed *packed;
  tl_format format;     // of the panels; f32 of vectors
  tl_weight_eval *eval; // NULL = a table of the graph
  int64_t rows_step;    // of a matrix: evaluated at once, a divisor or multiple of 64
} pack;

struct tl_packer {
  pack *packs; // by offset in the section
  size_t packs_count;
  size_t buffer_bytes; // evaluated rows of the hungriest weight
};

// Bytes [begin, end) of one weight, and where byte `begin` goes.
typedef struct piece {
  int64_t begin, end;
  char *out;
  char *buffer;
  tl_diag *diag;
} piece;

static tl_status report(const pack *p, tl_diag *diag, tl_status status, const char *what) {
  return tl_diag_error(diag, status, p->packed->value->producer->span, "weight %.*s %s",
                       TL_STR_ARG(p->packed->value->name), what);
}

// ---- creation

static int64_t row_bytes(const pack *p) {
  tl_format format = tl_panel_source_format(p->format);
  return p->row->columns * (int64_t)tl_convert_element_bytes(format);
}

static int64_t stride_of(const pack *p) {
  return p->row->layout == TL_PLAN_LAYOUT_ROWS ? tl_weight_row_bytes(p->format, p->row->columns)
                                               : tl_panel_stride(p->format, p->row->columns);
}

// Rows are copied as they are; panels may quantise.
static bool can_be_packed(const pack *p) {
  bool whole =
      p->format == TL_FORMAT_F32 || p->format == TL_FORMAT_BF16 || p->format == TL_FORMAT_F16;
  return p->row->layout == TL_PLAN_LAYOUT_ROWS ? whole : tl_panel_has_format(p->format);
}

static tl_status init_matrix(pack *p, tl_diag *diag) {
  const tl_plan_weight *row = p->row;
  if (!can_be_packed(p)) {
    return report(p, diag, TL_UNSUPPORTED, "has a format that cannot be packed for this target");
  }
  if (!p->eval || row->columns != tl_weight_eval_columns_count(p->eval) ||
      row->rows * row->experts != tl_weight_eval_rows_count(p->eval) ||
      row->stride != stride_of(p) || row->offset % TL_PLAN_PAGE_BYTES != 0) {
    return report(p, diag, TL_INTERNAL, "has another size than the plan's table says");
  }
  int64_t bytes = row_bytes(p);
  if (bytes > TL_PACKER_SCRATCH_BYTES) {
    return report(p, diag, TL_UNSUPPORTED, "has rows of more than 16 MiB");
  }
  p->rows_step = CHUNK_BYTES / bytes / TL_PANEL_ROWS * TL_PANEL_ROWS;
  if (p->rows_step == 0) p->rows_step = TL_PANEL_ROWS;
  while (p->rows_step * bytes > TL_PACKER_SCRATCH_BYTES)
    p->rows_step /= 2;
  return TL_OK;
}

static int64_t elements_of(const pack *p) {
  if (p->eval) return tl_weight_eval_rows_count(p->eval) * tl_weight_eval_columns_count(p->eval);
  return tl_type_elements(&p->packed->value->type, (const int64_t[TL_SYMBOLS_MAX]){1, 1, 1, 1});
}

static tl_status init_vector(pack *p, tl_diag *diag) {
  if (elements_of(p) != p->row->rows) {
    return report(p, diag, TL_INTERNAL, "has another size than the plan's table says");
  }
  if (p->eval && tl_weight_eval_columns_count(p->eval) > TL_PACKER_SCRATCH_BYTES / 4) {
    return report(p, diag, TL_UNSUPPORTED, "has rows of more than 16 MiB");
  }
  return TL_OK;
}

static tl_status init_pack(pack *p, const char *strings, const tl_weight_source *source,
                           tl_arena *arena, tl_diag *diag) {
  const tl_node *node = p->packed->value->producer;
  if (!tl_format_from_text(tl_str_from(strings + p->row->format), &p->format)) {
    return report(p, diag, TL_INTERNAL, "has an unknown format");
  }
  if (node->kind == TL_NODE_WEIGHT) {
    TL_TRY(tl_weight_eval_bind(arena, source, node, &p->eval, diag));
  } else if (node->kind != TL_NODE_TABLE) {
    return report(p, diag, TL_INTERNAL, "is neither weight nor table");
  }
  bool vector = p->row->layout == TL_PLAN_LAYOUT_VECTOR;
  return vector ? init_vector(p, diag) : init_matrix(p, diag);
}

// Bytes of evaluated rows that filling from `p` needs.
static size_t buffer_bytes(const pack *p) {
  if (p->row->layout != TL_PLAN_LAYOUT_VECTOR) return (size_t)(p->rows_step * row_bytes(p));
  return p->eval ? (size_t)tl_weight_eval_columns_count(p->eval) * sizeof(float) : 0;
}

static int by_offset(const void *a, const void *b) {
  const pack *x = a, *y = b;
  return (x->row->offset > y->row->offset) - (x->row->offset < y->row->offset);
}

static tl_status check_places(const tl_packer *packer, tl_diag *diag) {
  uint64_t end = 0;
  for (size_t i = 0; i < packer->packs_count; i++) {
    const pack *p = &packer->packs[i];
    if (p->row->offset < end) return report(p, diag, TL_INTERNAL, "overlaps the one before it");
    end = p->row->offset + p->row->bytes;
  }
  return TL_OK;
}

tl_status tl_packer_create(tl_arena *arena, const tl_plan_builder *builder,
                           const tl_weight_source *source, tl_packer **out_packer, tl_diag *diag) {
  tl_packer *packer = tl_arena_alloc(arena, sizeof *packer);
  size_t count = builder->weights_count;
  pack *packs = tl_arena_array(arena, count + 1, sizeof *packs);
  tl_status status = packer && packs ? TL_OK : TL_MEMORY;
  for (size_t i = 0; i < count && status != TL_MEMORY; i++) {
    pack *p = &packs[i];
    *p = (pack){.row = &builder->weights[i], .packed = &builder->packed[i]};
    tl_status fault = init_pack(p, builder->strings, source, arena, diag);
    if (tl_ok(status) || fault == TL_MEMORY) status = fault;
    if (tl_ok(fault) && buffer_bytes(p) > packer->buffer_bytes) {
      packer->buffer_bytes = buffer_bytes(p);
    }
  }
  if (packer) {
    packer->packs = packs;
    packer->packs_count = count;
  }
  if (tl_ok(status)) {
    qsort(packs, count, sizeof *packs, by_offset);
    status = check_places(packer, diag);
  }
  *out_packer = tl_ok(status) ? packer : NULL;
  return status;
}

// ---- filling

// Puts `count` evaluated rows, the first of which is row `row` of the matrix whose first panel
// begins at `base` of the weight.
static tl_status put_rows(const pack *p, const piece *to, int64_t base, int64_t row,
                          int64_t count) {
  int64_t stride = p->row->stride, bytes = row_bytes(p);
  for (int64_t done = 0; done < count;) {
    int64_t lane = (row + done) % TL_PANEL_ROWS, lanes = TL_PANEL_ROWS - lane;
    if (lanes > count - done) lanes = count - done;
    int64_t panel = base + (row + done) / TL_PANEL_ROWS * stride;
    int64_t begin = to->begin > panel ? to->begin : panel;
    int64_t end = to->end < panel + stride ? to->end : panel + stride;
    tl_panel_rows rows = {to->buffer + done * bytes, p->row->columns, (int)lane, (int)lanes};
    if (!tl_panel_put(p->format, &rows, begin - panel, end - panel, to->out + begin - to->begin)) {
      return report(p, to->diag, TL_INPUT,
                    "has numbers that are infinite or no numbers and cannot be quantised");
    }
    done += lanes;
  }
  return TL_OK;
}

// Panels [first, last) of matrix `expert` of the stack.
static tl_status fill_panels(const pack *p, const piece *to, int64_t expert, int64_t first,
                             int64_t last) {
  int64_t rows = p->row->rows, panels = (rows + TL_PANEL_ROWS - 1) / TL_PANEL_ROWS;
  int64_t end = last * TL_PANEL_ROWS < rows ? last * TL_PANEL_ROWS : rows;
  for (int64_t row = first * TL_PANEL_ROWS; row < end; row += p->rows_step) {
    int64_t count = p->rows_step < end - row ? p->rows_step : end - row;
    int64_t global = expert * rows + row;
    TL_TRY(tl_weight_eval_rows(p->eval, tl_panel_source_format(p->format), global, global + count,
                               to->buffer, to->diag));
    TL_TRY(put_rows(p, to, expert * panels * p->row->stride, row, count));
  }
  return TL_OK;
}

static tl_status fill_matrix(const pack *p, const piece *to) {
  int64_t stride = p->row->stride, panels = (p->row->rows + TL_PANEL_ROWS - 1) / TL_PANEL_ROWS;
  int64_t panel = to->begin / stride, end = (to->end + stride - 1) / stride;
  while (panel < end) {
    int64_t expert = panel / panels, first = panel % panels;
    int64_t last = end - expert * panels < panels ? end - expert * panels : panels;
    TL_TRY(fill_panels(p, to, expert, first, last));
    panel = expert * panels + last;
  }
  return TL_OK;
}

// Evaluated row `i` of the buffer goes to byte `at` of the weight, as far as that is wanted.
static void put_row(const pack *p, const piece *to, int64_t i, int64_t at) {
  int64_t bytes = row_bytes(p), begin = to->begin > at ? to->begin : at;
  int64_t end = to->end < at + bytes ? to->end : at + bytes;
  if (begin >= end) return;
  memcpy(to->out + begin - to->begin, to->buffer + i * bytes + begin - at, (size_t)(end - begin));
}

// A stack's matrices have `all` rows each, the last of which may be empty.
static tl_status fill_rows(const pack *p, const piece *to) {
  int64_t stride = p->row->stride, rows = p->row->rows, all = (rows + 63) / 64 * 64;
  int64_t row = to->begin / stride, end = (to->end + stride - 1) / stride;
  while (row < end) {
    int64_t expert = row / all, first = row % all, count = p->rows_step;
    if (count > end - row) count = end - row;
    if (count > rows - first) count = rows - first;
    if (count <= 0) {
      row = (expert + 1) * all;
      continue;
    }
    int64_t global = expert * rows + first;
    TL_TRY(tl_weight_eval_rows(p->eval, p->format, global, global + count, to->buffer, to->diag));
    for (int64_t i = 0; i < count; i++)
      put_row(p, to, i, (row + i) * stride);
    row += count;
  }
  return TL_OK;
}

static tl_status fill_vector(const pack *p, const piece *to) {
  int64_t begin = to->begin / 4, end = to->end / 4 < p->row->rows ? to->end / 4 : p->row->rows;
  float *out = (float *)to->out;
  if (begin >= end) return TL_OK;
  size_t bytes = (size_t)(end - begin) * sizeof *out;
  if (!p->eval) {
    memcpy(out, p->packed->value->producer->table + begin, bytes);
  } else if (tl_weight_eval_columns_count(p->eval) == 1) {
    TL_TRY(tl_weight_eval_rows(p->eval, TL_FORMAT_F32, begin, end, out, to->diag));
  } else {
    TL_TRY(tl_weight_eval_rows(p->eval, TL_FORMAT_F32, 0, 1, to->buffer, to->diag));
    memcpy(out, to->buffer + begin * 4, bytes);
  }
  for (int64_t i = 0; p->packed->offset != 0 && i < end - begin; i++)
    out[i] = (float)(out[i] + p->packed->offset);
  return TL_OK;
}

// The first weight that ends after `begin`.
static size_t find_first(const tl_packer *packer, uint64_t begin) {
  size_t low = 0, high = packer->packs_count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    const tl_plan_weight *row = packer->packs[middle].row;
    if (row->offset + row->bytes > begin) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

tl_status tl_packer_fill(void *context, uint64_t begin, uint64_t end, char *out, tl_arena *scratch,
                         tl_diag *diag) {
  const tl_packer *packer = context;
  char *buffer = tl_arena_alloc(scratch, packer->buffer_bytes);
  if (!buffer) return tl_diag_error(diag, TL_MEMORY, (tl_span){0}, "out of memory for weights");
  for (size_t i = find_first(packer, begin); i < packer->packs_count; i++) {
    const pack *p = &packer->packs[i];
    uint64_t offset = p->row->offset, bytes = p->row->bytes;
    if (offset >= end) break;
    uint64_t from = begin > offset ? begin - offset : 0;
    uint64_t to = end - offset < bytes ? end - offset : bytes;
    piece part = {(int64_t)from, (int64_t)to, out + (offset + from - begin), buffer, diag};
    switch (p->row->layout) {
    case TL_PLAN_LAYOUT_VECTOR: TL_TRY(fill_vector(p, &part)); break;
    case TL_PLAN_LAYOUT_ROWS: TL_TRY(fill_rows(p, &part)); break;
    default: TL_TRY(fill_matrix(p, &part)); break;
    }
  }
  return TL_OK;
}

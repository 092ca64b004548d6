// Growing tables; weights get their places here, bytes are packed by the writer.
#include "compiler/codegen/plan_tables.h"

#include "templates/cpu/panel.h"

void tl_plan_builder_init(tl_plan_builder *builder, tl_arena *arena) {
  *builder = (tl_plan_builder){.arena = arena, .readers = 1u << TL_TARGET_DEVICE_CPU};
  tl_plan_text(builder, TL_STR(""));
}

#define X(name)                                                                                    \
  uint32_t tl_plan_add_##name(tl_plan_builder *builder, const tl_plan_##name *row) {               \
    tl_plan_##name *grown =                                                                        \
        tl_arena_grow(builder->arena, builder->name##s, &builder->name##s_capacity,                \
                      builder->name##s_count + 1, sizeof *row);                                    \
    builder->failed |= !grown;                                                                     \
    if (!grown) return 0;                                                                          \
    builder->name##s = grown;                                                                      \
    builder->name##s[builder->name##s_count] = *row;                                               \
    return (uint32_t)builder->name##s_count++;                                                     \
  }
TL_PLAN_TABLE_MAP(X)
#undef X

uint32_t tl_plan_text(tl_plan_builder *builder, tl_str text) {
  if (builder->strings_bytes > 0 && text.length == 0) return 0;
  char *grown = tl_arena_grow(builder->arena, builder->strings, &builder->strings_capacity,
                              builder->strings_bytes + text.length + 1, 1);
  builder->failed |= !grown;
  if (!grown) return 0;
  builder->strings = grown;
  uint32_t place = (uint32_t)builder->strings_bytes;
  memcpy(grown + place, text.data, text.length);
  grown[place + text.length] = 0;
  builder->strings_bytes += text.length + 1;
  return place;
}

int64_t tl_weight_row_bytes(tl_format format, int64_t columns) {
  return (columns + 31) / 32 * 32 * (tl_format_of(format)->bits / 8);
}

static void place_matrix(tl_plan_weight *row, const tl_type *type) {
  int64_t rows = type->dims[type->rank - 2].constant, columns = type->dims[type->rank - 1].constant;
  row->rows = rows;
  row->columns = columns;
  row->experts = type->rank == 3 ? type->dims[0].constant : 1;
  if (row->layout == TL_PLAN_LAYOUT_ROWS) {
    row->stride = tl_weight_row_bytes(type->format, columns);
    row->bytes = (uint64_t)(row->experts * ((rows + 63) / 64 * 64) * row->stride);
    return;
  }
  if (type->format == TL_FORMAT_Q8G32) {
    row->stride = tl_panel_bytes_q8g32(columns);
  } else {
    int bytes = tl_format_of(type->format)->bits / 8;
    row->stride = tl_panel_bytes(columns, bytes, type->format == TL_FORMAT_BF16 ? 2 : 1);
  }
  row->bytes = (uint64_t)(row->experts * ((rows + 63) / 64) * row->stride);
}

static void place_vector(tl_plan_weight *row, const tl_type *type) {
  row->rows = type->dims[type->rank - 1].constant;
  row->columns = row->experts = 1;
  row->stride = 4;
  row->bytes = (uint64_t)((row->rows + 63) / 64 * 64 * 4);
}

uint32_t tl_plan_weight_of(tl_plan_builder *builder, const tl_value *value, double offset,
                           tl_plan_layout layout) {
  for (size_t i = 0; i < builder->weights_count; i++) {
    if (builder->packed[i].value == value && builder->packed[i].offset == offset &&
        builder->weights[i].layout == (uint32_t)layout) {
      builder->packed[i].readers |= builder->readers;
      return (uint32_t)i;
    }
  }
  tl_packed *grown = tl_arena_grow(builder->arena, builder->packed, &builder->packed_capacity,
                                   builder->weights_count + 1, sizeof *grown);
  builder->failed |= !grown;
  if (!grown) return 0;
  builder->packed = grown;
  builder->packed[builder->weights_count] = (tl_packed){value, offset, builder->readers, false};
  tl_plan_weight row = {.layout = layout, .shards = 1};
  row.name = tl_plan_text(builder, value->name);
  bool vector = layout == TL_PLAN_LAYOUT_VECTOR;
  row.format =
      tl_plan_text(builder, tl_format_of(vector ? TL_FORMAT_F32 : value->type.format)->text);
  if (vector) {
    place_vector(&row, &value->type);
  } else {
    place_matrix(&row, &value->type);
  }
  return tl_plan_add_weight(builder, &row);
}

// Matrices start on pages of their own; vectors are packed one after the other.
static void place_weights(tl_plan_builder *builder, uint32_t readers) {
  for (size_t i = 0; i < builder->weights_count; i++) {
    tl_plan_weight *row = &builder->weights[i];
    if (builder->packed[i].readers != readers) continue;
    uint64_t align = row->layout == TL_PLAN_LAYOUT_VECTOR ? 64 : TL_PLAN_PAGE_BYTES;
    row->offset = (builder->weights_bytes + align - 1) / align * align;
    builder->weights_bytes = row->offset + row->bytes;
  }
}

bool tl_plan_weight_follows(tl_plan_builder *builder, uint32_t row) {
  if (builder->failed || row == 0) return false;
  const tl_plan_weight *own = &builder->weights[row], *before = own - 1;
  bool follows = own->layout == TL_PLAN_LAYOUT_ROWS && before->layout == TL_PLAN_LAYOUT_ROWS &&
                 before->bytes % TL_PLAN_PAGE_BYTES == 0 &&
                 builder->packed[row].readers == builder->packed[row - 1].readers;
  builder->packed[row].is_behind |= follows;
  return follows;
}

static bool places_hold(const tl_plan_builder *builder) {
  bool hold = true;
  for (size_t i = 1; i < builder->weights_count; i++) {
    const tl_plan_weight *own = &builder->weights[i], *before = own - 1;
    hold &= !builder->packed[i].is_behind || own->offset == before->offset + before->bytes;
  }
  return hold;
}

tl_status tl_plan_builder_tables(tl_plan_builder *builder, tl_plan_tables *out_tables) {
  uint32_t cpu = 1u << TL_TARGET_DEVICE_CPU, cuda = 1u << TL_TARGET_DEVICE_CUDA;
  builder->weights_bytes = 0;
  place_weights(builder, cpu);
  place_weights(builder, cpu | cuda);
  place_weights(builder, cuda);
  *out_tables = (tl_plan_tables){
#define X(name) .name##s = builder->name##s, .name##s_count = (uint32_t)builder->name##s_count,
      TL_PLAN_TABLE_MAP(X)
#undef X
          .strings = builder->strings,
      .strings_bytes = (uint32_t)builder->strings_bytes};
  if (builder->failed) return TL_MEMORY;
  return places_hold(builder) ? TL_OK : TL_INTERNAL;
}

// What both forms of the description count.
#include "runtime/plan/describe.h"

static bool runs_for_one_row(const tl_plan_launch *launch, tl_plan_kv_type kv_type) {
  return launch->guard_kv & 1u << kv_type && launch->guard_min <= 1 && launch->guard_max >= 1 &&
         launch->guard_exact != 2 && launch->guard_library != 2;
}

// The launches from `*at` on that are of the same layer; moves `*at` behind them.
static uint32_t count_layer(const tl_plan_launch *launches, uint32_t count, tl_plan_kv_type kv_type,
                            uint32_t *at) {
  uint32_t layer = launches[*at].layer, running = 0;
  for (; *at < count && launches[*at].layer == layer; ++*at)
    running += runs_for_one_row(&launches[*at], kv_type);
  return running;
}

bool tl_plan_next_layers(const tl_plan_tables *tables, const tl_plan_program *program,
                         tl_plan_kv_type kv_type, uint32_t *at, tl_plan_layers *out_layers) {
  const tl_plan_launch *launches = &tables->launchs[program->first_launch];
  uint32_t count = program->launches_count;
  while (*at < count && launches[*at].layer == 0)
    ++*at;
  if (*at >= count) return false;
  uint32_t layer = launches[*at].layer - 1;
  *out_layers = (tl_plan_layers){layer, layer, count_layer(launches, count, kv_type, at)};
  // A launch's row holds its layer + 1, so the next layer's says last + 2.
  while (*at < count && launches[*at].layer == out_layers->last + 2) {
    uint32_t end = *at;
    if (count_layer(launches, count, kv_type, &end) != out_layers->launches_count) break;
    out_layers->last++;
    *at = end;
  }
  return true;
}

uint32_t tl_plan_outside_launches(const tl_plan_tables *tables, const tl_plan_program *program,
                                  tl_plan_kv_type kv_type) {
  const tl_plan_launch *launches = &tables->launchs[program->first_launch];
  uint32_t outside = 0;
  for (uint32_t i = 0; i < program->launches_count; i++)
    outside += launches[i].layer == 0 && runs_for_one_row(&launches[i], kv_type);
  return outside;
}

uint64_t tl_plan_activation_bytes(const tl_plan_program *program, uint64_t rows) {
  const uint64_t counts[TL_PLAN_SYMBOL_COUNT] = {
      [TL_PLAN_SYMBOL_ONE] = 1,
      [TL_PLAN_SYMBOL_T] = rows,
      [TL_PLAN_SYMBOL_S] = 1,
      [TL_PLAN_SYMBOL_R] = 1,
      [TL_PLAN_SYMBOL_A] = (rows + TL_ATTENTION_ROWS - 1) / TL_ATTENTION_ROWS};
  uint64_t bytes = 0;
  for (int s = 0; s < TL_PLAN_SYMBOL_COUNT; s++)
    bytes += program->arena_bytes[s] * counts[s];
  return bytes;
}

uint64_t tl_plan_kv_bytes(const tl_plan_tables *tables, tl_plan_kv_type kv_type) {
  uint64_t bytes = 0;
  for (uint32_t g = 0; g < tables->groups_count; g++)
    bytes += tables->groups[g].page_bytes[kv_type] / TL_PAGE_TOKENS;
  return bytes;
}

uint64_t tl_plan_weights_bytes(const tl_plan_tables *tables) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < tables->weights_count; i++) {
    uint64_t end = tables->weights[i].offset + tables->weights[i].bytes;
    if (end > bytes) bytes = end;
  }
  return bytes;
}

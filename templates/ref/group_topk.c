// Ids of the k largest of scores + bias, best first, within the best groups.
//
//   E = 8, groups = 4:   | 0 1 | 2 3 | 4 5 | 6 7 |
//
// A group counts as the sum of its group_best largest; groups_kept groups are searched. Equal
// numbers go to the lower id or group.
#include "templates/ref/ref.h"

enum { K, GROUPS, GROUPS_KEPT, GROUP_BEST }; // attributes

typedef struct pool {
  double *items; // [count]
  bool *usable;  // [count]; taken items become unusable
  int64_t count;
} pool;

// Takes the largest usable item of [first, end). One always comes out, also among NaNs.
static int64_t take_best(pool *p, int64_t first, int64_t end) {
  int64_t best = -1;
  for (int64_t i = first; i < end; i++) {
    if (p->usable[i] && (best < 0 || p->items[i] > p->items[best])) best = i;
  }
  p->usable[best] = false;
  return best;
}

static void keep_best_groups(const tl_ref_args *args, pool *experts, pool *groups) {
  int64_t size = experts->count / groups->count;
  for (int64_t g = 0; g < groups->count; g++) {
    groups->usable[g] = true;
    groups->items[g] = 0;
    for (int64_t b = 0; b < args->attrs[GROUP_BEST].i; b++)
      groups->items[g] += experts->items[take_best(experts, g * size, (g + 1) * size)];
  }
  for (int64_t kept = 0; kept < args->attrs[GROUPS_KEPT].i; kept++)
    take_best(groups, 0, groups->count);
  for (int64_t e = 0; e < experts->count; e++)
    // NOLINTNEXTLINE(*.UndefinedBinaryOperatorResult): verified, the groups divide the experts
    experts->usable[e] = !groups->usable[e / size];
}

static bool create_pool(tl_arena *scratch, int64_t count, pool *out_pool) {
  out_pool->count = count;
  out_pool->items = tl_arena_array(scratch, (size_t)count, sizeof *out_pool->items);
  out_pool->usable = tl_arena_array(scratch, (size_t)count, sizeof *out_pool->usable);
  return out_pool->items && out_pool->usable;
}

TL_REF_OP(group_topk) {
  const tl_ref_tensor *scores = &args->operands[0];
  const float *bias = args->present[1] ? args->operands[1].f : NULL;
  int64_t count = scores->dims[1], k = args->attrs[K].i;
  pool experts = {0}, groups = {0};
  if (!create_pool(args->scratch, count, &experts) ||
      !create_pool(args->scratch, args->attrs[GROUPS].i, &groups)) {
    return TL_MEMORY;
  }
  for (int64_t t = 0; t < scores->dims[0]; t++) {
    for (int64_t e = 0; e < count; e++) {
      // The sum is rounded to f32, as ties are decided there.
      experts.items[e] = bias ? scores->f[t * count + e] + bias[e] : scores->f[t * count + e];
      experts.usable[e] = true;
    }
    if (groups.count > 1) keep_best_groups(args, &experts, &groups);
    for (int64_t a = 0; a < k; a++)
      args->result.i[t * k + a] = (int32_t)take_best(&experts, 0, count);
  }
  return TL_OK;
}

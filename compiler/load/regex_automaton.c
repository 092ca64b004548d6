// Parsed pattern -> list of instructions -> automaton.
//
// A state is an ordered list of instructions, the most preferred first; a match cuts off all that
// is less preferred, which is what makes the automaton answer as a backtracking engine does. A
// match is noted when the character after it is seen, so look-ahead is a question about the current
// class.
//
//   a+b|a     state {a+b, a}  --a-->  {b | a+b, MATCH}  --b-->  {MATCH}
#include "compiler/load/regex.h"
#include "runtime/base/tokenizer_table.h"

enum { STATES_MAX = 4096, LIST_ITEMS_MAX = 1 << 22 };

typedef enum op { OP_MATCH, OP_SET, OP_LOOK, OP_SPLIT } op;

typedef struct inst {
  op op;
  uint32_t set;
  bool look_end;
  int next, other; // OP_SPLIT prefers `next`
} inst;

typedef struct state {
  uint32_t begin, count; // instructions in `items`
} state;

typedef struct builder {
  const tl_regex_context *context;
  inst *insts;
  int insts_count;
  state *states;
  uint32_t states_count;
  uint16_t *items; // lists of all states
  size_t items_count, items_capacity;
  uint32_t *slots; // hash of lists -> state
  uint16_t *cells;
  size_t cells_capacity;
  // Of the step being made.
  int *stack;
  uint32_t *seen_inst, *seen_next;
  uint32_t stamp;
  uint16_t *list;
  uint32_t list_count;
} builder;

static tl_status fail(const builder *b, const char *what) {
  return tl_diag_error(b->context->diag, TL_UNSUPPORTED, b->context->span, "regex: %s", what);
}

static tl_status add_inst(builder *b, inst row, int *out_index) {
  if (b->insts_count == TL_REGEX_INSTS_MAX) return fail(b, "the pattern is too large");
  b->insts[b->insts_count] = row;
  *out_index = b->insts_count++;
  return TL_OK;
}

static tl_status emit(builder *b, const tl_regex_node *node, int next, int *out_start);

static tl_status emit_repeat(builder *b, const tl_regex_node *node, int next, int *out_start) {
  int start = next, body;
  if (node->max < 0) {
    int loop = 0;
    TL_TRY(add_inst(b, (inst){.op = OP_SPLIT, .other = next}, &loop));
    TL_TRY(emit(b, node->last_child, loop, &body));
    b->insts[loop].next = body;
    start = loop;
  }
  for (int i = node->min; i < node->max; i++) {
    TL_TRY(emit(b, node->last_child, start, &body));
    TL_TRY(add_inst(b, (inst){.op = OP_SPLIT, .next = body, .other = next}, &start));
  }
  for (int i = 0; i < node->min; i++)
    TL_TRY(emit(b, node->last_child, start, &start));
  *out_start = start;
  return TL_OK;
}

// Writes what matches `node` and goes on at `next`. Depth is bounded by that of the groups.
static tl_status emit(builder *b, const tl_regex_node *node, int next, int *out_start) {
  int start = next;
  const tl_regex_node *child = node->last_child;
  switch (node->kind) {
  case TL_REGEX_SET: return add_inst(b, (inst){OP_SET, node->set, false, next, 0}, out_start);
  case TL_REGEX_LOOK:
    return add_inst(b, (inst){OP_LOOK, node->set, node->look_end, next, 0}, out_start);
  case TL_REGEX_REPEAT: return emit_repeat(b, node, next, out_start);
  case TL_REGEX_CONCAT:
    for (; child; child = child->before)
      TL_TRY(emit(b, child, start, &start));
    break;
  case TL_REGEX_ALTERNATION:
    TL_TRY(emit(b, child, next, &start));
    for (child = child->before; child; child = child->before) {
      int first;
      TL_TRY(emit(b, child, next, &first));
      TL_TRY(add_inst(b, (inst){.op = OP_SPLIT, .next = first, .other = start}, &start));
    }
    break;
  case TL_REGEX_EMPTY: break;
  }
  *out_start = start;
  return TL_OK;
}

static bool in_class(const builder *b, uint32_t set, uint32_t class) {
  return b->context->classes->members[(size_t)class * TL_CHARSETS_MAX + set];
}

// Follows one instruction of a state on `class` (== classes_count at the end of the text),
// collecting where its characters lead. True if a match was reached: all that follows is less
// preferred.
static bool follow(builder *b, int start, uint32_t class) {
  bool end = class == b->context->classes->classes_count;
  int depth = 0;
  b->stack[depth++] = start;
  while (depth) {
    int at = b->stack[--depth];
    if (b->seen_inst[at] == b->stamp) continue;
    b->seen_inst[at] = b->stamp;
    const inst *row = &b->insts[at];
    switch (row->op) {
    case OP_MATCH: return true;
    case OP_SET:
      if (end || !in_class(b, row->set, class) || b->seen_next[row->next] == b->stamp) break;
      b->seen_next[row->next] = b->stamp;
      b->list[b->list_count++] = (uint16_t)row->next;
      break;
    case OP_LOOK:
      if (end ? row->look_end : in_class(b, row->set, class)) b->stack[depth++] = row->next;
      break;
    case OP_SPLIT:
      b->stack[depth++] = row->other;
      b->stack[depth++] = row->next;
      break;
    }
  }
  return false;
}

// The state of b->list, made if it is new.
static tl_status find_state(builder *b, uint32_t *out_state) {
  size_t bytes = b->list_count * sizeof *b->list;
  uint32_t at = tl_word_hash((const char *)b->list, bytes) % (2 * STATES_MAX);
  for (; b->slots[at]; at = (at + 1) % (2 * STATES_MAX)) {
    const state *have = &b->states[b->slots[at]];
    if (have->count != b->list_count) continue;
    // NOLINTNEXTLINE(*.NonNullParamChecker): what states hold is in `items`
    if (bytes && memcmp(b->items + have->begin, b->list, bytes) != 0) continue;
    *out_state = b->slots[at];
    return TL_OK;
  }
  if (b->states_count == STATES_MAX || b->items_count + b->list_count > LIST_ITEMS_MAX)
    return fail(b, "the pattern needs too many states");
  uint16_t *items = tl_arena_grow(b->context->arena, b->items, &b->items_capacity,
                                  b->items_count + b->list_count + 1, sizeof *items);
  if (!items) return TL_MEMORY;
  b->items = items;
  memcpy(items + b->items_count, b->list, bytes);
  b->states[b->states_count] = (state){(uint32_t)b->items_count, b->list_count};
  b->items_count += b->list_count;
  b->slots[at] = b->states_count;
  *out_state = b->states_count++;
  return TL_OK;
}

static tl_status make_cell(builder *b, uint32_t from, uint32_t class, uint16_t *out_cell) {
  const state *row = &b->states[from];
  bool match = false;
  b->stamp++;
  b->list_count = 0;
  for (uint32_t i = 0; i < row->count && !match; i++)
    match = follow(b, b->items[row->begin + i], class);
  uint32_t to = 0;
  if (b->list_count) TL_TRY(find_state(b, &to));
  *out_cell = (uint16_t)(to | (match ? TL_CELL_MATCH : 0));
  return TL_OK;
}

static tl_status make_states(builder *b, int start) {
  uint32_t width = b->context->classes->classes_count + 1, first;
  b->states_count = 1; // 0 is dead
  b->list[0] = (uint16_t)start;
  b->list_count = 1;
  TL_TRY(find_state(b, &first));
  for (uint32_t s = 0; s < b->states_count; s++) {
    uint16_t *cells = tl_arena_grow(b->context->arena, b->cells, &b->cells_capacity,
                                    (size_t)(s + 1) * width, sizeof *cells);
    if (!cells) return TL_MEMORY;
    b->cells = cells;
    for (uint32_t class = 0; class < width; class ++)
      TL_TRY(make_cell(b, s, class, &cells[(size_t)s * width + class]));
  }
  return TL_OK;
}

tl_status tl_regex_compile(const tl_regex_context *context, const tl_regex_node *root,
                           tl_automaton *out_automaton) {
  tl_arena *arena = context->arena;
  builder b = {.context = context};
  b.insts = tl_arena_array(arena, TL_REGEX_INSTS_MAX, sizeof *b.insts);
  b.states = tl_arena_array(arena, STATES_MAX, sizeof *b.states);
  b.slots = tl_arena_array(arena, 2 * STATES_MAX, sizeof *b.slots);
  b.stack = tl_arena_array(arena, 2 * TL_REGEX_INSTS_MAX + 2, sizeof *b.stack);
  b.seen_inst = tl_arena_array(arena, TL_REGEX_INSTS_MAX, sizeof *b.seen_inst);
  b.seen_next = tl_arena_array(arena, TL_REGEX_INSTS_MAX, sizeof *b.seen_next);
  b.list = tl_arena_array(arena, TL_REGEX_INSTS_MAX, sizeof *b.list);
  if (!b.insts || !b.states || !b.slots || !b.stack || !b.seen_inst || !b.seen_next || !b.list)
    return TL_MEMORY;
  int match = 0, start = 0;
  TL_TRY(add_inst(&b, (inst){.op = OP_MATCH}, &match));
  TL_TRY(emit(&b, root, match, &start));
  TL_TRY(make_states(&b, start));
  *out_automaton = (tl_automaton){b.cells, b.states_count};
  return TL_OK;
}

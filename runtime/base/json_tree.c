// Implementation of json_tree.h.
//
// Finished nodes wait on a stack until their array or object ends; then they move to the arena in
// one piece, so that children are neighbours:
//
//   stack:  | outer's children so far | inner's children so far |
//                                     ^ frame of the innermost open container
#include "runtime/base/json_tree.h"

#include "runtime/base/hash.h"

enum { INDEXED_COUNT_MIN = 9 };

typedef struct tree_parser {
  tl_arena *arena;
  tl_arena scratch; // holds the stack
  const tl_source *source;
  tl_diag *diag;
  bool allows_duplicates;
  tl_status status; // TL_INPUT after a duplicate key
  tl_json *stack;
  size_t capacity, used;
  size_t frames[TL_JSON_DEPTH_MAX]; // index of each open container's own node in the stack
  int depth;
} tree_parser;

static tl_status out_of_memory(tree_parser *parser) {
  return tl_diag_error(parser->diag, TL_MEMORY, (tl_span){parser->source, 0, 0},
                       "no memory for the tree of this JSON text");
}

// Seeded by the object's address, so that no file can choose keys that collide.
static uint32_t slot_of(const tl_json_member *members, tl_str key, uint32_t mask) {
  return (uint32_t)tl_hash64(key.data, key.length, (uint64_t)(uintptr_t)members) & mask;
}

// Slots of an object's index: a power of two, at most half full.
static uint32_t slots_count(uint32_t members_count) {
  uint32_t count = 32;
  while (count < 2 * members_count)
    count *= 2;
  return count;
}

// The member with `key` among the first `count`; an index holds numbers of members plus one.
static const tl_json_member *find(const tl_json *object, uint32_t count, tl_str key) {
  const tl_json_member *members = object->members;
  if (!object->index) {
    for (uint32_t i = count; i > 0; i--)
      if (tl_str_equal(members[i - 1].key.string, key)) return &members[i - 1];
    return NULL;
  }
  uint32_t mask = slots_count(object->count) - 1;
  for (uint32_t slot = slot_of(members, key, mask); object->index[slot]; slot = (slot + 1) & mask) {
    const tl_json_member *member = &members[object->index[slot] - 1];
    if (tl_str_equal(member->key.string, key)) return member;
  }
  return NULL;
}

static void report_duplicate(tree_parser *parser, const tl_json_member *first, const tl_json *key) {
  bool is_shown = parser->diag && parser->diag->count < TL_DIAG_MAX;
  parser->status =
      tl_diag_error(parser->diag, TL_INPUT, tl_json_span(parser->source, key),
                    "the key '%.*s' is already in this object",
                    (int)(key->string.length < 100 ? key->string.length : 100), key->string.data);
  if (!is_shown) return; // finding a line takes a pass over the text
  int line, column;
  tl_diag_locate(parser->source->text, first->key.offset, &line, &column);
  tl_diag_note(parser->diag, "it was first given at line %d, column %d", line, column);
}

// Fills `index` (may be NULL for a small object) and looks for duplicates on the way.
static void index_members(tree_parser *parser, tl_json *object, uint32_t *index) {
  const tl_json_member *members = object->members;
  uint32_t mask = slots_count(object->count) - 1;
  object->index = index;
  for (uint32_t i = 0; i < object->count; i++) {
    const tl_json_member *same = find(object, i, members[i].key.string);
    if (same && !parser->allows_duplicates) report_duplicate(parser, same, &members[i].key);
    if (!index) continue;
    uint32_t slot = slot_of(members, members[i].key.string, mask);
    while (index[slot] && &members[index[slot] - 1] != same)
      slot = (slot + 1) & mask;
    index[slot] = i + 1;
  }
}

static tl_status push(tree_parser *parser, const tl_json *node) {
  tl_json *stack = tl_arena_grow(&parser->scratch, parser->stack, &parser->capacity,
                                 parser->used + 1, sizeof *stack);
  if (!stack) return out_of_memory(parser);
  parser->stack = stack;
  stack[parser->used++] = *node;
  return TL_OK;
}

// Moves the innermost container's children to the arena and pops them.
static tl_status close_container(tree_parser *parser, const tl_json_token *token) {
  size_t frame = parser->frames[--parser->depth];
  tl_json *node = &parser->stack[frame];
  const tl_json *children = node + 1;
  size_t nodes_count = parser->used - frame - 1;
  node->length = (uint32_t)(token->offset + token->length) - node->offset;
  parser->used = frame + 1;
  if (!nodes_count) return TL_OK;
  tl_json *kept = tl_arena_array(parser->arena, nodes_count, sizeof *kept);
  if (!kept) return out_of_memory(parser);
  memcpy(kept, children, nodes_count * sizeof *kept);
  if (node->kind == TL_JSON_ARRAY) {
    node->items = kept;
    node->count = (uint32_t)nodes_count;
    return TL_OK;
  }
  node->members = (const tl_json_member *)kept;
  node->count = (uint32_t)(nodes_count / 2);
  uint32_t *index = NULL;
  if (node->count >= INDEXED_COUNT_MIN) {
    index = tl_arena_array(parser->arena, slots_count(node->count), sizeof *index);
    if (!index) return out_of_memory(parser);
  }
  index_members(parser, node, index);
  return TL_OK;
}

static tl_status take_string(tree_parser *parser, const tl_json_token *token, tl_json *node) {
  node->kind = TL_JSON_STRING;
  tl_status status = tl_json_token_string(parser->arena, parser->source, token, &node->string);
  return tl_ok(status) ? push(parser, node) : out_of_memory(parser);
}

static tl_status open_container(tree_parser *parser, tl_json_kind kind, tl_json *node) {
  node->kind = kind;
  parser->frames[parser->depth++] = parser->used; // the reader limits the depth
  return push(parser, node);
}

static tl_status take_token(tree_parser *parser, const tl_json_token *token) {
  tl_json node = {.offset = (uint32_t)token->offset, .length = (uint32_t)token->length};
  switch (token->kind) {
  case TL_JSON_END: return TL_OK;
  case TL_JSON_TOKEN_NULL: node.kind = TL_JSON_NULL; break;
  case TL_JSON_TOKEN_FALSE: node.kind = TL_JSON_BOOL; break;
  case TL_JSON_TOKEN_TRUE:
    node.kind = TL_JSON_BOOL;
    node.boolean = true;
    break;
  case TL_JSON_TOKEN_INT:
    node.kind = TL_JSON_INT;
    node.integer = token->integer;
    break;
  case TL_JSON_TOKEN_REAL:
    node.kind = TL_JSON_REAL;
    node.real = token->real;
    break;
  case TL_JSON_TOKEN_STRING:
  case TL_JSON_TOKEN_KEY: return take_string(parser, token, &node);
  case TL_JSON_TOKEN_ARRAY_BEGIN: return open_container(parser, TL_JSON_ARRAY, &node);
  case TL_JSON_TOKEN_OBJECT_BEGIN: return open_container(parser, TL_JSON_OBJECT, &node);
  case TL_JSON_TOKEN_ARRAY_END:
  case TL_JSON_TOKEN_OBJECT_END: return close_container(parser, token);
  }
  return push(parser, &node);
}

static tl_status parse_all(tree_parser *parser) {
  tl_json_reader reader;
  tl_json_token token;
  tl_json_reader_init(&reader, parser->source, parser->diag);
  do {
    TL_TRY(tl_json_next(&reader, &token));
    TL_TRY(take_token(parser, &token));
  } while (token.kind != TL_JSON_END);
  return parser->status;
}

tl_status tl_json_parse(tl_arena *arena, const tl_source *source, const tl_json_options *options,
                        const tl_json **out_root, tl_diag *diag) {
  tree_parser parser = {.arena = arena,
                        .source = source,
                        .diag = diag,
                        .allows_duplicates = options && options->allows_duplicates};
  tl_arena_init(&parser.scratch, arena->limit_bytes);
  parser.scratch.fail_after = arena->fail_after; // tests of exhausted memory reach the stack too
  *out_root = NULL;
  tl_status status = parse_all(&parser);
  if (tl_ok(status)) {
    tl_json *root = tl_arena_alloc(arena, sizeof *root);
    if (root) *root = parser.stack[0];
    *out_root = root;
    if (!root) status = out_of_memory(&parser);
  }
  tl_arena_finish(&parser.scratch);
  return status;
}

const tl_json *tl_json_get(const tl_json *object, tl_str key) {
  if (!object || object->kind != TL_JSON_OBJECT) return NULL;
  const tl_json_member *member = find(object, object->count, key);
  return member ? &member->value : NULL;
}

const tl_json *tl_json_item(const tl_json *array, size_t index) {
  if (!array || array->kind != TL_JSON_ARRAY || index >= array->count) return NULL;
  return &array->items[index];
}

size_t tl_json_count(const tl_json *node) {
  return node ? node->count : 0;
}

tl_json_kind tl_json_kind_of(const tl_json *node) {
  return node ? (tl_json_kind)node->kind : TL_JSON_NULL;
}

bool tl_json_to_bool(const tl_json *node, bool *out_value) {
  if (!node || node->kind != TL_JSON_BOOL) return false;
  *out_value = node->boolean;
  return true;
}

bool tl_json_to_int(const tl_json *node, int64_t *out_value) {
  if (!node || node->kind != TL_JSON_INT) return false;
  *out_value = node->integer;
  return true;
}

bool tl_json_holds_ints(const tl_json *node) {
  int64_t value;
  if (tl_json_kind_of(node) != TL_JSON_ARRAY) return tl_json_to_int(node, &value);
  for (size_t i = 0; i < node->count; i++) {
    if (!tl_json_to_int(tl_json_item(node, i), &value)) return false;
  }
  return true;
}

bool tl_json_to_real(const tl_json *node, double *out_value) {
  if (!node || (node->kind != TL_JSON_INT && node->kind != TL_JSON_REAL)) return false;
  *out_value = node->kind == TL_JSON_INT ? (double)node->integer : node->real;
  return true;
}

bool tl_json_to_string(const tl_json *node, tl_str *out_value) {
  if (!node || node->kind != TL_JSON_STRING) return false;
  *out_value = node->string;
  return true;
}

const char *tl_json_kind_text(const tl_json *node) {
  static const char *const texts[] = {"null",     "true or false", "an integer", "a number",
                                      "a string", "a list",        "an object"};
  return node ? texts[node->kind] : "missing";
}

tl_span tl_json_span(const tl_source *source, const tl_json *node) {
  if (!node) return (tl_span){source, 0, 0};
  bool is_leaf = node->kind != TL_JSON_ARRAY && node->kind != TL_JSON_OBJECT;
  return (tl_span){source, node->offset, is_leaf ? node->length : 1};
}

tl_status tl_json_expected(const tl_source *source, const tl_json *node, const char *what,
                           const char *wanted, tl_diag *diag) {
  return tl_diag_error(diag, TL_INPUT, tl_json_span(source, node), "'%s' is %s, expected %s", what,
                       tl_json_kind_text(node), wanted);
}

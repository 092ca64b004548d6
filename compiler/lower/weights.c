// From templates to weight nodes: which alternative the checkpoint has, its expression and type.
#include "compiler/lower/weights.h"

#include "compiler/lower/table.h"
#include "ir/text_parse.h"

enum {
  UNUSED_SHOWN = 4,
  COMPARED_BYTES = 16 << 20, // at once
  DROP_BYTES = 1 << 20       // of a tensor that is read in order are dropped at once
};

static tl_format format_of(tl_dtype dtype) {
  switch (dtype) {
  case TL_DTYPE_F32: return TL_FORMAT_F32;
  case TL_DTYPE_F16: return TL_FORMAT_F16;
  case TL_DTYPE_BF16: return TL_FORMAT_BF16;
  case TL_DTYPE_F8_E4M3: return TL_FORMAT_F8E4M3;
  case TL_DTYPE_F8_E5M2: return TL_FORMAT_F8E5M2;
  default: return TL_FORMAT_COUNT;
  }
}

static bool find_tensor(void *context, tl_str name, tl_weight_tensor *out_tensor) {
  const tl_tensor *tensor = tl_checkpoint_find(context, name);
  if (!tensor) return false;
  *out_tensor = (tl_weight_tensor){
      .format = format_of(tensor->dtype), .rank = tensor->rank, .handle = tensor};
  if (out_tensor->format == TL_FORMAT_COUNT) out_tensor->format = TL_FORMAT_I32;
  for (int i = 0; i < tensor->rank && i < TL_RANK_MAX; i++)
    out_tensor->dims[i] = tensor->dims[i];
  return true;
}

// What has been read takes no memory any longer; a page that is needed again is read again.
// Dropping stops all threads for a moment, so it waits for a MiB to be full. Then the MiB before
// goes too: the system maps pages around the one that is touched. With its end a tensor is dropped
// as a whole, which gets what was read out of order.
static void drop_read(const tl_checkpoint *checkpoint, const tl_tensor *tensor, int64_t offset,
                      int64_t end) {
  int64_t bytes = (int64_t)tl_dtype_bytes(tensor->dtype);
  int64_t begin = (offset / DROP_BYTES - 1) * DROP_BYTES;
  if (end == (int64_t)tensor->bytes || begin < 0) begin = 0;
  if (end < (int64_t)tensor->bytes && end / DROP_BYTES == offset / DROP_BYTES) return;
  tl_checkpoint_drop(checkpoint, tensor, begin / bytes, (end - begin) / bytes);
}

static tl_status read_tensor(void *context, const tl_weight_tensor *tensor, int64_t offset,
                             int64_t count, void *out, tl_diag *diag) {
  const tl_tensor *source = tensor->handle;
  (void)diag;
  memcpy(out, source->data + offset, (size_t)count);
  drop_read(context, source, offset, offset + count);
  return TL_OK;
}

tl_weight_source tl_lower_source(const tl_checkpoint *checkpoint) {
  return (tl_weight_source){(void *)checkpoint, find_tensor, read_tensor};
}

static const tl_checkpoint *checkpoint_of(const tl_weights *w) {
  return w->scope->input->checkpoint;
}

// Data is NULL if there is no memory.
static tl_str replaced(tl_arena *arena, tl_str text, const char *what, tl_str by) {
  size_t length = strlen(what);
  for (size_t i = 0; i + length <= text.length; i++) {
    if (memcmp(text.data + i, what, length) != 0) continue;
    tl_str before = tl_str_slice(text, 0, i), after = tl_str_slice(text, i + length, text.length);
    after = replaced(arena, after, what, by);
    if (!after.data) return after;
    return tl_arena_format(arena, "%.*s%.*s%.*s", TL_STR_ARG(before), TL_STR_ARG(by),
                           TL_STR_ARG(after));
  }
  return text;
}

// Calls `visit` for each tensor an expression names; `{e}` runs over the stack around it. Stops at
// the first false. A name without data is one there was no memory for.
typedef bool visit_tensor(void *user, tl_str name);

static bool visit(tl_arena *arena, const tl_weight *weight, int64_t count, visit_tensor *call,
                  void *user) {
  if (weight->kind == TL_WEIGHT_STACK) count = weight->count;
  if (weight->kind == TL_WEIGHT_TENSOR) {
    if (count < 0) return call(user, weight->name);
    // A larger stack is refused when the expression is bound.
    for (int64_t e = 0; e < count && e < TL_WEIGHT_STACK_MAX; e++) {
      tl_str number = tl_arena_format(arena, "%lld", (long long)e);
      if (number.data) number = replaced(arena, weight->name, "{e}", number);
      if (!call(user, number)) return false;
    }
    return true;
  }
  for (int i = 0; i < weight->parts_count; i++) {
    if (!visit(arena, weight->parts[i], count, call, user)) return false;
  }
  return true;
}

typedef struct search {
  const tl_checkpoint *checkpoint;
  tl_str missing;         // the first that the checkpoint has not
  const tl_tensor *first; // the first that it has
  bool *used;
  bool lacks_memory;
} search;

static bool check_present(void *user, tl_str name) {
  search *s = user;
  if (!name.data) {
    s->lacks_memory = true;
    return false;
  }
  const tl_tensor *tensor = tl_checkpoint_find(s->checkpoint, name);
  if (!tensor) s->missing = name;
  if (tensor && !s->first) s->first = tensor;
  return tensor != NULL;
}

static bool mark_used(void *user, tl_str name) {
  search *s = user;
  if (!name.data) return false;
  int64_t number = tl_name_index_find(&s->checkpoint->names, name);
  if (number >= 0) s->used[number] = true;
  return true;
}

// Faults of a filled text are shown at the template.
static tl_span place_of_template(void *user, size_t offset, size_t length) {
  const tl_yaml *node = user;
  (void)offset, (void)length;
  return node->span;
}

// An alternative's expression: a bare name is one tensor.
static tl_status parse(tl_weights *w, const tl_yaml *node, tl_weight **out) {
  tl_arena *arena = w->scope->input->arena;
  tl_str text;
  TL_TRY(tl_scope_fill(w->scope, node, &text));
  if (tl_str_ends_with(text, TL_STR(")"))) {
    tl_text_hooks hooks = {.user = (void *)node, .place = place_of_template};
    return tl_text_parse_weight(arena, text, &hooks, out, w->scope->diag);
  }
  *out = tl_weight_create(arena, TL_WEIGHT_TENSOR);
  if (!*out) return TL_MEMORY;
  (*out)->name = text;
  return TL_OK;
}

// Tensors of f8 blocks get their scales, as section `quantised` says.
static tl_status dequantise(tl_weights *w, tl_weight **weight) {
  tl_arena *arena = w->scope->input->arena;
  const tl_yaml *section = NULL;
  for (int i = 0; i < w->scope->input->arch->parts_count && !section; i++)
    section = tl_yaml_get(w->scope->input->arch->parts[i], "quantised");
  if (!section || !checkpoint_of(w)) return TL_OK;
  if ((*weight)->kind != TL_WEIGHT_TENSOR) {
    for (int i = 0; i < (*weight)->parts_count; i++)
      TL_TRY(dequantise(w, &(*weight)->parts[i]));
    return TL_OK;
  }
  tl_str name = replaced(arena, (*weight)->name, "{e}", TL_STR("0"));
  if (!name.data) return TL_MEMORY;
  const tl_tensor *tensor = tl_checkpoint_find(checkpoint_of(w), name);
  if (!tensor || format_of(tensor->dtype) != TL_FORMAT_F8E4M3) return TL_OK;
  const tl_yaml *scale = tl_yaml_get(section, "scale"), *block = tl_yaml_get(section, "block");
  tl_weight *scales = tl_weight_create(arena, TL_WEIGHT_TENSOR);
  tl_weight *product = tl_weight_create(arena, TL_WEIGHT_DEQUANT);
  if (!scales || !product) return TL_MEMORY;
  scales->name = replaced(arena, scale->text, "{name}", (*weight)->name);
  if (!scales->name.data) return TL_MEMORY;
  TL_TRY(tl_scope_int(w->scope, block, &product->count));
  product->parts[0] = *weight;
  product->parts[1] = scales;
  product->parts_count = 2;
  *weight = product;
  return TL_OK;
}

static bool holds_dequant(const tl_weight *weight) {
  if (weight->kind == TL_WEIGHT_DEQUANT) return true;
  for (int i = 0; i < weight->parts_count; i++) {
    if (holds_dequant(weight->parts[i])) return true;
  }
  return false;
}

static tl_status missing_tensor(tl_weights *w, const tl_yaml *node, tl_str name) {
  tl_diag *diag = w->scope->diag;
  tl_diag_error(diag, TL_INPUT, node->span, "the checkpoint has no tensor '%.*s'",
                TL_STR_ARG(name));
  const tl_tensor *closest = tl_checkpoint_closest(checkpoint_of(w), name);
  if (closest) tl_diag_note(diag, "the closest name is '%.*s'", TL_STR_ARG(closest->name));
  return TL_INPUT;
}

// The first alternative of a weight, and the one after `node`.
static const tl_yaml *first_of(const tl_yaml *from) {
  return from->kind == TL_YAML_SEQUENCE ? from->first : from;
}

static const tl_yaml *next_of(const tl_yaml *from, const tl_yaml *node) {
  return from->kind == TL_YAML_SEQUENCE ? node->next : NULL;
}

// The first alternative of which the checkpoint has all tensors; without a checkpoint the first.
static tl_status choose(tl_weights *w, const tl_yaml *from, bool optional, tl_weight **out,
                        tl_format *out_format) {
  const tl_yaml *first = first_of(from);
  tl_str missing = {0};
  for (const tl_yaml *node = first; node; node = next_of(from, node)) {
    search s = {.checkpoint = checkpoint_of(w), .used = w->used};
    TL_TRY(parse(w, node, out));
    *out_format = w->skeleton_format;
    if (!s.checkpoint) return TL_OK;
    TL_TRY(dequantise(w, out));
    if (visit(w->scope->input->arena, *out, -1, check_present, &s)) {
      if (!visit(w->scope->input->arena, *out, -1, mark_used, &s)) return TL_MEMORY;
      // Without any tensor, as a stack of none, it is refused where its type is checked.
      bool is_f32 = !s.first || holds_dequant(*out);
      *out_format = is_f32 ? TL_FORMAT_F32 : format_of(s.first->dtype);
      if (*out_format != TL_FORMAT_COUNT) return TL_OK;
      return tl_diag_error(w->scope->diag, TL_UNSUPPORTED, s.first->span,
                           "tensor '%.*s' is of type %s, which is not supported for weights",
                           TL_STR_ARG(s.first->name), tl_dtype_text(s.first->dtype));
    }
    if (s.lacks_memory) return TL_MEMORY;
    if (!missing.data) missing = s.missing;
  }
  *out = NULL;
  return optional ? TL_OK : missing_tensor(w, first, missing);
}

// Shown at what the config says, if a parameter of the dim is that and no positive number.
static tl_status fault_of_dim(tl_scope *scope, const tl_yaml *definition, const tl_yaml *dim,
                              int64_t value) {
  const tl_json *said = tl_scope_no_count(scope, dim->text);
  if (!said) {
    return tl_diag_error(scope->diag, TL_INPUT, dim->span, "this dim is %lld", (long long)value);
  }
  tl_diag_error(scope->diag, TL_INPUT, tl_json_span(scope->input->config_source, said),
                "this must be positive");
  tl_diag_note(scope->diag, "%s: a dim of weight '%.*s' is %.*s", dim->span.source->name,
               TL_STR_ARG(definition->key), TL_STR_ARG(dim->text));
  return TL_INPUT;
}

static tl_status read_shape(tl_weights *w, const tl_yaml *definition, tl_type *type) {
  const tl_yaml *shape = tl_yaml_get(definition, "shape");
  if (!shape || shape->kind != TL_YAML_SEQUENCE || shape->count > TL_RANK_MAX) {
    return tl_diag_error(w->scope->diag, TL_INPUT, definition->span,
                         "a weight needs a shape: a list of integers");
  }
  type->rank = 0;
  for (const tl_yaml *dim = shape->first; dim; dim = dim->next) {
    int64_t value = 0;
    TL_TRY(tl_scope_int(w->scope, dim, &value));
    if (value <= 0) return fault_of_dim(w->scope, definition, dim, value);
    type->dims[type->rank++] = tl_dim_of(value);
  }
  return TL_OK;
}

static tl_status add_weight(tl_weights *w, tl_graph *graph, const tl_yaml *definition, tl_str name,
                            tl_value **out_value) {
  const tl_yaml *from = tl_yaml_get(definition, "from");
  const tl_yaml *optional = tl_yaml_get(definition, "optional");
  tl_type type = {0};
  tl_node node = {.kind = TL_NODE_WEIGHT, .span = from->span}, *added = NULL;
  TL_TRY(
      choose(w, from, optional && tl_str_is(optional->text, "true"), &node.weight, &type.format));
  *out_value = NULL;
  if (!node.weight) return TL_OK;
  TL_TRY(read_shape(w, definition, &type));
  TL_TRY(tl_graph_add(graph, &node, name, &type, &added, w->scope->diag));
  *out_value = added->result;
  if (!checkpoint_of(w)) return TL_OK;
  tl_weight_source source = tl_lower_source(checkpoint_of(w));
  tl_weight_eval *eval = NULL;
  return tl_weight_eval_bind(w->scope->input->arena, &source, added, &eval, w->scope->diag);
}

static tl_status value_of(tl_weights *w, tl_graph *graph, const tl_yaml *definition,
                          tl_str layer_prefix, tl_value **out_value) {
  const tl_yaml *from = tl_yaml_get(definition, "from");
  bool is_of_layer = false;
  for (const tl_yaml *node = first_of(from); node; node = next_of(from, node))
    is_of_layer |= tl_scope_is_of_loop(w->scope, node);
  tl_str name = definition->key;
  if (is_of_layer) {
    name = tl_arena_format(w->scope->input->arena, "%.*s%.*s", TL_STR_ARG(layer_prefix),
                           TL_STR_ARG(definition->key));
    if (!name.data) return TL_MEMORY;
  }
  *out_value = tl_graph_find(graph, name);
  return *out_value ? TL_OK : add_weight(w, graph, definition, name, out_value);
}

// The tensor of the first alternative, if the checkpoint has it.
static tl_status own_tensor(tl_weights *w, const tl_yaml *from, const tl_tensor **out) {
  tl_weight *weight = NULL;
  *out = NULL;
  if (!checkpoint_of(w)) return TL_OK;
  TL_TRY(parse(w, first_of(from), &weight));
  if (weight->kind == TL_WEIGHT_TENSOR) *out = tl_checkpoint_find(checkpoint_of(w), weight->name);
  return TL_OK;
}

static bool same_bytes(const tl_checkpoint *checkpoint, const tl_tensor *a, const tl_tensor *b) {
  bool same = a->dtype == b->dtype && a->rank == b->rank && a->bytes == b->bytes;
  for (int i = 0; same && i < a->rank; i++)
    same = a->dims[i] == b->dims[i];
  int64_t step = COMPARED_BYTES / (int64_t)tl_dtype_bytes(a->dtype);
  for (int64_t first = 0; same && first < a->elements_count; first += step) {
    size_t at = (size_t)first * tl_dtype_bytes(a->dtype);
    size_t bytes = a->bytes - at < COMPARED_BYTES ? a->bytes - at : COMPARED_BYTES;
    same = memcmp(a->data + at, b->data + at, bytes) == 0;
    tl_checkpoint_drop(checkpoint, a, first, step);
    tl_checkpoint_drop(checkpoint, b, first, step);
  }
  return same;
}

// A tied weight is the other one, unless the checkpoint has a tensor of its own with other numbers
// (then the config is wrong about it; transformers decides the same way).
static tl_status resolve_tied(tl_weights *w, tl_graph *graph, const tl_yaml *definition,
                              tl_str layer_prefix, tl_value **out_value) {
  const tl_yaml *tied = tl_yaml_get(definition, "tied"), *from = tl_yaml_get(definition, "from");
  const tl_yaml *to = tl_yaml_get(tied, "to"), *when = tl_yaml_get(tied, "when");
  const tl_yaml *other = tl_arch_member(w->scope->input->arch, "weights", to->text);
  const tl_yaml *shared_from = tl_yaml_get(other, "from");
  const tl_tensor *own = NULL, *shared = NULL;
  bool is_tied = false;
  if (!other || tl_yaml_get(other, "tied")) {
    return tl_diag_error(w->scope->diag, TL_INPUT, to->span,
                         "this is not the name of a weight that is not tied itself");
  }
  TL_TRY(tl_scope_truth(w->scope, when, &is_tied));
  if (!is_tied) return value_of(w, graph, definition, layer_prefix, out_value);
  TL_TRY(own_tensor(w, from, &own));
  TL_TRY(own_tensor(w, shared_from, &shared));
  if (own && shared && !same_bytes(checkpoint_of(w), own, shared)) {
    return value_of(w, graph, definition, layer_prefix, out_value);
  }
  search s = {.checkpoint = checkpoint_of(w), .used = w->used};
  if (own) mark_used(&s, own->name);
  return value_of(w, graph, other, layer_prefix, out_value);
}

static tl_status resolve_weight(tl_weights *w, tl_graph *graph, const tl_yaml *definition,
                                tl_str layer_prefix, tl_value **out_value) {
  const tl_yaml *when = tl_yaml_get(definition, "when");
  bool is = true;
  *out_value = NULL;
  if (when) TL_TRY(tl_scope_truth(w->scope, when, &is));
  if (!is) return TL_OK;
  if (tl_yaml_get(definition, "tied")) {
    return resolve_tied(w, graph, definition, layer_prefix, out_value);
  }
  return value_of(w, graph, definition, layer_prefix, out_value);
}

static void note_closest(const tl_weights *w, tl_str name) {
  size_t best = 8;
  tl_str closest = {0};
  for (int part = 0; part < w->scope->input->arch->parts_count; part++) {
    const tl_yaml *weights = tl_yaml_get(w->scope->input->arch->parts[part], "weights");
    for (const tl_yaml *m = weights ? weights->first : NULL; m; m = m->next) {
      size_t distance = tl_str_distance(name, m->key, best);
      if (distance >= best) continue;
      best = distance;
      closest = m->key;
    }
  }
  if (closest.data) tl_diag_note(w->scope->diag, "the closest is '@%.*s'", TL_STR_ARG(closest));
}

tl_status tl_weights_resolve(tl_weights *weights, tl_graph *graph, tl_str name, tl_str layer_prefix,
                             tl_span span, tl_value **out_value) {
  const tl_arch *arch = weights->scope->input->arch;
  const tl_yaml *table = tl_arch_member(arch, "tables", name);
  const tl_yaml *definition = tl_arch_member(arch, "weights", name);
  if (table) {
    *out_value = tl_graph_find(graph, name);
    return *out_value ? TL_OK : tl_table_add(weights->scope, graph, table, out_value);
  }
  if (definition) return resolve_weight(weights, graph, definition, layer_prefix, out_value);
  tl_diag_error(weights->scope->diag, TL_INPUT, span, "there is no weight or table '%.*s'",
                TL_STR_ARG(name));
  note_closest(weights, name);
  return TL_INPUT;
}

// The first template of all that begins with the prefix and has no other expression, which could
// name a layer; NULL without one.
static const tl_yaml *prefixed_template(const tl_arch *arch) {
  tl_str prefix = TL_STR("{prefix}");
  for (int part = 0; part < arch->parts_count; part++) {
    const tl_yaml *weights = tl_yaml_get(arch->parts[part], "weights");
    for (const tl_yaml *m = weights ? weights->first : NULL; m; m = m->next) {
      const tl_yaml *from = first_of(tl_yaml_get(m, "from"));
      if (!tl_str_starts_with(from->text, prefix)) continue;
      tl_str rest = tl_str_slice(from->text, prefix.length, from->text.length);
      if (!memchr(rest.data, '{', rest.length)) return from;
    }
  }
  return NULL;
}

// The first prefix with which the checkpoint has a tensor of the first template that uses it.
static tl_status choose_prefix(tl_weights *w) {
  const tl_arch *arch = w->scope->input->arch;
  const tl_yaml *list = NULL;
  for (int part = 0; part < arch->parts_count && !list; part++)
    list = tl_yaml_get(arch->parts[part], "prefix");
  if (!list || !list->first) return TL_OK;
  w->scope->prefix = list->first->text;
  const tl_yaml *from = prefixed_template(arch);
  if (!from || !checkpoint_of(w)) return TL_OK;
  for (const tl_yaml *prefix = list->first; prefix; prefix = prefix->next) {
    tl_str name;
    w->scope->prefix = prefix->text;
    TL_TRY(tl_scope_fill(w->scope, from, &name));
    if (tl_checkpoint_find(checkpoint_of(w), name)) return TL_OK;
  }
  w->scope->prefix = list->first->text; // what is missing is reported with the first
  return TL_OK;
}

// The config's own type, for plans without weights; transformers takes f32 where none is given.
static tl_status config_format(const tl_scope *scope, tl_format *out) {
  static const struct {
    const char *text;
    tl_format format;
  } table[] = {
      {"float32", TL_FORMAT_F32}, {"float16", TL_FORMAT_F16}, {"bfloat16", TL_FORMAT_BF16}};
  const tl_json *node = tl_json_get(scope->input->config, TL_STR("dtype"));
  tl_str text;
  if (!node) node = tl_json_get(scope->input->config, TL_STR("torch_dtype"));
  *out = TL_FORMAT_F32;
  if (!node || !tl_json_to_string(node, &text)) return TL_OK;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    *out = table[i].format;
    if (tl_str_is(text, table[i].text)) return TL_OK;
  }
  return tl_diag_error(scope->diag, TL_UNSUPPORTED, tl_json_span(scope->input->config_source, node),
                       "this type is not supported (float32, float16 and bfloat16 are)");
}

tl_status tl_weights_init(tl_weights *weights, tl_scope *scope) {
  *weights = (tl_weights){.scope = scope};
  if (!checkpoint_of(weights)) {
    TL_TRY(config_format(scope, &weights->skeleton_format));
  } else {
    size_t count = checkpoint_of(weights)->tensors_count;
    weights->used = tl_arena_array(scope->input->arena, count + 1, sizeof *weights->used);
    if (!weights->used) return TL_MEMORY;
  }
  return choose_prefix(weights);
}

// True if `text` matches the pattern with one of the words of its first list, `[3, 8]`, in the
// list's place.
static bool matches_list(tl_arena *arena, tl_str pattern, tl_str text) {
  size_t begin = 0, end = 0;
  while (begin < pattern.length && pattern.data[begin] != '[')
    begin++;
  end = begin;
  while (end < pattern.length && pattern.data[end] != ']')
    end++;
  if (end == pattern.length) return tl_pattern_matches(pattern, text);
  tl_str before = tl_str_slice(pattern, 0, begin);
  tl_str after = tl_str_slice(pattern, end + 1, pattern.length);
  for (size_t at = begin + 1; at < end;) {
    size_t stop = at;
    while (stop < end && pattern.data[stop] != ',')
      stop++;
    tl_str word = tl_str_trim(tl_str_slice(pattern, at, stop));
    tl_str one = tl_arena_format(arena, "%.*s%.*s%.*s", TL_STR_ARG(before), TL_STR_ARG(word),
                                 TL_STR_ARG(after));
    if (one.data && tl_pattern_matches(one, text)) return true;
    at = stop + 1;
  }
  return false;
}

static tl_status is_ignored(const tl_weights *w, tl_str name, bool *out) {
  const tl_arch *arch = w->scope->input->arch;
  *out = false;
  for (int part = 0; part < arch->parts_count; part++) {
    const tl_yaml *list = tl_yaml_get(tl_yaml_get(arch->parts[part], "ignore"), "tensors");
    for (const tl_yaml *item = list ? list->first : NULL; item; item = item->next) {
      tl_str pattern;
      TL_TRY(tl_scope_fill(w->scope, item, &pattern));
      *out |= matches_list(w->scope->input->arena, pattern, name);
    }
  }
  return TL_OK;
}

tl_status tl_weights_check_unused(const tl_weights *weights) {
  const tl_checkpoint *checkpoint = checkpoint_of(weights);
  tl_diag *diag = weights->scope->diag;
  uint32_t found = 0;
  for (uint32_t i = 0; checkpoint && i < checkpoint->tensors_count; i++) {
    const tl_tensor *tensor = checkpoint->tensors[i];
    bool ignored = weights->used[i];
    if (!ignored) TL_TRY(is_ignored(weights, tensor->name, &ignored));
    if (ignored || found++ >= UNUSED_SHOWN) continue;
    tl_diag_error(diag, TL_UNSUPPORTED, tensor->span,
                  "tensor '%.*s' is not used by this architecture", TL_STR_ARG(tensor->name));
    tl_diag_note(diag, "if it does not belong to the model, add it to ignore.tensors of %s",
                 weights->scope->input->arch->parts[0]->span.source->name);
  }
  if (found > UNUSED_SHOWN) tl_diag_note(diag, "and %u more", found - UNUSED_SHOWN);
  return found ? TL_UNSUPPORTED : TL_OK;
}

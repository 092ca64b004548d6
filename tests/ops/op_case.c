// Implementation of op_case.h.
#include "tests/ops/op_case.h"

#include "ir/text_parse.h"
#include "tests/lib/check.h"

#define F(name, dims) "input %" #name " : f32[" dims "]\n"
#define I(name, dims) "input %" #name " : i32[" dims "]\n"
#define W(name, dims) "weight %" #name " : f32[" dims "] = tensor(\"" #name "\")\n"
#define S(name, kind, heads, key, value)                                                           \
  "state %" #name " : " kind " {heads=" heads ", key=" key ", value=" value "}\n"
#define CASE(op, rows, ids_below, declarations, expression)                                        \
  {TL_OP_##op, rows, ids_below, declarations, expression},
const op_case_spec op_case_specs[] = {
#include "tests/ops/cases.def"
};
#undef F
#undef I
#undef W
#undef S
#undef CASE
const int op_case_specs_count = sizeof op_case_specs / sizeof *op_case_specs;

// Numbers in [-1, 1), the same everywhere (splitmix64).
static double random_number(uint64_t *seed) {
  uint64_t z = *seed += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (double)((z ^ z >> 31) >> 11) * 0x1p-52 - 1;
}

static void fail(const op_case_spec *spec, const tl_diag *diag) {
  tl_diag_print(diag, stderr);
  fprintf(stderr, "in the case:\n%s%s\n", spec->declarations, spec->expression);
  exit(1);
}

static tl_graph *parse(tl_arena *arena, const tl_op_table *table, const op_case_spec *spec) {
  static tl_diag diag;
  tl_graph *graph = NULL;
  tl_source *source = tl_arena_alloc(arena, sizeof *source);
  CHECK(source);
  source->name = "case";
  source->text = tl_arena_format(arena, "graph @case(T, R) {\n%s%%y = %s\noutput y = %%y\n}\n",
                                 spec->declarations, spec->expression);
  if (!tl_ok(tl_text_parse(source, table, arena, &graph, &diag))) fail(spec, &diag);
  return graph;
}

static void fill(tl_arena *arena, op_case *c, const tl_type *type, tl_ref_tensor *tensor,
                 uint64_t *seed) {
  int64_t count = tl_type_elements(type, c->symbols);
  tensor->rank = type->rank;
  for (int i = 0; i < type->rank; i++)
    tensor->dims[i] = tl_dim_value(type->dims[i], c->symbols);
  void *data = tl_arena_array(arena, (size_t)count, sizeof(float));
  CHECK(data);
  tensor->f = type->format == TL_FORMAT_I32 ? NULL : data;
  tensor->i = type->format == TL_FORMAT_I32 ? data : NULL;
  for (int64_t i = 0; i < count; i++) {
    double number = random_number(seed);
    if (tensor->f) tensor->f[i] = (float)(2 * number);
    if (tensor->i) tensor->i[i] = (int32_t)((number + 1) / 2 * (double)c->spec->ids_below);
  }
}

static void fill_args(tl_arena *arena, op_case *c) {
  uint64_t seed = 7;
  for (int i = 0; i < TL_OPERANDS_MAX; i++) {
    const tl_value *value = c->node->operands[i];
    if (!value || value->producer->kind == TL_NODE_STATE) continue;
    c->args.present[i] = true;
    fill(arena, c, &value->type, &c->args.operands[i], &seed);
  }
  for (int i = 0; i < c->node->op->attrs_count; i++)
    c->args.attrs[i] = (tl_ref_attr){c->node->attrs[i].i, c->node->attrs[i].f};
  fill(arena, c, &c->node->result->type, &c->args.result, &seed);
}

static tl_status load(void *context, const tl_interp_request *request, float *out, tl_diag *diag) {
  (void)diag;
  const op_case *c = context;
  for (int i = 0; i < TL_OPERANDS_MAX; i++) {
    if (c->node->operands[i] != request->node->result) continue;
    const tl_ref_tensor *tensor = &c->args.operands[i];
    int64_t width = tl_ref_elements(tensor) / tensor->dims[0];
    memcpy(out, tensor->f + request->begin * width,
           (size_t)((request->end - request->begin) * width) * sizeof *out);
    return TL_OK;
  }
  return TL_INTERNAL;
}

static bool by_rows(const tl_value *value) {
  return value->type.rank > 0 && value->type.dims[0].coefs[0] == 1;
}

// Rows [begin, end) through the interpreter, into the same rows of the result.
static void run_rows(op_case *c, tl_interp *interp, int64_t begin, int64_t end) {
  static tl_diag diag;
  tl_interp_input inputs[TL_OPERANDS_MAX];
  tl_interp_call call = {.symbols = {end - begin, c->symbols[1]}, .inputs = inputs};
  for (int i = 0; i < TL_OPERANDS_MAX; i++) {
    const tl_value *value = c->node->operands[i];
    if (!value || value->producer->kind != TL_NODE_INPUT) continue;
    const tl_ref_tensor *tensor = &c->args.operands[i];
    int64_t width = tl_ref_elements(tensor) / tensor->dims[0];
    int64_t first = by_rows(value) ? begin : 0;
    inputs[call.inputs_count++] =
        (tl_interp_input){value->name, tensor->f ? tensor->f + first * width : NULL,
                          tensor->i ? tensor->i + first * width : NULL,
                          by_rows(value) ? (end - begin) * width : tensor->dims[0] * width};
  }
  if (!tl_ok(tl_interp_run(interp, &call, &diag))) fail(c->spec, &diag);
  const tl_ref_tensor *y = tl_interp_output(interp, TL_STR("y"));
  CHECK(y);
  int64_t width = tl_ref_elements(y) / y->dims[0];
  char *out = c->args.result.f ? (char *)c->args.result.f : (char *)c->args.result.i;
  memcpy(out + begin * width * 4, y->f ? (char *)y->f : (char *)y->i,
         (size_t)tl_ref_elements(y) * 4);
}

op_case *op_case_create(tl_arena *arena, const tl_op_table *table, const op_case_spec *spec) {
  static tl_diag diag;
  op_case *c = tl_arena_alloc(arena, sizeof *c);
  CHECK(c);
  *c = (op_case){.spec = spec, .graph = parse(arena, table, spec)};
  c->symbols[0] = spec->rows;
  c->symbols[1] = (spec->rows + 1) / 2;
  bool has_state = false;
  for (size_t i = 0; i < c->graph->nodes_count; i++) {
    const tl_node *node = c->graph->nodes[i];
    if (node->kind == TL_NODE_OP) c->node = node;
    has_state |= node->kind == TL_NODE_STATE;
  }
  CHECK(c->node && c->node->op->id == spec->op);
  fill_args(arena, c);
  tl_interp *interp;
  tl_interp_options options = {.load = load, .context = c};
  if (!tl_ok(tl_interp_create(arena, c->graph, &options, &interp, &diag))) fail(spec, &diag);
  int64_t cut = has_state ? 2 : 0;
  if (cut) run_rows(c, interp, 0, cut);
  run_rows(c, interp, cut, spec->rows);
  tl_interp_destroy(interp);
  return c;
}

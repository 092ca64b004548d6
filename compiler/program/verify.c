// The properties, kernel by kernel.
#include "compiler/program/verify.h"

typedef struct verifier {
  const tl_program *program;
  const tl_kernel *kernel;
  size_t kernel_index;
  tl_status status;
  tl_diag *diag;
} verifier;

static void fault(verifier *v, const char *what, tl_str name) {
  v->status = tl_diag_error(
      v->diag, TL_INTERNAL, v->kernel ? v->kernel->span : (tl_span){0}, "kernel @%.*s: %s %%%.*s",
      TL_STR_ARG(v->kernel ? v->kernel->name : TL_STR("")), what, TL_STR_ARG(name));
}

static bool is_written(const tl_statement *statement, int operand) {
  char class = tl_statement_of(statement->kind)->operands[operand];
  return class == 'M' || class == 'S';
}

// The kernel that stores `buffer`; SIZE_MAX if none does. `*out_count` is how many do.
static size_t writer_of(const tl_program *program, const tl_buffer *buffer, int *out_count) {
  size_t found = SIZE_MAX;
  *out_count = 0;
  for (size_t k = 0; k < program->kernels_count; k++) {
    const tl_kernel *kernel = program->kernels[k];
    for (int s = 0; s < kernel->segments_count; s++) {
      for (int i = 0; i < kernel->segments[s].statements_count; i++) {
        const tl_statement *statement = &kernel->segments[s].statements[i];
        if (statement->operands[0].buffer != buffer || !is_written(statement, 0)) continue;
        found = k;
        ++*out_count;
      }
    }
  }
  return found;
}

static void check_read(verifier *v, const tl_buffer *buffer) {
  int writers;
  size_t writer = writer_of(v->program, buffer, &writers);
  if (writers == 0 || writer >= v->kernel_index) fault(v, "reads too early", buffer->name);
}

static void check_operand(verifier *v, const tl_statement *statement, int index) {
  const tl_operand *operand = &statement->operands[index];
  char class = tl_statement_of(statement->kind)->operands[index];
  tl_str name = operand->buffer  ? operand->buffer->name
                : operand->value ? operand->value->name
                                 : TL_STR("nothing");
  bool is_buffer = operand->buffer && !operand->value;
  tl_node_kind kind = operand->value ? operand->value->producer->kind : TL_NODE_OP;
  bool fits = (class == 'm' || class == 'M')   ? is_buffer
              : (class == 's' || class == 'S') ? kind == TL_NODE_STATE
                                               : kind == TL_NODE_WEIGHT || kind == TL_NODE_TABLE;
  if (statement->kind == TL_STATEMENT_TOPK && index == 1 && !operand->value) return;
  if (!fits) fault(v, "has an operand of the wrong kind:", name);
  if (fits && class == 'm') check_read(v, operand->buffer);
}

static void check_segment(verifier *v, const tl_segment *segment) {
  const tl_segment *first = &v->kernel->segments[0];
  for (int i = 0; i < segment->statements_count; i++) {
    const tl_statement *statement = &segment->statements[i];
    const tl_statement_info *info = tl_statement_of(statement->kind);
    for (int o = 0; info->operands[o]; o++)
      check_operand(v, statement, o);
    if (info->has_unit && statement->ints[0] <= 0) fault(v, "has a unit of no columns", TL_STR(""));
    bool halves = statement->kind == TL_STATEMENT_GLU || statement->kind == TL_STATEMENT_ADD_HALF;
    if (halves && segment->weights_count != 2) fault(v, "has a tile without halves", TL_STR(""));
  }
  if (v->kernel->anchor != TL_ANCHOR_MATMUL && v->kernel->anchor != TL_ANCHOR_EXPERTS) return;
  if (segment->weights_count == 0 || segment->weights_count != first->weights_count) {
    fault(v, "has segments of different numbers of weights", TL_STR(""));
    return;
  }
  for (int w = 0; w < segment->weights_count; w++) {
    const tl_type *type = &segment->weights[w]->type, *like = &first->weights[0]->type;
    int last = type->rank - 1;
    if (type->format != like->format || type->rank != like->rank ||
        !tl_dim_equal(type->dims[last], like->dims[last])) {
      fault(v, "reads a weight unlike the others:", segment->weights[w]->name);
    }
  }
}

static void check_kernel(verifier *v) {
  const tl_kernel *kernel = v->kernel;
  if (kernel->segments_count == 0) fault(v, "has no segments", TL_STR(""));
  const tl_buffer *inputs[] = {kernel->input,
                               kernel->attention.turned,
                               kernel->routing.ids,
                               kernel->routing.groups,
                               kernel->routing.weights,
                               kernel->latents ? kernel->latents->plain : NULL,
                               kernel->latents ? kernel->latents->turned : NULL};
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
    if (inputs[i]) check_read(v, inputs[i]);
  }
  for (int s = 0; s < kernel->segments_count; s++)
    check_segment(v, &kernel->segments[s]);
}

tl_status tl_program_verify(const tl_program *program, tl_diag *diag) {
  verifier v = {.program = program, .diag = diag};
  for (size_t k = 0; k < program->kernels_count; k++) {
    v.kernel = program->kernels[k];
    v.kernel_index = k;
    check_kernel(&v);
  }
  v.kernel = NULL;
  for (size_t b = 0; b < program->buffers_count; b++) {
    int writers;
    writer_of(program, program->buffers[b], &writers);
    if (writers != 1) fault(&v, "not stored exactly once:", program->buffers[b]->name);
  }
  bool output = program->output && program->output->symbol == TL_PLAN_SYMBOL_R;
  if (!output) fault(&v, "the output has no row per wanted row", TL_STR("output"));
  return v.status;
}

// A libcublasLt.so.13 without a GPU, beside the stand-in for a driver: products in plain C, one
// after the other, f32 sums along K. It gives NVIDIA's errors for what the library would refuse or,
// worse, would not notice: handles that are gone, matrices of other sizes, formats it does not
// multiply, memory that is not the device's or not aligned as was promised, outputs over inputs, a
// way that was found for something else, too little workspace, whose bytes nobody may rely on.
//
//   TLMC_BLAS_VERSION   what it says of itself, such as 130100 (0: no runtime takes it, nor what a
//                       machine has of its name)
//   TLMC_BLAS_ROWS_MAX  it knows no way for more rows
//   TLMC_BLAS_LOG       a file that gets a line for each product: graph or now, columns, rows,
//                       depth, format, bias, added
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/half.h"
#include "runtime/base/hash.h"
#include "runtime/device/cuda/blas.h"
#include "tests/lib/cuda/driver/library.h"

#define EXPORT __attribute__((visibility("default")))

enum { NOT_INITIALIZED = 1, INVALID = 7, EXECUTION_FAILED = 13, NOT_SUPPORTED = 15 };
enum { WORKSPACE_BYTES = 1 << 20, ALIGNMENT_MIN = 16, ALIGNMENT_MAX = 256, EPILOGUE_PLAIN = 1 };
enum { OBJECTS_MAX = 64 };
#define WAY_MARK 0x70726f6475637473ull

typedef enum kind { HANDLE = 1, MATMUL, LAYOUT, SEARCH } kind;

typedef struct object {
  kind kind;
  int compute, scale, transposes_a, epilogue; // of a matmul
  tl_cuda_address bias;
  int format; // of a layout
  uint64_t rows, columns;
  int64_t stride;
  uint64_t workspace_bytes; // of a search
  uint32_t alignments[4];
} object;

// Objects that exist; the library stands for the one of the process.
static object *objects[OBJECTS_MAX];

// What the runtime asks for is what there is.
#define X(field, symbol, result, parameters) EXPORT result symbol parameters;
TL_BLAS_FUNCTION_MAP(X)
#undef X

// ---- objects

static int64_t setting(const char *name, int64_t otherwise) {
  const char *text = getenv(name);
  return text ? strtoll(text, NULL, 10) : otherwise;
}

static int place_of(const void *at, kind wanted) {
  for (int i = 0; at && i < OBJECTS_MAX; i++) {
    if (objects[i] == at && objects[i]->kind == wanted) return i;
  }
  return -1;
}

static bool is(const void *at, kind wanted) {
  return place_of(at, wanted) >= 0;
}

static tl_blas_result create(void **out, object made) {
  for (int i = 0; i < OBJECTS_MAX; i++) {
    if (objects[i]) continue;
    objects[i] = malloc(sizeof made);
    if (!objects[i]) break;
    *objects[i] = made;
    *out = objects[i];
    return 0;
  }
  return 3;
}

static tl_blas_result destroy(void *at, kind wanted) {
  int place = place_of(at, wanted);
  if (place < 0) return INVALID;
  free(objects[place]);
  objects[place] = NULL;
  return 0;
}

size_t cublasLtGetVersion(void) {
  return (size_t)setting("TLMC_BLAS_VERSION", 0);
}

const char *cublasLtGetStatusName(tl_blas_result result) {
  switch (result) {
  case NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
  case INVALID: return "CUBLAS_STATUS_INVALID_VALUE";
  case EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
  case NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
  default: return "CUBLAS_STATUS_OF_THE_STAND_IN";
  }
}

tl_blas_result cublasLtCreate(void **out) {
  return create(out, (object){.kind = HANDLE});
}

tl_blas_result cublasLtDestroy(void *handle) {
  return destroy(handle, HANDLE);
}

tl_blas_result cublasLtMatmulDescCreate(void **out, int compute, int scale) {
  return create(
      out,
      (object){.kind = MATMUL, .compute = compute, .scale = scale, .epilogue = EPILOGUE_PLAIN});
}

tl_blas_result cublasLtMatmulDescDestroy(void *matmul) {
  return destroy(matmul, MATMUL);
}

tl_blas_result cublasLtMatmulDescSetAttribute(void *matmul, int attribute, const void *value,
                                              size_t bytes) {
  object *own = matmul;
  if (!is(matmul, MATMUL) || !value) return INVALID;
  switch (attribute) {
  case TL_BLAS_TRANSPOSE_A:
    if (bytes != sizeof own->transposes_a) return INVALID;
    memcpy(&own->transposes_a, value, bytes);
    return own->transposes_a == 0 || own->transposes_a == 1 ? 0 : INVALID;
  case TL_BLAS_EPILOGUE:
    if (bytes != sizeof own->epilogue) return INVALID;
    memcpy(&own->epilogue, value, bytes);
    return own->epilogue == EPILOGUE_PLAIN || own->epilogue == TL_BLAS_EPILOGUE_BIAS ? 0 : INVALID;
  case TL_BLAS_BIAS_POINTER:
    if (bytes != sizeof own->bias) return INVALID;
    memcpy(&own->bias, value, bytes);
    return 0;
  default: return INVALID;
  }
}

tl_blas_result cublasLtMatrixLayoutCreate(void **out, int format, uint64_t rows, uint64_t columns,
                                          int64_t stride) {
  return create(
      out,
      (object){
          .kind = LAYOUT, .format = format, .rows = rows, .columns = columns, .stride = stride});
}

tl_blas_result cublasLtMatrixLayoutDestroy(void *layout) {
  return destroy(layout, LAYOUT);
}

tl_blas_result cublasLtMatmulPreferenceCreate(void **out) {
  return create(
      out, (object){.kind = SEARCH,
                    .alignments = {ALIGNMENT_MAX, ALIGNMENT_MAX, ALIGNMENT_MAX, ALIGNMENT_MAX}});
}

tl_blas_result cublasLtMatmulPreferenceDestroy(void *search) {
  return destroy(search, SEARCH);
}

tl_blas_result cublasLtMatmulPreferenceSetAttribute(void *search, int attribute, const void *value,
                                                    size_t bytes) {
  object *own = search;
  if (!is(search, SEARCH) || !value) return INVALID;
  if (attribute == TL_BLAS_WORKSPACE_BYTES_MAX && bytes == sizeof own->workspace_bytes) {
    memcpy(&own->workspace_bytes, value, bytes);
    return 0;
  }
  if (attribute < TL_BLAS_ALIGNMENT_A || attribute > TL_BLAS_ALIGNMENT_D ||
      bytes != sizeof *own->alignments) {
    return INVALID;
  }
  memcpy(&own->alignments[attribute - TL_BLAS_ALIGNMENT_A], value, bytes);
  return 0;
}

// ---- what belongs together

// A matmul with its four layouts.
typedef struct problem {
  const object *matmul, *layouts[4]; // a, b, c, d
} problem;

static size_t format_bytes(int format) {
  return format == TL_BLAS_F32 ? 4 : 2;
}

static uint64_t depth_of(const problem *p) {
  return p->matmul->transposes_a ? p->layouts[0]->rows : p->layouts[0]->columns;
}

static tl_blas_result check_sizes(const problem *p) {
  const object *a = p->layouts[0], *b = p->layouts[1], *d = p->layouts[3];
  uint64_t columns = p->matmul->transposes_a ? a->columns : a->rows;
  for (int i = 0; i < 4; i++) {
    const object *l = p->layouts[i];
    if (l->rows == 0 || l->columns == 0 || l->stride < (int64_t)l->rows) return INVALID;
  }
  for (int i = 2; i < 4; i++) {
    if (p->layouts[i]->rows != columns || p->layouts[i]->columns != b->columns) return INVALID;
  }
  return b->rows == depth_of(p) && d->rows == columns ? 0 : INVALID;
}

// Of the combinations that the library has, those of plans.
static tl_blas_result check_formats(const problem *p) {
  const object *a = p->layouts[0], *b = p->layouts[1], *c = p->layouts[2], *d = p->layouts[3];
  bool is_known = p->matmul->compute == TL_BLAS_COMPUTE_F32 && p->matmul->scale == TL_BLAS_F32 &&
                  (a->format == TL_BLAS_F32 || a->format == TL_BLAS_BF16) &&
                  b->format == a->format && c->format == TL_BLAS_F32 && d->format == TL_BLAS_F32;
  for (int i = 0; i < 4; i++) {
    const object *l = p->layouts[i];
    is_known &= l->stride * (int64_t)format_bytes(l->format) % ALIGNMENT_MIN == 0;
  }
  return is_known ? 0 : NOT_SUPPORTED;
}

static tl_blas_result take_problem(void *handle, void *matmul, void *const layouts[4],
                                   problem *out) {
  if (!is(handle, HANDLE)) return NOT_INITIALIZED;
  if (!is(matmul, MATMUL)) return INVALID;
  out->matmul = matmul;
  for (int i = 0; i < 4; i++) {
    if (!is(layouts[i], LAYOUT)) return INVALID;
    out->layouts[i] = layouts[i];
  }
  tl_blas_result r = check_sizes(out);
  return r == 0 ? check_formats(out) : r;
}

// Of everything that a way may depend on.
static uint64_t mark_of(const problem *p) {
  uint64_t words[32] = {(uint64_t)p->matmul->compute, (uint64_t)p->matmul->transposes_a,
                        (uint64_t)p->matmul->epilogue};
  size_t count = 3;
  for (int i = 0; i < 4; i++) {
    words[count++] = (uint64_t)p->layouts[i]->format;
    words[count++] = p->layouts[i]->rows;
    words[count++] = p->layouts[i]->columns;
    words[count++] = (uint64_t)p->layouts[i]->stride;
  }
  return tl_hash64(words, count * sizeof *words, 0);
}

tl_blas_result cublasLtMatmulAlgoGetHeuristic(void *handle, void *matmul, void *a, void *b, void *c,
                                              void *d, void *search, int count_max,
                                              tl_blas_found *out, int *out_count) {
  problem p;
  const object *wish = search;
  tl_blas_result r = take_problem(handle, matmul, (void *const[]){a, b, c, d}, &p);
  *out_count = 0;
  if (r != 0) return r;
  if (!is(search, SEARCH) || count_max < 1) return INVALID;
  if (wish->workspace_bytes < WORKSPACE_BYTES) return NOT_SUPPORTED;
  if ((int64_t)p.layouts[1]->columns > setting("TLMC_BLAS_ROWS_MAX", INT64_MAX)) {
    return NOT_SUPPORTED;
  }
  *out = (tl_blas_found){.way = {{WAY_MARK, mark_of(&p)}}, .workspace_bytes = WORKSPACE_BYTES};
  for (int i = 0; i < 4; i++) {
    if (wish->alignments[i] < ALIGNMENT_MIN) return NOT_SUPPORTED;
    out->way.words[2 + i] = wish->alignments[i];
  }
  *out_count = 1;
  return 0;
}

// ---- products

typedef struct matrix {
  const char *at;
  uint64_t rows, columns;
  int64_t stride;
  int format;
} matrix;

// All that a product needs when it runs.
typedef struct product {
  matrix m[4];
  const float *bias;
  char *workspace;
  float alpha, beta;
  uint64_t depth;
  int transposes_a;
  bool is_captured;
} product;

static float value_at(const matrix *m, uint64_t row, uint64_t column) {
  uint64_t index = column * (uint64_t)m->stride + row;
  if (m->format == TL_BLAS_F32) return ((const float *)m->at)[index];
  return tl_bf16_to_f32(((const uint16_t *)m->at)[index]);
}

static void log_product(const product *p) {
  const char *path = getenv("TLMC_BLAS_LOG");
  FILE *log = path ? fopen(path, "a") : NULL;
  if (!log) return;
  fprintf(log, "%s %llu %llu %llu %s%s%s\n", p->is_captured ? "graph" : "now",
          (unsigned long long)p->m[3].rows, (unsigned long long)p->m[3].columns,
          (unsigned long long)p->depth, p->m[0].format == TL_BLAS_F32 ? "f32" : "bf16",
          p->bias ? " bias" : "", p->beta != 0 ? " added" : "");
  fclose(log);
}

static bool make_product(const void *context) {
  const product *p = context;
  float *column = malloc((p->depth + 1) * sizeof *column);
  if (!column) return false;
  memset(p->workspace, 0xff, WORKSPACE_BYTES);
  for (uint64_t j = 0; j < p->m[3].columns; j++) {
    float *out = (float *)p->m[3].at + j * (uint64_t)p->m[3].stride; // NOLINT(*-const-cast)
    for (uint64_t k = 0; k < p->depth; k++)
      column[k] = value_at(&p->m[1], k, j);
    for (uint64_t i = 0; i < p->m[3].rows; i++) {
      float sum = 0;
      for (uint64_t k = 0; k < p->depth; k++)
        sum += (p->transposes_a ? value_at(&p->m[0], k, i) : value_at(&p->m[0], i, k)) * column[k];
      sum *= p->alpha;
      if (p->beta != 0) sum += p->beta * value_at(&p->m[2], i, j);
      out[i] = p->bias ? sum + p->bias[i] : sum;
    }
  }
  free(column);
  log_product(p);
  return true;
}

static uint64_t matrix_bytes(const matrix *m) {
  return ((m->columns - 1) * (uint64_t)m->stride + m->rows) * format_bytes(m->format);
}

static bool overlap(const char *a, uint64_t a_bytes, const char *b, uint64_t b_bytes) {
  return a < b + b_bytes && b < a + a_bytes;
}

static tl_cuda_address address_of(const void *at) {
  return (tl_cuda_address)(uintptr_t)at;
}

// Outputs may lie over what is added, value for value, and over nothing else.
static tl_blas_result check_memory(const product *p, const tl_blas_way *way) {
  const matrix *out = &p->m[3];
  bool is_apart = true, is_there = tl_stand_in_holds(address_of(p->workspace), WORKSPACE_BYTES);
  for (int i = 0; i < 4; i++) {
    const matrix *m = &p->m[i];
    if (address_of(m->at) % way->words[2 + i] != 0) return INVALID;
    is_there &= tl_stand_in_holds(address_of(m->at), matrix_bytes(m));
    bool is_same = i >= 2 && m->at == out->at && m->stride == out->stride;
    is_apart &= is_same || (i == 2 && p->beta == 0) ||
                !overlap(m->at, matrix_bytes(m), out->at, matrix_bytes(out));
    is_apart &= !overlap(m->at, matrix_bytes(m), p->workspace, WORKSPACE_BYTES);
  }
  if (p->bias) is_there &= tl_stand_in_holds(address_of(p->bias), out->rows * sizeof(float));
  if (!is_there) return EXECUTION_FAILED;
  return is_apart && address_of(p->workspace) % ALIGNMENT_MAX == 0 ? 0 : INVALID;
}

static const void *pointer(tl_cuda_address at) {
  return (const void *)(uintptr_t)at; // NOLINT(performance-no-int-to-ptr)
}

tl_blas_result cublasLtMatmul(void *handle, void *matmul, const void *alpha, tl_cuda_address a,
                              void *a_layout, tl_cuda_address b, void *b_layout, const void *beta,
                              tl_cuda_address c, void *c_layout, tl_cuda_address d, void *d_layout,
                              const tl_blas_way *way, tl_cuda_address workspace,
                              size_t workspace_bytes, void *stream) {
  problem given;
  const tl_cuda_address places[] = {a, b, c, d};
  tl_blas_result r =
      take_problem(handle, matmul, (void *const[]){a_layout, b_layout, c_layout, d_layout}, &given);
  if (r != 0) return r;
  if (!alpha || !beta || !way || way->words[0] != WAY_MARK || way->words[1] != mark_of(&given) ||
      workspace_bytes < WORKSPACE_BYTES) {
    return INVALID;
  }
  bool has_bias = given.matmul->epilogue == TL_BLAS_EPILOGUE_BIAS;
  if (has_bias != (given.matmul->bias != 0)) return INVALID;
  product p = {.workspace = (char *)pointer(workspace), // NOLINT(*-const-cast)
               .bias = pointer(given.matmul->bias),
               .depth = depth_of(&given),
               .transposes_a = given.matmul->transposes_a,
               .is_captured = tl_stand_in_captures(stream)};
  memcpy(&p.alpha, alpha, sizeof p.alpha);
  memcpy(&p.beta, beta, sizeof p.beta);
  for (int i = 0; i < 4; i++) {
    const object *l = given.layouts[i];
    p.m[i] = (matrix){pointer(places[i]), l->rows, l->columns, l->stride, l->format};
  }
  r = check_memory(&p, way);
  if (r != 0) return r;
  return tl_stand_in_launch(stream, make_product, &p, sizeof p) == 0 ? 0 : EXECUTION_FAILED;
}

// Implementation of safetensors.h.
#include "compiler/load/safetensors.h"

#include <stdlib.h>

enum { LENGTH_BYTES = 8, NAME_SHOWN = 100 };

typedef struct header_reader {
  tl_arena *arena;
  tl_safetensors *file;
  tl_str data; // of all tensors
  tl_status status;
  tl_diag *diag;
} header_reader;

#define SHOWN(name) (int)((name).length < NAME_SHOWN ? (name).length : NAME_SHOWN), (name).data

// Remembers a fault and goes on, so that all of them are shown.
#define FAULT(reader, node, ...)                                                                   \
  ((reader)->status = tl_diag_error((reader)->diag, TL_INPUT,                                      \
                                    tl_json_span((reader)->file->header, node), __VA_ARGS__))

static tl_status out_of_memory(const header_reader *reader) {
  return tl_diag_error(reader->diag, TL_MEMORY, (tl_span){reader->file->header, 0, 0},
                       "no memory for the header's tensors");
}

// Cuts the file into header and data. The header is copied, as diagnostics outlive a failed open.
static tl_status split(header_reader *reader, const char *name, tl_str bytes) {
  tl_source *header = tl_arena_alloc(reader->arena, sizeof *header);
  tl_str name_copy = tl_arena_copy(reader->arena, tl_str_from(name));
  if (!header || !name_copy.data)
    return tl_diag_error(reader->diag, TL_MEMORY, (tl_span){0}, "no memory to open %s", name);
  *header = (tl_source){name_copy.data, {"", 0}};
  reader->file->header = header;
  tl_span place = {header, 0, 0};
  if (tl_str_starts_with(bytes, TL_STR("version https://git-lfs")))
    return tl_diag_error(reader->diag, TL_INPUT, place,
                         "this is a pointer of git-lfs and not the file itself; run git lfs pull");
  if (bytes.length < LENGTH_BYTES)
    return tl_diag_error(
        reader->diag, TL_INPUT, place,
        "the file has %zu bytes, a safetensors file begins with the 8 bytes of its "
        "header's length",
        bytes.length);
  uint64_t length = 0;
  for (int i = LENGTH_BYTES - 1; i >= 0; i--)
    length = length << 8 | (unsigned char)bytes.data[i];
  if (length > bytes.length - LENGTH_BYTES)
    return tl_diag_error(
        reader->diag, TL_INPUT, place,
        "the header's length is given as %llu bytes, but only %zu follow; the file "
        "is cut off or no safetensors file",
        (unsigned long long)length, bytes.length - LENGTH_BYTES);
  if (length > TL_SAFETENSORS_HEADER_MAX)
    return tl_diag_error(reader->diag, TL_INPUT, place,
                         "the header has %llu bytes, the limit is %d", (unsigned long long)length,
                         TL_SAFETENSORS_HEADER_MAX);
  tl_str text = tl_arena_copy(reader->arena, (tl_str){bytes.data + LENGTH_BYTES, (size_t)length});
  if (!text.data) return out_of_memory(reader);
  header->text = text;
  reader->data = tl_str_slice(bytes, LENGTH_BYTES + (size_t)length, bytes.length);
  return TL_OK;
}

static void read_metadata(header_reader *reader, const tl_json *node) {
  reader->file->metadata = node;
  if (node->kind != TL_JSON_OBJECT) {
    FAULT(reader, node, "__metadata__ is %s, expected an object of strings",
          tl_json_kind_text(node));
    return;
  }
  for (uint32_t i = 0; i < node->count; i++) {
    const tl_json_member *member = &node->members[i];
    if (member->value.kind != TL_JSON_STRING)
      FAULT(reader, &member->value, "'%.*s' in __metadata__ is %s, expected a string",
            SHOWN(member->key.string), tl_json_kind_text(&member->value));
  }
}

static void read_dtype(header_reader *reader, const tl_json *node, tl_tensor *tensor) {
  tl_str text;
  if (!tl_json_to_string(node, &text)) {
    FAULT(reader, node, "the dtype of '%.*s' is %s, expected a string", SHOWN(tensor->name),
          tl_json_kind_text(node));
  } else if (!tl_dtype_by_text(text, &tensor->dtype)) {
    tl_span span = tl_json_span(reader->file->header, node);
    reader->status =
        tl_diag_error(reader->diag, TL_UNSUPPORTED, span, "the dtype '%.*s' of '%.*s' is not known",
                      SHOWN(text), SHOWN(tensor->name));
    tl_diag_note(reader->diag, "known are F64 F32 F16 BF16 F8_E4M3 F8_E5M2, I and U with 8 to 64 "
                               "bits, BOOL");
  }
}

// Reads dims and their product; false after a fault.
static bool read_shape(header_reader *reader, const tl_json *node, tl_tensor *tensor) {
  tensor->elements_count = 1;
  if (!node || node->kind != TL_JSON_ARRAY || node->count > TL_TENSOR_RANK_MAX) {
    FAULT(reader, node, "the shape of '%.*s' is %s%s, expected a list of at most %d integers",
          SHOWN(tensor->name), tl_json_kind_text(node),
          node && node->kind == TL_JSON_ARRAY ? " of more" : "", TL_TENSOR_RANK_MAX);
    return false;
  }
  bool has_zero = false;
  for (uint32_t i = 0; i < node->count; i++) {
    int64_t dim = 0;
    if (!tl_json_to_int(&node->items[i], &dim) || dim < 0) {
      FAULT(reader, &node->items[i], "a dim of '%.*s' is %s, expected an integer from 0 on",
            SHOWN(tensor->name), dim < 0 ? "negative" : tl_json_kind_text(&node->items[i]));
      return false;
    }
    tensor->dims[tensor->rank++] = dim;
    has_zero |= dim == 0;
    // A zero later on would hide an overflow before it, and the reverse: both count.
    if (__builtin_mul_overflow(tensor->elements_count, dim ? dim : 1, &tensor->elements_count)) {
      FAULT(reader, node, "the dims of '%.*s' multiply to more than 64 bits", SHOWN(tensor->name));
      return false;
    }
  }
  if (has_zero) tensor->elements_count = 0;
  return true;
}

// Reads the range of the data; it is in the file afterwards.
static bool read_range(header_reader *reader, const tl_json *node, tl_tensor *tensor) {
  int64_t begin, end;
  if (tl_json_count(node) != 2 || !tl_json_to_int(tl_json_item(node, 0), &begin) ||
      !tl_json_to_int(tl_json_item(node, 1), &end)) {
    FAULT(reader, node, "data_offsets of '%.*s' are %s, expected a list of two integers",
          SHOWN(tensor->name),
          node && node->kind == TL_JSON_ARRAY ? "another list" : tl_json_kind_text(node));
    return false;
  }
  if (begin < 0 || begin > end || (uint64_t)end > reader->data.length) {
    FAULT(reader, node,
          "data_offsets of '%.*s' are %lld to %lld, but the file has %zu bytes of data",
          SHOWN(tensor->name), (long long)begin, (long long)end, reader->data.length);
    return false;
  }
  tensor->data = reader->data.data + begin;
  tensor->bytes = (size_t)(end - begin);
  return true;
}

static void check_keys(header_reader *reader, const tl_json *node) {
  for (uint32_t i = 0; i < node->count; i++) {
    const tl_json *key = &node->members[i].key;
    if (tl_str_is(key->string, "dtype") || tl_str_is(key->string, "shape") ||
        tl_str_is(key->string, "data_offsets"))
      continue;
    FAULT(reader, key, "'%.*s' is not known here, expected dtype, shape and data_offsets",
          SHOWN(key->string));
  }
}

static void read_tensor(header_reader *reader, const tl_json_member *member) {
  const tl_json *node = &member->value;
  tl_tensor *tensor = &reader->file->tensors[reader->file->tensors_count++];
  tensor->name = member->key.string;
  tensor->span = tl_json_span(reader->file->header, &member->key);
  if (node->kind != TL_JSON_OBJECT) {
    FAULT(reader, node, "the entry of '%.*s' is %s, expected an object", SHOWN(tensor->name),
          tl_json_kind_text(node));
    return;
  }
  tl_status before = reader->status;
  reader->status = TL_OK;
  check_keys(reader, node);
  read_dtype(reader, tl_json_get(node, TL_STR("dtype")), tensor);
  bool has_shape = read_shape(reader, tl_json_get(node, TL_STR("shape")), tensor);
  bool has_range = read_range(reader, tl_json_get(node, TL_STR("data_offsets")), tensor);
  int64_t bytes = 0;
  if (has_shape && has_range && tl_ok(reader->status) &&
      (__builtin_mul_overflow(tensor->elements_count, (int64_t)tl_dtype_bytes(tensor->dtype),
                              &bytes) ||
       (uint64_t)bytes != tensor->bytes))
    FAULT(reader, &member->key, "'%.*s' has %zu bytes, but %lld elements of %s need %lld",
          SHOWN(tensor->name), tensor->bytes, (long long)tensor->elements_count,
          tl_dtype_text(tensor->dtype), (long long)bytes);
  if (!tl_ok(before)) reader->status = before; // the first fault decides
}

static int order_by_data(const void *a, const void *b) {
  const tl_tensor *left = a, *right = b;
  if (left->data != right->data) return left->data < right->data ? -1 : 1;
  if (left->bytes != right->bytes) return left->bytes < right->bytes ? -1 : 1;
  return tl_str_compare(left->name, right->name);
}

// Every byte of the data belongs to exactly one tensor.
static tl_status check_cover(const header_reader *reader) {
  const char *at = reader->data.data;
  const tl_safetensors *file = reader->file;
  for (uint32_t i = 0; i < file->tensors_count; i++) {
    const tl_tensor *tensor = &file->tensors[i];
    if (tensor->data < at)
      return tl_diag_error(reader->diag, TL_INPUT, tensor->span,
                           "the data of '%.*s' overlaps that of '%.*s'", SHOWN(tensor->name),
                           SHOWN(file->tensors[i - 1].name));
    if (tensor->data > at)
      return tl_diag_error(reader->diag, TL_INPUT, tensor->span,
                           "%zu bytes before the data of '%.*s' belong to no tensor",
                           (size_t)(tensor->data - at), SHOWN(tensor->name));
    at += tensor->bytes;
  }
  size_t rest = reader->data.length - (size_t)(at - reader->data.data);
  if (rest)
    return tl_diag_error(reader->diag, TL_INPUT, (tl_span){file->header, 0, 0},
                         "the last %zu bytes of the file belong to no tensor", rest);
  return TL_OK;
}

static tl_status read_tensors(header_reader *reader, const tl_json *root) {
  static const tl_str metadata_key = {"__metadata__", 12};
  tl_safetensors *file = reader->file;
  if (root->count > TL_SAFETENSORS_TENSORS_MAX)
    return FAULT(reader, root, "the header has %u entries, the limit is %d", root->count,
                 TL_SAFETENSORS_TENSORS_MAX);
  file->tensors = tl_arena_array(reader->arena, root->count, sizeof *file->tensors);
  if (!file->tensors) return out_of_memory(reader);
  for (uint32_t i = 0; i < root->count; i++) {
    const tl_json_member *member = &root->members[i];
    if (tl_str_equal(member->key.string, metadata_key))
      read_metadata(reader, &member->value);
    else
      read_tensor(reader, member);
  }
  TL_TRY(reader->status);
  qsort(file->tensors, file->tensors_count, sizeof *file->tensors, order_by_data);
  return check_cover(reader);
}

static tl_status index_names(const header_reader *reader) {
  tl_safetensors *file = reader->file;
  if (!tl_ok(tl_name_index_init(&file->names, reader->arena, file->tensors_count)))
    return out_of_memory(reader);
  for (uint32_t i = 0; i < file->tensors_count; i++)
    (void)tl_name_index_add(&file->names, file->tensors[i].name); // keys differ: checked as JSON
  return TL_OK;
}

static tl_status read_header(header_reader *reader, const char *name, tl_str bytes) {
  TL_TRY(split(reader, name, bytes));
  const tl_source *header = reader->file->header;
  if (!header->text.length || header->text.data[0] != '{')
    return tl_diag_error(reader->diag, TL_INPUT, (tl_span){header, 0, 0},
                         "the header does not begin with '{'; this is no safetensors file");
  const tl_json *root;
  TL_TRY(tl_json_parse(reader->arena, header, NULL, &root, reader->diag));
  TL_TRY(read_tensors(reader, root));
  return index_names(reader);
}

tl_status tl_safetensors_read(tl_arena *arena, const char *name, tl_str bytes,
                              tl_safetensors *out_file, tl_diag *diag) {
  *out_file = (tl_safetensors){.file = TL_FILE_CLOSED};
  header_reader reader = {.arena = arena, .file = out_file, .diag = diag};
  return read_header(&reader, name, bytes);
}

tl_status tl_safetensors_open(tl_arena *arena, const char *path, tl_safetensors *out_file,
                              tl_diag *diag) {
  *out_file = (tl_safetensors){.file = TL_FILE_CLOSED};
  tl_file file;
  TL_TRY(tl_file_open(path, &file, diag));
  tl_file_close_descriptor(&file);
  tl_status status = tl_safetensors_read(arena, path, file.bytes, out_file, diag);
  out_file->file = file;
  if (!tl_ok(status)) tl_safetensors_close(out_file);
  return status;
}

void tl_safetensors_close(tl_safetensors *file) {
  // The descriptor is closed since the open; in a zeroed object it is not ours.
  if (file->file.bytes.length) tl_file_close(&file->file);
  *file = (tl_safetensors){.file = TL_FILE_CLOSED};
}

const tl_tensor *tl_safetensors_find(const tl_safetensors *file, tl_str name) {
  int64_t number = tl_name_index_find(&file->names, name);
  return number < 0 ? NULL : &file->tensors[number];
}

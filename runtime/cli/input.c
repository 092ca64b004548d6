// Implementation of input.h.
#include "runtime/cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "runtime/base/json_tree.h"

enum { READ_BYTES = 1 << 16 };

static bool is_stdin(const char *path) {
  return strcmp(path, "-") == 0;
}

static const char *name_of(const char *path) {
  return is_stdin(path) ? "<stdin>" : path;
}

static tl_status read_all(tl_cli *cli, int fd, const char *name, tl_str *out_text) {
  char *data = NULL;
  size_t length = 0, capacity = 0;
  for (;;) {
    data = tl_arena_grow(&cli->arena, data, &capacity, length + READ_BYTES, 1);
    if (!data) return tl_cli_full(cli);
    ssize_t got = read(fd, data + length, READ_BYTES);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return tl_cli_fail(cli, TL_IO, "%s cannot be read: %s", name, strerror(errno));
    if (got == 0) break;
    length += (size_t)got;
    if (length > TL_CLI_TEXT_BYTES_MAX) {
      return tl_cli_fail(cli, TL_MEMORY, "%s has more than %d bytes, the most that is read", name,
                         TL_CLI_TEXT_BYTES_MAX);
    }
  }
  *out_text = (tl_str){data, length};
  return TL_OK;
}

tl_status tl_cli_read_text(tl_cli *cli, const char *path, tl_str *out_text) {
  if (is_stdin(path)) return read_all(cli, STDIN_FILENO, name_of(path), out_text);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return tl_cli_fail(cli, TL_IO, "%s cannot be opened: %s", path, strerror(errno));
  tl_status status = read_all(cli, fd, path, out_text);
  close(fd);
  return status;
}

// A list of numbers 0 .. bound - 1.
typedef struct number_list {
  const char *name;
  int32_t bound;
  int32_t *items;
  int32_t count;
} number_list;

static tl_status take_numbers(tl_cli *cli, const tl_source *source, const tl_json *array,
                              number_list *list) {
  if (tl_json_kind_of(array) != TL_JSON_ARRAY) {
    return tl_json_expected(source, array, list->name, "an array of integers", &cli->diag);
  }
  size_t count = tl_json_count(array);
  if (count > TL_CLI_IDS_MAX) {
    return tl_diag_error(&cli->diag, TL_MEMORY, tl_json_span(source, array),
                         "%s has %zu items, the most that is read is %d", list->name, count,
                         TL_CLI_IDS_MAX);
  }
  list->count = (int32_t)count;
  list->items = tl_arena_array(&cli->arena, count + 1, sizeof *list->items);
  if (!list->items) return tl_cli_full(cli);
  for (size_t i = 0; i < count; i++) {
    const tl_json *item = tl_json_item(array, i);
    int64_t value;
    if (!tl_json_to_int(item, &value) || value < 0 || value >= list->bound) {
      return tl_diag_error(&cli->diag, TL_INPUT, tl_json_span(source, item),
                           "item %zu of %s is no integer from 0 to %d", i, list->name,
                           list->bound - 1);
    }
    list->items[i] = (int32_t)value;
  }
  return TL_OK;
}

static tl_status take_types(tl_cli *cli, const tl_source *source, const tl_json *array,
                            tl_cli_ids *ids) {
  number_list list = {.name = "token_type_ids", .bound = cli->facts.types};
  if (list.bound <= 0) {
    return tl_diag_error(&cli->diag, TL_INPUT, tl_json_span(source, array),
                         "token_type_ids are given, but '%s' has no token types", cli->facts.name);
  }
  TL_TRY(take_numbers(cli, source, array, &list));
  if (list.count != ids->count) {
    return tl_diag_error(&cli->diag, TL_INPUT, tl_json_span(source, array),
                         "there are %d token_type_ids for %d ids", list.count, ids->count);
  }
  ids->types = list.items;
  return TL_OK;
}

// Anything but the two keys is refused: a mask, say, would change what the ids mean.
static tl_status check_keys(tl_cli *cli, const tl_source *source, const tl_json *object) {
  for (size_t i = 0; i < tl_json_count(object); i++) {
    const tl_json_member *member = &object->members[i];
    if (tl_str_is(member->key.string, "ids") || tl_str_is(member->key.string, "token_type_ids")) {
      continue;
    }
    return tl_diag_error(&cli->diag, TL_INPUT, tl_json_span(source, &member->key),
                         "unknown key '%.*s', expected ids or token_type_ids",
                         (int)(member->key.string.length < 64 ? member->key.string.length : 64),
                         member->key.string.data);
  }
  return TL_OK;
}

static tl_status take_root(tl_cli *cli, const tl_source *source, const tl_json *root,
                           tl_cli_ids *ids) {
  number_list list = {.name = "ids", .bound = cli->facts.vocabulary};
  bool is_object = tl_json_kind_of(root) == TL_JSON_OBJECT;
  if (is_object) TL_TRY(check_keys(cli, source, root));
  const tl_json *array = is_object ? tl_json_get(root, TL_STR("ids")) : root;
  TL_TRY(take_numbers(cli, source, array, &list));
  ids->ids = list.items;
  ids->count = list.count;
  const tl_json *types = tl_json_get(root, TL_STR("token_type_ids"));
  return types ? take_types(cli, source, types, ids) : TL_OK;
}

tl_status tl_cli_read_ids(tl_cli *cli, const char *path, tl_cli_ids *out_ids) {
  *out_ids = (tl_cli_ids){0};
  tl_source *source = tl_arena_alloc(&cli->arena, sizeof *source); // diagnostics point into it
  if (!source) return tl_cli_full(cli);
  source->name = name_of(path);
  TL_TRY(tl_cli_read_text(cli, path, &source->text));
  const tl_json *root;
  TL_TRY(tl_json_parse(&cli->arena, source, NULL, &root, &cli->diag));
  return take_root(cli, source, root, out_ids);
}

tl_status tl_cli_read_prompt_ids(tl_cli *cli, const char *path, tl_cli_ids *out_ids) {
  if (!path) {
    return tl_cli_fail(cli, TL_USAGE,
                       "--ids FILE is missing: JSON such as [1, 2, 3], or - for stdin");
  }
  TL_TRY(tl_cli_read_ids(cli, path, out_ids));
  if (out_ids->count > 0) return TL_OK;
  return tl_cli_fail(cli, TL_INPUT, "%s: ids is empty, expected at least one id", name_of(path));
}

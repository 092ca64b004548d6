// Implementation of conversation.h.
#include "runtime/cli/conversation.h"

#include "runtime/base/file_writer.h"
#include "runtime/base/json_tree.h"
#include "runtime/base/json_write.h"
#include "runtime/base/utf8.h"
#include "runtime/cli/input.h"

enum { PROMPT_BYTES_FIRST = 1 << 16 };

tl_status tl_conversation_check(tl_cli *cli) {
  const char *missing = !cli->facts.has_tokenizer       ? "tokenizer"
                        : !cli->facts.has_chat_template ? "chat template"
                                                        : NULL;
  if (!missing) return TL_OK;
  return tl_cli_fail(cli, TL_UNSUPPORTED,
                     "%s has no %s: the model's folder had none when it was built; %s",
                     cli->options.plan, missing,
                     cli->facts.has_tokenizer ? "plain text works without" : "ids work without");
}

tl_status tl_conversation_add(tl_conversation *talk, const char *role, tl_str content) {
  tl_cli *cli = talk->cli;
  tl_message *messages = tl_arena_grow(&cli->arena, talk->messages, &talk->capacity,
                                       talk->count + 1, sizeof *messages);
  tl_str copy = tl_arena_copy(&cli->arena, content);
  tl_str name = tl_arena_copy(&cli->arena, tl_str_from(role));
  if (!messages || !copy.data || !name.data) return tl_cli_full(cli);
  if (!tl_utf8_is_valid(copy)) return tl_cli_fail(cli, TL_INPUT, "the text is not UTF-8");
  talk->messages = messages;
  messages[talk->count++] = (tl_message){name, copy};
  return TL_OK;
}

static bool has_system(const tl_conversation *talk) {
  return talk->count > 0 && tl_str_is(talk->messages[0].role, "system");
}

tl_str tl_conversation_system(const tl_conversation *talk) {
  return has_system(talk) ? talk->messages[0].content : TL_STR("");
}

tl_status tl_conversation_set_system(tl_conversation *talk, tl_str content) {
  size_t had = has_system(talk);
  TL_TRY(tl_conversation_add(talk, "system", content));
  tl_message added = talk->messages[talk->count - 1];
  size_t kept = talk->count - 1 - had, has = content.length > 0;
  memmove(talk->messages + has, talk->messages + had, kept * sizeof added);
  if (has) talk->messages[0] = added;
  talk->count = kept + has;
  return TL_OK;
}

bool tl_conversation_undo(tl_conversation *talk, const char *role) {
  size_t count = talk->count;
  while (count > 0 && !tl_str_is(talk->messages[count - 1].role, role))
    count--;
  if (count == 0) return false;
  talk->count = count - 1;
  return true;
}

// ---- JSON

static void write_messages(tl_json_writer *writer, const tl_conversation *talk) {
  tl_json_write_key(writer, TL_STR("messages"));
  tl_json_write_array_begin(writer);
  for (size_t i = 0; i < talk->count; i++) {
    tl_json_write_object_begin(writer);
    tl_json_write_key(writer, TL_STR("role"));
    tl_json_write_string(writer, talk->messages[i].role);
    tl_json_write_key(writer, TL_STR("content"));
    tl_json_write_string(writer, talk->messages[i].content);
    tl_json_write_object_end(writer);
  }
  tl_json_write_array_end(writer);
}

static void write_node(tl_json_writer *writer, const tl_json *node) {
  switch (tl_json_kind_of(node)) {
  case TL_JSON_NULL: tl_json_write_null(writer); break;
  case TL_JSON_BOOL: tl_json_write_bool(writer, node->boolean); break;
  case TL_JSON_INT: tl_json_write_int(writer, node->integer); break;
  case TL_JSON_REAL: tl_json_write_real(writer, node->real); break;
  case TL_JSON_STRING: tl_json_write_string(writer, node->string); break;
  case TL_JSON_ARRAY:
    tl_json_write_array_begin(writer);
    for (size_t i = 0; i < node->count; i++)
      write_node(writer, &node->items[i]);
    tl_json_write_array_end(writer);
    break;
  case TL_JSON_OBJECT:
    tl_json_write_object_begin(writer);
    for (size_t i = 0; i < node->count; i++) {
      tl_json_write_key(writer, node->members[i].key.string);
      write_node(writer, &node->members[i].value);
    }
    tl_json_write_object_end(writer);
    break;
  }
}

// What the user wants the template to know, member by member.
static tl_status write_variables(tl_json_writer *writer, const tl_conversation *talk,
                                 tl_arena *scratch) {
  if (!talk->variables) return TL_OK;
  tl_source *source = tl_arena_alloc(scratch, sizeof *source);
  const tl_json *root = NULL;
  if (!source) return tl_cli_full(talk->cli);
  *source = (tl_source){"--chat-template-kwargs", tl_str_from(talk->variables)};
  TL_TRY(tl_json_parse(scratch, source, NULL, &root, &talk->cli->diag));
  if (root->kind != TL_JSON_OBJECT) {
    return tl_json_expected(source, root, "--chat-template-kwargs", "a JSON object",
                            &talk->cli->diag);
  }
  for (size_t i = 0; i < root->count; i++) {
    tl_json_write_key(writer, root->members[i].key.string);
    write_node(writer, &root->members[i].value);
  }
  return TL_OK;
}

// ---- The prompt

static tl_status render(tl_cli *cli, tl_str conversation, tl_arena *scratch, tl_str *out_text) {
  tlmc_bytes bytes = {conversation.data, conversation.length};
  size_t capacity = conversation.length + PROMPT_BYTES_FIRST, length = 0;
  for (int round = 0; round < 2; round++) {
    char *text = tl_arena_alloc(scratch, capacity);
    if (!text) return tl_cli_full(cli);
    TL_TRY(
        tl_cli_take(cli, tlmc_chat_prompt(cli->plan, bytes, text, capacity, &length, &cli->error)));
    *out_text = (tl_str){text, length};
    if (length <= capacity) return TL_OK;
    capacity = length;
  }
  return tl_cli_fail(cli, TL_INPUT, "the chat template gives another text each time");
}

tl_status tl_conversation_tokenize(tl_cli *cli, tl_str conversation, tl_arena *scratch,
                                   tl_prompt *out_prompt) {
  tl_str text = {0};
  TL_TRY(render(cli, conversation, scratch, &text));
  // Every token has a byte at least, but for what a tokenizer puts in front.
  size_t capacity = text.length + 16;
  out_prompt->ids = tl_arena_array(scratch, capacity, sizeof *out_prompt->ids);
  if (!out_prompt->ids) return tl_cli_full(cli);
  tlmc_bytes bytes = {text.data, text.length};
  TL_TRY(tl_cli_take(cli, tlmc_tokenize(cli->plan, bytes, TLMC_TEXT_SPECIAL, out_prompt->ids,
                                        capacity, &out_prompt->count, &cli->error)));
  bool fits =
      out_prompt->count > 0 && out_prompt->count <= capacity && out_prompt->count <= TL_CLI_IDS_MAX;
  return fits ? TL_OK
              : tl_cli_fail(cli, TL_INPUT, "the conversation has %zu tokens, expected 1 to %d",
                            out_prompt->count, TL_CLI_IDS_MAX);
}

tl_status tl_conversation_prompt(const tl_conversation *talk, tl_arena *scratch,
                                 tl_prompt *out_prompt) {
  tl_cli *cli = talk->cli;
  tl_json_writer writer;
  tl_str conversation = {0};
  tl_json_writer_init(&writer, scratch, 0);
  tl_json_write_object_begin(&writer);
  write_messages(&writer, talk);
  tl_json_write_key(&writer, TL_STR("add_generation_prompt"));
  tl_json_write_bool(&writer, true);
  TL_TRY(write_variables(&writer, talk, scratch));
  tl_json_write_object_end(&writer);
  if (!tl_ok(tl_json_writer_finish(&writer, &conversation))) return tl_cli_full(cli);
  return tl_conversation_tokenize(cli, conversation, scratch, out_prompt);
}

// ---- Files

tl_status tl_conversation_save(const tl_conversation *talk, const char *path) {
  tl_cli *cli = talk->cli;
  tl_json_writer writer;
  tl_file_writer file;
  tl_str text = {0};
  tl_json_writer_init(&writer, &cli->arena, 2);
  tl_json_write_object_begin(&writer);
  write_messages(&writer, talk);
  tl_json_write_object_end(&writer);
  if (!tl_ok(tl_json_writer_finish(&writer, &text))) return tl_cli_full(cli);
  TL_TRY(tl_file_writer_open(path, &file, &cli->diag));
  tl_status status = tl_file_writer_write(&file, 0, text.data, text.length, &cli->diag);
  if (tl_ok(status)) status = tl_file_writer_write(&file, text.length, "\n", 1, &cli->diag);
  if (tl_ok(status)) status = tl_file_writer_commit(&file, &cli->diag);
  tl_file_writer_close(&file);
  return status;
}

tl_status tl_conversation_load(tl_conversation *talk, const char *path) {
  tl_cli *cli = talk->cli;
  tl_conversation loaded = {.cli = cli, .variables = talk->variables};
  tl_source *source = tl_arena_alloc(&cli->arena, sizeof *source);
  tl_str name = tl_arena_copy(&cli->arena, tl_str_from(path)), text;
  const tl_json *root = NULL;
  if (!source || !name.data) return tl_cli_full(cli);
  TL_TRY(tl_cli_read_text(cli, path, &text));
  *source = (tl_source){name.data, text};
  TL_TRY(tl_json_parse(&cli->arena, source, NULL, &root, &cli->diag));
  const tl_json *messages =
      root->kind == TL_JSON_OBJECT ? tl_json_get(root, TL_STR("messages")) : root;
  if (tl_json_kind_of(messages) != TL_JSON_ARRAY) {
    return tl_json_expected(source, messages, "messages", "a list", &cli->diag);
  }
  for (size_t i = 0; i < messages->count; i++) {
    const tl_json *message = &messages->items[i];
    tl_str role, content;
    bool is_plain = tl_json_to_string(tl_json_get(message, TL_STR("role")), &role) &&
                    tl_json_to_string(tl_json_get(message, TL_STR("content")), &content);
    if (!is_plain) {
      return tl_json_expected(source, message, "a message",
                              "an object whose role and content are texts", &cli->diag);
    }
    tl_str copy = tl_arena_copy(&cli->arena, role);
    if (!copy.data) return tl_cli_full(cli);
    TL_TRY(tl_conversation_add(&loaded, copy.data, content));
  }
  *talk = loaded;
  return TL_OK;
}

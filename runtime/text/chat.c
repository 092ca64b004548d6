// Implementation of chat.h.
#include "runtime/text/chat.h"

static const tl_json_options last_counts = {.allows_duplicates = true};

static tl_status damaged(const tl_source *source, const tl_json *node, const char *wanted,
                         tl_diag *diag) {
  return tl_json_expected(source, node, "the section of chat templates", wanted, diag);
}

// What stops a template, as "line 3, column 7: ..".
static const char *fault_text(tl_arena *arena, const tl_diag *diag) {
  const tl_diag_entry *entry = &diag->entries[0];
  int line = 1, column = 1;
  if (diag->count == 0) return "it does not fit into memory";
  if (entry->span.source) {
    tl_diag_locate(entry->span.source->text, entry->span.offset, &line, &column);
  }
  return tl_arena_format(arena, "line %d, column %d: %s", line, column, entry->text).data;
}

static tl_status open_template(tl_chat *chat, const tl_json *node, tl_arena *arena, tl_diag *diag) {
  tl_chat_template *template = &chat->templates[chat->count];
  tl_diag *own = tl_arena_alloc(arena, sizeof *own);
  tl_str text;
  if (!own) return TL_MEMORY;
  bool is_whole = tl_json_to_string(tl_json_get(node, TL_STR("name")), &template->name) &&
                  tl_json_to_string(tl_json_get(node, TL_STR("text")), &text);
  if (!is_whole || chat->count == TL_CHAT_TEMPLATES_MAX - 1) {
    return damaged(&chat->source, node, "a few objects with name and text", diag);
  }
  template->source = (tl_source){"chat template", text};
  tl_status status = tl_jinja_parse(arena, &template->source, &template->template, own);
  if (!tl_ok(status)) {
    template->template = NULL;
    template->fault = fault_text(arena, own);
    if (!template->fault) template->fault = "it does not fit into memory";
  }
  chat->count++;
  return TL_OK;
}

tl_status tl_chat_open(tl_str section, tl_arena *arena, tl_diag *diag, tl_chat *out_chat) {
  const tl_json *root = NULL;
  *out_chat = (tl_chat){.source = {"chat templates", section}};
  TL_TRY(tl_json_parse(arena, &out_chat->source, NULL, &root, diag));
  const tl_json *templates = tl_json_get(root, TL_STR("templates"));
  out_chat->tokens = tl_json_get(root, TL_STR("tokens"));
  if (tl_json_kind_of(templates) != TL_JSON_ARRAY || tl_json_count(templates) == 0) {
    return damaged(&out_chat->source, root, "a list of templates", diag);
  }
  for (size_t i = 0; i < templates->count; i++)
    TL_TRY(open_template(out_chat, &templates->items[i], arena, diag));
  return TL_OK;
}

// ---- Rendering

static const tl_chat_template *find(const tl_chat *chat, tl_str name) {
  for (int i = 0; i < chat->count; i++) {
    if (tl_str_equal(chat->templates[i].name, name)) return &chat->templates[i];
  }
  return NULL;
}

static tl_status choose(const tl_chat *chat, const tl_source *source, const tl_json *conversation,
                        const tl_chat_template **out_template, tl_diag *diag) {
  const tl_json *named = tl_json_get(conversation, TL_STR("chat_template"));
  bool has_tools = tl_json_kind_of(tl_json_get(conversation, TL_STR("tools"))) != TL_JSON_NULL;
  const tl_chat_template *template = NULL;
  tl_str name = TL_STR("default");
  if (tl_json_to_string(named, &name)) {
    template = find(chat, name);
  } else {
    if (has_tools) template = find(chat, TL_STR("tool_use"));
    if (!template) template = find(chat, name);
  }
  if (!template) {
    return tl_diag_error(diag, TL_INPUT, tl_json_span(source, named),
                         "the model has no chat template '%.*s'; it has '%.*s'", TL_STR_ARG(name),
                         TL_STR_ARG(chat->templates[0].name));
  }
  *out_template = template;
  if (template->template) return TL_OK;
  return tl_diag_error(diag, TL_UNSUPPORTED, (tl_span){0},
                       "the model's chat template cannot be used: %s", template->fault);
}

static tl_json_member member(const char *key, const tl_json *value) {
  return (tl_json_member){{.kind = TL_JSON_STRING, .string = tl_str_from(key)}, *value};
}

// The names that a message's reasoning goes by, the best known first.
static const char *const reasoning_names[] = {"reasoning_content", "thinking", "reasoning"};

// Copies `from` with its reasoning as reasoning_content, and as thinking if that is not there. New
// members change no order: `thinking` comes first, reasoning_content last.
static tl_status copy_message(const tl_json *from, tl_arena *arena, tl_json *out) {
  const tl_json *reasoning = NULL;
  *out = *from;
  for (size_t i = 0; i < sizeof reasoning_names / sizeof *reasoning_names; i++) {
    const tl_json *value = tl_json_get(from, tl_str_from(reasoning_names[i]));
    if (!reasoning && tl_json_kind_of(value) != TL_JSON_NULL) reasoning = value;
  }
  if (!reasoning) return TL_OK;
  tl_json_member *members = tl_arena_array(arena, from->count + 2, sizeof *members);
  if (!members) return TL_MEMORY;
  uint32_t count = 0;
  bool has_content = tl_json_get(from, TL_STR("reasoning_content"));
  if (!tl_json_get(from, TL_STR("thinking"))) members[count++] = member("thinking", reasoning);
  for (uint32_t i = 0; i < from->count; i++) {
    bool is_content = tl_str_is(from->members[i].key.string, "reasoning_content");
    members[count] = from->members[i];
    if (is_content) members[count].value = *reasoning;
    count++;
  }
  if (!has_content) members[count++] = member("reasoning_content", reasoning);
  out->members = members;
  out->count = count;
  out->index = NULL;
  return TL_OK;
}

// The messages as the template gets them.
static tl_status copy_messages(const tl_source *source, const tl_json *from, tl_arena *arena,
                               tl_json *out, tl_diag *diag) {
  if (tl_json_kind_of(from) != TL_JSON_ARRAY) {
    return tl_json_expected(source, from, "messages", "a list", diag);
  }
  tl_json *items = tl_arena_array(arena, from->count + 1, sizeof *items);
  if (!items) return TL_MEMORY;
  for (uint32_t i = 0; i < from->count; i++) {
    if (from->items[i].kind != TL_JSON_OBJECT) {
      return tl_json_expected(source, &from->items[i], "a message", "an object", diag);
    }
    TL_TRY(copy_message(&from->items[i], arena, &items[i]));
  }
  *out = *from;
  out->items = items;
  return TL_OK;
}

tl_status tl_chat_render(const tl_chat *chat, const tl_source *conversation, int64_t now,
                         tl_arena *arena, tl_diag *diag, tl_str *out_text) {
  static const tl_source defaults_source = {"", {"{\"tools\": null, \"documents\": null}", 34}};
  const tl_json *root = NULL, *defaults = NULL;
  const tl_chat_template *template = NULL;
  TL_TRY(tl_json_parse(arena, &defaults_source, NULL, &defaults, diag));
  TL_TRY(tl_json_parse(arena, conversation, &last_counts, &root, diag));
  if (tl_json_kind_of(root) != TL_JSON_OBJECT) {
    return tl_json_expected(conversation, root, "the conversation", "an object with messages",
                            diag);
  }
  TL_TRY(choose(chat, conversation, root, &template, diag));
  tl_json messages;
  TL_TRY(
      copy_messages(conversation, tl_json_get(root, TL_STR("messages")), arena, &messages, diag));
  tl_json_member changed = member("messages", &messages);
  tl_json last = {.kind = TL_JSON_OBJECT, .count = 1, .members = &changed};
  const tl_jinja_variables sets[] = {{&defaults_source, defaults},
                                     {&chat->source, chat->tokens},
                                     {conversation, root},
                                     {conversation, &last}};
  tl_jinja_input input = {.sets = sets, .sets_count = sizeof sets / sizeof *sets, .now = now};
  return tl_jinja_render(template->template, &input, arena, diag, out_text);
}

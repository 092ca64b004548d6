// The chat templates of a plan: a conversation becomes the text of a prompt.
//
// The plan's section is JSON, as tlmc_plan_write and tests make it:
//
//   {"templates": [{"name": "default", "text": "{% for m in messages %}.."}, ..],
//    "tokens": {"bos_token": "<s>", ..}}
//
// Templates are parsed when the plan is opened, and only read afterwards: any thread may render.
// One that cannot be parsed is no fault of the plan; who wants to use it is told why.
#ifndef TL_TEXT_CHAT_H
#define TL_TEXT_CHAT_H

#include "runtime/text/jinja/jinja.h"

enum {
  TL_CHAT_TEMPLATES_MAX = 32,
  TL_CHAT_PARSED_BYTES_MAX = 1 << 27, // memory of all parsed templates
  TL_CHAT_RENDER_BYTES_MAX = 1 << 28  // memory of a rendering
};

typedef struct tl_chat_template {
  tl_str name;
  tl_source source;                  //
  const tl_jinja_template *template; // NULL if it cannot be parsed
  const char *fault;                 // then: why
} tl_chat_template;

typedef struct tl_chat {
  tl_source source; // the section
  const tl_json *tokens;
  tl_chat_template templates[TL_CHAT_TEMPLATES_MAX];
  int count;
} tl_chat;

// Reads the section; everything is on `arena`, views point into `section`, which outlives the chat.
// TL_INPUT if it is damaged, TL_MEMORY.
TL_CHECKED tl_status tl_chat_open(tl_str section, tl_arena *arena, tl_diag *diag,
                                  tl_chat *out_chat);

// The prompt of `conversation`, an object with `messages`, perhaps `tools` and anything else that
// templates look at; on `arena`. With tools the template `tool_use` is taken if there is one, else
// `default`; a member `chat_template` names another. As transformers does it, a message's reasoning
// is given under all names that templates know it by, and tools and documents are none if missing.
// TL_INPUT with what the template raised or the conversation lacks, TL_UNSUPPORTED with the fault
// of a template that cannot be parsed, TL_MEMORY beyond a limit.
TL_CHECKED tl_status tl_chat_render(const tl_chat *chat, const tl_source *conversation, int64_t now,
                                    tl_arena *arena, tl_diag *diag, tl_str *out_text);

#endif

// A conversation, as `chat` keeps it and as the plan's chat template gets it.
//
//   tl_conversation talk = {.cli = cli, .variables = options->template_variables};
//   tl_conversation_add(&talk, "user", TL_STR("Hello"));
//   tl_conversation_prompt(&talk, &scratch, &prompt);       ids, the answer's head included
//
// Messages live on the command's arena; taking one back only lowers the count.
#ifndef TL_CLI_CONVERSATION_H
#define TL_CLI_CONVERSATION_H

#include "runtime/cli/cli.h"

typedef struct tl_message {
  tl_str role, content;
} tl_message;

typedef struct tl_conversation {
  tl_cli *cli;
  const char
      *variables; // a JSON object for the template, such as {"enable_thinking": false}; or NULL
  tl_message *messages; // a system message is the first
  size_t count, capacity;
} tl_conversation;

typedef struct tl_prompt {
  int32_t *ids;
  size_t count;
} tl_prompt;

// TL_UNSUPPORTED, with a sentence, unless the open plan has a tokenizer and a chat template.
tl_status tl_conversation_check(tl_cli *cli) TL_CHECKED;

// Adds a message; the content is copied.
tl_status tl_conversation_add(tl_conversation *talk, const char *role, tl_str content) TL_CHECKED;

// Sets the system message; an empty content takes it away.
tl_status tl_conversation_set_system(tl_conversation *talk, tl_str content) TL_CHECKED;

// The system message's content; empty if there is none.
tl_str tl_conversation_system(const tl_conversation *talk);

// Takes messages back from the end until one of `role` has gone; false if there is none.
bool tl_conversation_undo(tl_conversation *talk, const char *role);

// Renders and tokenizes all of it, on `scratch`. TL_INPUT with what the template says against it.
tl_status tl_conversation_prompt(const tl_conversation *talk, tl_arena *scratch,
                                 tl_prompt *out_prompt) TL_CHECKED;

// The same for a conversation in JSON, as tlmc_chat_prompt takes it: {"messages": [..], ..}.
tl_status tl_conversation_tokenize(tl_cli *cli, tl_str conversation, tl_arena *scratch,
                                   tl_prompt *out_prompt) TL_CHECKED;

// Writes the messages as JSON, {"messages": [{"role": .., "content": ..}, ..]}, to a file that
// appears whole; and reads them from such a file, or one with the list alone, in place of those
// there are.
tl_status tl_conversation_save(const tl_conversation *talk, const char *path) TL_CHECKED;
tl_status tl_conversation_load(tl_conversation *talk, const char *path) TL_CHECKED;

#endif

// The chat templates of a model's folder, as the plan keeps them (runtime/text/chat.h).
//
//   chat_template.jinja, additional_chat_templates/NAME.jinja    they count where there are any
//   tokenizer_config.json: "chat_template": TEXT or [{"name": .., "template": ..}, ..]
//   chat_template.json:    {"chat_template": TEXT}
#ifndef TL_LOAD_CHAT_TEMPLATE_H
#define TL_LOAD_CHAT_TEMPLATE_H

#include "compiler/load/checkpoint.h"

typedef struct tl_chat_template_section {
  tl_str bytes;        // of the plan's section; empty = the model has no template
  const char *warning; // a template that will not work, and why; NULL = none
} tl_chat_template_section;

// Reads, checks and writes them on `arena`. TL_INPUT for files that are no JSON or have something
// else where a template is expected, TL_IO, TL_MEMORY.
TL_CHECKED tl_status tl_chat_template_load(const tl_checkpoint *checkpoint, tl_arena *arena,
                                           tl_diag *diag, tl_chat_template_section *out_section);

#endif

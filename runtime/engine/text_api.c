// Text functions of the public interface: a plan's tokenizer behind bounded buffers.
#include <time.h>

#include "runtime/engine/session.h"
#include "runtime/text/decoder.h"

static const size_t text_memory_max = (size_t)4 << 30;

static tlmc_status no_tokenizer(const tlmc_plan *plan, tlmc_error *error) {
  return tl_error_set(
      error, TLMC_UNSUPPORTED,
      "%s has no tokenizer: the model's folder had no tokenizer.json or .model when "
      "it was built; give ids instead of text",
      plan->plan.name);
}

static void copy_tokens(const tl_ids *ids, const tl_types *types, tlmc_tokens *out) {
  out->count = ids->count;
  size_t fits = ids->count < out->capacity ? ids->count : out->capacity;
  if (fits > 0) memcpy(out->ids, ids->items, fits * sizeof *ids->items);
  for (size_t i = 0; out->types && i < fits; i++)
    out->types[i] = types->items[i];
}

tlmc_status tlmc_tokenize_pair(const tlmc_plan *plan, const tlmc_bytes *texts, size_t texts_count,
                               uint32_t flags, tlmc_tokens *tokens, tlmc_error *error) {
  tl_diag diag = {0};
  tl_str parts[2];
  tokens->count = 0;
  if (!plan->has_tokenizer) return no_tokenizer(plan, error);
  if (texts_count < 1 || texts_count > 2)
    return tl_error_set(error, TLMC_USAGE, "%zu texts, expected 1 or 2", texts_count);
  for (size_t i = 0; i < texts_count; i++)
    parts[i] = (tl_str){texts[i].data, texts[i].bytes};
  tl_arena arena;
  tl_arena_init(&arena, text_memory_max);
  tl_ids ids = {0};
  tl_types types = {0};
  tl_encode_options options = {.add_special = flags & TLMC_TEXT_ADD,
                               .plain_special = !(flags & TLMC_TEXT_SPECIAL),
                               .pair = texts_count == 2 ? &parts[1] : NULL,
                               .out_types = tokens->types ? &types : NULL};
  tl_status status = tl_tokenizer_encode(&plan->tokenizer, parts[0], &options, &arena, &diag, &ids);
  if (tl_ok(status)) copy_tokens(&ids, &types, tokens);
  tl_arena_finish(&arena);
  return tl_error_fill(error, status, &diag);
}

tlmc_status tlmc_tokenize(const tlmc_plan *plan, tlmc_bytes text, uint32_t flags, int32_t *ids,
                          size_t ids_capacity, size_t *out_count, tlmc_error *error) {
  tlmc_tokens tokens = {.size = sizeof tokens, .ids = ids, .capacity = ids_capacity};
  tlmc_status status = tlmc_tokenize_pair(plan, &text, 1, flags, &tokens, error);
  *out_count = tokens.count;
  return status;
}

tlmc_status tlmc_detokenize(const tlmc_plan *plan, const int32_t *ids, size_t ids_count,
                            uint32_t flags, char *text, size_t text_capacity, size_t *out_bytes,
                            tlmc_error *error) {
  *out_bytes = 0;
  if (!plan->has_tokenizer) return no_tokenizer(plan, error);
  for (size_t i = 0; i < ids_count; i++) {
    if (ids[i] >= 0 && (uint32_t)ids[i] < plan->plan.tables.models->vocabulary) continue;
    return tl_error_set(error, TLMC_USAGE, "id %d is outside the vocabulary of %u", (int)ids[i],
                        plan->plan.tables.models->vocabulary);
  }
  tl_arena arena;
  tl_arena_init(&arena, text_memory_max);
  tl_str decoded = TL_STR("");
  tl_status status = tl_tokenizer_decode(&plan->tokenizer, ids, ids_count,
                                         !(flags & TLMC_TEXT_SPECIAL), &arena, &decoded);
  if (tl_ok(status)) {
    *out_bytes = decoded.length;
    size_t fits = decoded.length < text_capacity ? decoded.length : text_capacity;
    if (fits > 0) memcpy(text, decoded.data, fits);
  }
  tl_arena_finish(&arena);
  return tl_error_fill(error, status, NULL);
}

// The error with its place: "chat template:3:7: .." or "conversation:1:20: ..".
static tlmc_status fill_with_place(tlmc_error *error, tl_status status, const tl_diag *diag) {
  int line, column;
  tlmc_status result = tl_error_fill(error, status, diag);
  const tl_span *span = &diag->entries[0].span;
  if (tl_ok(status) || diag->count == 0 || !span->source) return result;
  tl_diag_locate(span->source->text, span->offset, &line, &column);
  return tl_error_set(error, result, "%s:%d:%d: %s", span->source->name, line, column,
                      diag->entries[0].text);
}

tlmc_status tlmc_chat_prompt(const tlmc_plan *plan, tlmc_bytes conversation, char *text,
                             size_t text_capacity, size_t *out_bytes, tlmc_error *error) {
  tl_diag diag = {0};
  *out_bytes = 0;
  if (!plan->has_chat) {
    return tl_error_set(error, TLMC_UNSUPPORTED,
                        "%s has no chat template: the model's folder had none when it was built",
                        plan->plan.name);
  }
  tl_arena arena;
  tl_arena_init(&arena, TL_CHAT_RENDER_BYTES_MAX);
  tl_source source = {"conversation", {conversation.data, conversation.bytes}};
  tl_str prompt = TL_STR("");
  tl_status status =
      tl_chat_render(&plan->chat, &source, (int64_t)time(NULL), &arena, &diag, &prompt);
  if (tl_ok(status)) {
    *out_bytes = prompt.length;
    size_t fits = prompt.length < text_capacity ? prompt.length : text_capacity;
    if (fits > 0) memcpy(text, prompt.data, fits);
  }
  tlmc_status result = fill_with_place(error, status, &diag);
  tl_arena_finish(&arena);
  return result;
}

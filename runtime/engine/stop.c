// One Knuth-Morris-Pratt automaton per stop. The longest match under way among them says how much
// of the end of the text must be held.
#include "runtime/engine/stop.h"

static void fill_borders(tl_stop_pattern *pattern) {
  uint8_t border = 0;
  pattern->border[0] = 0;
  for (int i = 1; i < pattern->length; i++) {
    while (border > 0 && pattern->bytes[i] != pattern->bytes[border])
      border = pattern->border[border - 1];
    border += pattern->bytes[i] == pattern->bytes[border];
    pattern->border[i] = border;
  }
}

tl_status tl_stop_init(tl_stop *stop, const tl_str *stops, int32_t stops_count, tl_diag *diag) {
  stop->patterns_count = 0;
  stop->found = -1;
  stop->held_count = 0;
  if (stops_count < 0 || stops_count > TL_STOPS_MAX)
    return tl_diag_error(diag, TL_USAGE, (tl_span){0}, "%d stop texts, expected at most %d",
                         stops_count, TL_STOPS_MAX);
  for (int32_t i = 0; i < stops_count; i++) {
    size_t length = stops[i].length;
    if (length < 1 || length > TL_STOP_BYTES_MAX)
      return tl_diag_error(diag, TL_USAGE, (tl_span){0},
                           "stop text %d has %zu bytes, expected 1 to %d", i, length,
                           TL_STOP_BYTES_MAX);
    tl_stop_pattern *pattern = &stop->patterns[i];
    pattern->length = (uint16_t)length;
    pattern->matched = 0;
    memcpy(pattern->bytes, stops[i].data, length);
    fill_borders(pattern);
  }
  stop->patterns_count = stops_count;
  return TL_OK;
}

// Advances by one byte; true if the pattern is complete.
static bool advance(tl_stop_pattern *pattern, uint8_t byte) {
  while (pattern->matched > 0 && pattern->bytes[pattern->matched] != byte)
    pattern->matched = pattern->border[pattern->matched - 1];
  pattern->matched += pattern->bytes[pattern->matched] == byte;
  return pattern->matched == pattern->length;
}

// Advances all by one byte; the longest that is complete, or -1.
static int32_t advance_all(tl_stop *stop, uint8_t byte) {
  int32_t best = -1;
  for (int32_t i = 0; i < stop->patterns_count; i++)
    if (advance(&stop->patterns[i], byte) &&
        (best < 0 || stop->patterns[i].length > stop->patterns[best].length))
      best = i;
  return best;
}

int32_t tl_stop_feed(tl_stop *stop, tl_str text, char *out_text, size_t *out_bytes) {
  *out_bytes = 0;
  if (stop->found >= 0) return stop->found;
  size_t used = 0;
  while (used < text.length && stop->found < 0)
    stop->found = advance_all(stop, (uint8_t)text.data[used++]);

  size_t keep = 0; // bytes at the end of held + text[0, used) that are not given out
  if (stop->found >= 0)
    keep = stop->patterns[stop->found].length;
  else
    for (int32_t i = 0; i < stop->patterns_count; i++)
      if (stop->patterns[i].matched > keep) keep = stop->patterns[i].matched;
  size_t certain = stop->held_count + used - keep;
  size_t from_held = certain < stop->held_count ? certain : stop->held_count;
  size_t from_text = certain - from_held;
  memcpy(out_text, stop->held, from_held);
  if (from_text > 0) memcpy(out_text + from_held, text.data, from_text);
  *out_bytes = certain;

  size_t rest = stop->held_count - from_held;
  memmove(stop->held, stop->held + from_held, rest);
  if (stop->found < 0 && used > from_text)
    memcpy(stop->held + rest, text.data + from_text, used - from_text);
  stop->held_count = stop->found < 0 ? (uint32_t)keep : 0;
  return stop->found;
}

void tl_stop_flush(tl_stop *stop, char *out_text, size_t *out_bytes) {
  memcpy(out_text, stop->held, stop->held_count);
  *out_bytes = stop->held_count;
  stop->held_count = 0;
  for (int32_t i = 0; i < stop->patterns_count; i++)
    stop->patterns[i].matched = 0;
}

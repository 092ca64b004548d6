// The time as text, always in English.
#include <stdio.h>
#include <time.h>

#include "runtime/text/jinja/render.h"

static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};

typedef struct time_field {
  char letter;
  const char *format; // of one number, or of a composition
  int value;
} time_field;

// Directives that stand for others.
static const char *composition_of(char letter) {
  switch (letter) {
  case 'D':
  case 'x': return "%m/%d/%y";
  case 'F': return "%Y-%m-%d";
  case 'R': return "%H:%M";
  case 'T':
  case 'X': return "%H:%M:%S";
  case 'r': return "%I:%M:%S %p";
  case 'c': return "%a %b %e %H:%M:%S %Y";
  default: return NULL;
  }
}

static bool number_of(const struct tm *now, char letter, time_field *out) {
  int hour = now->tm_hour % 12 == 0 ? 12 : now->tm_hour % 12;
  const time_field fields[] = {
      {'Y', "%d", now->tm_year + 1900},
      {'y', "%02d", now->tm_year % 100},
      {'C', "%02d", (now->tm_year + 1900) / 100},
      {'m', "%02d", now->tm_mon + 1},
      {'d', "%02d", now->tm_mday},
      {'e', "%2d", now->tm_mday},
      {'H', "%02d", now->tm_hour},
      {'I', "%02d", hour},
      {'k', "%2d", now->tm_hour},
      {'l', "%2d", hour},
      {'M', "%02d", now->tm_min},
      {'S', "%02d", now->tm_sec},
      {'f', "%06d", 0},
      {'j', "%03d", now->tm_yday + 1},
      {'w', "%d", now->tm_wday},
      {'u', "%d", now->tm_wday == 0 ? 7 : now->tm_wday},
      {'U', "%02d", (now->tm_yday + 7 - now->tm_wday) / 7},
      {'W', "%02d", (now->tm_yday + 7 - (now->tm_wday + 6) % 7) / 7},
  };
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
    if (fields[i].letter != letter) continue;
    *out = fields[i];
    return true;
  }
  return false;
}

static tl_str word_of(const struct tm *now, char letter) {
  switch (letter) {
  case 'A': return tl_str_from(days[now->tm_wday]);
  case 'a': return tl_str_slice(tl_str_from(days[now->tm_wday]), 0, 3);
  case 'B': return tl_str_from(months[now->tm_mon]);
  case 'b':
  case 'h': return tl_str_slice(tl_str_from(months[now->tm_mon]), 0, 3);
  case 'p': return now->tm_hour < 12 ? TL_STR("AM") : TL_STR("PM");
  case 'P': return now->tm_hour < 12 ? TL_STR("am") : TL_STR("pm");
  case 'n': return TL_STR("\n");
  case 't': return TL_STR("\t");
  case '%': return TL_STR("%");
  case 'Z': // the time of a clock on the wall has no zone
  case 'z': return TL_STR("");
  default: return (tl_str){0};
  }
}

static tl_status add_time(tl_render *render, tl_text *text, tl_str format, const struct tm *now);

// `flag` - writes a number without what fills it up to its width.
static tl_status add_directive(tl_render *render, tl_text *text, char flag, char letter,
                               const struct tm *now) {
  char room[16];
  time_field field;
  const char *composition = composition_of(letter);
  tl_str word = word_of(now, letter);
  if (composition) return add_time(render, text, tl_str_from(composition), now);
  if (word.data) return tl_text_add(render, text, word);
  if (!number_of(now, letter, &field)) {
    return tl_render_fail(render, "the directive %%%c of a time is not supported", letter);
  }
  int length = snprintf(room, sizeof room, flag == '-' ? "%d" : field.format, field.value);
  return tl_text_add(render, text, (tl_str){room, (size_t)length});
}

static tl_status add_time(tl_render *render, tl_text *text, tl_str format, const struct tm *now) {
  for (size_t at = 0; at < format.length; at++) {
    if (format.data[at] != '%' || at + 1 == format.length) {
      TL_TRY(tl_text_add(render, text, tl_str_slice(format, at, at + 1)));
      continue;
    }
    char flag = format.data[++at] == '-' && at + 1 < format.length ? format.data[at++] : '\0';
    TL_TRY(tl_render_charge(render, 1));
    TL_TRY(add_directive(render, text, flag, format.data[at], now));
  }
  return TL_OK;
}

tl_status tl_text_add_time(tl_render *render, tl_text *text, tl_str format) {
  struct tm now;
  time_t seconds = (time_t)render->now;
  if (!localtime_r(&seconds, &now)) return tl_render_fail(render, "the time cannot be told");
  return add_time(render, text, format, &now);
}

// Implementation of options.h. Numbers are read to their last character; what does not fit is an
// error that names the bounds.
#include "runtime/cli/options.h"

#include <inttypes.h>
#include <math.h>

enum {
  RUN = TL_CLI_RUN,
  GENERATE = TL_CLI_GENERATE,
  LOGITS = TL_CLI_LOGITS,
  BENCH = TL_CLI_BENCH,
  INFO = TL_CLI_INFO,
  CHAT = TL_CLI_CHAT,
  SCORE = TL_CLI_SCORE,
  TUNE = TL_CLI_TUNE,
  SCORES = TL_CLI_CLASSIFY | SCORE,
  SESSION = RUN | CHAT | GENERATE | LOGITS | BENCH | INFO | SCORES | TUNE,
  ALL = SESSION | TL_CLI_TOKENIZE | TL_CLI_DETOKENIZE
};

// What is stored: FLAG bool; TEXT const char *; TEXTS tl_cli_texts; INT int64_t; LIST tl_cli_list;
// REAL double; BYTES uint64_t, with a suffix.
typedef enum option_kind { FLAG, TEXT, TEXTS, INT, LIST, REAL, BYTES, REFUSED } option_kind;

typedef struct option {
  const char *name, *short_name;
  option_kind kind;
  size_t offset;
  double low, high;
  int commands;
  const char *value, *help;
} option;

static const option table[] = {
#define OPTION(name, short_name, kind, field, low, high, commands, value, help)                    \
  {name,     short_name, kind, offsetof(tl_cli_options, field), (double)(low), (double)(high),     \
   commands, value,      help},
#include "runtime/cli/options.def"
#undef OPTION
};

enum { OPTIONS_COUNT = sizeof table / sizeof table[0] };

typedef struct option_parser {
  tl_cli_command_bit command;
  const char *command_name;
  tl_cli_options *options;
  tl_diag *diag;
} option_parser;

static tl_status usage(const option_parser *parser, const char *what, const char *argument) {
  return tl_diag_error(parser->diag, TL_USAGE, (tl_span){0}, "%s '%s', see `tlmrt help %s`", what,
                       argument, parser->command_name);
}

static bool is_named(const option *row, tl_str name) {
  return tl_str_is(name, row->name) || (row->short_name[0] && tl_str_is(name, row->short_name));
}

static const option *option_of(const option_parser *parser, tl_str name) {
  for (int i = 0; i < OPTIONS_COUNT; i++) {
    if ((table[i].commands & parser->command) && is_named(&table[i], name)) return &table[i];
  }
  return NULL;
}

static tl_status unknown_option(const option_parser *parser, tl_str name) {
  const option *closest = NULL;
  size_t distance = TL_CLI_EDITS_MAX + 1;
  bool elsewhere = false;
  for (int i = 0; i < OPTIONS_COUNT; i++) {
    elsewhere = elsewhere || is_named(&table[i], name);
    if (!(table[i].commands & parser->command)) continue;
    size_t edits = tl_str_distance(name, tl_str_from(table[i].name), TL_CLI_EDITS_MAX + 1);
    if (edits >= distance) continue;
    closest = &table[i];
    distance = edits;
  }
  tl_diag_error(parser->diag, TL_USAGE, (tl_span){0}, "`tlmrt %s` has no option '%.*s'%s",
                parser->command_name, TL_STR_ARG(name), elsewhere ? ", other commands have" : "");
  if (closest)
    tl_diag_note(parser->diag, "the closest is '%s'", closest->name);
  else
    tl_diag_note(parser->diag, "see `tlmrt help %s`", parser->command_name);
  return TL_USAGE;
}

static tl_status out_of_bounds(const option_parser *parser, const option *row, tl_str text) {
  return tl_diag_error(parser->diag, TL_USAGE, (tl_span){0},
                       "%s is '%.*s', expected %s from %.15g to %.15g", row->name, TL_STR_ARG(text),
                       row->kind == REAL ? "a number" : "an integer", row->low, row->high);
}

static tl_status read_int(const option_parser *parser, const option *row, tl_str text,
                          int64_t *out_value) {
  int64_t value;
  if (!tl_str_to_i64(text, &value) || (double)value < row->low || (double)value > row->high) {
    return out_of_bounds(parser, row, text);
  }
  *out_value = value;
  return TL_OK;
}

static tl_status read_real(const option_parser *parser, const option *row, tl_str text,
                           double *out_value) {
  double value;
  if (!tl_str_to_f64(text, &value) || !isfinite(value) || value < row->low || value > row->high) {
    return out_of_bounds(parser, row, text);
  }
  *out_value = value;
  return TL_OK;
}

static tl_status read_list(const option_parser *parser, const option *row, tl_str text,
                           tl_cli_list *out_list) {
  tl_cli_list list = {.count = 0};
  for (size_t begin = 0; begin <= text.length;) {
    const char *comma = memchr(text.data + begin, ',', text.length - begin);
    size_t end = comma ? (size_t)(comma - text.data) : text.length;
    if (list.count == TL_CLI_LIST_MAX) {
      return tl_diag_error(parser->diag, TL_USAGE, (tl_span){0}, "%s has more than %d numbers",
                           row->name, TL_CLI_LIST_MAX);
    }
    TL_TRY(read_int(parser, row, tl_str_slice(text, begin, end), &list.items[list.count]));
    list.count++;
    begin = end + 1;
  }
  *out_list = list;
  return TL_OK;
}

// Bits that the last character of a size shifts by; 0 if it is none of K, M, G and T.
static int suffix_shift(char suffix) {
  static const char suffixes[] = "KMGT";
  const char *place = suffix ? strchr(suffixes, suffix) : NULL;
  return place ? 10 * (int)(place - suffixes + 1) : 0;
}

static tl_status read_bytes(const option_parser *parser, const option *row, tl_str text,
                            uint64_t *out_value) {
  int shift = text.length ? suffix_shift(text.data[text.length - 1]) : 0;
  tl_str digits = tl_str_slice(text, 0, text.length - (shift > 0));
  uint64_t value = 0;
  bool valid = digits.length > 0;
  for (size_t i = 0; i < digits.length && valid; i++) {
    unsigned digit = (unsigned)(digits.data[i] - '0');
    valid = digit <= 9 && !__builtin_mul_overflow(value, (uint64_t)10, &value) &&
            !__builtin_add_overflow(value, (uint64_t)digit, &value);
  }
  valid = valid && value <= UINT64_MAX >> shift;
  if (!valid) {
    return tl_diag_error(parser->diag, TL_USAGE, (tl_span){0},
                         "%s is '%.*s', expected a whole number below 2^64, with K, M, G or T "
                         "behind it for powers of 1024",
                         row->name, TL_STR_ARG(text));
  }
  *out_value = value << shift;
  return TL_OK;
}

static tl_status store_text(const option_parser *parser, const option *row, const char *text,
                            tl_cli_texts *texts) {
  if (texts->count == TL_CLI_LIST_MAX) {
    return tl_diag_error(parser->diag, TL_USAGE, (tl_span){0}, "%s is given more than %d times",
                         row->name, TL_CLI_LIST_MAX);
  }
  texts->items[texts->count++] = text;
  return TL_OK;
}

static tl_status store(const option_parser *parser, const option *row, const char *value) {
  void *field = (char *)parser->options + row->offset;
  tl_str text = tl_str_from(value);
  switch (row->kind) {
  case FLAG: *(bool *)field = true; return TL_OK;
  case TEXT: *(const char **)field = value; return TL_OK;
  case TEXTS: return store_text(parser, row, value, field);
  case INT: return read_int(parser, row, text, field);
  case LIST: return read_list(parser, row, text, field);
  case REAL: return read_real(parser, row, text, field);
  case BYTES: return read_bytes(parser, row, text, field);
  case REFUSED: break;
  }
  return tl_diag_error(parser->diag, TL_UNSUPPORTED, (tl_span){0}, "%s: %s", row->name, row->help);
}

// One option; `*index` is left at the last argument it took.
static tl_status take_option(const option_parser *parser, int argc, char **argv, int *index) {
  const char *argument = argv[*index];
  const char *equals = strncmp(argument, "--", 2) == 0 ? strchr(argument, '=') : NULL;
  tl_str name = {argument, equals ? (size_t)(equals - argument) : strlen(argument)};
  const option *row = option_of(parser, name);
  if (!row) return unknown_option(parser, name);
  if (row->kind == FLAG) {
    return equals ? usage(parser, "a value is not expected in", argument)
                  : store(parser, row, NULL);
  }
  if (equals) return store(parser, row, equals + 1);
  if (*index + 1 == argc) return usage(parser, "a value is missing behind", argument);
  *index += 1;
  return store(parser, row, argv[*index]);
}

static tl_status take_plan(const option_parser *parser, const char *argument) {
  if (parser->options->plan)
    return usage(parser, "one plan is expected, found a second file", argument);
  parser->options->plan = argument;
  return TL_OK;
}

tl_status tl_cli_options_parse(tl_cli_command_bit command, int argc, char **argv,
                               tl_cli_options *out_options, tl_diag *diag) {
  option_parser parser = {command, argv[0], out_options, diag};
  bool only_files = false;
  for (int i = 1; i < argc; i++) {
    if (!only_files && strcmp(argv[i], "--") == 0) {
      only_files = true;
    } else if (!only_files && argv[i][0] == '-') {
      TL_TRY(take_option(&parser, argc, argv, &i));
    } else {
      TL_TRY(take_plan(&parser, argv[i]));
    }
  }
  if (out_options->plan || out_options->help) return TL_OK;
  return tl_diag_error(
      diag, TL_USAGE, (tl_span){0},
      "`tlmrt %s` needs a plan, a file that `tlmc build` made; see `tlmrt help %s`", argv[0],
      argv[0]);
}

void tl_cli_options_print(tl_cli_command_bit command, FILE *out) {
  for (int i = 0; i < OPTIONS_COUNT; i++) {
    const option *row = &table[i];
    if (!(row->commands & command) || row->kind == REFUSED) continue;
    char names[TL_CLI_NAME_BYTES_MAX];
    snprintf(names, sizeof names, "%s%s%s%s%s", row->short_name, row->short_name[0] ? ", " : "",
             row->name, row->value[0] ? " " : "", row->value);
    fprintf(out, "  %-26s %s\n", names, row->help);
  }
}

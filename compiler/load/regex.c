// The parser: recursive descent, one character of look-ahead, one node per construct.
#include "compiler/load/regex.h"

#include "compiler/load/unicode.h"
#include "runtime/base/utf8.h"

typedef struct parser {
  const tl_regex_context *context;
  tl_str text;
  size_t at;
  int depth;
  bool ignore_case;
  bool in_brackets;
  uint32_t folded_before; // the literal just read under (?i: ), in small letters; 0 = none
} parser;

static tl_status parse_alternation(parser *p, tl_regex_node **out_node);

static tl_status fail(parser *p, size_t begin, const char *what) {
  tl_str part = tl_str_slice(p->text, begin, p->at > begin ? p->at : begin + 1);
  return tl_diag_error(p->context->diag, TL_UNSUPPORTED, p->context->span,
                       "regex: %s ('%.*s' at byte %zu of the pattern)", what, TL_STR_ARG(part),
                       begin);
}

static bool at_end(const parser *p) {
  return p->at >= p->text.length;
}

static char peek(const parser *p) {
  return at_end(p) ? '\0' : p->text.data[p->at];
}

static bool take_if(parser *p, const char *text) {
  tl_str rest = tl_str_slice(p->text, p->at, p->text.length);
  if (!tl_str_starts_with(rest, tl_str_from(text))) return false;
  p->at += strlen(text);
  return true;
}

static uint32_t take_code(parser *p) {
  uint32_t code;
  p->at += tl_utf8_read(p->text.data + p->at, p->text.length - p->at, &code);
  return code;
}

static tl_status new_node(parser *p, tl_regex_kind kind, tl_regex_node **out_node) {
  tl_regex_node *node = tl_arena_alloc(p->context->arena, sizeof *node);
  if (!node) return TL_MEMORY;
  *node = (tl_regex_node){.kind = kind, .nullable = kind == TL_REGEX_EMPTY};
  *out_node = node;
  return TL_OK;
}

static tl_status register_set(const tl_regex_context *context, const tl_charset *set,
                              uint32_t *out_index) {
  tl_status status = tl_charclasses_register(context->classes, set, out_index);
  if (status == TL_UNSUPPORTED)
    return tl_diag_error(context->diag, status, context->span,
                         "regex: more than %d different sets of characters", TL_CHARSETS_MAX);
  return status;
}

static tl_status set_node(parser *p, const tl_charset *set, tl_regex_node **out_node) {
  TL_TRY(new_node(p, TL_REGEX_SET, out_node));
  return register_set(p->context, set, &(*out_node)->set);
}

tl_status tl_regex_from_set(const tl_regex_context *context, const tl_charset *set,
                            tl_regex_node **out_root) {
  parser p = {.context = context};
  return set_node(&p, set, out_root);
}

// Adds the other cases of the ASCII letters in `set`; two letters have a third form each.
static tl_status fold_set(parser *p, tl_charset *set) {
  tl_arena *arena = p->context->arena;
  for (uint32_t small = 'a'; small <= 'z'; small++) {
    uint32_t forms[3] = {small, small - 32, small == 's' ? 0x17F : small == 'k' ? 0x212A : small};
    bool any = false;
    for (int i = 0; i < 3; i++)
      any = any || tl_charset_has(set, forms[i]);
    for (int i = 0; any && i < 3; i++)
      TL_TRY(tl_charset_add(arena, set, forms[i], forms[i] + 1));
  }
  return TL_OK;
}

static bool is_ascii_only(const tl_charset *set) {
  return set->count == 0 || set->bounds[set->count - 1] <= 0x80;
}

// Some pairs of letters also match a ligature when case is ignored; automata of single characters
// cannot say that.
static bool makes_ligature(uint32_t first, uint32_t second) {
  return (first == 's' && (second == 's' || second == 't')) ||
         (first == 'f' && (second == 'f' || second == 'i' || second == 'l'));
}

static tl_status literal_node(parser *p, size_t begin, uint32_t code, tl_regex_node **out_node) {
  tl_charset set = {0};
  TL_TRY(tl_charset_add(p->context->arena, &set, code, code + 1));
  if (p->ignore_case) {
    if (code >= 0x80) return fail(p, begin, "letters outside of ASCII in (?i: ) are not supported");
    uint32_t small = code >= 'A' && code <= 'Z' ? code + 32 : code;
    if (makes_ligature(p->folded_before, small))
      return fail(p, begin, "this pair of letters in (?i: ) is not supported");
    p->folded_before = small;
    TL_TRY(fold_set(p, &set));
  }
  return set_node(p, &set, out_node);
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Up to `digits` hexadecimal digits; returns the code point, or TL_CODES_COUNT if it is none.
static uint32_t take_hex(parser *p, int digits) {
  uint32_t code = 0;
  int taken = 0;
  while (taken < digits && !at_end(p) && hex_digit(peek(p)) >= 0) {
    code = code * 16 + (uint32_t)hex_digit(p->text.data[p->at++]);
    taken++;
  }
  bool scalar = taken > 0 && code < TL_CODES_COUNT && (code < 0xD800 || code > 0xDFFF);
  return scalar ? code : TL_CODES_COUNT;
}

// After "\x" or "\u".
static tl_status take_hex_escape(parser *p, size_t begin, bool short_form, uint32_t *out_code) {
  if (short_form && take_if(p, "{")) {
    *out_code = take_hex(p, 6);
    if (!take_if(p, "}")) return fail(p, begin, "expected } after the digits");
  } else {
    size_t digits = p->at;
    *out_code = take_hex(p, short_form ? 2 : 4);
    if (p->at - digits != (short_form ? 2 : 4)) *out_code = TL_CODES_COUNT;
    if (short_form && *out_code >= 0x80) *out_code = TL_CODES_COUNT; // a byte, not a character
  }
  return *out_code == TL_CODES_COUNT ? fail(p, begin, "this is not a code point") : TL_OK;
}

// After "\p" or "\P".
static tl_status take_property(parser *p, size_t begin, bool negate, tl_charset *out_set) {
  if (!take_if(p, "{")) return fail(p, begin, "expected \\p{name}");
  if (take_if(p, "^")) negate = !negate;
  size_t name = p->at;
  while (!at_end(p) && peek(p) != '}')
    p->at++;
  tl_str text = tl_str_slice(p->text, name, p->at);
  if (!take_if(p, "}")) return fail(p, begin, "expected \\p{name}");
  tl_status status = tl_unicode_add_property(p->context->arena, text, out_set);
  if (status == TL_UNSUPPORTED) return fail(p, begin, "unknown property");
  TL_TRY(status);
  return negate ? tl_charset_negate(p->context->arena, out_set) : TL_OK;
}

// Outside of brackets the publishers' regex engine counts six more characters as parts of words.
static tl_status add_word(parser *p, tl_charset *set) {
  tl_charset word = {0};
  static const uint32_t extras[] = {0xB2, 0xB3, 0xB9, 0xBC, 0xBD, 0xBE};
  for (size_t i = 0; !p->in_brackets && i < sizeof extras / sizeof *extras; i++)
    TL_TRY(tl_charset_add(p->context->arena, &word, extras[i], extras[i] + 1));
  TL_TRY(tl_unicode_add(p->context->arena, TL_UNICODE_WORD, &word));
  return tl_charset_unite(p->context->arena, set, &word);
}

// An escape, after the backslash: a single character (`*out_single`), or a set.
static tl_status take_escape(parser *p, bool *out_single, uint32_t *out_code, tl_charset *out_set) {
  static const char controls[] = "n\nr\rt\tf\fv\va\ae\x1b";
  size_t begin = p->at - 1;
  if (at_end(p)) return fail(p, begin, "the pattern ends in a backslash");
  tl_arena *arena = p->context->arena;
  uint32_t code = take_code(p);
  *out_single = false;
  if (code == 'p' || code == 'P') return take_property(p, begin, code == 'P', out_set);
  bool negate = code == 'S' || code == 'D' || code == 'W';
  if (code == 's' || code == 'S') TL_TRY(tl_unicode_add(arena, TL_UNICODE_SPACE, out_set));
  if (code == 'w' || code == 'W') TL_TRY(add_word(p, out_set));
  if (code == 'd' || code == 'D') TL_TRY(tl_unicode_add_property(arena, TL_STR("Nd"), out_set));
  if (out_set->count) return negate ? tl_charset_negate(arena, out_set) : TL_OK;
  *out_single = true;
  *out_code = code;
  for (size_t i = 0; i + 1 < sizeof controls; i += 2) {
    if (code != (uint32_t)controls[i]) continue;
    *out_code = (uint8_t)controls[i + 1];
    return TL_OK;
  }
  if (code == 'x' || code == 'u') return take_hex_escape(p, begin, code == 'x', out_code);
  bool word = (code >= '0' && code <= '9') || (code >= 'a' && code <= 'z') ||
              (code >= 'A' && code <= 'Z') || code >= 0x80;
  return word ? fail(p, begin, "this escape is not supported") : TL_OK;
}

// One item of a bracket expression: a character, or a set.
static tl_status take_item(parser *p, bool *out_single, uint32_t *out_code, tl_charset *set) {
  size_t begin = p->at;
  *out_single = true;
  if (take_if(p, "[")) return fail(p, begin, "a bracket inside of brackets must be escaped");
  if (take_if(p, "&&")) return fail(p, begin, "intersections are not supported");
  if (!take_if(p, "\\")) {
    *out_code = take_code(p);
    return TL_OK;
  }
  tl_charset escaped = {0};
  TL_TRY(take_escape(p, out_single, out_code, &escaped));
  return tl_charset_unite(p->context->arena, set, &escaped);
}

// A bracket expression after "[".
static tl_status parse_brackets(parser *p, size_t begin, tl_regex_node **out_node) {
  tl_arena *arena = p->context->arena;
  tl_charset set = {0};
  p->in_brackets = true;
  bool negate = take_if(p, "^"), first = true;
  for (; first || peek(p) != ']'; first = false) {
    if (at_end(p)) return fail(p, begin, "the bracket is never closed");
    size_t item = p->at;
    uint32_t low, high;
    bool single;
    TL_TRY(take_item(p, &single, &low, &set));
    bool range = peek(p) == '-' && p->at + 1 < p->text.length && p->text.data[p->at + 1] != ']';
    if (!single && range) return fail(p, item, "a range cannot begin with a set");
    if (!single) continue;
    high = low;
    if (range) {
      p->at++;
      TL_TRY(take_item(p, &single, &high, &set));
      if (!single || high < low) return fail(p, item, "this range is empty or ends in a set");
    }
    tl_charset one = {0};
    TL_TRY(tl_charset_add(arena, &one, low, high + 1));
    TL_TRY(tl_charset_unite(arena, &set, &one));
  }
  p->at++;
  p->in_brackets = false;
  if (p->ignore_case) {
    if (!is_ascii_only(&set))
      return fail(p, begin, "letters outside of ASCII in (?i: ) are not supported");
    TL_TRY(fold_set(p, &set));
  }
  if (negate) TL_TRY(tl_charset_negate(arena, &set));
  return set_node(p, &set, out_node);
}

// A look-ahead after "(?=" or "(?!".
static tl_status parse_look(parser *p, size_t begin, bool negative, tl_regex_node **out_node) {
  tl_regex_node *body;
  TL_TRY(parse_alternation(p, &body));
  if (!take_if(p, ")")) return fail(p, begin, "the group is never closed");
  if (body->kind != TL_REGEX_SET)
    return fail(p, begin, "a look-ahead must be at exactly one character");
  tl_charset set = {0};
  TL_TRY(tl_charset_unite(p->context->arena, &set, &p->context->classes->sets[body->set]));
  if (negative) TL_TRY(tl_charset_negate(p->context->arena, &set));
  TL_TRY(set_node(p, &set, out_node));
  (*out_node)->kind = TL_REGEX_LOOK;
  (*out_node)->look_end = negative;
  (*out_node)->nullable = true;
  return TL_OK;
}

// A group after "(".
static tl_status parse_group(parser *p, size_t begin, tl_regex_node **out_node) {
  bool ignore_case = p->ignore_case;
  if (++p->depth > TL_REGEX_DEPTH_MAX) return fail(p, begin, "groups are nested too deeply");
  tl_status status = TL_OK;
  if (take_if(p, "?=") || take_if(p, "?!")) {
    status = parse_look(p, begin, p->text.data[p->at - 1] == '!', out_node);
    p->depth--;
    return status;
  }
  if (take_if(p, "?i:")) {
    p->ignore_case = true;
  } else if (take_if(p, "?-i:")) {
    p->ignore_case = false;
  } else if (!take_if(p, "?:") && peek(p) == '?') {
    p->at = p->at + 3 < p->text.length ? p->at + 3 : p->text.length;
    return fail(p, begin, "this kind of group is not supported");
  }
  status = parse_alternation(p, out_node);
  p->ignore_case = ignore_case;
  p->depth--;
  TL_TRY(status);
  return take_if(p, ")") ? TL_OK : fail(p, begin, "the group is never closed");
}

// The end of a line: before a line feed or at the end of the text.
static tl_status parse_dollar(parser *p, tl_regex_node **out_node) {
  TL_TRY(literal_node(p, p->at - 1, '\n', out_node));
  (*out_node)->kind = TL_REGEX_LOOK;
  (*out_node)->look_end = true;
  (*out_node)->nullable = true;
  return TL_OK;
}

static tl_status parse_dot(parser *p, tl_regex_node **out_node) {
  tl_charset set = {0};
  TL_TRY(tl_charset_add(p->context->arena, &set, '\n', '\n' + 1));
  TL_TRY(tl_charset_negate(p->context->arena, &set));
  return set_node(p, &set, out_node);
}

static tl_status parse_atom(parser *p, tl_regex_node **out_node) {
  size_t begin = p->at;
  uint32_t before = p->folded_before, code = take_code(p);
  p->folded_before = 0;
  switch (code) {
  case '[': return parse_brackets(p, begin, out_node);
  case '(': return parse_group(p, begin, out_node);
  case '$': return parse_dollar(p, out_node);
  case '.': return parse_dot(p, out_node);
  case '^': return fail(p, begin, "anchors are not supported");
  case '*':
  case '+':
  case '?':
  case '{': return fail(p, begin, "nothing to repeat; a literal must be escaped");
  default: break;
  }
  p->folded_before = before;
  if (code != '\\') return literal_node(p, begin, code, out_node);
  tl_charset set = {0};
  bool single;
  TL_TRY(take_escape(p, &single, &code, &set));
  if (single) return literal_node(p, begin, code, out_node);
  if (p->ignore_case &&
      !is_ascii_only(&set)) { // properties of letters are not closed under folding
    return fail(p, begin, "sets outside of ASCII in (?i: ) are not supported");
  }
  return set_node(p, &set, out_node);
}

static bool take_number(parser *p, int *out_number) {
  size_t begin = p->at;
  int number = 0;
  while (peek(p) >= '0' && peek(p) <= '9' && number <= TL_REGEX_REPEAT_MAX)
    number = number * 10 + (p->text.data[p->at++] - '0');
  *out_number = number;
  return p->at > begin;
}

// The quantifier at the parser's place, if there is one.
static tl_status take_quantifier(parser *p, bool *out_found, int *out_min, int *out_max) {
  size_t begin = p->at;
  *out_found = true;
  *out_min = 0;
  *out_max = -1;
  if (take_if(p, "*")) return TL_OK;
  if (take_if(p, "+")) {
    *out_min = 1;
    return TL_OK;
  }
  if (take_if(p, "?")) {
    *out_max = 1;
    return TL_OK;
  }
  *out_found = take_if(p, "{");
  if (!*out_found) return TL_OK;
  bool has_min = take_number(p, out_min), comma = take_if(p, ",");
  bool has_max = comma && take_number(p, out_max);
  if (!comma) *out_max = *out_min;
  if (comma && !has_max) *out_max = -1;
  if (!take_if(p, "}") || (!has_min && !has_max))
    return fail(p, begin, "expected {n}, {n,} or {n,m}; a literal { must be escaped");
  if (*out_min > TL_REGEX_REPEAT_MAX || *out_max > TL_REGEX_REPEAT_MAX)
    return fail(p, begin, "the repeat count is too high");
  return *out_max >= 0 && *out_max < *out_min ? fail(p, begin, "the repeat range is empty") : TL_OK;
}

static tl_status parse_repeat(parser *p, tl_regex_node **out_node) {
  size_t begin = p->at;
  TL_TRY(parse_atom(p, out_node));
  int min, max;
  bool found;
  TL_TRY(take_quantifier(p, &found, &min, &max));
  if (!found) return TL_OK;
  size_t after = p->at;
  if (peek(p) == '?' || peek(p) == '+' || peek(p) == '*' || peek(p) == '{') {
    p->at++;
    return fail(p, after - 1, "lazy, possessive and doubled quantifiers are not supported");
  }
  if ((*out_node)->nullable) // NOLINT(*.NullDereference): parse_atom made it
    return fail(p, begin, "repeating what can match the empty text is not supported");
  tl_regex_node *child = *out_node;
  TL_TRY(new_node(p, TL_REGEX_REPEAT, out_node));
  (*out_node)->min = min;
  (*out_node)->max = max;
  (*out_node)->last_child = child;
  (*out_node)->nullable = min == 0;
  return TL_OK;
}

static void add_child(tl_regex_node *parent, tl_regex_node *child) {
  child->before = parent->last_child;
  parent->last_child = child;
}

static tl_status parse_concat(parser *p, tl_regex_node **out_node) {
  tl_regex_node *concat, *child;
  TL_TRY(new_node(p, TL_REGEX_CONCAT, &concat));
  concat->nullable = true;
  p->folded_before = 0;
  while (!at_end(p) && peek(p) != '|' && peek(p) != ')') {
    TL_TRY(parse_repeat(p, &child));
    // NOLINTNEXTLINE(*.NullDereference): parse_repeat made it
    concat->nullable = concat->nullable && child->nullable;
    add_child(concat, child);
  }
  tl_regex_node *only = concat->last_child;
  *out_node = only && !only->before ? only : concat;
  return TL_OK;
}

static tl_status parse_alternation(parser *p, tl_regex_node **out_node) {
  tl_regex_node *alternation, *child;
  TL_TRY(parse_concat(p, out_node));
  if (peek(p) != '|') return TL_OK;
  TL_TRY(new_node(p, TL_REGEX_ALTERNATION, &alternation));
  alternation->nullable = (*out_node)->nullable;
  add_child(alternation, *out_node);
  while (take_if(p, "|")) {
    TL_TRY(parse_concat(p, &child));
    alternation->nullable = alternation->nullable || child->nullable;
    add_child(alternation, child);
  }
  *out_node = alternation;
  return TL_OK;
}

tl_status tl_regex_parse(const tl_regex_context *context, tl_str pattern,
                         tl_regex_node **out_root) {
  parser p = {.context = context, .text = pattern};
  if (pattern.length > TL_REGEX_BYTES_MAX) return fail(&p, 0, "the pattern is too long");
  TL_TRY(parse_alternation(&p, out_root));
  if (!at_end(&p)) return fail(&p, p.at, "unmatched )");
  if ((*out_root)->nullable)
    return fail(&p, 0, "a pattern that can match the empty text is not supported");
  return TL_OK;
}

// Expressions: every operator and function, what is missing, and every fault with its place.
#include "compiler/lower/expr.h"
#include "tests/lib/check.h"

static const char config_text[] =
    "{\"i\": 7, \"r\": 0.5, \"t\": \"text\", \"yes\": true, \"no\": false, \"nil\": null,"
    " \"list\": [1, 2.5, \"x\"], \"sub\": {\"deep\": {\"k\": 3}}, \"empty\": {}}";

static tl_arena arena;
static tl_diag diag;
static tl_source config_source = {"config.json", TL_STR(config_text)};
static const tl_json *config;
static tl_source text_source;
static int reads_count;

static tl_status lookup(void *user, tl_str name, bool *out_found, tl_expr_value *out,
                        tl_diag *sink) {
  (void)user, (void)sink;
  *out_found = true;
  if (tl_str_is(name, "config")) {
    *out = tl_expr_from_json(config);
  } else if (tl_str_is(name, "n")) {
    *out = (tl_expr_value){.kind = TL_EXPR_INT, .i = 12};
  } else {
    *out_found = false;
  }
  return TL_OK;
}

static void on_read(void *user, const tl_json *object, tl_str key) {
  (void)user, (void)object, (void)key;
  reads_count++;
}

static tl_span place(void *user, size_t offset, size_t length) {
  (void)user;
  return (tl_span){&text_source, offset, length};
}

static bool single;

static tl_status eval(const char *text, tl_expr_value *out) {
  const tl_expr_scope scope = {NULL, &arena, lookup, on_read, place, NULL, single};
  diag.count = 0;
  reads_count = 0;
  text_source = (tl_source){"test", tl_str_from(text)};
  return tl_expr_eval(&scope, text_source.text, out, &diag);
}

static void gives(const char *text, const char *printed) {
  tl_expr_value value;
  tl_status status = eval(text, &value);
  tl_diag_print(&diag, stderr);
  CHECK(tl_ok(status));
  tl_str found = tl_expr_print(&value, &arena);
  if (tl_str_is(found, printed)) return;
  fprintf(stderr, "%s gives %.*s, expected %s\n", text, TL_STR_ARG(found), printed);
  CHECK(!"the value");
}

static void fails(const char *text, const char *message) {
  tl_expr_value value;
  CHECK(eval(text, &value) == TL_INPUT && diag.count == 1);
  CHECK(diag.entries[0].span.offset <= strlen(text));
  if (strstr(diag.entries[0].text, message)) return;
  fprintf(stderr, "%s: %s\n", text, diag.entries[0].text);
  CHECK(!"the message");
}

static void arithmetic(void) {
  gives("1 + 2 * 3", "7");
  gives("(1 + 2) * 3", "9");
  gives("7 // 2", "3");
  gives("-7 // 2", "-4");
  gives("-7 % 4", "1");
  gives("(-9223372036854775807 - 1) % 3", "1"); // the product of divisor and quotient overflows
  gives("(-9223372036854775807 - 1) // 3", "-3074457345618258603");
  gives("7 / 2", "3.5");
  gives("6 / 2", "3");
  gives("2 ** 10", "1024");
  gives("-2 ** 2", "-4");
  gives("2 ** -1", "0.5");
  gives("2 ** 3 ** 2", "512");
  gives("192 ** -0.5", "0.07216878364870322");
  gives("10 - 3 - 2", "5");
  gives("9007199254740993 + 0", "9007199254740993");
  gives("1e-6", "1e-06");
  gives("0.1 + 0.2", "0.30000000000000004");
  gives("n * 2", "24");
}

static void logic(void) {
  gives("1 < 2 and 2 <= 2 and not 3 > 4", "true");
  gives("0 or 'x'", "x");
  gives("0 and nonsense", "0");
  gives("'a' == 'a'", "true");
  gives("1 == 1.0", "true");
  gives("1 != '1'", "true");
  gives("2.5 in config.list", "true");
  gives("3 in [1, 2]", "false");
  gives("3 not in [1, 2]", "true");
  gives("'ex' in 'text'", "true");
  gives("'list' in config", "true");
  gives("'lis' in config", "false");
  gives("'a' if false else 'b' if true else 'c'", "b");
  gives("('a' if true else 'b') if true else 'c'", "a");
  gives("1 if config.yes else nonsense", "1");
  gives("[1, 2 if config.no else 3][1]", "3");
}

static void members(void) {
  gives("config.i", "7");
  gives("config.sub.deep.k", "3");
  gives("config['t']", "text");
  gives("config.list[1]", "2.5");
  gives("config.absent ?? 4", "4");
  gives("config.nil ?? 5", "5");
  gives("config.absent.more.yet ?? 6", "6");
  gives("config.nil[2] ?? 7", "7");
  gives("config.i ?? nonsense", "7");
  gives("has(config.nil)", "false");
  gives("has(config.empty)", "true");
  gives("config.absent == null", "true");
  tl_expr_value value;
  CHECK(tl_ok(eval("config.i + config.sub.deep.k", &value)) && reads_count == 4);
  CHECK(tl_ok(eval("1 if true else config.i", &value)) && reads_count == 0);
}

static void functions(void) {
  gives("min(3, 1, 2)", "1");
  gives("max([1, 5, 2])", "5");
  gives("sum(range(5))", "10");
  gives("ceil(2.1)", "3");
  gives("floor(-2.1)", "-3");
  gives("int(-2.9)", "-2");
  gives("round(2.5)", "2");
  gives("round(3.5)", "4");
  gives("round_up(5461, 256)", "5632");
  gives("real(3) / 2", "1.5");
  gives("sqrt(9)", "3");
  gives("abs(-3)", "3");
  gives("log(exp(2))", "2");
  gives("cos(0) + sin(0)", "1");
  gives("len(config.sub) + len('abc') + len([1])", "5");
  gives("starts_with('gelu_new', 'gelu')", "true");
  gives("contains(config.list, 'x')", "true");
}

static void faults(void) {
  fails("", "a value was expected");
  fails("1 +", "a value was expected");
  fails("(1", "')' is missing");
  fails("[1", "']' is missing");
  fails("1 2", "does not belong");
  fails("'open", "does not end");
  fails("1 / 0", "finite");
  fails("not 'no'", "no condition");
  fails("1 if 'no' else 2", "no condition");
  fails("[0] and 1", "no condition");
  fails("5 % 0", "finite");
  fails("log(0)", "finite");
  fails("10 ** 400", "finite");
  fails("nonsense", "no parameter");
  fails("nonsense(1)", "no function");
  fails("1 if true", "else");
  fails("min()", "number of arguments");
  fails("abs(1, 2)", "number of arguments");
  fails("'a' + 1", "a number was expected");
  fails("config.absent + 1", "config.absent is missing");
  fails("config.i.x", "members");
  fails("config.list[3]", "no such item");
  fails("config.list[-1]", "no such item");
  fails("range(100000)", "small");
  fails("1..2", "");
  fails("1 not 2", "'in' was expected");
}

static void limits(void) {
  char deep[512];
  memset(deep, '(', sizeof deep - 1);
  deep[sizeof deep - 1] = 0;
  fails(deep, "too deep");
  memset(deep, '-', sizeof deep - 1);
  fails(deep, "too deep");
  for (size_t i = 0; i + 4 < sizeof deep; i += 4)
    memcpy(deep + i, "not ", 4);
  fails(deep, "too deep");
}

// One item more than a list may have, and as many as it may.
static void test_long_list(void) {
  static char text[8 + 2 * (TL_EXPR_ITEMS_MAX + 1)];
  tl_expr_value value;
  size_t length = 0;
  text[length++] = '[';
  for (int i = 0; i <= TL_EXPR_ITEMS_MAX; i++, length += 2)
    memcpy(text + length, "1,", 2);
  text[length] = ']';
  fails(text, "this list is too long");
  text[length - 2] = ']', text[length - 1] = 0;
  CHECK(tl_ok(eval(text, &value)) && value.count == TL_EXPR_ITEMS_MAX);
}

static void test_shortage(void) {
  const char *const lists[] = {"[1, 2]", "range(3)", "len(range(3))"};
  tl_expr_value value;
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    arena.fail_after = 0;
    CHECK(eval(lists[i], &value) == TL_MEMORY);
    arena.fail_after = SIZE_MAX;
    CHECK(tl_ok(eval(lists[i], &value)));
  }
}

static void test_single(void) {
  single = true;
  gives("1 / 3", "0.3333333432674408");
  gives("1.0 / 100000.0 ** (2 * 1 / 64)", "0.6978305578231812");
  gives("16777217 + 0", "16777217");
  gives("sqrt(2.0)", "1.4142135381698608");
  single = false;
  gives("1 / 3", "0.3333333333333333");
}

int main(void) {
  tl_arena_init(&arena, 64 << 20);
  CHECK(tl_ok(tl_json_parse(&arena, &config_source, NULL, &config, &diag)));
  arithmetic();
  logic();
  members();
  functions();
  faults();
  limits();
  test_long_list();
  test_shortage();
  test_single();
  tl_arena_finish(&arena);
  return 0;
}

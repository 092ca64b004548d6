// Fuzz target: expressions over a small config. What evaluates is grammatical, gives the same value
// again and prints; what does not has a diagnostic inside of the text; single precision differs in
// numbers only.
#include "compiler/lower/expr.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"
#include "tests/lib/check.h"

enum { ARENA_BYTES = 256 << 20 };

static const char config_text[] =
    "{\"a\": 3, \"b\": -2.5, \"c\": \"text\", \"d\": [1, 2, {\"e\": null}], \"f\": {\"g\": true},"
    " \"big\": 9223372036854775807, \"huge\": 1e308}";

typedef struct fuzz {
  tl_arena arena;
  tl_source source, config_source;
  const tl_json *config;
} fuzz;

static tl_status lookup(void *user, tl_str name, bool *out_found, tl_expr_value *out_value,
                        tl_diag *diag) {
  const fuzz *f = user;
  (void)diag;
  *out_found = true;
  if (tl_str_is(name, "config")) {
    *out_value = tl_expr_from_json(f->config);
  } else if (name.length == 1) {
    *out_value = (tl_expr_value){.kind = TL_EXPR_INT, .i = name.data[0] - 'a'};
  } else {
    *out_found = false;
  }
  return TL_OK;
}

static tl_span place(void *user, size_t offset, size_t length) {
  const fuzz *f = user;
  CHECK(offset <= f->source.text.length && length <= f->source.text.length - offset);
  return (tl_span){&f->source, offset, length};
}

static tl_status eval(fuzz *f, bool single, tl_str *out_text) {
  tl_diag diag = {0};
  tl_expr_scope scope = {
      .user = f, .arena = &f->arena, .lookup = lookup, .place = place, .single = single};
  tl_expr_value value;
  tl_status status = tl_expr_eval(&scope, f->source.text, &value, &diag);
  CHECK(tl_ok(status) ? diag.count == 0 : diag.count > 0 || status == TL_MEMORY);
  *out_text = TL_STR("");
  if (tl_ok(status)) {
    *out_text = tl_expr_print(&value, &f->arena);
    CHECK(out_text->data);
    CHECK(tl_expr_equal(&value, &value) || value.kind == TL_EXPR_LIST);
  }
  diag.count = 0;
  tl_status checked = tl_expr_check(&scope, f->source.text, &diag);
  CHECK(tl_ok(checked) == (diag.count == 0) || checked == TL_MEMORY);
  tl_fuzz_accepted = tl_ok(checked); // names have values in descriptions only
  if (tl_ok(status)) CHECK(tl_ok(checked));
  return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz f = {.source = {"fuzz", {(const char *)data, size}},
            .config_source = {"config.json", {config_text, sizeof config_text - 1}}};
  tl_diag diag = {0};
  tl_str first, again, single;
  tl_arena_init(&f.arena, ARENA_BYTES);
  CHECK(tl_ok(tl_json_parse(&f.arena, &f.config_source, NULL, &f.config, &diag)));
  tl_status status = eval(&f, false, &first);
  CHECK(eval(&f, false, &again) == status && tl_str_equal(first, again));
  status = eval(&f, true, &single);
  CHECK(status != TL_INTERNAL);
  tl_arena_finish(&f.arena);
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
  static const char *const pieces[] = {
      "config.",  " ?? ",        " if ",       " else ",      "(",      ")",
      "[",        "]",           " and ",      " or ",        "not ",   " in ",
      " not in ", "**",          "//",         "%",           "-",      " == ",
      " < ",      "'x'",         "0",          "1e308",       "0.5",    "9223372036854775807",
      "null",     "true",        "config.d[",  "len(",        "range(", "min(",
      "has(",     "round_up(",   "config.big", "config.huge", "sum(",   "floor(",
      "log(",     "config['a']", NULL};
  return tl_fuzz_mutate_text(data, size, size_max, seed, pieces);
}

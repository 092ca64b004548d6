// The command `tlmc opt` from its arguments to its output and exit code.
#include <unistd.h>

#include "compiler/cli/opt.h"
#include "runtime/base/str.h"
#include "tests/lib/check.h"

enum { OUTPUT_BYTES = 1 << 16, ARGS_MAX = 6 };

static char folder[] = "/tmp/tlmc_opt_XX"
                       "XX"
                       "XX";
static char input[64], output[64], errors[64];

static const char source[] = "graph @g(T) {\n"
                             "  input %x : f32[T,8]\n"
                             "  %a = slice %x {begin=0, end=8}\n"
                             "  %b = softmax %a\n"
                             "  output o = %b\n"
                             "}\n";

static tl_str read_text(const char *path) {
  static char text[2][OUTPUT_BYTES];
  static int turn;
  char *data = text[turn ^= 1];
  FILE *file = fopen(path, "rb");
  CHECK(file);
  size_t length = fread(data, 1, OUTPUT_BYTES - 1, file);
  fclose(file);
  data[length] = 0;
  return (tl_str){data, length};
}

static void write_input(const char *text) {
  FILE *file = fopen(input, "wb");
  CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

// Runs with stdout and stderr in files.
static int run(const char *const *args) {
  char *argv[ARGS_MAX] = {"opt"};
  int argc = 1;
  for (; args[argc - 1]; argc++)
    argv[argc] = (char *)args[argc - 1];
  fflush(stdout);
  int saved_out = dup(1), saved_err = dup(2);
  CHECK(saved_out >= 0 && saved_err >= 0 && freopen(output, "wb", stdout));
  CHECK(freopen(errors, "wb", stderr));
  int code = tl_cli_opt(argc, argv);
  fflush(stdout);
  fflush(stderr);
  dup2(saved_out, 1);
  dup2(saved_err, 2);
  close(saved_out);
  close(saved_err);
  return code;
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static bool has(const char *path, const char *what) {
  tl_str text = read_text(path);
  return strstr(text.data, what) != NULL;
}

static void test_success(void) {
  write_input(source);
  CHECK(RUN(input) == 0);
  CHECK(has(output, "  %a = slice %x {begin=0, end=8} : f32[T,8]\n"));
  CHECK(RUN("--pass=simplify", input) == 0);
  CHECK(!has(output, "slice") && has(output, "  %b = softmax %x : f32[T,8]\n"));
  CHECK(RUN("--stop-after=simplify", "--dump-after=all", input) == 0);
  CHECK(!has(output, "slice") && has(errors, "# after simplify\ngraph @g(T) {\n"));
  CHECK(RUN("--loc", input) == 0 && has(output, ":2:3\n"));
  CHECK(RUN("--help") == 0 && has(output, "simplify"));
}

static void test_failure(void) {
  CHECK(RUN("--pass=nothing", input) == 2 && has(errors, "there is no pass 'nothing'"));
  CHECK(RUN("--frob", input) == 2 && has(errors, "unknown option"));
  CHECK(RUN(input, input) == 2 && has(errors, "a second file"));
  CHECK(RUN("--pass=simplify", "--from=simplify", input) == 2);
  CHECK(RUN("/nonexistent/x.ir") == 5 && has(errors, "cannot be opened"));
  CHECK(RUN(folder) == 5 && has(errors, "cannot be read"));
  write_input("graph @g(T) {\n  input %x : f32[T,8]\n  output o = %y\n}\n");
  CHECK(RUN(input) == 3 && has(errors, ":3:14: error: %y is not defined above\n"));
  CHECK(has(errors, "      |              ^~\n") && read_text(output).length == 0);
  write_input("graph @g(T) {\n  input %x : f32[T,8]\n}\n");
  CHECK(RUN(input) == 3 && has(errors, "the graph has no output"));
}

int main(void) {
  CHECK(mkdtemp(folder));
  snprintf(input, sizeof input, "%s/x.ir", folder);
  snprintf(output, sizeof output, "%s/out", folder);
  snprintf(errors, sizeof errors, "%s/err", folder);
  test_success();
  test_failure();
  unlink(input);
  unlink(output);
  unlink(errors);
  rmdir(folder);
  return 0;
}

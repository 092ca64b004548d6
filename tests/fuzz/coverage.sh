#!/bin/sh
# Lines of its parser that each fuzz target's seeds and corpus (see run.sh) reach:
#
#   tests/fuzz/coverage.sh [NAME..]     a row per target; the lines not reached, in build-cov/NAME.txt
#
# Clang's source-based coverage of a build without sanitizers, in build-cov/.
set -eu
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- $(ls tests/fuzz/fuzz_*.c | sed 's|.*/fuzz_||; s|\.c$||' | grep -v '^main$')
build=build-cov
flags='-O1 -fprofile-instr-generate -fcoverage-mapping'
cmake -S . -B $build -DCMAKE_C_COMPILER=clang-19 -DCMAKE_BUILD_TYPE= -DCMAKE_C_FLAGS="$flags" >/dev/null
python3 tests/fuzz/make_seeds.py $build/seeds

files_of() {
  case $1 in
  arch) echo compiler/lower/*.c compiler/load/yaml_tree.c ;;
  expr) echo compiler/lower/expr*.c ;;
  ir_text) echo ir/text_*.c ;;
  json) echo runtime/base/json*.c ;;
  plan) echo runtime/plan/tables.c ;;
  plan_file) echo runtime/plan/plan.c runtime/plan/code.c ;;
  plan_text) echo tests/lib/plan_text.c ;;
  safetensors) echo compiler/load/safetensors.c ;;
  template) echo runtime/text/jinja/*.c ;;
  tokenizer_json) ls compiler/load/tokenizer*.c compiler/load/regex*.c compiler/load/charset.c \
    compiler/load/unicode.c compiler/load/base64.c | grep -v pieces ;;
  tokenizer_model) echo compiler/load/sentencepiece.c compiler/load/tokenizer_pieces.c ;;
  tokenizer_table) echo runtime/base/tokenizer_table.c ;;
  tokenizer_text) echo runtime/text/tokenizer.c runtime/text/decoder.c \
    runtime/base/tokenizer_[bfkmnw]*.c ;;
  *) echo "no parser is listed for $1" >&2; exit 2 ;;
  esac
}

echo '| target | inputs | lines of its parser | reached |'
echo '|-|-|-|-|'
for name in "$@"; do
  cmake --build $build --target fuzz_"$name" -j "${JOBS:-$(nproc)}" >$build/build.log 2>&1 ||
    { tail -n 40 $build/build.log; exit 1; }
  inputs=$build/seeds/$name
  [ ! -d build-fuzz/corpus/"$name" ] || inputs="$inputs build-fuzz/corpus/$name"
  rm -f $build/"$name"-*.profraw
  find $inputs -type f | sort >$build/"$name".inputs
  LLVM_PROFILE_FILE=$build/$name-%p.profraw xargs -n 500 $build/tests/fuzz_"$name" any \
    <$build/"$name".inputs >$build/"$name".log 2>&1
  llvm-profdata-19 merge -sparse $build/"$name"-*.profraw -o $build/"$name".profdata
  files=$(files_of "$name")
  llvm-cov-19 show $build/tests/fuzz_"$name" -instr-profile=$build/"$name".profdata $files \
    -show-line-counts-or-regions 2>/dev/null | grep -E '^ +[0-9]+\| +0\||^/' >$build/"$name".txt || :
  llvm-cov-19 report $build/tests/fuzz_"$name" -instr-profile=$build/"$name".profdata $files |
    awk -v name="$name" -v inputs="$(wc -l <$build/"$name".inputs)" '/^TOTAL/ {
      printf "| %s | %d | %d | %.1f %% |\n", name, inputs, $8, 100 * ($8 - $9) / $8 }'
done

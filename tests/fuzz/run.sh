#!/bin/sh
# Runs fuzz targets under libFuzzer with sanitizers: tests/fuzz/run.sh SECONDS [NAME..]
#
# Builds into build-fuzz/, starts from the seeds of make_seeds.py and keeps what it finds in
# build-fuzz/corpus/NAME. Without names, all targets run one after the other. A crash leaves its
# input in build-fuzz/crashes/ and ends the run with its status.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:?usage: tests/fuzz/run.sh SECONDS [NAME..]}
shift
if [ $# -eq 0 ]; then
  set -- $(ls tests/fuzz/fuzz_*.c | sed 's|.*/fuzz_||; s|\.c$||' | grep -v '^main$')
fi
build=build-fuzz
cmake -S . -B $build -G Ninja -DCMAKE_C_COMPILER=clang-19 -DTLMC_FUZZ=ON >/dev/null
python3 tests/fuzz/make_seeds.py $build/seeds
mkdir -p $build/crashes
for name in "$@"; do
  cmake --build $build --target "fuzz_$name" -j "${JOBS:-1}" >$build/build.log 2>&1 ||
    { cat $build/build.log; exit 1; }
  mkdir -p $build/corpus/"$name" $build/seeds/"$name"
  echo "fuzz_$name: $seconds seconds"
  $build/tests/fuzz_"$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -max_len=65536 -print_final_stats=1 -verbosity=0 -artifact_prefix=$build/crashes/"$name"- \
    $build/corpus/"$name" $build/seeds/"$name"
done

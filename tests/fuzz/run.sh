#!/bin/sh
# Runs fuzz targets under libFuzzer with sanitizers: tests/fuzz/run.sh SECONDS [NAME..]
#
# Builds into build-fuzz/, starts from the seeds of make_seeds.py and keeps what it finds in
# build-fuzz/corpus/NAME. Without names, all targets run, as many at a time as there are
# processors. A crash leaves its input in build-fuzz/crashes/ and ends the run with its status.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:?usage: tests/fuzz/run.sh SECONDS [NAME..]}
shift
if [ $# -eq 0 ]; then
  set -- $(ls tests/fuzz/fuzz_*.c | sed 's|.*/fuzz_||; s|\.c$||' | grep -v '^main$')
fi
if [ ! -f "$(clang-19 -print-file-name=libclang_rt.fuzzer-x86_64.a)" ] &&
   [ ! -f "$(clang-19 -print-runtime-dir)/libclang_rt.fuzzer-x86_64.a" ] &&
   [ ! -f "$(clang-19 -print-resource-dir)/lib/linux/libclang_rt.fuzzer-x86_64.a" ]; then
  sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -q
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q libclang-rt-19-dev
fi
build=build-fuzz
cmake -S . -B $build -DCMAKE_C_COMPILER=clang-19 -DTLMC_FUZZ=ON >/dev/null
python3 tests/fuzz/make_seeds.py $build/seeds
mkdir -p $build/crashes
targets=
for name in "$@"; do
  targets="$targets fuzz_$name"
  mkdir -p $build/corpus/"$name" $build/seeds/"$name"
done
cmake --build $build --target $targets -j "${JOBS:-$(nproc)}" >$build/build.log 2>&1 ||
  { tail -n 40 $build/build.log; exit 1; }
export build seconds
printf '%s\n' "$@" | xargs -P "${JOBS:-$(nproc)}" -I NAME sh -c '
  log=$build/NAME.log
  $build/tests/fuzz_NAME -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -max_len=65536 -print_final_stats=1 -verbosity=0 -artifact_prefix=$build/crashes/NAME- \
    $build/corpus/NAME $build/seeds/NAME >$log 2>&1 ||
    { tail -n 60 $log; echo "fuzz_NAME: found a fault, see $log"; exit 255; }
  echo "fuzz_NAME: $(grep number_of_executed_units $log | tr -dc "0-9") runs in $seconds s, no fault"'

#!/bin/sh
# Runs fuzz targets under libFuzzer with sanitizers:
#
#   tests/fuzz/run.sh SECONDS [NAME..]
#   tests/fuzz/run.sh --until RUNS [NAME..]   each until so many runs bring no new edge
#
# Builds into build-fuzz/, starts from the seeds of make_seeds.py and keeps what it finds in
# build-fuzz/corpus/NAME. Without names, all targets run, as many at a time as there are
# processors. A fault leaves its input in build-fuzz/crashes/; those of all targets are told at the
# end, and the status is 1.
set -eu
cd "$(dirname "$0")/../.."
usage='usage: tests/fuzz/run.sh SECONDS|--until RUNS [NAME..]'
rounds=false
[ "${1:?$usage}" != --until ] || { rounds=true; shift; }
limit=${1:?$usage}
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
summary='/^#[0-9]+\t/ { runs = substr($1, 2); if ($4 > edges) { edges = $4; last = runs } }
  END { print name ": " runs + 0 " runs, " edges + 0 " edges, " runs - last " runs since the last" }'
# A run chooses the same inputs as the last one did, as far as it gets: values that are compared are
# no source of bytes, as addresses are among them, and memory begins at the same address.
fixed=$(setarch -R true 2>/dev/null && echo setarch -R) || fixed=
export build rounds limit summary fixed
printf '%s\n' "$@" | xargs -P "${JOBS:-$(nproc)}" -I NAME sh -c '
  log=$build/NAME.log seed=1 longest=65536
  # Short texts reach all that long ones do, in a tenth of the time. (A list of more items than may
  # be takes a long expression, which unit/expr has.) No description or config among the seeds is as
  # long as those of arch may be.
  [ NAME != tokenizer_text ] || longest=4096
  [ NAME != expr ] || longest=1024
  [ NAME != arch ] || longest=16384
  run() {
    $fixed $build/tests/fuzz_NAME "$@" -reload=0 -use_cmp=0 -timeout=30 -rss_limit_mb=2048 \
      -max_len=$longest -artifact_prefix=$build/crashes/NAME-
  }
  fuzz() {
    status=0
    run "$@" -seed=$seed $build/corpus/NAME $build/seeds/NAME >$log 2>&1 || status=$?
    awk -v name=fuzz_NAME "$summary" $log
  }
  shrink() { # keeps what brings anything: a run begins with all of it
    rm -rf $build/smaller/NAME
    mkdir -p $build/smaller/NAME
    run -merge=1 $build/smaller/NAME $build/corpus/NAME >$log 2>&1 || return 0
    rm -r $build/corpus/NAME
    mv $build/smaller/NAME $build/corpus/NAME
  }
  sweep() { # what sweep.py says: each allocation failing in turn, each byte with each value
    [ NAME = plan_file ] || grep -q shortage tests/fuzz/fuzz_NAME.c || return 0
    python3 tests/fuzz/sweep.py NAME $build/seeds/NAME $build/swept/NAME
    run -runs=0 $build/swept/NAME >$log 2>&1 || status=$?
    [ $status != 0 ] || run -merge=1 $build/corpus/NAME $build/swept/NAME >$log 2>&1 || status=$?
    rm -r $build/swept/NAME
  }
  if $rounds; then # the last is one that ends with the edges it began with
    status=0
    sweep
    while [ $status = 0 ]; do
      [ $(ls $build/corpus/NAME | wc -l) -lt 2000 ] || shrink
      files=$(ls $build/corpus/NAME $build/seeds/NAME | wc -l)
      fuzz -runs=$((limit + files))
      same=$(awk "/INITED/ { first = \$4 } /DONE/ { print first == \$4 }" $log)
      [ "$same" != 1 ] || break
      seed=$((seed + 1))
    done
  else
    fuzz -max_total_time="$limit"
  fi
  echo $status >$build/NAME.status'
faults=0
for name in "$@"; do
  [ "$(cat $build/"$name".status)" != 0 ] || continue
  faults=1
  echo "fuzz_$name: found a fault, see $build/$name.log"
  grep -E 'failed: |ERROR: |runtime error: |^    #[0-9]+ .* in tl_|Test unit written to' \
    $build/"$name".log | head -n 12
done
exit $faults

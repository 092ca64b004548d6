#!/bin/sh
# Runs what pack.sh packed on a machine with a GPU: needs its driver and libc only.
#
#   run.sh [PART..]      default: all, in this order
#
#   check            every matmul kernel against plain arithmetic
#   attention        every attention kernel, the same
#   tiny             compiled tiny models against their references
#   rates            how fast the card reads, copies and multiplies
#   ours             an 8b model with random weights: decode and prefill, with own kernels alone
#   library          its prefill with products by cuBLASLt, where the machine or PyTorch has it, and
#                    a tiny model against its reference
#   peer             the same in PyTorch, where python3 has it
#   table            the figures of the last four
#   tune             what `tlmrt tune` finds for the 8b model, and its decode and prefill by that
#   sanitizer        compute-sanitizer on a small plan, where it is installed
#   attention_bench, layers, bench       times of single kernels
#
# A part that fails is said, the rest goes on, and the exit status is 1. Parts that would begin after
# SECONDS_MAX (of the environment, 450) are left out; the peer begins nothing that would end after
# PEER_SECONDS (150). work/PART.txt keeps what each part said.
cd "$(dirname "$0")" || exit 1
all="check attention tiny rates ours library peer table tune sanitizer attention_bench layers bench"
seconds_max=${SECONDS_MAX:-450}
peer_seconds=${PEER_SECONDS:-150}
jobs=${JOBS:-4} # tiny models at a time
prompts="2048 8192"
chunk=2048

# One line of tiny/cases.txt, see pack_models.py.
tiny_case() {
  plan=tiny/$1 ids=tiny/$2 wanted=tiny/$3 kv=$4
  found=work/$$.found
  if [ "$5" = greedy ]; then
    name="$1 greedy"
    ./tlmrt generate "$plan" --ids "$ids" -n 24 --device cuda --kv-type "$kv" \
      > $found 2> $found.said
  else
    name="$1 ${2#*.} in steps of $5"
    ./tlmrt logits "$plan" --ids "$ids" --out $found --device cuda --kv-type "$kv" --chunk "$5" \
      > $found.said 2>&1
  fi
  status=$?
  if [ $status -ne 0 ]; then
    echo "$name BAD: tlmrt ended with $status: $(head -c 400 $found.said)"
  else
    shift 5
    ./cuda_compare "$name" $found "$wanted" "$@"
    status=$?
  fi
  rm -f $found $found.said
  return $status
}

# Folder of the kernels that this GPU can run.
kernels() {
  gpu=$(./cuda_run . name | sed -n 's/.*, sm_//p')
  minor=${gpu#"${gpu%?}"} major=${gpu%?}
  [ -d "kernels/sm_${gpu}a" ] && echo "kernels/sm_${gpu}a" && return
  while [ "${minor:--1}" -ge 0 ]; do
    [ -d "kernels/sm_$major$minor" ] && echo "kernels/sm_$major$minor" && return
    minor=$((minor - 1))
  done
  echo "no kernels were packed for this GPU" >&2
  return 1
}

kernel_mode() {
  folder=$(kernels) && ./cuda_run "$folder" "$1"
}

# Files that hide a cuBLASLt of the machine, of both names.
hide_library() {
  mkdir -p hidden
  for version in 12 13; do : > hidden/libcublasLt.so.$version; done
  export LD_LIBRARY_PATH="$PWD/hidden:$LD_LIBRARY_PATH"
}

# Where the wheels of PyTorch have theirs, behind what is found without.
show_library() {
  find_wheel='import sys, pathlib
for p in sys.path:
    for f in pathlib.Path(p).glob("nvidia/*/lib/libcublasLt.so.1[23]"): print(f.parent)'
  folder=$(python3 -c "$find_wheel" 2> /dev/null | head -n 1)
  [ -z "$folder" ] || export LD_LIBRARY_PATH="$LD_LIBRARY_PATH:$folder"
}

# The bench's table says what made the products.
bench_library() {
  show_library
  status=0
  for prompt in $prompts; do
    ./tlmrt bench 8b.plan --device cuda --chunk $chunk --prompt "$prompt" --gen 0 \
      > work/library_table || status=1
    cat work/library_table
    name=$(sed -n '1s/.*\(cuBLASLt [0-9.]*\).*/\1/p' work/library_table)
    [ -n "$name" ] || { echo "no library made products"; break; }
    awk -v name="$name" -v prompt="$prompt" \
      'NR == 3 { print "library prefill 1", prompt, $5, name }' work/library_table
  done
  [ ! -f tiny/long.txt ] || xargs -L 1 ./run.sh tiny_case < tiny/long.txt || status=1
  return $status
}

bench_ours() {
  hide_library
  rm -f work/ours_*.json
  status=0
  ./tlmrt bench 8b.plan --device cuda --json --chunk $chunk --prompt 512 --gen 64 --batch 1,8,32 \
    --depth 512 > work/ours_512.json || status=1
  cat work/ours_512.json
  for prompt in $prompts; do
    ./tlmrt bench 8b.plan --device cuda --json --chunk $chunk --prompt "$prompt" --gen 0 \
      > "work/ours_$prompt.json" || status=1
    cat "work/ours_$prompt.json"
  done
  return $status
}

bench_tuned() {
  show_library
  ./tlmrt tune 8b.plan --device cuda --chunk $chunk --batch 32 &&
    ./tlmrt bench 8b.plan --device cuda --chunk $chunk --prompt 2048 --gen 64 --batch 1,8,32 \
      --depth 512
  status=$?
  rm -f 8b.plan.tune # other parts measure the plan as it is
  return $status
}

bench_peer() {
  find_torch='import sys, importlib.util as u; sys.exit(u.find_spec("torch") is None)'
  if ! command -v python3 > /dev/null || ! python3 -c "$find_torch"; then
    echo "skipped: there is no python3 with PyTorch"
    return 0
  fi
  python3 torch_peer.py 8b.json --seconds "$peer_seconds"
}

print_table() {
  # shellcheck disable=SC2046 # a list
  ./cuda_table 8b.costs $(find work -name rates.txt -o -name peer.txt -o -name library.txt \
    -o -name 'ours_*.json')
}

sanitizer() {
  tool=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2> /dev/null)
  tool=$(echo "$tool" | head -n 1)
  [ -n "$tool" ] || { echo "skipped: there is no compute-sanitizer"; return 0; }
  line=$(grep ' 512 ' tiny/cases.txt | grep '\.stored\.plan' | head -n 1)
  # shellcheck disable=SC2086 # words
  set -- $line
  status=0
  for check in memcheck racecheck; do
    echo "$check: $1, $2"
    "$tool" --tool $check --error-exitcode 9 ./tlmrt logits "tiny/$1" --ids "tiny/$2" \
      --out work/sanitized --device cuda --threads 1 || status=1
  done
  return $status
}

run_part() {
  case $1 in
    tiny) xargs -P $jobs -L 1 ./run.sh tiny_case < tiny/cases.txt ;;
    ours) bench_ours ;;
    library) bench_library ;;
    peer) bench_peer ;;
    table) print_table ;;
    tune) bench_tuned ;;
    sanitizer) sanitizer ;;
    *) kernel_mode "$1" ;;
  esac
}

case ${1:-} in
  tiny_case) shift; tiny_case "$@"; exit ;;
  part) run_part "$2"; exit ;;
esac
for part in "$@"; do
  case " $all " in
    *" $part "*) ;;
    *) sed -n '2,/^[^#]/s/^# \{0,1\}//p' run.sh >&2; exit 2 ;;
  esac
done

mkdir -p work
began=$(date +%s)
failed=
# shellcheck disable=SC2086 # words
[ $# -gt 0 ] || set -- $all
for part in "$@"; do
  start=$(date +%s)
  left=$((seconds_max - start + began))
  if [ $left -lt 1 ]; then
    echo "== $part: left out, no time"
    failed="$failed $part"
    continue
  fi
  echo "== $part"
  rm -f work/failed
  { timeout $((left + 20)) ./run.sh part "$part" 2>&1 || echo $? > work/failed; } |
    tee "work/$part.txt"
  [ -f work/failed ] && failed="$failed $part" &&
    echo "$part: FAILED, status $(cat work/failed) (124: out of time)"
  echo "-- $part: $(($(date +%s) - start)) s"
done
[ -z "$failed" ] || { echo "FAILED:$failed"; exit 1; }
echo "all is well"

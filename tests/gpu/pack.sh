#!/bin/sh
# Builds all that tests the CUDA target on a machine with a GPU into one folder, which needs nothing
# there but the driver and libc: copy it and run FOLDER/run.sh. No GPU is needed here.
#
#   tests/gpu/pack.sh FOLDER [ARCHITECTURE..]      default: sm_90a
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tests/gpu
megabytes_max=60
[ $# -gt 0 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
folder=$1
shift
[ $# -gt 0 ] || set -- sm_90a
targets=
for architecture in "$@"; do targets="$targets cuda:$architecture"; done

cmake -S "$root" -B "$root/build" > /dev/null
cmake --build "$root/build" -j 2 --target tlmc tlmrt cuda_pack cuda_run cuda_compare cuda_table \
  > /dev/null
mkdir -p "$folder"
rm -rf "$folder/kernels" "$folder/tiny" "$folder/work"
for architecture in "$@"; do
  mkdir -p "$folder/kernels/$architecture"
  "$root/build/tests/cuda_pack" "$root" "$folder/kernels/$architecture" "$architecture" \
    > "$folder/kernels/$architecture/packed.txt" &
done
# shellcheck disable=SC2086 # a list
python3 "$here/pack_models.py" "$folder" $targets --build "$root/build"
wait
for architecture in "$@"; do
  tail -n 1 "$folder/kernels/$architecture/packed.txt" | sed "s/^/$architecture: /"
done
for program in tests/cuda_run tests/cuda_compare tests/cuda_table tlmrt; do
  strip -o "$folder/${program#tests/}" "$root/build/$program"
done
cp "$here/run.sh" "$here/torch_peer.py" "$folder/"

megabytes=$(du -sm "$folder" | cut -f 1)
echo "$folder: $megabytes MB"
[ "$megabytes" -lt $megabytes_max ] || { echo "more than $megabytes_max MB"; exit 1; }

#!/bin/sh
# Builds all that tests the CUDA kernels on a machine with a GPU into one folder, which needs nothing
# there but the driver: copy it and run FOLDER/run.sh.
#
#   tests/gpu/pack.sh FOLDER [ARCHITECTURE]      default: sm_90a
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=$1
architecture=${2:-sm_90a}
cmake -S "$root" -B "$root/build" > /dev/null
cmake --build "$root/build" -j 2 --target cuda_pack cuda_run > /dev/null
mkdir -p "$folder"
rm -f "$folder"/*.cubin
"$root/build/tests/cuda_pack" "$root" "$folder" "$architecture" > "$folder/packed.txt"
cp "$root/build/tests/cuda_run" "$folder/"
cat > "$folder/run.sh" <<'END'
#!/bin/sh
# check: are results right; bench: each matmul; layers: the four of a layer. All without an argument.
cd "$(dirname "$0")"
for mode in ${1:-check attention attention_bench layers bench}; do
  ./cuda_run . "$mode" || echo "$mode: something is wrong"
done
END
chmod +x "$folder/run.sh"
tail -n 1 "$folder/packed.txt"

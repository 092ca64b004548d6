#!/usr/bin/env bash
# Installs what the build needs (Debian packages), builds everything into build/, and fetches NVRTC,
# which compiles for GPUs, into build/nvrtc unless it is there; without it all but that works.
set -euo pipefail
cd "$(dirname "$0")"
packages=(gcc cmake make git python3 clang-19 llvm-19-dev libyaml-dev libxxhash-dev)
nvrtc=nvidia-cuda-nvrtc==13.0.88

install() {
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -q &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

has_nvrtc() {
  [ -d build/nvrtc ] || [ -e /usr/local/cuda/lib64/libnvrtc.so.13 ] ||
    [ -e /usr/local/cuda/lib64/libnvrtc.so.12 ] ||
    [[ $(PATH=$PATH:/sbin:/usr/sbin ldconfig -p) =~ libnvrtc\.so\.1[23] ]]
}

fetch_nvrtc() {
  python3 -m pip --version >/dev/null 2>&1 || install python3-pip || return
  rm -rf build/nvrtc.new
  python3 -m pip install -q --no-deps --retries 1 --timeout 20 --target build/nvrtc.new "$nvrtc" &&
    mv build/nvrtc.new build/nvrtc
}

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok" || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  install "${missing[@]}"
fi
cmake -S . -B build
cmake --build build -j "$(nproc)"
has_nvrtc || fetch_nvrtc ||
  echo "setup.sh: NVRTC ($nvrtc) cannot be fetched: plans for GPUs cannot be built; all else works"

#!/usr/bin/env bash
# Installs what the build needs (Debian packages) and builds everything into build/.
set -euo pipefail
cd "$(dirname "$0")"
packages=(gcc cmake make git python3 clang-19 llvm-19-dev libyaml-dev libxxhash-dev)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok" || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    "${missing[@]}"
fi
cmake -S . -B build
cmake --build build -j "$(nproc)"

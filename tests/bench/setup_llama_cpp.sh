#!/usr/bin/env bash
# Builds the benchmark's peer, llama.cpp, from llama-cpp-python's source package for this very CPU, into the virtual
# environment build-bench/venv. Takes about 15 minutes on two cores, once; a second run does nothing.
#
#     tests/bench/setup_llama_cpp.sh            # BENCH_JOBS=1 to leave a core to others, BENCH_DIR to put it elsewhere
set -euo pipefail
cd "$(dirname "$0")/../.."
version=0.3.36
venv=${BENCH_DIR:-build-bench}/venv

if [ "$("$venv/bin/python" -c 'import llama_cpp; print(llama_cpp.__version__)' 2>/dev/null)" = "$version" ]; then
  echo "llama-cpp-python $version is in $venv already" >&2
  exit 0
fi
for tool in gcc g++ python3; do
  command -v "$tool" >/dev/null || { echo "setup_llama_cpp.sh: needs $tool (Debian: apt-get install build-essential python3-venv)" >&2; exit 1; }
done
python3 -m venv "$venv"

# The build's figures are only comparable if it uses what the CPU has: GGML_NATIVE. Ordinary package installs of this
# Python package are built without it.
export CMAKE_ARGS="-DGGML_NATIVE=ON"
export CMAKE_BUILD_PARALLEL_LEVEL="${BENCH_JOBS:-$(nproc)}"
"$venv/bin/pip" install --disable-pip-version-check --no-cache-dir --no-binary llama-cpp-python \
  "llama-cpp-python==$version"
"$venv/bin/python" -c 'import llama_cpp; print("llama-cpp-python", llama_cpp.__version__, "is ready")' >&2

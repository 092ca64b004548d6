#!/usr/bin/env bash
# Builds and runs all tests; arguments go to ctest.
set -euo pipefail
cd "$(dirname "$0")"
./setup.sh
ctest --test-dir build --output-on-failure -j "$(nproc)" "$@"

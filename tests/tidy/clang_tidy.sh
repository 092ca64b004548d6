#!/usr/bin/env bash
# Runs clang-tidy-19 (checks: .clang-tidy) over the sources of a configured build; minutes, so it is
# no test of ctest. Fails if anything is found.
#
#   tests/tidy/clang_tidy.sh [BUILD_FOLDER [PATH_PREFIX..]]     build, all; prefixes as runtime/base
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build}
[ $# -eq 0 ] || shift
if ! command -v clang-tidy-19 >/dev/null; then
  echo "skipped: clang-tidy-19 is not installed"
  exit 77
fi
if [ ! -f "$build/compile_commands.json" ]; then
  echo "clang_tidy.sh: no $build/compile_commands.json: configure the build first" >&2
  exit 2
fi
python3 - "$build" "$@" <<'PYTHON' | xargs -0 -n 8 -P "${TIDY_JOBS:-$(nproc)}" clang-tidy-19 --quiet -p "$build"
import json, os, sys

root, prefixes = os.getcwd() + "/", tuple(sys.argv[2:]) or ("",)
files = {entry["file"] for entry in json.load(open(sys.argv[1] + "/compile_commands.json"))}
for file in sorted(files):
    name = file.removeprefix(root)
    generated = name.startswith(("/", "build"))
    if name.endswith(".c") and not generated and name.startswith(prefixes) and os.path.exists(file):
        sys.stdout.write(name + "\0")
PYTHON

#!/usr/bin/env python3
"""What the runtime weighs and needs: stripped sizes, exported names, libraries.

    size_test.py [--build DIR] [--sanitized]

libtlmrt.so is at most 512 KiB, with tlmrt under 1 MB; both need the C library alone; the shared object shows the
functions of tlmc.h and nothing else. A sanitized build is only asked for its names.
"""
import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import Failed, ROOT, find_program, run, run_test

LIBRARY_MAX, TOGETHER_MAX = 512 << 10, 1000 * 1000
ALLOWED = re.compile(r"linux-vdso|ld-linux|libc\.so|libm\.so|libpthread\.so")


def stripped_bytes(path):
    with tempfile.TemporaryDirectory() as work:
        out = Path(work) / "stripped"
        subprocess.run(["strip", "-o", str(out), str(path)], check=True)
        return out.stat().st_size


def check_needs(path):
    names = [line.split()[0] for line in run("ldd", path).decode().splitlines()]
    foreign = [name for name in names if not ALLOWED.search(name)]
    if foreign:
        raise Failed(f"{path.name} needs {', '.join(foreign)}, expected the C library alone")


def check_names(library):
    header = (ROOT / "runtime" / "tlmc.h").read_text(encoding="utf8")
    declared = set(re.findall(r"\b(tlmc_\w+)\(", re.sub(r"//[^\n]*", "", header)))
    shown = {line.split()[-1] for line in run("nm", "-D", "--defined-only", library).decode().splitlines()}
    if shown != declared:
        raise Failed(f"libtlmrt.so and tlmc.h differ in {', '.join(sorted(shown ^ declared))}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=ROOT / "build", help="folder with libtlmrt.so and tlmrt (default: build)")
    parser.add_argument("--sanitized", action="store_true")
    options = parser.parse_args()
    library, program = find_program(options.build, "libtlmrt.so"), find_program(options.build, "tlmrt")
    check_names(library)
    if options.sanitized:
        return 0
    sizes = [stripped_bytes(path) for path in (library, program)]
    print(f"libtlmrt.so {sizes[0]} bytes, tlmrt {sizes[1]} bytes")
    if sizes[0] > LIBRARY_MAX or sum(sizes) >= TOGETHER_MAX:
        raise Failed(f"expected libtlmrt.so at most {LIBRARY_MAX} bytes, both below {TOGETHER_MAX}")
    for path in (library, program):
        check_needs(path)
    return 0


if __name__ == "__main__":
    sys.exit(run_test(main))

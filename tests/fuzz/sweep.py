#!/usr/bin/env python3
"""Inputs that end with when memory runs out (shortage.h): some hundred seeds, each with many numbers.

    sweep.py SEEDS OUT

Random changes come to a failed allocation one place after another; these come to almost all places at once.
"""
import shutil
import sys
from pathlib import Path

SEEDS_MAX = 500
DENSE, MOST = 128, 4096  # numbers without a gap; then each is a sixteenth larger than the one before


def numbers():
    count = 0
    while count < MOST:
        yield count
        count += 1 if count < DENSE else count // 16


def main():
    seeds, out = sorted(Path(sys.argv[1]).iterdir()), Path(sys.argv[2])
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for seed in seeds[::len(seeds) // SEEDS_MAX + 1]:
        text = seed.read_bytes()
        for count in numbers():
            (out / f"{seed.name}-{count}").write_bytes(text + b"#%d" % count)


if __name__ == "__main__":
    main()

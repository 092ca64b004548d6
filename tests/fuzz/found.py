#!/usr/bin/env python3
"""Inputs that long runs have found, so that the next run begins where the last one ended: found/NAME.xz.

    found.py NAME..     after run.sh: keeps what of build-fuzz/corpus/NAME reaches an edge that no seed does

make_seeds.py makes seeds of them. A file is texts behind each other, four bytes of length before each, compressed.
"""
import lzma
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build-fuzz"
LENGTH = struct.Struct("<I")
LENGTH_MAX = 16384      # of an input that is kept


def path_of(name):
    return ROOT / "tests" / "fuzz" / "found" / f"{name}.xz"


def read(name):
    """The inputs kept for a target; none is a list too."""
    found, at = [], 0
    data = lzma.decompress(path_of(name).read_bytes()) if path_of(name).exists() else b""
    while at < len(data):
        end = at + LENGTH.size + LENGTH.unpack_from(data, at)[0]
        found.append(data[at + LENGTH.size:end])
        at = end
    return found


def keep(name):
    with tempfile.TemporaryDirectory() as folder:
        merged = Path(shutil.copytree(BUILD / "seeds" / name, Path(folder) / "merged"))
        seeds = {path.name for path in merged.iterdir()}
        subprocess.run([BUILD / "tests" / f"fuzz_{name}", "-merge=1", "-use_counters=0", "-use_cmp=0",
                        f"-max_len={LENGTH_MAX}", merged, BUILD / "corpus" / name], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = sorted(path.read_bytes() for path in merged.iterdir() if path.name not in seeds)
    found += [data for data in read(name) if data not in found]
    path_of(name).parent.mkdir(exist_ok=True)
    path_of(name).write_bytes(lzma.compress(b"".join(LENGTH.pack(len(data)) + data for data in sorted(found))))
    print(f"{name}: {len(found)} inputs, {path_of(name).stat().st_size} bytes")


if __name__ == "__main__":
    for target in sys.argv[1:]:
        keep(target)

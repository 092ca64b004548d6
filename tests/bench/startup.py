#!/usr/bin/env python3
"""From the start of tlmrt to the end of its first token: a process for each, the plan in the page cache, verified.

    tests/bench/startup.py PLAN [--tlmrt build/tlmrt] [--prompt 16] [--rounds 21]

Prints the median, and beside it a process that only says its version. The target is for SmolLM2-135M in bf16.
Exit status: 0 reached, 1 missed, 2 nothing measured.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compare import Fault, alone

TARGET_MS = 150


def milliseconds(command):
    start = time.perf_counter()
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, check=False)
    except OSError as error:
        raise Fault(f"{command[0]}: {error}") from error
    spent = (time.perf_counter() - start) * 1e3
    if done.returncode:
        raise Fault(f"{' '.join(map(str, command))}: {done.stderr.decode(errors='replace').strip()}")
    return spent


def median_of(command, rounds):
    milliseconds(command)   # brings the files into the page cache
    times = [milliseconds(command) for _ in range(rounds)]
    return statistics.median(times), min(times), max(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("plan", type=Path)
    parser.add_argument("--tlmrt", type=Path, default=Path("build/tlmrt"))
    parser.add_argument("--prompt", type=int, default=16, help="ids")
    parser.add_argument("--rounds", type=int, default=21)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work, alone():
        ids = Path(work) / "ids.json"
        ids.write_text(json.dumps([i * 37 % 1000 + 1 for i in range(options.prompt)]))
        rows = [("first token", [options.tlmrt, "generate", options.plan, "--ids", ids, "-n", 1]),
                ("the same, --trust", [options.tlmrt, "generate", options.plan, "--ids", ids, "-n", 1, "--trust"]),
                ("--version", [options.tlmrt, "--version"])]
        found = [(name, median_of(command, options.rounds)) for name, command in rows]
    print(f"{'ms':22}{'median':>8}{'least':>8}{'most':>8}   target {TARGET_MS}")
    for name, times in found:
        print(f"{name:22}" + "".join(f"{value:8.1f}" for value in times))
    return 0 if found[0][1][0] <= TARGET_MS else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Fault as fault:
        print(f"startup.py: {fault}", file=sys.stderr)
        sys.exit(2)

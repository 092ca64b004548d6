#!/usr/bin/env python3
"""What `tlmc build` costs on the 2.5 GB bench checkpoint: peak memory, time against copying the file, plan sizes.

    tests/bench/build_memory.py [--tlmc build/tlmc] [--checkpoint build-bench/checkpoint] [--rounds 3] [--json FILE]

In every round the checkpoint is copied (cp, then sync) and compiled (target `cpu`, then sync), input in the page cache
for both. Peak memory is the kernel's ru_maxrss of the process; it includes mapped input pages, and never shows less
than this script's own 30 MiB.
Exit status: 0 all limits kept, 1 one broken, 2 nothing measured.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compare import Fault, alone

ALL_LEVELS, ONE_LEVEL = "cpu", "cpu:x86-64-v4-bf16"

# The project's promises. A build works in slices of 64 MiB; a few may be alive, with LLVM beside them.
RSS_MIB_MAX = 512
PLAN_TO_CHECKPOINT_MAX = 1.03
LEVELS_RATIO_MAX = 1.02
# Weights cost as much as copying them a few times; kernels cost seconds, whatever the model's size.
COPIES_MAX, COMPILE_SECONDS_MAX = 3, 10


def spent(command):
    """Runs the command; (seconds until its output is on the disk, peak RSS in MiB)."""
    os.sync()  # What others left to write is not ours to pay for.
    with tempfile.TemporaryFile() as log:
        start = time.perf_counter()
        try:
            process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log)
        except OSError as error:
            raise Fault(f"{command[0]}: {error}") from error
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        os.sync()
        seconds = time.perf_counter() - start
        if process.returncode != 0:
            log.seek(0)
            raise Fault(f"{' '.join(map(str, command))} failed with status {process.returncode}\n"
                        + log.read()[-2000:].decode(errors="replace"))
    return seconds, usage.ru_maxrss / 1024


def warm(path):
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def run_rounds(options, scratch):
    weights = options.checkpoint / "model.safetensors"
    copy, plan = scratch / "copy", scratch / "all.plan"
    rounds = []
    warm(weights)
    for unmeasured in (copy, plan):  # the first files pay for memory the page cache has not used yet
        spent(["cp", weights, unmeasured])
    for _ in range(options.rounds):
        warm(weights)
        copy.unlink()
        plan.unlink()
        copy_s, _ = spent(["cp", weights, copy])
        build_s, rss_mib = spent([options.tlmc, "build", options.checkpoint, "-o", plan, "--target", ALL_LEVELS])
        rounds.append({"copy_s": copy_s, "build_s": build_s, "rss_mib": rss_mib, "plan_bytes": plan.stat().st_size})
        print(f"cp {copy_s:.1f} s, build {build_s:.1f} s, peak {rss_mib:.0f} MiB", flush=True)
    return rounds


def one_level_bytes(options, scratch):
    plan = scratch / "one.plan"
    spent([options.tlmc, "build", options.checkpoint, "-o", plan, "--target", ONE_LEVEL])
    return plan.stat().st_size


def source_bytes(checkpoint):
    """The weights and, if there is one, the tokenizer."""
    return sum(path.stat().st_size for name in ("model.safetensors", "tokenizer.json")
               if (path := checkpoint / name).is_file())


def summary(options, scratch):
    rounds = run_rounds(options, scratch)
    plan_bytes = rounds[0]["plan_bytes"]
    return {
        "peak RSS, MiB": (max(r["rss_mib"] for r in rounds), RSS_MIB_MAX),
        "(build - 10 s) / (cp + sync)": (statistics.median(
            max(0, r["build_s"] - COMPILE_SECONDS_MAX) / r["copy_s"] for r in rounds), COPIES_MAX),
        "plan / checkpoint": (plan_bytes / source_bytes(options.checkpoint), PLAN_TO_CHECKPOINT_MAX),
        "all levels / one level": (plan_bytes / one_level_bytes(options, scratch), LEVELS_RATIO_MAX),
    }


def arguments():
    parser = argparse.ArgumentParser(description="What tlmc build costs.")
    parser.add_argument("--tlmc", default="build/tlmc")
    parser.add_argument("--checkpoint", type=Path, default=Path("build-bench/checkpoint"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    for path, maker in ((Path(options.tlmc), "cmake --build"),
                        (options.checkpoint / "model.safetensors", "tests/bench/make_checkpoint.py")):
        if not path.exists():
            parser.error(f"{path} is missing: {maker} makes it")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def main():
    options = arguments()
    try:
        # Beside the checkpoint: a copy on another disk would measure that disk.
        with alone(), tempfile.TemporaryDirectory(prefix=".build-", dir=options.checkpoint.parent) as scratch:
            found = summary(options, Path(scratch))
    except (Fault, OSError) as fault:
        print(f"build_memory.py: {fault}", file=sys.stderr)
        return 2
    for name, (value, limit) in found.items():
        print(f"{name:30}{value:10.3f}   limit {limit:<6}{'kept' if value <= limit else 'BROKEN'}")
    if options.json:
        options.json.write_text(json.dumps({name: value for name, (value, _) in found.items()}, indent=1) + "\n")
    return 0 if all(value <= limit for value, limit in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

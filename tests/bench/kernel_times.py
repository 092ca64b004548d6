#!/usr/bin/env python3
"""What compiling a model's CUDA kernels costs: real models' configs, an empty cache, no weights, no GPU.

    tests/bench/kernel_times.py [--tlmc build/tlmc] [--target cuda:sm_80,cuda:sm_90a] [NAME..]

NAME: of tests/fixtures/hub_configs, without .json. Needs NVRTC. CPU seconds are those of all processes; both
count on an idle machine only, other work doubles them. Text for later GPUs is compiled too, as by default.
A kernel that spills registers to memory is an error of tlmc, and so a fault here.
Exit status: 0 all within the limit, 1 one is not or does not compile, 2 nothing measured.
"""
import argparse
import collections
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "tests" / "fixtures" / "hub_configs"
SECONDS_MAX = 60    # of CPU, for a model and both targets


def compile_kernels(options, name):
    """(kernels of each target, CPU seconds, wall seconds, what went wrong or '')"""
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryFile("w+") as out, \
            tempfile.TemporaryFile("w+") as err:
        command = [options.tlmc, "dump", "--skeleton", CONFIGS / f"{name}.json", "--kernels",
                   "--target", options.target]
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, "XDG_CACHE_HOME": cache})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - start
        out.seek(0)
        err.seek(0)
        counts = collections.Counter(line.split()[0] for line in out if line.startswith("cuda:"))
        return counts, usage.ru_utime + usage.ru_stime, wall, err.read().strip() if process.returncode else ""


def main():
    there = sorted(p.stem for p in CONFIGS.glob("*.json"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *there])
    parser.add_argument("--tlmc", default=ROOT / "build" / "tlmc", type=Path)
    parser.add_argument("--target", default="cuda:sm_80,cuda:sm_90a")
    options = parser.parse_args()
    if not options.tlmc.is_file():
        print(f"there is no {options.tlmc}: build it, or name it with --tlmc")
        return 2
    faults = 0
    print(f"{'model':22} {'CPU s':>6} {'wall s':>6}   kernels")
    for name in options.names or there:
        counts, seconds, wall, fault = compile_kernels(options, name)
        kernels = ", ".join(f"{target[5:]} {count}" for target, count in counts.items())
        slow = f"   more than {SECONDS_MAX} s" if seconds > SECONDS_MAX else ""
        print(f"{name:22} {seconds:6.1f} {wall:6.1f}   {kernels}{slow}{fault}", flush=True)
        faults += bool(slow or fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

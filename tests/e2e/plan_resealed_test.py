#!/usr/bin/env python3
"""Plans with changed tables and right digests are refused or run: no kernel leaves its buffers, nothing hangs.

    plan_resealed_test.py [--build DIR] [--tries 6000]

The model is a tiny one with windowed and full attention, and a tokenizer beside it, compiled for the two levels that
most machines run and, by the stand-in for NVRTC, for a GPU that is not there. The tries are those of plan_resealed.c.
Standard library only.
"""
import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools import Failed, ROOT, Skipped, find_program, run, run_test

MODEL = ROOT / "tests" / "fixtures" / "tiny" / "qwen2-window"
TOKENIZER = ROOT / "tests" / "fixtures" / "tokenizers" / "bytes" / "tokenizer.json"
TARGETS = ("--no-ptx", "--target", "cpu:x86-64-v3,cpu:x86-64-v4,cuda:sm_80")
SECONDS_MAX, SKIPPED = 500, 77


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=ROOT / "build")
    parser.add_argument("--tries", type=int, default=6000)
    options = parser.parse_args()
    driver = next((p for p in (Path(options.build) / "tests" / "plan_resealed", Path(options.build) / "plan_resealed")
                   if p.is_file()), None)
    if not driver:
        raise Failed(f"there is no plan_resealed under {options.build}")
    with tempfile.TemporaryDirectory() as work:
        model, plan = Path(work) / "model", Path(work) / "model.plan"
        shutil.copytree(MODEL, model)
        shutil.copy(TOKENIZER, model)
        run(find_program(options.build, "tlmc"), "build", model, "-o", plan, *TARGETS,
            libraries=Path(options.build) / "tests" / "nvrtc")
        begin = time.monotonic()
        done = subprocess.run([driver, plan, str(options.tries)], capture_output=True, text=True, check=False,
                              timeout=SECONDS_MAX)
        print(done.stdout.strip()[-4000:])
        print(f"{time.monotonic() - begin:.1f} s")
    if done.returncode == SKIPPED:
        raise Skipped(done.stderr.strip())
    if done.returncode:
        raise Failed(f"plan_resealed: exit {done.returncode} {done.stderr[-2000:]}")
    return 0


if __name__ == "__main__":
    sys.exit(run_test(main))

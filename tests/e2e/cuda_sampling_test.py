#!/usr/bin/env python3
"""Requests with a temperature on a GPU: the ids of all logits, without these crossing the bus.

    cuda_sampling_test.py [--build DIR]

Builds a tiny model of 515 ids for the CPU and for a GPU and runs cuda_sampling, on the stand-ins for
a compiler and a driver (tests/lib/cuda).
"""
import argparse
import os
import sys
import tempfile
from pathlib import Path

from tools import ROOT, Tools, run, run_test


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=ROOT / "build", help="folder with the programs")
    options = parser.parse_args()
    driver, nvrtc = (Path(options.build) / "tests" / folder for folder in ("driver", "nvrtc"))
    with tempfile.TemporaryDirectory() as work:
        tools, plans = Tools(options.build, work, driver, nvrtc), []
        for target in ("cuda:sm_80", "cpu:x86-64-v3"):
            plans.append(Path(work) / f"{target[:3]}.plan")
            tools.build(ROOT / "tests" / "fixtures" / "tiny" / "qwen3-heads", plans[-1], "--keep-source", "--no-ptx",
                        "--target", target, "--weights", "f32", "--kv", "f32")
        os.environ["TLMC_SHIM_GPU"] = "80"
        print(run(Path(options.build) / "tests" / "cuda_sampling", *plans, libraries=driver).decode(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(run_test(main))

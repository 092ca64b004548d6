#!/usr/bin/env python3
"""Plans for GPUs in `deterministic` sessions: rows have the same bits alone and in company.

    cuda_invariance_test.py [--build DIR]

Builds tiny models for a GPU with and one without sm_90a's kernels and runs batch_invariance on the
stand-in for a driver (tests/lib/cuda/driver). Exit status 77: skipped, there is no NVRTC.
"""
import argparse
import os
import sys
import tempfile
from pathlib import Path

from tools import Failed, ROOT, Skipped, Tools, run, run_test

# model, target, weights, KV type
CASES = (("llama-llama3", "sm_90a", "bf16", "bf16"), ("gemma3-softcap", "sm_90a", "bf16", "bf16"),
         ("qwen2-window", "sm_80", "bf16", "bf16"), ("llama-biases-linear", "sm_90a", "f32", "f32"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=ROOT / "build", help="folder with the programs")
    options = parser.parse_args()
    driver = Path(options.build) / "tests" / "driver"
    faults = 0
    with tempfile.TemporaryDirectory() as work:
        tools = Tools(options.build, work)
        for name, machine, weights, kv_type in CASES:
            plan = Path(work) / f"{name}.plan"
            try:
                tools.build(ROOT / "tests" / "fixtures" / "tiny" / name, plan, "--keep-source",
                            "--no-ptx", "--target", f"cuda:{machine}", "--weights", weights,
                            "--kv", kv_type)
            except Failed as reason:
                if "libnvrtc" in str(reason):
                    raise Skipped("there is no NVRTC, which compiles for GPUs") from None
                raise
            os.environ["TLMC_SHIM_GPU"] = "".join(c for c in machine if c.isdigit())
            try:
                run(Path(options.build) / "tests" / "batch_invariance", plan, kv_type, "cuda",
                    libraries=driver)
                print(f"{name:22} {machine} {weights}: the same bits", flush=True)
            except Failed as reason:
                print(f"{name:22} {machine} {weights}: {reason}", flush=True)
                faults += 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(run_test(main))

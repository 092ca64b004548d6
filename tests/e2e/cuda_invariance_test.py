#!/usr/bin/env python3
"""Plans for GPUs in `deterministic` sessions: rows have the same bits alone and in company.

    cuda_invariance_test.py [--build DIR]

Builds tiny models for a GPU with and one without sm_90a's kernels and runs batch_invariance, on the
stand-ins for a compiler and a driver (tests/lib/cuda). A library of matmuls, which would make some of
their products otherwise, must not be asked.
"""
import argparse
import os
import sys
import tempfile
from pathlib import Path

from tools import Failed, ROOT, Tools, run, run_test

# model, target, weights, KV type
CASES = (("gemma3-softcap", "sm_90a", "bf16", "bf16"), ("qwen2-window", "sm_80", "bf16", "bf16"),
         ("llama-biases-linear", "sm_90a", "f32", "f32"), ("mixtral-top2", "sm_80", "bf16", "bf16"),
         ("deepseek-v3-plain", "sm_90a", "bf16", "bf16"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=ROOT / "build", help="folder with the programs")
    options = parser.parse_args()
    driver, nvrtc = (Path(options.build) / "tests" / folder for folder in ("driver", "nvrtc"))
    faults = 0
    with tempfile.TemporaryDirectory() as work:
        tools, log = Tools(options.build, work, driver, nvrtc), Path(work) / "log"
        os.environ.update(TLMC_BLAS_VERSION="130100", TLMC_BLAS_LOG=str(log))
        for name, machine, weights, kv_type in CASES:
            plan = Path(work) / f"{name}.plan"
            tools.build(ROOT / "tests" / "fixtures" / "tiny" / name, plan, "--keep-source", "--no-ptx",
                        "--target", f"cuda:{machine}", "--weights", weights, "--kv", kv_type)
            os.environ["TLMC_SHIM_GPU"] = "".join(c for c in machine if c.isdigit())
            try:
                run(Path(options.build) / "tests" / "batch_invariance", plan, kv_type, "cuda",
                    libraries=driver)
                print(f"{name:22} {machine} {weights}: the same bits", flush=True)
            except Failed as reason:
                print(f"{name:22} {machine} {weights}: {reason}", flush=True)
                faults += 1
        if log.exists():
            print("the library was asked for products")
            faults += 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(run_test(main))

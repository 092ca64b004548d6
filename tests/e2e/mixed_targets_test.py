#!/usr/bin/env python3
"""A plan for CPUs and GPUs gives on each, bit for bit, what a plan for that one alone gives.

    mixed_targets_test.py [--build DIR]

On the stand-ins for a compiler and a driver (tests/lib/cuda). The models are a generating one with windows and heads
of 24, whose pages two devices lay out in other sizes, and a classifier, whose keys live for a step only.
"""
import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from tools import ROOT, Failed, Tools, run, run_test

CPU, CUDA = "cpu:x86-64-v3", "cuda:sm_80"
MODELS = {"gemma3-linear": True, "bert-3-labels": False}    # name: does it generate
GENERATED = 8


def expect(holds, words):
    if not holds:
        raise Failed(words)


def ids_of(count):
    return [i * 7 % 90 + 1 for i in range(count)]


def session_of(tools, plan, *options, libraries=None):
    """The line of `info` that says where a session runs."""
    text = run(tools.tlmrt, "info", plan, *options, libraries=libraries).decode()
    return next(line for line in text.splitlines() if line.startswith("session"))


def launches(tools, plan, target):
    facts = json.loads(run(tools.tlmrt, "info", plan, "--json"))
    return [p["launches"] for p in facts["programs"] if p["target"] == target]


def check_choice(tools, plan, driver):
    """A GPU is taken if one is there that has code in the plan; a name settles it."""
    wanted = [("75", [], CPU), ("80", [], CUDA), ("80", ["--device", "cpu"], CPU),
              ("80", ["--target", CPU], CPU), ("80", ["--target", CUDA], CUDA)]
    for gpu, options, target in wanted:
        os.environ["TLMC_SHIM_GPU"] = gpu
        line = session_of(tools, plan, *options, libraries=driver)
        expect(f" {target} on " in line, f"{plan}: on a GPU of {gpu} with {options}: {target} expected, found: {line}")
    os.environ["TLMC_SHIM_GPU"] = "80"
    line = session_of(tools, plan)
    expect(f" {CPU} on " in line, f"{plan}: without a driver: {CPU} expected, found: {line}")


def check_model(tools, name, generates, driver):
    model, plans = ROOT / "tests" / "fixtures" / "tiny" / name, {}
    for what, targets in (("both", f"{CPU},{CUDA}"), ("again", f"{CUDA},{CPU}"), ("cpu", CPU), ("cuda", CUDA)):
        plans[what] = tools.work / f"{name}-{what}.plan"
        tools.build(model, plans[what], "--keep-source", "--no-ptx", "--target", targets)
    both, again, cpu, cuda = (plans[what] for what in ("both", "again", "cpu", "cuda"))
    expect(both.read_bytes() == again.read_bytes(), f"{name}: the order of targets changes the plan")
    sizes = both.stat().st_size, cpu.stat().st_size + cuda.stat().st_size
    expect(sizes[0] <= sizes[1], f"{name}: both are {sizes[0]} bytes, apart they are {sizes[1]}")
    for target, alone in ((CPU, cpu), (CUDA, cuda)):
        counts = [launches(tools, plan, target) for plan in (both, alone)]
        expect(counts[0] == counts[1], f"{name}: {counts[0]} launches on {target}, alone {counts[1]}")
    check_choice(tools, both, driver)
    how = ["--chunk", 64] if generates else []
    for device, alone in (("cpu", cpu), ("cuda", cuda)):
        for length in (41, 120):
            found = tools.logits(both, ids_of(length), "--device", device, *how)
            wanted = tools.logits(alone, ids_of(length), *how)
            expect(found == wanted, f"{name}: {length} ids on {device}: other outputs than of a plan for it alone")
        if generates:
            found = tools.generate(both, ids_of(20), GENERATED, "--device", device)
            wanted = tools.generate(alone, ids_of(20), GENERATED)
            expect(found == wanted, f"{name}: on {device} {found}, a plan for it alone gives {wanted}")
    print(f"{name}: {sizes[0]} bytes, apart {sizes[1]}")
    return both


def check_skeleton(tools, driver):
    """Random weights, of which each device makes those it reads."""
    config = ROOT / "tests" / "fixtures" / "tiny" / "gemma3-linear" / "config.json"
    plan = tools.work / "skeleton.plan"
    run(tools.tlmc, "build", "--skeleton", config, "-o", plan, "--keep-source", "--no-ptx", "--target",
        f"{CPU},{CUDA}", libraries=tools.nvrtc)
    for device in ("cpu", "cuda"):
        ids = tools.generate(plan, ids_of(20), GENERATED, "--device", device)
        expect(len(ids) == GENERATED, f"{plan}: {device} gave {ids}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=ROOT / "build", help="folder with the programs")
    options = parser.parse_args()
    driver, nvrtc = (Path(options.build) / "tests" / folder for folder in ("driver", "nvrtc"))
    os.environ["TLMC_SHIM_GPU"] = "80"
    with tempfile.TemporaryDirectory() as work:
        tools = Tools(options.build, work, driver, nvrtc)
        for name, generates in MODELS.items():
            plan = check_model(tools, name, generates, driver)
            run(Path(options.build) / "tests" / "plans_test", plan)     # its text reads back
        check_skeleton(tools, driver)
    return 0


if __name__ == "__main__":
    sys.exit(run_test(main))

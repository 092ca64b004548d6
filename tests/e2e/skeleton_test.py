#!/usr/bin/env python3
"""Plans without weights from the configs of real models, up to 671 billion parameters: made in seconds and in little
memory without any kernel compiled before, and `tlmrt info` says what the model needs.

    skeleton_test.py [--build DIR] [NAME..]        NAME: of tests/fixtures/hub_configs, without .json

A model with an operation that no kernel does yet is refused with one sentence at a place. Standard library only.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tools import Failed, ROOT, find_program, run, run_test

CONFIGS = ROOT / "tests" / "fixtures" / "hub_configs"
OPTIONS = ("--target", "cpu:x86-64-v3", "--kv", "bf16")
SECONDS_MAX, RSS_MIB_MAX, PLAN_BYTES_MAX = 60, 200, 8 << 20
UNSUPPORTED = 4
# Billions of parameters, and how far the weights of a bf16 plan may be from 2 bytes for each.
PARAMETERS = {
    "deepseek-v3": 671.03, "gemma-3-1b": 1.0, "llama-3.1-70b": 70.55, "llama-3.2-11b-vision": 8.030,
    "llama-3.2-1b": 1.236, "llama-4-scout": 107.77, "minitron-8b": 8.272, "mistral-7b-v0.1": 7.242,
    "mixtral-8x7b-v0.1": 46.70, "nemotron-super-49b": 49.87, "qwen2-7b": 7.616, "qwen2.5-math-prm-7b": 7.083,
    "qwen2.5-math-rm-72b": 71.53, "qwen3-30b-a3b": 30.53, "qwen3-8b": 8.191,
}
TOLERANCE = 0.02
# Ids that end a text, of configs that say it in the part of the language model.
STOPS = {"llama-3.2-11b-vision": [128001], "llama-4-scout": [200001, 200007, 200008]}


def build(tlmc, config, plan):
    """(exit code, stderr, seconds, peak RSS in MiB)"""
    with open(plan.parent / "stderr", "w+b") as err:
        begin = time.monotonic()
        process = subprocess.Popen([tlmc, "build", "--skeleton", config, "-o", plan, *OPTIONS], stderr=err,
                                   env=os.environ | {"XDG_CACHE_HOME": str(plan.with_suffix(".cache"))})
        timer = threading.Timer(10 * SECONDS_MAX, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        err.seek(0)
        said = err.read().decode("utf8", "replace")
    return process.returncode, said, time.monotonic() - begin, usage.ru_maxrss / 1024


def check_refusal(name, code, said, plan):
    errors = [line for line in said.splitlines() if "error:" in line]
    if code != UNSUPPORTED or len(errors) != 1 or plan.exists():
        raise Failed(f"{name}: exit {code}, expected a plan, or {UNSUPPORTED} and one sentence: {said[-800:]}")
    print(f"{name:20} refused: {errors[0]}")


def check_memory(name, tlmrt, plan):
    """The weights in GB that info gives."""
    page = run(tlmrt, "info", plan).decode()
    facts = json.loads(run(tlmrt, "info", plan, "--json"))
    if "memory" not in page or "fits" not in page:
        raise Failed(f"{name}: info says nothing of memory:\n{page}")
    stops = facts["meta"]["stop_ids"]
    if stops != STOPS.get(name, stops):
        raise Failed(f"{name}: {stops} end a text, expected {STOPS[name]}")
    weights = facts["memory"]["weights_bytes"]
    expected = 2e9 * PARAMETERS.get(name, weights / 2e9)
    if abs(weights - expected) > TOLERANCE * expected:
        raise Failed(f"{name}: weights of {weights / 1e9:.2f} GB, expected {expected / 1e9:.2f}")
    return weights / 1e9


def check(name, tlmc, tlmrt, work):
    plan = work / f"{name}.plan"
    code, said, seconds, rss = build(tlmc, CONFIGS / f"{name}.json", plan)
    if code:
        check_refusal(name, code, said, plan)
        return
    weights, size = check_memory(name, tlmrt, plan), plan.stat().st_size
    print(f"{name:20} {seconds:5.1f} s {rss:5.0f} MiB, plan {size / 1e6:.1f} MB, weights {weights:.2f} GB", flush=True)
    limits = ((seconds, SECONDS_MAX, "s"), (rss, RSS_MIB_MAX, "MiB"), (size, PLAN_BYTES_MAX, "bytes"))
    for value, limit, unit in limits if not os.environ.get("TLMC_SANITIZED") else ():
        if value > limit:
            raise Failed(f"{name}: {value:.0f} {unit}, limit {limit}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--build", default=ROOT / "build")
    options = parser.parse_args()
    tlmc, tlmrt = find_program(options.build, "tlmc"), find_program(options.build, "tlmrt")
    with tempfile.TemporaryDirectory() as work:
        for name in options.names or sorted(path.stem for path in CONFIGS.glob("*.json")):
            check(name, tlmc, tlmrt, Path(work))
    return 0


if __name__ == "__main__":
    sys.exit(run_test(main))

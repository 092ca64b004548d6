#!/usr/bin/env python3
"""Real models, compiled and run, against what transformers says in float32 (tests/oracle/goldens.py).

    real_models.py [--build DIR] [--plans DIR] [--data DIR] [--rebuild] [MODEL...]

    f32    64 greedy ids equal for every prompt of the goldens; KL over 512 tokens of text (reported)
    bf16   mean KL over 512 tokens of text <= 5e-4 nats; greedy ids up to the first difference (reported)
Plans are built into build/plans as MODEL.f32.plan and MODEL.bf16.plan unless they are newer than tlmc. Needs numpy for
the KL. Exit status 77: skipped, when nothing could be tested.
"""
import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from tools import Failed, ROOT, Skipped, Tools, run_test

sys.path.insert(0, str(ROOT / "tests" / "oracle"))
MODELS = ("smollm2", "qwen2.5-coder-0.5b", "gemma3-270m")
KL_MEAN_MAX = {"f32": 1e-6, "bf16": 5e-4}
PROMPTS_MIN = 5
HOW_DATA = "get it with the test data's get.py, then run tests/oracle/goldens.py"


def load_compare():
    try:
        import compare
    except ImportError:
        raise Skipped("numpy is absent: pip install -r tests/oracle/requirements.txt") from None
    return compare


def plan_of(tools, model, weights, options):
    plan = Path(options.plans) / f"{model.name}.{weights}.plan"
    fresh = plan.exists() and plan.stat().st_mtime >= max(tools.tlmc.stat().st_mtime, model.stat().st_mtime)
    if options.rebuild or not fresh:
        plan.parent.mkdir(parents=True, exist_ok=True)
        tools.build(model, plan, "--weights", weights)
    return plan


def same_length(a, b):
    """How many leading ids agree."""
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def check_greedy(tools, plan, golden, kv):
    """One line per prompt that differs; the first differing step tells how near the decision was."""
    out = []
    for number, prompt in enumerate(golden["prompts"]):
        found = tools.generate(plan, prompt["ids"], len(prompt["greedy"]), *kv)
        same = same_length(found, prompt["greedy"])
        if found != prompt["greedy"]:
            margin = prompt["margins"][same] if same < len(prompt["margins"]) else 0.0
            out.append(f"prompt {number} ({prompt['text'][:30]!r}) differs at step {same} (margin {margin:.4f})")
    return out


def check_plan(tools, compare, model, weights, options):
    """(a row of the table, faults)."""
    golden = json.loads((options.goldens / f"{model.name}.json").read_text(encoding="utf8"))
    if len(golden["prompts"]) < PROMPTS_MIN:
        raise Failed(f"{model.name}: goldens of {len(golden['prompts'])} prompts, {PROMPTS_MIN} needed")
    plan = plan_of(tools, model, weights, options)
    kv = ("--kv-type", "f32") if weights == "f32" else ()
    differing = check_greedy(tools, plan, golden, kv)
    reference = compare.open_logits(options.goldens / f"{model.name}.logits.npy")
    try:
        result = compare.compare(reference, compare.open_logits(tools.logits_file(plan, golden["text"]["ids"], *kv)))
    except ValueError as reason:
        raise Failed(f"{model.name} {weights}: {reason}") from None
    faults = list(differing) if weights == "f32" else []
    if result.kl.mean() > KL_MEAN_MAX[weights]:
        faults.append(f"mean KL {result.kl.mean():.2e} (bar {KL_MEAN_MAX[weights]:.0e})")
    count = len(golden["prompts"])
    row = (f"{model.name:20} {weights:6} {count - len(differing):3}/{count:<3} {result.kl.mean():10.2e} "
           f"{result.kl.max():10.2e} {result.distance.max():10.2e} {len(result.wrong):4}/{len(result.kl)}")
    return row, [f"{model.name} {weights}: {f}" for f in faults]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=" ".join(MODELS))
    parser.add_argument("--build", default=ROOT / "build", help="folder with tlmc and tlmrt (default: build)")
    parser.add_argument("--plans", default=ROOT / "build" / "plans")
    parser.add_argument("--data", default=os.environ.get("TLMC_DATA") or "~/.cache/tlmc-data")
    parser.add_argument("--weights", action="append", choices=list(KL_MEAN_MAX), help="default: both")
    parser.add_argument("--rebuild", action="store_true", help="build plans again")
    options = parser.parse_args()
    options.data = Path(options.data).expanduser()
    options.goldens = options.data / "goldens"
    return options


def main():
    options = parse()
    compare, tested, faults = load_compare(), 0, []
    with tempfile.TemporaryDirectory() as work:
        tools = Tools(options.build, work)
        print(f"{'model':20} {'plan':6} {'greedy':>7} {'mean KL':>10} {'max KL':>10} {'max dist':>10} {'argmax':>8}")
        for name in options.models or MODELS:
            needed = (options.data / name / "config.json", options.goldens / f"{name}.json",
                      options.goldens / f"{name}.logits.npy")
            absent = [path for path in needed if not path.exists()]
            if absent:
                print(f"skipped: {name}: {absent[0]} is absent ({HOW_DATA})")
                continue
            for weights in options.weights or KL_MEAN_MAX:
                tested += 1
                try:
                    row, new = check_plan(tools, compare, options.data / name, weights, options)
                    print(row, flush=True)
                    faults += new
                except Failed as reason:
                    faults.append(str(reason))
    if not tested:
        raise Skipped(f"no model to test ({HOW_DATA})")
    print("\n".join(faults))
    print(f"real_models: {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(run_test(main))

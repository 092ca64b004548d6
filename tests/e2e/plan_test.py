#!/usr/bin/env python3
"""What is promised of a plan's bytes: the same for the same inputs, near the checkpoint's size, few launches a layer,
and no damage goes unnoticed.

    plan_test.py [--build DIR] [--flips 2000] [--cuts 100]

Models: tests/fixtures/tiny, and a checkpoint of CHECKPOINT_MB that is written here, because ratios of sizes mean
nothing for a model that is smaller than its code. Standard library only.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools import Failed, ROOT, find_program, run, run_test
from models import Shape, write_model

TINY = ROOT / "tests" / "fixtures" / "tiny"
TOKENIZER = ROOT / "tests" / "fixtures" / "tokenizers" / "bytes" / "tokenizer.json"
ALL_LEVELS = ("--target", "cpu", "--kv", "f32")  # of one KV type, because compiling takes most of the test
ONE_LEVEL = ("--target", "cpu:x86-64-v3", "--kv", "f32")
LARGE = Shape(hidden=512, inner=1536, heads=8, kv_heads=2, head=64, layers=4, vocabulary=32000)
PLAN_TO_CHECKPOINT_MAX, LEVELS_RATIO_MAX = 1.03, 1.02
LAUNCHES_MAX = {"llama-tied": 5, "llama-biases-linear": 5, "qwen2-window": 5, "gemma3-linear": 7}
DAMAGE_SECONDS_MAX = 120
INPUT = 3  # exit code for a bad file


class Plans:
    def __init__(self, build, work):
        self.build_folder, self.work = Path(build), Path(work)
        self.tlmc, self.tlmrt = find_program(build, "tlmc"), find_program(build, "tlmrt")

    def build(self, model, name, *options, cwd=None, **settings):
        plan = self.work / name
        command = [str(self.tlmc), "build", str(model), "-o", str(plan), *map(str, options)]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, **settings)
        if done.returncode:
            raise Failed(f"{' '.join(command)}: exit {done.returncode}: {done.stderr[-500:]}")
        return plan


def expect_equal(plans, what):
    first = plans[0].read_bytes()
    for plan in plans[1:]:
        other = plan.read_bytes()
        if other != first:
            at = next((i for i, (a, b) in enumerate(zip(first, other)) if a != b), min(len(first), len(other)))
            raise Failed(f"{what}: {plan.name} has {len(other)} bytes, {plans[0].name} {len(first)}; "
                         f"they differ at byte {at}")
    print(f"{what}: {len(plans)} plans of {len(first)} bytes, equal")


def check_same_bytes(plans, large):
    """Of two runs, two folders, any number of jobs, another working folder, with kernels compiled now and before."""
    moved = plans.work / "elsewhere" / "deeper" / large.name
    shutil.copytree(large, moved)
    for path in moved.iterdir():
        os.utime(path, (1, 1))
    made = [plans.build(large, "first.plan", *ONE_LEVEL), plans.build(large, "again.plan", *ONE_LEVEL),
            plans.build(moved, "moved.plan", *ONE_LEVEL), plans.build(".", "dot.plan", *ONE_LEVEL, cwd=moved)]
    made += [plans.build(large, f"jobs-{jobs}.plan", *ONE_LEVEL, "--jobs", jobs,
                         env=os.environ | {"XDG_CACHE_HOME": str(plans.work / f"cache-{jobs}")}) for jobs in (1, 2, 5)]
    expect_equal(made, "runs, folders, jobs")
    for plan in made[1:]:
        plan.unlink()
    return made[0]


def check_surroundings(plans):
    model = TINY / "qwen2-tied-sharded"
    strange = {"PATH": "/nowhere", "HOME": "/nowhere", "LC_ALL": "tr_TR.UTF-8", "LANG": "de_DE.UTF-8",
               "LC_NUMERIC": "de_DE.UTF-8", "TZ": "Pacific/Kiritimati", "TMPDIR": "/nowhere", "SOURCE_DATE_EPOCH": "1"}
    made = [plans.build(model, "here.plan", *ALL_LEVELS),
            plans.build(model, "there.plan", *ALL_LEVELS, "--jobs", 3, cwd="/", env=strange, umask=0o077)]
    expect_equal(made, "surroundings, all levels")


def check_sizes(plans, large, one_level):
    checkpoint = (large / "model.safetensors").stat().st_size
    levels = plans.build(large, "levels.plan", *ALL_LEVELS).stat().st_size
    one = one_level.stat().st_size
    bounds = (("checkpoint MB", checkpoint / 1e6, None), ("plan / checkpoint", levels / checkpoint,
              PLAN_TO_CHECKPOINT_MAX), ("all levels / one level", levels / one, LEVELS_RATIO_MAX))
    for name, value, limit in bounds:
        print(f"{name}: {value:.4f}" + (f", limit {limit}" if limit else ""))
        if limit and value > limit:
            raise Failed(f"{name} is {value:.4f}, limit {limit}")


def launches_of(text):
    """{(target, layer, kv type): launches} for one row in the step, from the text form of a plan."""
    counts, target = {}, None
    for line in text.splitlines():
        program = re.match(r"program .*", line)
        if program:
            target = line
        launch = re.match(r"  launch (@\S+) : kv ([a-z0-9, ]*?)((?:, T [<>]= \d+)*), layer (\d+),", line)
        if not launch:
            continue
        if any(int(n) > 1 for n in re.findall(r"T >= (\d+)", launch[3])):
            continue
        for kv in launch[2].split(", "):
            key = (target, int(launch[4]), kv)
            counts[key] = counts.get(key, 0) + 1
    return counts


def check_launches(plans):
    for name, limit in LAUNCHES_MAX.items():
        plan = plans.build(TINY / name, f"{name}.plan", "--target", "cpu:x86-64-v3")
        counts = launches_of(run(plans.tlmrt, "info", plan, "--text").decode())
        kinds = {kv for _, _, kv in counts}
        if kinds != {"f32", "bf16"}:
            raise Failed(f"{name}: launches for the KV types {sorted(kinds)}")
        most = max(counts.values())
        print(f"{name}: {most} launches a layer at T = 1, limit {limit}")
        if most > limit:
            raise Failed(f"{name}: {most} launches a layer, limit {limit}")


def check_damage(plans, flips, cuts):
    """Every byte counts, by a driver that opens a damaged copy thousands of times."""
    model = plans.work / "with-tokenizer"
    shutil.copytree(write_model(plans.work / "small", Shape(vocabulary=512)), model)
    shutil.copy(TOKENIZER, model)
    plan = plans.build(model, "damage.plan", *ALL_LEVELS)
    driver = next((p for p in (plans.build_folder / "tests" / "plan_damage", plans.build_folder / "plan_damage")
                   if p.is_file()), None)
    if not driver:
        raise Failed(f"there is no plan_damage under {plans.build_folder}")
    begin = time.monotonic()
    done = subprocess.run([driver, plan, str(flips), str(cuts)], capture_output=True, text=True, check=False,
                          timeout=DAMAGE_SECONDS_MAX)
    print(done.stdout.strip()[-4000:])
    print(f"damage: {time.monotonic() - begin:.1f} s")
    if done.returncode:
        raise Failed(f"plan_damage: exit {done.returncode} {done.stderr[-300:]}")
    return plan


def check_words(plans, plan):
    """What a user sees: one line that names the section, exit code of bad input, nothing on stdout."""
    whole, bad = plan.read_bytes(), plans.work / "bad.plan"
    cases = [("header", 40, "header"), ("last byte", len(whole) - 1, "weights"), ("cut", None, "cut short")]
    cases += [("section table", 140, "section table")]
    for name, at, words in cases:
        if at is None:
            bad.write_bytes(whole[:len(whole) // 2])
        else:
            bad.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
        for command in (("info", bad), ("generate", bad, "--ids", "-", "-n", "1")):
            done = subprocess.run([plans.tlmrt, *command], input=b"[1]", capture_output=True, check=False)
            said = done.stderr.decode()
            if done.returncode != INPUT or words not in said or said.count("\n") != 1 or done.stdout:
                raise Failed(f"tlmrt {command[0]} of a plan with damage in {name}: exit {done.returncode}, {said!r}")
    print(f"words: {len(cases)} faults, two commands: one line and exit {INPUT} each")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=ROOT / "build")
    parser.add_argument("--flips", type=int, default=2000)
    parser.add_argument("--cuts", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        plans = Plans(options.build, work)
        check_words(plans, check_damage(plans, options.flips, options.cuts))
        check_launches(plans)
        check_surroundings(plans)
        large = write_model(plans.work / "large", LARGE)
        check_sizes(plans, large, check_same_bytes(plans, large))
    return 0


if __name__ == "__main__":
    sys.exit(run_test(main))

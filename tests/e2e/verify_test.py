#!/usr/bin/env python3
"""`tlmc verify`: what it prints for right plans, what it refuses, and that it leaves nothing behind.

    verify_test.py [--build DIR]

Needs the standard library only.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import Failed, ROOT, find_program, run, run_test

TINY = ROOT / "tests" / "fixtures" / "tiny"
MODEL, OTHER = TINY / "llama-tied", TINY / "qwen2-window"
USAGE, INPUT, IO = 2, 3, 5
BAR = 5e-5          # standard deviations, weights and KV in f32
SECONDS_MAX = 120


class Verify:
    def __init__(self, tlmc, folder):
        self.tlmc, self.folder = tlmc, folder

    def __call__(self, *arguments):
        """(exit code, stdout, stderr)"""
        done = subprocess.run([self.tlmc, "verify", *arguments], capture_output=True, text=True, timeout=SECONDS_MAX,
                              env=os.environ | {"TMPDIR": str(self.folder)}, check=False)
        left = [p.name for p in self.folder.iterdir()]
        if left:
            raise Failed(f"verify leaves {left}")
        return done.returncode, done.stdout, done.stderr


def expect(condition, what, output=""):
    if not condition:
        raise Failed(f"{what}\n{output}")


def check_right_plans(verify, plan):
    code, out, err = verify(MODEL, plan)
    expect(code == 0 and not err, "a right plan is refused", err)
    expect(out.startswith("This checks kernels and formats"), "it does not say first what it checks", out)
    expect("64 ids, 64 rows of 112 logits" in out and "all 64 agree" in out, "no summary", out)
    code, out, err = verify(MODEL, plan, "--reference", TINY / "llama-tied" / "expected.safetensors")
    found = [float(x) for x in re.findall(r"= (\S+) standard deviations", out)]
    expect(code == 0 and len(found) == 3, "three comparisons are expected", out + err)
    expect(max(found) <= BAR, f"more than {BAR} deviations", out)
    expect("300 ids, 300 rows" in out, "the longest sequence of the reference is expected", out)
    code, out, err = verify(MODEL, plan, "--count=1")
    expect(code == 0 and "1 ids, 1 rows" in out, "a single id", out + err)
    code, out, err = verify(OTHER, plan, "--count", "100000")
    expect(code == USAGE, "a count beyond the limit", err)
    print(f"differences {found} standard deviations")


def check_refusals(verify, plan):
    cases = (
        ((), USAGE, "a model's folder and a plan are expected"),
        ((MODEL, plan, "x"), USAGE, "unexpected: x"),
        ((MODEL, plan, "--frob", "1"), USAGE, "there is no option --frob"),
        ((MODEL, plan, "--count", "0"), USAGE, "--count takes a number"),
        ((MODEL, plan, "--reference"), USAGE, "a value is missing after --reference"),
        ((MODEL, verify.folder.parent / "absent.plan"), IO, "absent.plan"),
        ((MODEL, MODEL / "config.json"), INPUT, "`tlmrt logits` ended with exit code 3"),
        ((OTHER, plan), INPUT, "are they of this model?"),
        ((MODEL, plan, "--reference", OTHER / "expected.safetensors"), INPUT, "logits of the reference"),
        ((MODEL, plan, "--reference", MODEL / "model.safetensors"), INPUT, "the reference has no tensor ids"),
    )
    for arguments, wanted, words in cases:
        code, out, err = verify(*arguments)
        expect(code == wanted and words in err, f"{arguments}: exit {code}, expected {wanted} and {words!r}", out + err)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=str(ROOT / "build"))
    options = parser.parse_args()
    tlmc = find_program(options.build, "tlmc")
    find_program(options.build, "tlmrt")
    with tempfile.TemporaryDirectory() as name:
        plan, folder = Path(name) / "m.plan", Path(name) / "tmp"
        folder.mkdir()
        run(tlmc, "build", MODEL, "-o", plan, "--target", "cpu:x86-64-v3", "--weights", "f32", "--kv", "f32")
        verify = Verify(tlmc, folder)
        check_right_plans(verify, plan)
        check_refusals(verify, plan)
    return 0


if __name__ == "__main__":
    sys.exit(run_test(main))

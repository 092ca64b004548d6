#!/usr/bin/env python3
"""Plans for GPUs whose large matmuls a library makes: cuBLASLt, here a stand-in beside those for a driver and NVRTC.

    cuda_library_test.py [--build DIR]

Tiny models in steps that are large enough, against their references with the bars of tiny.py; the library must have
made every product that the plan has for the step, and given back all that it was asked for. Then what there is instead
of it: nothing, other versions, none of its ways. Standard library only.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tiny import BARS, CONFIGS, FIXTURES, KL_BARS, KL_MEAN_BAR, Fixture, distances, divergences
from tools import Failed, ROOT, Tools, run, run_test

VERSION, LONG = 130100, 1030
OPTIONS = ("--device", "cuda", "--chunk", "2048")
# model, target, ids (LONG: more than the fixture has), bar
CASES = (("llama-tied", "sm_80", 300, "auto"), ("nemotron-biases-tied", "sm_100", 300, "f32"),
         ("llama-tied", "sm_90a", LONG, "auto"))
# What is there instead of the library: files of two versions, what the stand-in says of itself, what tlmrt says.
NEWER, OLDER = "libcublasLt.so.13", "libcublasLt.so.12"
WITHOUT = (({NEWER: None, OLDER: None}, VERSION, "there is no cuBLASLt"),
           ({NEWER: NEWER, OLDER: None}, 140000, f"{NEWER} is version 14.0, not 13"),
           ({NEWER: None, OLDER: NEWER}, 110203, f"{OLDER} is version 11.2, not 12"))


def launches_of(text, rows):
    """(name, code or product, arguments) of a step with a library, of what `tlmrt info --text` prints of a plan."""
    kv = re.search(r"; (\w+) by default", text).group(1)
    launch = (r"launch @(\S+) : kv ((?:\w+, )+?)((?:T [<>]= |by |det|with|layer|grid).*)\n"
              r"    (\w+) \d+ .*\n    args (.*)\n")
    for name, types, guard, kind, args in re.findall(launch, text):
        least, most = re.search(r"T >= (\d+)", guard), re.search(r"T <= (\d+)", guard)
        runs = (not least or int(least[1]) <= rows) and (not most or rows <= int(most[1]))
        if runs and kv in types and "deterministic" not in guard and "without a library" not in guard:
            yield name, kind, args


def wanted_products(text, rows):
    """{(columns, depth, format, what is added): launches} of a step."""
    weights, found = dict(re.findall(r"^weight %(\S+) : (\w+\[[\d,]+\])", text, re.MULTILINE)), Counter()
    launches = list(launches_of(text, rows))
    made = {name for name, kind, _ in launches if kind == "product"}
    codes = Counter(name for name, kind, _ in launches if kind == "code" and name in made)
    if codes and max(codes.values()) > 1:
        raise Failed(f"a step of {rows} rows runs two kernels beside products: {codes.most_common(1)}")
    for _, _, args in (launch for launch in launches if launch[1] == "product"):
        _, weight, columns, _, _, added, bias = args.split(", ")
        form, depth = re.match(r"(\w+)\[\d+,(\d+)\]", weights[weight.split("%")[1].split("~")[0]]).groups()
        what = " bias" * bias.startswith("weight") + " added" * added.startswith("buffer")
        found[int(columns.split()[1]), int(depth), form, what] += 1
    return found


def made_products(log, rows):
    """The same of the library's log, and lines that are none of a product."""
    found, other = Counter(), []
    for line in log.read_text().splitlines() if log.exists() else ():
        match = re.match(r"(graph|now) (\d+) (\d+) (\d+) (\w+)(.*)", line)
        if not match:
            other.append(line)
        elif match[1] == "graph" and int(match[3]) == rows:
            found[int(match[2]), int(match[4]), match[5], match[6]] += 1
    return found, other


class Test:
    def __init__(self, build, work):
        self.build, self.work, self.log = Path(build).resolve(), Path(work), Path(work) / "log"
        self.driver = self.build / "tests" / "driver"
        self.tools = Tools(build, work, self.driver, self.build / "tests" / "nvrtc")
        os.environ["TLMC_BLAS_LOG"] = str(self.log)

    def link_model(self, name, length):
        """A folder of the fixture's, whose context is as long as is needed."""
        model = Fixture(FIXTURES / name).link_model(CONFIGS[0], self.work / f"{name}.{length}")
        config = json.loads((model / "config.json").read_text())
        config["max_position_embeddings"] = max(config["max_position_embeddings"], length)
        (model / "config.json").unlink()
        (model / "config.json").write_text(json.dumps(config))
        return model

    def expected(self, name, model, ids):
        fixture = Fixture(FIXTURES / name)
        if len(ids) in fixture.lengths:
            return fixture.logits(len(ids), "auto")
        plan = self.work / "reference.plan"
        self.tools.build(model, plan, "--target", "cpu:x86-64-v3", "--weights", "f32", "--kv", "f32")
        return self.tools.logits(plan, ids, "--device", "cpu")

    def check(self, name, machine, length, bar):
        model, plan = self.link_model(name, length), self.work / f"{name}.{machine}.plan"
        ids = [i * 37 % 101 for i in range(length)] if length == LONG else Fixture(FIXTURES / name).ids(length)
        self.tools.build(model, plan, "--keep-source", "--no-ptx", "--target", f"cuda:{machine}")
        wanted = wanted_products(run(self.tools.tlmrt, "info", plan, "--text").decode(), length)
        expected = self.expected(name, model, ids)
        self.log.unlink(missing_ok=True)
        os.environ.update(TLMC_SHIM_GPU="".join(c for c in machine if c.isdigit()), TLMC_BLAS_VERSION=str(VERSION))
        found = self.tools.logits(plan, ids, *OPTIONS)
        made, other = made_products(self.log, length)
        if not wanted or made != wanted or other:
            raise Failed(f"{name} ({machine}): products {dict(wanted)}, the library made {dict(made)} {other}")
        worst, kl = max(distances(expected, found)), divergences(expected, found)
        mean, what = sum(kl) / len(kl), f"{worst:.1e} deviations, KL {max(kl):.1e}, mean {sum(kl) / len(kl):.1e}"
        if worst > BARS[bar] or max(kl) > KL_BARS["rounded"] or mean > KL_MEAN_BAR:
            raise Failed(f"{name} ({machine}): off by {what}")
        print(f"{name:22} {machine:8} {sum(made.values()):3} products, {what}", flush=True)
        return plan

    def say(self, plan, folder, version, **environment):
        """(ids, what tlmrt says) of a session that finds the files of `folder` first."""
        self.log.unlink(missing_ok=True)
        path = self.tools.write_ids([1, 2, 3])
        environment = dict(os.environ, LD_LIBRARY_PATH=f"{folder}:{self.driver}", TLMC_BLAS_VERSION=str(version),
                           **environment)
        done = subprocess.run([self.tools.tlmrt, "generate", plan, "--ids", path, "-n", "2", "--device", "cuda"],
                              capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise Failed(f"tlmrt generate: exit {done.returncode}: {done.stderr}")
        return done.stdout, done.stderr

    def check_without(self, plan):
        ids, said = self.say(plan, self.work, VERSION)
        if said or not self.log.exists():
            raise Failed(f"with the library tlmrt says {said!r}, and the log is there: {self.log.exists()}")
        for number, (files, version, sentence) in enumerate(WITHOUT):
            folder = self.work / f"libraries{number}"
            folder.mkdir()
            for name, of in files.items():
                if of:
                    (folder / name).symlink_to(self.driver / of)
                else:
                    (folder / name).touch()     # what the machine has of this name is not found
            self.check_line(self.say(plan, folder, version), ids, sentence)
        self.check_line(self.say(plan, self.work, VERSION, TLMC_BLAS_ROWS_MAX="1"), ids,
                        "cuBLASLt 13.1.0 has no way to multiply 288 rows")
        folder = self.work / "older"
        folder.mkdir()
        (folder / NEWER).touch()
        (folder / OLDER).symlink_to(self.driver / NEWER)
        if self.say(plan, folder, 120805) != (ids, "") or not self.log.exists():
            raise Failed("version 12 is not used where it is the only one")

    def check_line(self, done, ids, sentence):
        said = done[1]
        if done[0] != ids or said.count("\n") != 1 or sentence not in said or "own kernels" not in said:
            raise Failed(f"expected one line with '{sentence}' and ids {ids!r}, found {said!r} and {done[0]!r}")
        if self.log.exists():
            raise Failed(f"the library made products although {sentence}")
        print(f"said: {said}", end="", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=ROOT / "build", help="folder with the programs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        test = Test(options.build, work)
        os.environ["TLMC_SHIM_GPU"] = "80"
        test.check_without(test.check(*CASES[0]))
        for case in CASES[1:]:
            test.check(*case)
    return 0


if __name__ == "__main__":
    sys.exit(run_test(main))

#!/usr/bin/env python3
"""`tlmrt tune`: a plan's matmuls go the ways that were the fastest where they were measured.

    cuda_tune_test.py [--build DIR]

The stand-in for a driver takes the times of kernels from a table and logs what runs (tests/lib/cuda). The file beside
the plan must have the borders that the table asks for, sessions must run these kernels, with logits as near to the
reference as without it; each way there is must do that for numbers of rows it is not meant for. What is damaged, or of
another plan or GPU, is ignored in one line; `deterministic` sessions have the same bits. Standard library only.
"""
import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from tiny import BARS, CONFIGS, FIXTURES, KL_BARS, KL_MEAN_BAR, Fixture, distances, divergences
from tools import Failed, ROOT, Tools, run, run_test

MODEL, CHUNK = "llama-tied", 64
LENGTH = 41    # of the fixture's ids, whose logits do not depend on what follows
FEW, MANY, WIDE = "matmul_few", "matmul_many", "matmul_wide"
# template, T_ROWS, rows, rows, us, as the stand-in reads it; other kernels take 1 us
TIMES = ((FEW, 8, 1, 12, 5.0), (FEW, 8, 13, 99, 50.0), (FEW, 16, 1, 99, 4.9), (FEW, 32, 1, 24, 6.0),
         (FEW, 32, 25, 99, 20.0), (MANY, 128, 1, 30, 100.0), (MANY, 128, 31, 99, 3.0), ("library", 0, 1, 99, 90.0))
# What that makes of a set with all of sm_80's ways: rows at most, way. 4.9 us are not worth leaving 5 us for.
BORDERS = ((8, (FEW, 8)), (24, (FEW, 16)), (64, (MANY, 128)))
# target, ways that are made the fastest, rows of the steps they are tried in: more or fewer than they are meant for
WAYS = (("sm_80", (FEW, 8), (LENGTH,)), ("sm_80", (FEW, 16), (3, LENGTH)), ("sm_80", (FEW, 32), (3,)),
        ("sm_80", (MANY, 128), (3,)), ("sm_80", ("library", 0), (3, LENGTH)), ("sm_90a", (FEW, 8), (LENGTH,)),
        ("sm_90a", (WIDE, 16), (3, LENGTH)), ("sm_90a", (WIDE, 64), (3, 20)), ("sm_90a", (WIDE, 128), (3, LENGTH)))
EXIT_UNSUPPORTED, EXIT_IO = 4, 5


def sets_of(text):
    """{set: {guard: (template, T_ROWS)}} of a plan's launches with the KV type it has by default."""
    kv, sets = re.search(r"; (\w+) by default", text).group(1), {}
    kernels = {number: (template, int(rows)) for number, template, rows in
               re.findall(r"^kernel (\d+) : .*\} (\w+): [^{]*? ROWS=(\d+)", text, re.MULTILINE)}
    launch = r"launch @\S+ : kv ((?:\w+, )+?)((?:T [<>]=|by ).*), set (\d+),.*\n    (\w+) (\d+)"
    for types, guard, number, kind, kernel in re.findall(launch, text):
        if kv not in types:
            continue
        least, most = re.search(r"T >= (\d+)", guard), re.search(r"T <= (\d+)", guard)
        library = 1 if "without a library" in guard else 2 if "with a library" in guard else 0
        key = (int(least[1]) if least else 0, int(most[1]) if most else 2**32 - 1, library)
        way = ("library", 0) if library == 2 else kernels[kernel]
        sets.setdefault(int(number), {}).setdefault(key, way)
    return sets


class Test:
    def __init__(self, build, work):
        self.build, self.work, self.log = Path(build).resolve(), Path(work), Path(work) / "log"
        self.driver = self.build / "tests" / "driver"
        self.tools = Tools(build, work, self.driver, self.build / "tests" / "nvrtc")
        self.fixture, self.plans, self.sets = Fixture(FIXTURES / MODEL), {}, {}
        self.model = self.fixture.link_model(CONFIGS[0], self.work / "model")

    def add_plan(self, machine):
        plan = self.plans[machine] = self.work / f"{machine}.plan"
        self.tools.build(self.model, plan, "--keep-source", "--no-ptx", "--target", f"cuda:{machine}")
        self.sets[machine] = sets_of(run(self.tools.tlmrt, "info", plan, "--text").decode())

    def command(self, *words, **environment):
        environment = {"LD_LIBRARY_PATH": str(self.driver), **environment}
        return subprocess.run([self.tools.tlmrt, *map(str, words)], capture_output=True, text=True, check=False,
                              env=dict(os.environ, **environment))

    def tune(self, machine, times):
        """The file of a plan that is tuned by the table: {set: ((rows, way), ..)}."""
        table, plan = self.work / "times", self.plans[machine]
        table.write_text("".join(" ".join(map(str, row)) + "\n" for row in times))
        done = self.command("tune", plan, "--chunk", CHUNK, TLMC_SHIM_TIMES=str(table))
        if done.returncode or done.stderr:
            raise Failed(f"tlmrt tune: exit {done.returncode}: {done.stderr}")
        found = {}
        for line in Path(f"{plan}.tune").read_text().splitlines():
            if line.startswith("way "):
                _, number, rows, *guard = map(int, line.split()[1:])
                found.setdefault(number, []).append((rows, self.sets[machine][number][tuple(guard)]))
        return found, done.stdout

    def ran(self, work, length):
        """What `work` gives, and the matmuls' kernels that ran in its one step: {(template, T_ROWS)}."""
        self.log.unlink(missing_ok=True)
        os.environ["TLMC_SHIM_LOG"] = str(self.log)
        found = work()
        del os.environ["TLMC_SHIM_LOG"]
        lines = [line.split() for line in self.log.read_text().splitlines()]
        if {int(rows) for rows, _, _ in lines} != {length}:
            raise Failed(f"{length} rows were not one step: {lines[:3]}")
        return found, {(name, int(rows)) for _, name, rows in lines if name in (FEW, MANY, WIDE, "library")}

    def logits(self, machine, length):
        """Of a session that has steps of no more rows."""
        ids = self.fixture.ids(LENGTH)[:length]
        return self.ran(lambda: self.tools.logits(self.plans[machine], ids, "--chunk", str(CHUNK)), length)

    def first_id(self, machine, length):
        """Of a session that has steps of more rows too."""
        ids = self.fixture.ids(LENGTH)[:length]
        return self.ran(lambda: self.tools.generate(self.plans[machine], ids, 1, "--chunk", str(CHUNK)), length)

    def check_logits(self, found, length, what):
        (_, columns), values = self.fixture.logits(LENGTH, "auto")
        expected = (length, columns), values[:length * columns]
        worst, kl = max(distances(expected, found)), divergences(expected, found)
        if worst > BARS["auto"] or max(kl) > KL_BARS["rounded"] or sum(kl) / len(kl) > KL_MEAN_BAR:
            raise Failed(f"{what}, {length} rows: {worst:.1e} deviations, KL {max(kl):.1e}")

    def check_borders(self):
        """The file has what the table asks for, and no other borders; what is printed is what changed."""
        found, text = self.tune("sm_80", TIMES)
        whole = [number for number, ways in self.sets["sm_80"].items() if len(set(ways.values())) == 5]
        if not whole or any(found[number] != list(BORDERS) for number in whole):
            raise Failed(f"borders are {found}, expected {BORDERS} of sets {whole}")
        lines = (r" 8  matmul_few 0\.\.8 +10\.0  matmul_few 0\.\.8 +10\.0$",
                 r" 24  matmul_few 17\.\.32 +12\.0  matmul_few 9\.\.16 +9\.8$", r"sm_80.plan.tune: \d+ of \d+ changed$")
        if not all(re.search(line, text, re.MULTILINE) for line in lines):
            raise Failed(f"tlmrt tune printed:\n{text}")
        print(f"borders of {len(whole)} sets: {BORDERS}", flush=True)

    def check_launches(self):
        """Steps run what the file says, and others without it."""
        plan = self.plans["sm_80"]
        kept, few, many = Path(f"{plan}.tune").read_bytes(), (FEW, 16), (MANY, 128)
        # rows: ways with the file, ways without it; what wanted rows are multiplied by has none for many rows
        steps = {3: ({(FEW, 8)}, {(FEW, 8)}), 24: ({few}, {(FEW, 32)}), LENGTH: ({many, few}, {many, (FEW, 32)})}
        for length, expected in steps.items():
            found, ran = self.logits("sm_80", length)
            self.check_logits(found, length, "tuned")
            os.unlink(f"{plan}.tune")
            plain, without = self.logits("sm_80", length)
            Path(f"{plan}.tune").write_bytes(kept)
            self.check_logits(plain, length, "not tuned")
            if (ran, without) != expected:
                raise Failed(f"{length} rows: {ran} ran with the file, {without} without, expected {expected}")
            if (found == plain) != (ran == without):
                raise Failed(f"{length} rows: logits are {'' if found == plain else 'not '}the same bits")
        _, ran = self.first_id("sm_80", 24)
        if ran != steps[24][0]:
            raise Failed(f"24 rows: {ran} ran in a session for {CHUNK}, expected {steps[24][0]}")
        print("launches follow the file", flush=True)

    def check_ways(self):
        """Each way for numbers of rows that it is not meant for."""
        for machine, way, lengths in WAYS:
            os.environ["TLMC_SHIM_GPU"] = "".join(c for c in machine if c.isdigit())
            every = {each for ways in self.sets[machine].values() for each in ways.values()}
            times = [(*way, 1, CHUNK, 1.0)] + [(*each, 1, CHUNK, 500.0) for each in every - {way}]
            self.tune(machine, times + [("matmul_rest", 16, 1, CHUNK, 0.1)])
            for length in lengths:
                found, ran = self.logits(machine, length)
                self.check_logits(found, length, f"{machine} by {way}")
                # What wanted rows are multiplied by has fewer ways.
                if way not in ran or len(ran) > 2 + (machine == "sm_90a"):
                    raise Failed(f"{machine}, {length} rows: {ran} ran, expected {way}")
            print(f"{machine} {way[0]} {way[1]}: right for {lengths} rows", flush=True)

    def check_said(self, sentence, what, **environment):
        """A session says one line, and computes what it computes without a file."""
        done = self.command("generate", self.plans["sm_80"], "--ids", self.tools.write_ids([1, 2, 3]), "-n", 2,
                            "--device", "cuda", "--chunk", CHUNK, **environment)
        lines = done.stderr.splitlines()
        if done.returncode or done.stdout != self.ids or len(lines) != (sentence != "") or \
                not done.stderr.rstrip().endswith(sentence):
            raise Failed(f"{what}: exit {done.returncode}, {done.stdout!r}, {done.stderr!r}, expected '{sentence}'")

    def check_ignored(self):
        """Files that are not for this plan on this GPU, or damaged."""
        file, other = Path(f"{self.plans['sm_80']}.tune"), Path(f"{self.plans['sm_90a']}.tune")
        kept = file.read_bytes()
        file.unlink()
        self.ids = self.command("generate", self.plans["sm_80"], "--ids", self.tools.write_ids([1, 2, 3]), "-n", 2,
                                "--device", "cuda", "--chunk", CHUNK).stdout
        self.check_said("", "without a file")
        ignored = "sm_80.plan.tune is damaged or of another version: it is ignored"
        for damaged in (b"", kept[:-1], kept[:len(kept) // 2], kept.replace(b"way 0 2", b"way 0 3", 1), kept + b"\n",
                        kept.replace(b"tuning 1", b"tuning 2")):
            file.write_bytes(damaged)
            self.check_said(ignored, "damaged")
        file.write_bytes(other.read_bytes())
        self.check_said("sm_80.plan.tune is of another plan: it is ignored", "of another plan")
        file.write_bytes(kept)
        self.check_said("sm_80.plan.tune is of another GPU: it is ignored", "of another GPU", TLMC_SHIM_GPU="86")
        self.check_said("", "as it was")
        self.check_said("own kernels make the products of large steps", "without a library", TLMC_BLAS_VERSION="0")
        print("files for something else are ignored", flush=True)

    def check_deterministic(self):
        """Bits of `deterministic` sessions are the same with and without a file; others' are not."""
        file = Path(f"{self.plans['sm_80']}.tune")
        program = self.build / "tests" / "cuda_tuned"
        tuned = run(program, self.plans["sm_80"], libraries=self.driver).decode().splitlines()
        kept = file.read_bytes()
        file.unlink()
        plain = run(program, self.plans["sm_80"], libraries=self.driver).decode().splitlines()
        file.write_bytes(kept)
        if not tuned[0].startswith("by default: tuned") or not plain[0].startswith("by default: not tuned") or \
                tuned[0].split()[-1] == plain[0].split()[-1] or tuned[1] != plain[1] or "not tuned" not in tuned[1]:
            raise Failed(f"with a file: {tuned}, without: {plain}")
        print("deterministic sessions have the same bits", flush=True)

    def check_words(self):
        """Who says that a tuning is used."""
        plan = self.plans["sm_80"]
        bench = self.command("bench", plan, "--prompt", 2, "--gen", 1)
        info = self.command("info", plan)
        if ", tuned\n" not in bench.stdout or "sm_80.plan.tune\n" not in info.stdout:
            raise Failed(f"bench says {bench.stdout!r} {bench.stderr!r}, info {info.stdout!r} {info.stderr!r}")

    def check_faults(self):
        """Where there is nothing to tune, or no file can be written: one sentence, and the file as it was."""
        plan, cpu, empty = self.plans["sm_80"], self.work / "cpu.plan", self.work / "empty"
        self.tools.build(self.model, cpu, "--target", "cpu:x86-64-v3")
        empty.mkdir()
        (empty / "libcuda.so.1").touch()     # what the machine has of this name is not found
        for which, sentence, environment in ((cpu, "this session runs on cpu", {}),
                                             (plan, "no NVIDIA driver", {"LD_LIBRARY_PATH": str(empty)})):
            done = self.command("tune", which, **environment)
            if done.returncode != EXIT_UNSUPPORTED or sentence not in done.stderr or done.stderr.count("\n") != 1:
                raise Failed(f"expected '{sentence}', found exit {done.returncode}: {done.stderr!r}")
        file = Path(f"{plan}.tune")
        kept, limits = file.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))    # less than the file has
        done = self.command("tune", plan, TLMC_SHIM_TIMES=str(self.work / "times"))
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        left = sorted(path.name for path in self.work.glob("sm_80*"))
        if done.returncode == 0 or file.read_bytes() != kept or left != [plan.name, file.name]:
            raise Failed(f"a file that is too large: exit {done.returncode}, {done.stderr!r}, there is {left}")
        file.unlink()
        file.mkdir()
        done = self.command("tune", plan, TLMC_SHIM_TIMES=str(self.work / "times"))
        if done.returncode != EXIT_IO or file.name not in done.stderr or done.stderr.count("\n") != 1:
            raise Failed(f"a folder of its name: exit {done.returncode}, {done.stderr!r}")
        print(f"faults are told: {done.stderr.strip()}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=ROOT / "build", help="folder with the programs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        test = Test(options.build, work)
        for machine in ("sm_80", "sm_90a"):
            test.add_plan(machine)
        os.environ.update(TLMC_SHIM_GPU="80", TLMC_BLAS_VERSION="130100")
        test.check_borders()
        test.check_launches()
        test.check_deterministic()
        test.check_words()
        test.check_ways()
        os.environ["TLMC_SHIM_GPU"] = "80"
        test.check_ignored()
        test.check_faults()
    return 0


if __name__ == "__main__":
    sys.exit(run_test(main))

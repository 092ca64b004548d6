#!/usr/bin/env python3
"""A build that is killed, or that runs out of room, leaves the old plan as it was or the new one whole; nothing else.

    kill_test.py [--build DIR] [--tries 30] [--seed N]

Two models take turns at one path: after a kill the file must be bit for bit the plan of one of them. A third of the
kills come at any moment of a build that finds no kernels compiled before, a third of one that does, and a third while
the plan is being written, which is a small part of either. A full disk is a
small tmpfs where the test may mount one, and a limit on the size of files (RLIMIT_FSIZE) everywhere.
Standard library only.
"""
import argparse
import hashlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools import Failed, ROOT, find_program, run, run_test
from models import Shape, write_model

# Few kernels and many weights: much of a build is writing.
SHAPES = {"first": Shape(layers=1, vocabulary=300000), "second": Shape(layers=1, vocabulary=290000)}
OPTIONS = ("--target", "cpu:x86-64-v3", "--kv", "f32")
MOMENTS = ("compiling", "any", "writing")
IO = 5
FULL_BYTES = 8 << 20
SECONDS_MAX = 120


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def is_writing(process, plan):
    """Whether the process has another file than the plan open in the plan's folder; that one may have no name yet."""
    try:
        for entry in os.listdir(f"/proc/{process.pid}/fd"):
            path = f"/proc/{process.pid}/fd/{entry}"
            name = os.readlink(path)
            if name.startswith(f"{plan.parent}/") and name != str(plan):
                return True
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        pass
    return False


class Bench:
    def __init__(self, build, work):
        self.tlmc, self.tlmrt = find_program(build, "tlmc"), find_program(build, "tlmrt")
        self.work, self.out, self.cache = Path(work), Path(work) / "out", Path(work) / "cache"
        self.out.mkdir()
        self.plan = self.out / "x.plan"
        self.models = {name: write_model(self.work / name, shape) for name, shape in SHAPES.items()}
        self.environment = os.environ | {"XDG_CACHE_HOME": str(self.cache)}
        self.wanted, self.seconds, self.writing = {}, {}, 0.0
        for name in self.models:
            for forgets in (True, False):
                begin = time.monotonic()
                self.finish(self.start(name, forgets))
                self.seconds[forgets] = time.monotonic() - begin
                self.wanted[digest(self.plan)] = name
        if len(self.wanted) != len(self.models):
            raise Failed("builds that find their kernels compiled before make other plans")

    def command(self, name):
        return [self.tlmc, "build", self.models[name], "-o", self.plan, *OPTIONS]

    def start(self, name, forgets=False):
        """A build; one that `forgets` finds no kernels compiled before."""
        if forgets:
            shutil.rmtree(self.cache, ignore_errors=True)
        return subprocess.Popen(self.command(name), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                env=self.environment)

    def finish(self, process):
        said = process.communicate(timeout=SECONDS_MAX)[1].decode()
        if process.returncode:
            raise Failed(f"a build ended with {process.returncode}: {said}")

    def left(self):
        return sorted(p.name for p in self.out.iterdir())

    def wait_for_writing(self, process):
        """Until the new file is there. The first time to the end, to learn how long it grows."""
        while process.poll() is None and not is_writing(process, self.plan):
            time.sleep(0.001)
        if not self.writing:
            begin = time.monotonic()
            process.wait(SECONDS_MAX)
            self.writing = time.monotonic() - begin

    def kill(self, name, moment, randomness):
        """Whether the build was killed, and whether its plan is there."""
        before = digest(self.plan)
        process = self.start(name, moment == "compiling")
        if moment == "writing":
            self.wait_for_writing(process)
            time.sleep(randomness.random() * self.writing)
        else:
            time.sleep(randomness.random() * self.seconds[moment == "compiling"])
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=SECONDS_MAX)
        after = digest(self.plan)
        if after not in self.wanted or (after != before and self.wanted[after] != name):
            raise Failed(f"after a kill of the build of {name} the plan is neither the old nor the new one")
        return process.returncode == -signal.SIGKILL, after != before


def check_kills(bench, tries, randomness):
    killed = replaced = remains = 0
    names = list(bench.models)
    for i in range(tries):
        current = bench.wanted[digest(bench.plan)]
        other = names[1 - names.index(current)]
        was_killed, was_replaced = bench.kill(other, MOMENTS[i % len(MOMENTS)], randomness)
        killed, replaced, remains = killed + was_killed, replaced + was_replaced, remains + (len(bench.left()) > 1)
    run(bench.tlmrt, "info", bench.plan)
    print(f"kills: {tries} tries, {killed} killed ({bench.seconds[True]:.1f} s a build, "
          f"{bench.seconds[False]:.1f} with kernels there, {bench.writing:.2f} of it writing), {replaced} with the "
          f"new plan there, {remains} with a temporary file left")
    (bench.out / "x.plan.tmp").write_bytes(b"remains of a build on a system without unnamed files")
    bench.finish(bench.start(names[0]))
    remains = bench.left() + [p.name for p in (bench.cache / "tlmc").iterdir() if p.suffix]
    if remains != ["x.plan"] or bench.wanted[digest(bench.plan)] != names[0]:
        raise Failed(f"the next build left {remains}")
    print("next build: the plan alone")


def check_interrupt(bench):
    before = digest(bench.plan)
    process = bench.start("second", True)
    time.sleep(bench.seconds[True] / 4)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=SECONDS_MAX)
    if not process.returncode or digest(bench.plan) != before or bench.left() != ["x.plan"]:
        raise Failed(f"an interrupted build ended with {process.returncode} and left {bench.left()}")
    print("interrupt: the old plan alone")


def expect_full(bench, done, what, before):
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    if done.returncode != IO or len(errors) != 1 or str(bench.plan) not in errors[0]:
        raise Failed(f"{what}: exit {done.returncode}, expected {IO} and one sentence with the path: {done.stderr}")
    if bench.left() != ["x.plan"] or digest(bench.plan) != before:
        raise Failed(f"{what}: left {bench.left()}")
    print(f"{what}: {errors[0]}")


def check_file_limit(bench):
    before = digest(bench.plan)

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_BYTES, FULL_BYTES))

    done = subprocess.run(bench.command("second"), capture_output=True, text=True, check=False, preexec_fn=limit)
    expect_full(bench, done, "limit on files", before)


def check_full_disk(bench):
    """On a small disk that holds a plan already; skipped where nothing can be mounted."""
    disk = bench.work / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={FULL_BYTES}", "tlmc-test", disk]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        print("skipped: full disk: this user cannot mount a tmpfs")
        return
    try:
        bench.out, bench.plan = disk, disk / "x.plan"
        small = write_model(bench.work / "small", Shape(layers=1))
        run(bench.tlmc, "build", small, "-o", bench.plan, *OPTIONS)
        before = digest(bench.plan)
        done = subprocess.run(bench.command("second"), capture_output=True, text=True, check=False)
        expect_full(bench, done, "full disk", before)
    finally:
        subprocess.run(["umount", disk], check=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=ROOT / "build")
    parser.add_argument("--tries", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(options.build, work)
        check_kills(bench, options.tries, random.Random(options.seed))
        check_interrupt(bench)
        check_file_limit(bench)
        check_full_disk(bench)
    return 0


if __name__ == "__main__":
    sys.exit(run_test(main))

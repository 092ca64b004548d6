"""Runs tlmc and tlmrt for the end-to-end tests: finds them, builds plans, reads logits and ids back.

Everything a test needs is in `Tools`; a command that fails raises `Failed` with the program's own words, and a test
that cannot run at all prints one line that starts with "skipped:" and exits 77 (ctest: SKIP_RETURN_CODE).
"""
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))
from tensors import read_header, read_tensor  # noqa: E402

EXIT_SKIPPED = 77
SECONDS_MAX = 3600


class Failed(Exception):
    """A command failed or its output is not what the command line promises."""


class Skipped(Exception):
    """The test cannot run here; the message says what is absent and how to get it."""


def run_test(main):
    """Exit status of a test's main(), with Skipped and Failed turned into one line each."""
    try:
        return main()
    except Skipped as reason:
        print(f"skipped: {reason}")
        return EXIT_SKIPPED
    except Failed as reason:
        print(f"FAILED: {reason}")
        return 1


def find_program(build, name):
    for folder in (".", "bin", "compiler", "runtime"):
        path = Path(build) / folder / name
        if path.is_file():
            return path.resolve()
    raise Skipped(f"there is no {name} under {build}: build it, or name the build folder with --build DIR")


def run(*command, libraries=None):
    """Standard output of a command that must succeed; it finds libraries in the folder `libraries` first."""
    environment = dict(os.environ)
    if libraries:
        environment["LD_LIBRARY_PATH"] = str(libraries)
    command = [str(c) for c in command]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS_MAX,
                              env=environment, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(command)}: still running after {SECONDS_MAX} s") from None
    if done.returncode:
        words = done.stderr.decode("utf8", "replace").strip()[-1500:]
        raise Failed(f"{' '.join(command)}: exit {done.returncode}\n{words}")
    return done.stdout


class Tools:
    """The two programs, and a folder for what they read and write."""

    def __init__(self, build, work, driver=None, nvrtc=None):
        self.tlmc, self.tlmrt = find_program(build, "tlmc"), find_program(build, "tlmrt")
        self.work = Path(work)
        self.driver = driver    # folder of a libcuda.so.1, which tlmc must not see
        self.nvrtc = nvrtc      # folder of a libnvrtc.so.13 that stands in for NVRTC

    def build(self, model, plan, *options):
        run(self.tlmc, "build", model, "-o", plan, *options, libraries=self.nvrtc)
        if not Path(plan).is_file():
            raise Failed(f"tlmc build {model} ended well but wrote no {plan}")

    def write_ids(self, ids, types=None):
        path = self.work / "ids.json"
        path.write_text(json.dumps({"ids": ids, "token_type_ids": types} if types else ids))
        return path

    def logits_file(self, plan, ids, *options, types=None):
        """The file with tensor `logits`, overwritten by the next call."""
        out = self.work / "logits.safetensors"
        out.unlink(missing_ok=True)
        run(self.tlmrt, "logits", plan, "--ids", self.write_ids(ids, types), "--out", out, *options,
            libraries=self.driver)
        return out

    def logits(self, plan, ids, *options, types=None):
        """(shape, values as array of f32)."""
        out = self.logits_file(plan, ids, *options, types=types)
        entry = read_header(out).get("logits")
        if entry is None or entry.dtype != "F32" or len(entry.shape) != 2:
            raise Failed(f"tlmrt logits {plan}: expected one f32 tensor `logits` [n, m], found {entry}")
        return entry.shape, read_tensor(out, "logits")

    def generate(self, plan, ids, count, *options):
        text = run(self.tlmrt, "generate", plan, "--ids", self.write_ids(ids), "-n", count, *options,
                   libraries=self.driver)
        try:
            return json.loads(text)["ids"]
        except (ValueError, KeyError, TypeError):
            raise Failed(f"tlmrt generate {plan}: expected one JSON object with ids, found {text[:200]!r}") from None

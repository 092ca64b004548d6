#!/usr/bin/env python3
"""tlmrt's command line: exit codes, messages, what goes to stdout and what to stderr.

    cli_test.py [--build DIR]

What needs no plan always runs. The rest takes the plan $TLMC_TEST_PLAN, or the first of DIR/plans/*.plan, or builds a
tiny model with the tlmc in DIR; without any of them it says so. Needs the standard library only.
"""
import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools import Failed, ROOT, Skipped, find_program, read_header, read_tensor, run_test

SECONDS_MAX = 300
USAGE, INPUT, UNSUPPORTED, IO = 2, 3, 4, 5

# (arguments, exit code, words that stderr must hold); none opens a plan.
NO_PLAN = (
    ((), USAGE, "usage: tlmrt COMMAND"),
    (("rum",), USAGE, "the closest is 'run'"),
    (("frobnicate-nothing",), USAGE, "tlmrt help"),
    (("serve", "x.plan"), UNSUPPORTED, "`tlmrt serve` is not part of this version"),
    (("help", "serve"), UNSUPPORTED, "not part of this version"),
    (("chat", "missing.plan"), IO, "missing.plan"),
    (("run", "x.plan", "-p", "a", "--system", "b"), USAGE, "add --chat"),
    (("run",), USAGE, "needs a plan"),
    (("run", "x.plan"), USAGE, "-p TEXT"),
    (("run", "x.plan", "-p", "a", "-f", "b"), USAGE, "once"),
    (("run", "x.plan", "-p"), USAGE, "a value is missing behind '-p'"),
    (("run", "x.plan", "--topk", "3"), USAGE, "the closest is '--top-k'"),
    (("run", "x.plan", "--depth", "3"), USAGE, "other commands have"),
    (("run", "x.plan", "y.plan"), USAGE, "'y.plan'"),
    (("run", "x.plan", "--", "--odd"), USAGE, "'--odd'"),
    (("run", "x.plan", "--json=1"), USAGE, "'--json=1'"),
    (("run", "x.plan", "-n", "0"), USAGE, "from 1 to"),
    (("run", "x.plan", "-n", "1x"), USAGE, "'1x'"),
    (("run", "x.plan", "-n", ""), USAGE, "an integer"),
    (("run", "x.plan", "-n", "99999999999999999999"), USAGE, "an integer"),
    (("run", "x.plan", "--top-p", "nan"), USAGE, "a number from 0 to 1"),
    (("run", "x.plan", "--temperature", "inf"), USAGE, "a number"),
    (("run", "x.plan", "--temperature=-1"), USAGE, "a number"),
    (("run", "x.plan", "--seed", "-1"), USAGE, "2^64"),
    (("run", "x.plan", "--seed", "18446744073709551616"), USAGE, "2^64"),
    (("run", "x.plan", "--kv-memory", "16777216T"), USAGE, "2^64"),
    (("run", "x.plan", "--kv-memory", "K"), USAGE, "2^64"),
    (("run", "x.plan", "--kv-memory", ""), USAGE, "2^64"),
    (("run", "x.plan", "--image", "a.png"), UNSUPPORTED, "images"),
    (("run", "x.plan") + ("--stop", "a") * 17, USAGE, "more than 16 times"),
    (("bench", "x.plan", "--batch", "1,,2"), USAGE, "--batch is ''"),
    (("bench", "x.plan", "--batch", ",".join(["1"] * 17)), USAGE, "more than 16 numbers"),
    (("bench", "x.plan", "--batch", "0"), USAGE, "from 1 to"),
    (("info", "x.plan", "--json", "--text"), USAGE, "exclude"),
    (("generate", "x.plan", "--ids", "a.json"), USAGE, "-n N is missing"),
    (("logits", "x.plan", "--ids", "a.json"), USAGE, "--out FILE is missing"),
    (("run", "missing.plan", "-p", "a"), IO, "missing.plan"),
    (("info", "missing.plan"), IO, "missing.plan"),
    (("info", "."), (INPUT, IO), "."),
    (("info", __file__), INPUT, "plan"),
    (("info", "/dev/null"), (INPUT, IO), "/dev/null"),
)


class Cli:
    def __init__(self, program, work):
        self.program, self.work = program, Path(work)

    def __call__(self, *arguments, text=b""):
        command = [str(self.program)] + [str(a) for a in arguments]
        return subprocess.run(command, input=text, capture_output=True, timeout=SECONDS_MAX, cwd=self.work, check=False)

    def fails(self, code, words, *arguments, text=b""):
        done = self(*arguments, text=text)
        said, codes = done.stderr.decode("utf8", "replace"), code if isinstance(code, tuple) else (code,)
        if done.returncode not in codes or words not in said or done.stdout:
            raise Failed(f"tlmrt {' '.join(map(str, arguments))}: exit {done.returncode}, expected {code} with "
                         f"{words!r} on stderr and nothing on stdout, found {said!r} and {done.stdout[:200]!r}")

    def data(self, *arguments, text=b""):
        done = self(*arguments, text=text)
        if done.returncode:
            raise Failed(f"tlmrt {' '.join(map(str, arguments))}: exit {done.returncode}: {done.stderr[-500:]!r}")
        return done.stdout

    def json(self, *arguments, text=b""):
        return json.loads(self.data(*arguments, text=text))


def expect(found, wanted, what):
    if found != wanted:
        raise Failed(f"{what}: found {found!r}, expected {wanted!r}")


def check_no_plan(cli):
    for arguments, code, words in NO_PLAN:
        cli.fails(code, words, *arguments)
    for arguments in (("help",), ("--help",), ("help", "run"), ("bench", "--help"), ("logits", "-h"), ("version",)):
        expect(bool(cli.data(*arguments)), True, f"text of {arguments}")
    expect(cli.data("--version"), cli.data("version"), "--version")


def handles(process, number):
    """Whether the process has installed its handler of a signal."""
    text = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    mask = next(line for line in text.splitlines() if line.startswith("SigCgt:")).split()[1]
    return bool(int(mask, 16) >> (number - 1) & 1)


def check_handlers(cli):
    """While it waits for a prompt: an interrupt is 130 without a word, a bus error one line."""
    for number, code, words in ((signal.SIGINT, 130, b""), (signal.SIGBUS, IO, b"truncated")):
        command = [str(cli.program), "run", "x.plan", "-p", "-"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + SECONDS_MAX
        while not handles(process, signal.SIGBUS) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        process.wait(SECONDS_MAX)
        out, said = process.stdout.read(), process.stderr.read()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()
        expect((process.returncode, out), (code, b""), f"exit after {number.name}")
        expect((words in said, said.count(b"\n")), (True, 1 if words else 0), f"words after {number.name}")


def find_plan(build, work):
    """A plan to test with, or None."""
    named = os.environ.get("TLMC_TEST_PLAN")
    if named:
        return Path(named).resolve()
    try:
        tlmc = find_program(build, "tlmc")
    except Skipped:
        return None
    model = next(iter(sorted((ROOT / "tests" / "fixtures" / "tiny").glob("llama-*"))))
    plan = Path(work) / "tiny.plan"
    done = subprocess.run([str(tlmc), "build", str(model), "-o", str(plan)], capture_output=True, check=False)
    if done.returncode:
        print(f"skipped: tlmc build {model.name}: {done.stderr[-300:].decode('utf8', 'replace')}")
        return None
    return plan


def check_ids(cli, plan):
    """Faults in lists of ids, named with their place."""
    bad = {
        b"": "expected", b"[1, 2": "expected", b"[]": "at least one", b"[-1]": "item 0", b"[1, 1.0]": "item 1",
        b"[1000000000]": "item 0", b'["1"]': "item 0", b"7": "an array", b"{}": "missing", b'{"ids": 1}': "an array",
        b'{"ids": [1], "attention_mask": [1]}': "attention_mask", b'{"ids": [1], "ids": [2]}': "ids",
        b'{"ids": [1], "token_type_ids": [0, 0]}': "token_type_ids", b"[1] x": "expected",
    }
    for text, words in bad.items():
        cli.fails(INPUT, words, "logits", plan, "--ids", "-", "--out", "bad.safetensors", text=text)
    cli.fails(IO, "none.json", "logits", plan, "--ids", "none.json", "--out", "bad.safetensors")
    cli.fails(IO, "folder", "logits", plan, "--ids", "-", "--out", "no/folder/x", text=b"[1]")
    expect((cli.work / "bad.safetensors").exists(), False, "a file after a failure")


def check_logits(cli, plan):
    """Rows and bits do not depend on how the ids are cut into steps; the old file stays until the new one is whole."""
    ids, shapes, bits = json.dumps([1 + i % 7 for i in range(20)]).encode(), set(), set()
    for chunk in ("1", "7", "512"):
        cli.data("logits", plan, "--ids", "-", "--out", "l.safetensors", "--chunk", chunk, text=ids)
        path = cli.work / "l.safetensors"
        shapes.add(tuple(read_header(path)["logits"].shape))
        bits.add(read_tensor(path, "logits").tobytes())
    expect((len(shapes), len(bits)), (1, 1), "shapes and bits over chunks")
    rows, columns = next(iter(shapes))
    expect(rows, 20, "rows")
    expect(sorted(p.name for p in cli.work.glob("l.safetensors*")), ["l.safetensors"], "files left")
    return columns


def check_generate(cli, plan):
    ids = cli.json("generate", plan, "--ids", "-", "-n", "8", text=b"[1, 2, 3]")
    expect((list(ids), len(ids["ids"])), (["ids"], 8), "generate")
    cut = ("--chunk", "1", "--threads", "1")
    again = cli.json("generate", plan, "--ids", "-", "-n", "8", *cut, text=b'{"ids": [1, 2, 3]}')
    expect(again, ids, "generate in other steps")
    cli.fails(INPUT, "made for", "generate", plan, "--ids", "-", "-n", "2000000000", text=b"[1]")
    cli.fails((INPUT, 6), "", "generate", plan, "--ids", "-", "-n", "8", "--ctx", "4", text=b"[1, 2, 3]")


def check_bench(cli, plan):
    cells = cli.json("bench", plan, "--prompt", "8", "--gen", "2", "--batch", "1,2", "--depth", "0,4", "--json")
    keys = ["batch", "prompt", "gen", "depth", "prefill_tok_s", "decode_tok_s", "ttft_ms"]
    expect([list(cell) for cell in cells], [keys] * 4, "keys of bench")
    expect([(c["batch"], c["depth"]) for c in cells], [(1, 0), (1, 4), (2, 0), (2, 4)], "cells of bench")
    expect(all(c["prefill_tok_s"] > 0 and c["decode_tok_s"] > 0 and c["ttft_ms"] > 0 for c in cells), True, "rates")
    cli.data("bench", plan, "--prompt", "8", "--gen", "0")


def check_info(cli, plan):
    facts = cli.json("info", plan, "--json")
    expect(isinstance(facts, dict), True, "info --json")
    expect(bool(cli.data("info", plan, "--text")), True, "info --text")
    page = cli.data("info", plan).decode()
    for word in ("model", "vocabulary", "targets", "weights", "fits"):
        expect(word in page, True, f"{word!r} in info")
    cli.fails(UNSUPPORTED, "device", "logits", plan, "--ids", "-", "--out", "x", "--device", "abacus", text=b"[1]")
    cli.fails(UNSUPPORTED, "target", "logits", plan, "--ids", "-", "--out", "x", "--target", "cpu:none", text=b"[1]")
    cli.fails(UNSUPPORTED, "KV", "logits", plan, "--ids", "-", "--out", "x", "--kv-type", "q1", text=b"[1]")


def check_text(cli, plan):
    """Only where the plan has a tokenizer."""
    found = cli("tokenize", plan, text=b"hello")
    if found.returncode == UNSUPPORTED:
        cli.fails(UNSUPPORTED, "tokenizer", "run", plan, "-p", "hello")
        print("skipped: text, the plan has no tokenizer")
        return
    ids = cli.json("tokenize", plan, text=b"hello")
    expect(b"hello" in cli.data("detokenize", plan, text=json.dumps(ids).encode()), True, "hello and back")
    expect(cli.data("detokenize", plan, text=b"[]"), b"", "text of no ids")
    read_as = cli.json("tokenize", plan, text="\ufffdhello\ufffd".encode())
    expect(cli.json("tokenize", plan, text=b"\xffhello\xc3"), read_as, "ids of broken UTF-8")
    told = cli.json("run", plan, "-p", "hello", "-n", "4", "--json", "--ignore-eos")
    expect((len(told["ids"]), told["finish"]), (4, "length"), "run --json")
    text = cli.data("run", plan, "-p", "-", "-n", "4", "--ignore-eos", text=b"hello")
    expect(text.decode("utf8"), told["text"], "streamed text")


def check_signals(cli, plan):
    """An interrupt ends the program with 130, a closed pipe without a word."""
    command = [str(cli.program), "bench", str(plan), "--prompt", "64", "--gen", "64", "--batch", "1,2,4"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        process.wait(0.3)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=SECONDS_MAX)
        expect((process.returncode, said), (130, (b"", b"")), "an interrupt")
    full = subprocess.run([str(cli.program), "info", str(plan), "--text"], stdout=open("/dev/full", "wb"),
                          stderr=subprocess.PIPE, check=False)
    expect((full.returncode, b"stdout" in full.stderr), (IO, True), "a full disk")
    ids, out = cli.work / "few.json", cli.work / "limited.safetensors"
    ids.write_text("[1, 2, 3]")

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))

    full = subprocess.run([str(cli.program), "logits", str(plan), "--ids", ids, "--out", out], capture_output=True,
                          preexec_fn=limit, check=False)
    expect((full.returncode, b"limited.safetensors" in full.stderr), (IO, True), "a limit on files")


def check_damage(cli, plan):
    """A plan with one bit turned is refused with one sentence, wherever the bit is."""
    data = bytearray(plan.read_bytes())
    path = cli.work / "damaged.plan"
    for at in (0, 9, len(data) // 3, len(data) // 2, len(data) - 1):
        data[at] ^= 4
        path.write_bytes(data)
        done = cli("info", path)
        expect((done.returncode in (INPUT, UNSUPPORTED), done.stdout), (True, b""), f"a plan damaged at {at}")
        data[at] ^= 4
    path.write_bytes(data[:len(data) // 2])
    cli.fails(INPUT, "", "info", path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=ROOT / "build", help="folder with tlmc and tlmrt (default: build)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        cli = Cli(find_program(options.build, "tlmrt"), work)
        check_no_plan(cli)
        check_handlers(cli)
        plan = find_plan(options.build, work)
        if plan is None:
            print("skipped: what needs a plan; set TLMC_TEST_PLAN to one of a model that generates")
            return 0
        checks = (check_ids, check_logits, check_generate, check_bench, check_info, check_text, check_signals)
        for check in checks + (check_damage,):
            check(cli, plan)
    return 0


if __name__ == "__main__":
    sys.exit(run_test(main))

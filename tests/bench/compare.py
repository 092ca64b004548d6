#!/usr/bin/env python3
"""tlmrt against llama.cpp on the same model, in alternating rounds with a probe of the machine around each run.

    tests/bench/compare.py PLAN [--rounds 5] [--tlmrt build/tlmrt] [--gguf build-bench/bench.gguf] [--any-machine]

Prints a table of medians and ratios; a ratio is taken within a round, then the median over the rounds. A round does not
count if the memory was slow beside it or the peer fell behind what it is known to reach (the constants below): then the
machine was busy, and a ratio would flatter us. Those constants hold on one kind of machine; elsewhere --any-machine
counts every round and the figures speak for that machine only. One lock keeps measurements apart.
Exit status: 0 all targets reached, 1 some missed, 2 nothing measured or no round counted.
"""
import argparse
import contextlib
import fcntl
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = os.environ.get("TLMC_BENCH_LOCK", "/tmp/tlmc-bench.lock")
PROMPT, GEN, BATCHES, THREADS = 512, 64, "1,16", 2

# What counts. Measured on 2 vCPUs of an AMD EPYC (Zen 5) with AVX512-BF16, 2 threads, the bench model in bf16, nobody
# else on the machine, the two vCPUs on different memory links (read bandwidth 84 to 86 GB/s; on one link it is 52).
READ_GB_S_MIN = 80.0
PEER_ANCHOR = {"prefill 512": 269.1, "decode batch 1": 22.0, "decode batch 16": 131.5}  # tokens/s
PEER_SHARE_MIN = 0.9

# The ratios to reach.
TARGET = {"prefill 512": 1.5, "decode batch 1": 1.3, "decode batch 16": 1.6}


class Fault(Exception):
    """A program is missing or failed; the message is for the user."""


@contextlib.contextmanager
def alone():
    """Holds the machine's measuring lock."""
    with open(LOCK, "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another measurement ({LOCK})", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def output(*command, timeout_s=1800):
    """The command's stdout; its stderr is shown only if it fails."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Fault(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise Fault(f"{' '.join(command)} failed with status {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def parsed(text, command):
    """One JSON array, or one JSON object per line."""
    try:
        return json.loads(text) if text.lstrip().startswith("[") else [json.loads(line) for line in text.splitlines()]
    except ValueError as error:
        raise Fault(f"{command} printed no JSON: {text[:200]!r}") from error


def figures(cells, command):
    by_batch = {cell["batch"]: cell for cell in cells}
    try:
        return {"prefill 512": by_batch[1]["prefill_tok_s"], "decode batch 1": by_batch[1]["decode_tok_s"],
                "decode batch 16": by_batch[16]["decode_tok_s"]}
    except KeyError as missing:
        raise Fault(f"{command} gave no cell or field {missing}") from missing


def run_tlmrt(options):
    command = [options.tlmrt, "bench", options.plan, "--prompt", PROMPT, "--gen", GEN, "--batch", BATCHES, "--depth", 0,
               "--threads", THREADS, "--json"]
    return figures(parsed(output(*command), options.tlmrt), options.tlmrt)


def run_peer(options):
    command = [options.peer_python, HERE / "llama_cpp.py", options.gguf, "--prompt", PROMPT, "--gen", GEN,
               "--batch", BATCHES, "--depth", 0, "--threads", THREADS]
    return figures(parsed(output(*command), "llama_cpp.py"), "llama_cpp.py")


def built_probe(folder):
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / "probe"
    output(os.environ.get("CC", "cc"), "-O2", "-pthread", HERE / "probe.c", "-o", probe)
    return probe


def run_round(options, probe, index):
    """Both sides, each between two probes; who goes first changes from round to round."""
    sides = [("tlmrt", run_tlmrt), ("peer", run_peer)]
    result = {"round": index + 1, "probes": [json.loads(output(probe))]}
    for name, run in sides if index % 2 == 0 else reversed(sides):
        result[name] = run(options)
        result["probes"].append(json.loads(output(probe)))
    result["read_gb_s"] = min(p["read_gb_s"] for p in result["probes"])
    result["faults"] = [] if options.any_machine else faults(result)
    return result


def faults(result):
    """Why a round does not count."""
    found = []
    if result["read_gb_s"] < READ_GB_S_MIN:
        found.append(f"read bandwidth {result['read_gb_s']} < {READ_GB_S_MIN:.0f} GB/s")
    for name, anchor in PEER_ANCHOR.items():
        if result["peer"][name] < PEER_SHARE_MIN * anchor:
            found.append(f"peer's {name} {result['peer'][name]:.1f} < {PEER_SHARE_MIN} x {anchor}")
    return found


def print_round(result):
    bf16 = min(p["bf16_gflop_s"] or 0 for p in result["probes"])
    both = ", ".join(f"{name} {result['tlmrt'][name]:.1f}/{result['peer'][name]:.1f}" for name in TARGET)
    print(f"round {result['round']}: {both}, read {result['read_gb_s']} GB/s, bf16 {bf16} GFLOP/s", flush=True)
    for fault in result["faults"]:
        print(f"  does not count: {fault}", flush=True)


def summary(rounds):
    """{figure: {"tlmrt", "peer", "ratio", "target", "reached"}} over the rounds that count."""
    counted = [r for r in rounds if not r["faults"]]
    table = {}
    for name, target in TARGET.items() if counted else ():
        ratio = statistics.median(r["tlmrt"][name] / r["peer"][name] for r in counted)
        table[name] = {side: statistics.median(r[side][name] for r in counted) for side in ("tlmrt", "peer")}
        table[name].update(ratio=round(ratio, 3), target=target, reached=ratio >= target)
    return table


def print_table(table, rounds):
    counted = sum(not r["faults"] for r in rounds)
    print(f"\n{counted} of {len(rounds)} rounds count; tokens/s, medians, {THREADS} threads")
    print(f"{'':18}{'tlmrt':>10}{'llama.cpp':>11}{'ratio':>8}{'target':>8}")
    for name, row in table.items():
        print(f"{name:18}{row['tlmrt']:10.1f}{row['peer']:11.1f}{row['ratio']:8.2f}{row['target']:8.1f}"
              f"  {'reached' if row['reached'] else 'MISSED'}")


def arguments():
    parser = argparse.ArgumentParser(description="tlmrt against llama.cpp on the same model.")
    parser.add_argument("plan", type=Path, help="plan or skeleton of make_checkpoint.py's folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tlmrt", default="build/tlmrt")
    parser.add_argument("--gguf", default="build-bench/bench.gguf")
    parser.add_argument("--peer-python", default="build-bench/venv/bin/python")
    parser.add_argument("--any-machine", action="store_true", help="count every round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all rounds and the summary there")
    options = parser.parse_args()
    for path, maker in ((options.plan, "tlmc build"), (options.tlmrt, "cmake --build"),
                        (options.gguf, "tests/bench/make_gguf.py"),
                        (options.peer_python, "tests/bench/setup_llama_cpp.sh")):
        if not Path(path).exists():
            parser.error(f"{path} is missing: {maker} makes it")
    return options


def main():
    options = arguments()
    rounds = []
    try:
        probe = built_probe(HERE.parents[1] / "build-bench")
        with alone():
            for index in range(options.rounds):
                rounds.append(run_round(options, probe, index))
                print_round(rounds[-1])
    except Fault as fault:
        print(f"compare.py: {fault}", file=sys.stderr)
        return 2
    table = summary(rounds)
    print_table(table, rounds)
    if options.json:
        document = {"when": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "rounds": rounds, "summary": table}
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    if not table:
        return 2
    return 0 if all(row["reached"] for row in table.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

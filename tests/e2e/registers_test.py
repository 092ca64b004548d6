#!/usr/bin/env python3
"""Sums of products stay in registers: no loop of a plan's CPU code that is mostly products keeps its sums in memory.

    registers_test.py [--build DIR]

A compiler that moves loads or products out of their order needs more registers than there are and stores sums to the
stack in the loop: results stay the same and the time doubles, which no other test sees. Disassembles with objdump.
"""
import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import Failed, ROOT, find_program, run, run_test

CONFIG = ROOT / "tests" / "fixtures" / "hub_configs" / "llama-3.2-1b.json"
PLANS = (("bf16", "cpu"), ("f32", "cpu:x86-64-v3"), ("int8", "cpu:x86-64-v3"))
UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20}
SECTION = re.compile(r"section code of (\S+) : at (\d+), ([\d.]+) (\w+)")
INSTRUCTION = re.compile(r" +([0-9a-f]+):\t(\S+) *(.*)")
PRODUCT = re.compile(r"vfmadd|vdpbf16ps")
STORE = re.compile(r"%[xyz]mm\d+,-?(0x)?[0-9a-f]*\(%r[sb]p\)")
# A loop of products: at least so many, and at least one of so many instructions; and how many of them may come with
# one sum in memory (a single row on 16 registers takes a panel of eight sums).
PRODUCTS_MIN, INSTRUCTIONS_EACH, PRODUCTS_A_STORE = 8, 4, 16
LOOPS_MIN = 10


def disassemble(code, work):
    """(address, name, operands) of each instruction."""
    path = work / "code"
    path.write_bytes(code)
    text = run("objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "--no-show-raw-insn", path)
    found = (INSTRUCTION.match(line) for line in text.decode().splitlines())
    return [(int(m[1], 16), m[2], m[3].strip()) for m in found if m]


def innermost_loops(instructions):
    """Lists of instructions from where a jump goes back to, up to that jump."""
    index = {address: i for i, (address, _, _) in enumerate(instructions)}
    loops = []
    for i, (address, name, operands) in enumerate(instructions):
        target = int(operands, 16) if name[0] == "j" and operands.startswith("0x") else address + 1
        if target <= address and target in index:
            loops.append((index[target], i))
    inner = []
    for first, last in sorted(loops, key=lambda loop: loop[1] - loop[0]):
        if not any(first <= begin and end <= last for begin, end in inner):
            inner.append((first, last))
    return [instructions[first:last + 1] for first, last in inner]


def check_code(what, code, work):
    """Number of the loops of products, each of which is checked."""
    checked = 0
    for loop in innermost_loops(disassemble(code, work)):
        products = sum(bool(PRODUCT.match(name)) for _, name, _ in loop)
        if products < PRODUCTS_MIN or products * INSTRUCTIONS_EACH < len(loop):
            continue
        checked += 1
        stores = sum(bool(STORE.search(operands)) for _, _, operands in loop)
        if stores > products // PRODUCTS_A_STORE:
            raise Failed(f"{what}: the loop at {loop[0][0]:#x} of its code stores {stores} sums to the stack "
                         f"for {products} products")
    return checked


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=ROOT / "build", help="folder with tlmc and tlmrt (default: build)")
    options = parser.parse_args()
    tlmc, tlmrt = find_program(options.build, "tlmc"), find_program(options.build, "tlmrt")
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan"
        for weights, target in PLANS:
            run(tlmc, "build", "--skeleton", CONFIG, "-o", plan, "--weights", weights, "--target", target)
            sections = SECTION.findall(run(tlmrt, "info", plan, "--text").decode())
            if not sections:
                raise Failed(f"tlmrt info --text of a plan for {target} names no section of code")
            for level, at, size, unit in sections:
                begin, size = int(at), int(float(size) * UNITS[unit])
                checked = check_code(f"{weights} on {level}", plan.read_bytes()[begin:begin + size], Path(folder))
                print(f"{weights} on {level}: {checked} loops of products")
                if checked < LOOPS_MIN:
                    raise Failed(f"{weights} on {level}: found {checked} loops of products, "
                                 f"expected at least {LOOPS_MIN}")
    return 0


if __name__ == "__main__":
    sys.exit(run_test(main))

#!/usr/bin/env python3
"""Inputs that go through what random changes come to one after another, so that almost all of it is there at once.

    sweep.py NAME SEEDS OUT

For the target plan_file: each byte of the parts that hold texts, with each value; at each of their places each piece of
a text; bytes of the tokenizer's tables with some values; each number of the other parts changed in each way, and with
one of those behind it, as they may be of one row. For others: many seeds that end with when memory runs out
(shortage.h), each with many numbers.
"""
import shutil
import struct
import sys
from itertools import chain, product
from pathlib import Path

SEEDS_MAX = 1500
DENSE, MOST = 128, 8192  # numbers without a gap; then each is a sixteenth larger than the one before
TEXT_PARTS = ((2, 128), (5, 1024))  # of fuzz_plan_file.c: the meta section, the template; about so many bytes
TOKENIZER, PLACES, STEP = 3, 1536, 15  # its tables' bytes in turn, with every fifteenth value
SET_BYTE = 7
PIECES = 64  # no fewer than there are: more are the first ones again
NUMBER_PARTS = ((0, 32), (1, 128), (4, 88), (6, 600))  # header, sections, tokenizer's header, programs: numbers
CHANGES = ((0, 14), (1, 17), (3, 32), (4, 1), (5, 1))  # how, of how many kinds
PAIR_NUMBERS, PAIR_DISTANCE = range(3), 10
SET_NUMBER = 2


def numbers():
    count = 0
    while count < MOST:
        yield count
        count += 1 if count < DENSE else count // 16


def shortages(seeds):
    for seed in seeds[::len(seeds) // SEEDS_MAX + 1]:
        text = seed.read_bytes()
        for count in numbers():
            yield f"{seed.name}-{count}", text + b"#%d" % count


def set_bytes():
    parts = [(part, place, value) for part, bytes_count in TEXT_PARTS for place in range(bytes_count)
             for value in range(256)]
    parts += [(TOKENIZER, place, value) for place in range(PLACES) for value in range(0, 256, STEP)]
    for part, place, value in parts:
        yield f"{part}-{place}-{value}", b"\0" + struct.pack("<BBHII", part, SET_BYTE, 0, place, value)


def put_texts():
    for part, bytes_count in TEXT_PARTS:
        for place in range(bytes_count):
            for piece in range(PIECES):
                yield f"{part}-{place}-text-{piece}", b"\0" + struct.pack("<BBBBII", part, 0, 1, 0, place, piece)


def change_numbers():
    for part, count in NUMBER_PARTS:
        for place in range(count):
            for how, kinds in CHANGES:
                for kind in range(kinds):
                    yield f"{part}-{place}-{how}-{kind}", b"\0" + struct.pack("<BBHII", part, how, 0, place, kind)


def change_pairs():
    for part, count in NUMBER_PARTS:
        for place, distance, one, other in product(range(count), range(1, PAIR_DISTANCE + 1), PAIR_NUMBERS,
                                                   PAIR_NUMBERS):
            patches = ((place, one), (place + distance, other))
            yield f"{part}-{place}-{distance}-{one}-{other}", b"\0" + b"".join(
                struct.pack("<BBHII", part, SET_NUMBER, 0, *patch) for patch in patches)


def main():
    name, seeds, out = sys.argv[1], sorted(Path(sys.argv[2]).iterdir()), Path(sys.argv[3])
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    swept = chain(set_bytes(), put_texts(), change_numbers(), change_pairs())
    for file, data in swept if name == "plan_file" else shortages(seeds):
        (out / file).write_bytes(data)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Encoding and decoding of real text, on one core, beside the `tokenizers` package.

    tokenizers.py --driver build/tests/tokenizer_driver [--data DIR] [--rounds 5] [FAMILY ...]

Needs the tokenizers and text of the test data and what tests/oracle/fetch_texts.py brings. Texts: 10 MB of English, and
10 MB of all scripts in turns; both cut into documents of about 4 KiB. Of `tokenizers` the fastest ways are timed:
encode_batch_fast and decode_batch without threads. MB are of text, seconds those of the processor (both use one
thread), figures medians.
"""
import argparse
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ |= {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}
sys.path.pop(0)  # this file has the package's name

from tokenizers import Tokenizer  # noqa: E402

FAMILIES = ["llama3", "qwen2.5", "gemma3", "bert-uncased"]
BYTES, DOCUMENT_BYTES = 10_000_000, 4096


def documents(paths):
    """About BYTES of text, a document from each file in turns."""
    files, taken, found = [], 0, []
    for path in paths:
        files.append((path.read_bytes(), 0))
    while taken < BYTES and files:
        data, at = files.pop(0)
        part = data[at:at + DOCUMENT_BYTES]
        text = part.decode("utf8", "ignore")
        if text:
            found.append(text)
            taken += len(part)
            files.append((data, at + DOCUMENT_BYTES))
    return found


def time_theirs(tokenizer, texts, rounds):
    seconds = []
    for _ in range(rounds):
        begin = time.process_time()
        encodings = tokenizer.encode_batch_fast(texts)
        encoded = time.process_time()
        ids = [encoding.ids for encoding in encodings]
        middle = time.process_time()
        tokenizer.decode_batch(ids)
        seconds.append((encoded - begin, time.process_time() - middle))
    return [statistics.median(column) for column in zip(*seconds)]


def time_ours(driver, path, texts, rounds):
    frames = b"".join(struct.pack("<I", len(data)) + data for data in (text.encode("utf8") for text in texts))
    with tempfile.TemporaryDirectory() as scratch:
        table = str(Path(scratch) / "table")
        subprocess.run([driver, "compile", table, str(path)], check=True, capture_output=True)
        lines = subprocess.run([driver, "bench", table, str(rounds)], input=frames, check=True,
                               capture_output=True).stdout.decode().splitlines()
    return [statistics.median(column) for column in zip(*(map(float, line.split()) for line in lines))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", required=True)
    parser.add_argument("--data", default=os.environ.get("TLMC_DATA", str(Path.home() / ".cache/tlmc-data")))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("families", nargs="*", default=FAMILIES)
    options = parser.parse_args()
    data = Path(options.data)
    kinds = {"English": [data / "text/python-library.rst", data / "text/jargon.txt", data / "corpus/english.txt"],
             "mixed": sorted((data / "corpus").glob("*.txt"))}
    print("| family | text | open ms | encode MB/s | tokenizers | x | decode MB/s | tokenizers | x |")
    print("|---|---|---|---|---|---|---|---|---|")
    for family in options.families:
        path = data / "tokenizers" / family / "tokenizer.json"
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        for kind, paths in kinds.items():
            texts = documents(paths)
            size = sum(len(text.encode("utf8")) for text in texts) / 1e6
            opened, *ours = time_ours(options.driver, path, texts, options.rounds)
            theirs = time_theirs(tokenizer, texts, options.rounds)
            cells = [f"{size / a:.1f} | {size / b:.2f} | {b / a:.1f}" for a, b in zip(ours, theirs)]
            print(f"| {family} | {kind} | {opened * 1e3:.2f} | " + " | ".join(cells) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Compares tlmc's tokenizer with the `tokenizers` package: ids of texts, texts of ids.

    compare_tokenizers.py --driver build/tests/tokenizer_driver [--data DIR] [FAMILY ...]

For each tokenizer.json under DIR/tokenizers (default $TLMC_DATA, else ~/.cache/tlmc-data): real texts (those
of fetch_texts.py too) in pieces of 64 KiB, many of their lines, code, edge cases, random characters, broken UTF-8,
pairs of texts. Prints the number of differences per family and the first few; exit status 1 if there is any.
Everything, as before a release: --bytes 7000000 --random 200000.
"""
import argparse
import os
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from tokenizers import Tokenizer

SHOWN, LINES_MAX = 5, 60_000
SPACES = " \n\t\r\u00a0\u2003\u3000\u2581"


def edge_cases(tokenizer, rng, random_count):
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    texts = ["", " ", "  ", "\n", "\r\n", " \n \n  x", "\t\tx", "a" * 5000, " " * 3000, "ab" * 2000, "\n" * 500,
             "é" * 700, "e\u0301" * 50, "a\u0301\u0323\u0308", "\u0344\u0315", "\u1100\u1161\u11a8", "\u212b\u2126",
             "\ufb01 \u017f \u212a", "'\u017f 'S 'LL don't I'VE", "\u0958\u09dc", "👍🏽👨‍👩‍👧‍👦🇩🇪", "\x00\x01\x7f",
             "\u200b\u200e\ufeff", "مرحبا بالعالم", "你好，世界。１２３", "3.14159 1234567 ١٢٣ Ⅷ ½", "x\u0300" * 30,
             "a" + "\u0301\u0316" * 400, "<0x0A> <0xFF>", "▁▁a▁b", "\u2581", "Ġ Ċ", "\U0010ffff\ue000\ufdd0"]
    for token in rng.sample(added, min(len(added), 60)):
        texts += [token, f" {token} ", f"a{token}b", token + token, f"x \n{token}\n y", token[:-1], token[1:]]
    alphabet = [chr(c) for c in (*range(32, 127), 9, 10, 13, 0xA0, 0x2581, 0x3000, 0x85)]
    scripts = [(0, 0x20), (0x80, 0x250), (0x300, 0x370), (0x370, 0x600), (0x600, 0x700), (0x900, 0xE00),
               (0x1100, 0x1200), (0x1E00, 0x2100), (0x2100, 0x2800), (0x3000, 0x3100), (0x4E00, 0x9FFF),
               (0xAC00, 0xD7A4), (0xF900, 0xFFFE), (0x10000, 0x1F000), (0x1F300, 0x1FB00),
               (0x20000, 0x2FA20), (0xE0000, 0x10FFFF)]
    bits = ["'s", "'LL", "  ", "\n\n", " \n", "12", "A", "aB", "\t", "\u0301", "\u0327", "\u200d", "\ufe0f", "🇩🇪", "👍🏽",
            "∑", "𝔸", "≠", "<", ">", "\x00", "\ufffd", "\u1161", "\u11a8", *added]
    for _ in range(random_count):
        low, high = rng.choice(scripts)
        kinds, parts = rng.choices((0, 1, 2, 3), (18, 18, 6, 1), k=rng.randrange(1, 40)), []
        for kind in kinds:
            parts.append(rng.choice(alphabet) if kind == 0 else chr(rng.randrange(low, high)) if kind == 1
                         else rng.choice(bits) if kind == 2 else rng.choice(SPACES) * rng.randrange(1, 50))
        texts.append("".join(parts) if rng.random() < 0.8 else "".join(parts) * rng.randrange(1, 9))
    return texts


def real_texts(data, rng, bytes_max):
    lines, pieces = [], []
    files = sorted((data / "text").glob("*")) + sorted((data / "corpus").glob("*"))
    files += sorted(Path(__file__).parents[2].glob("*/**/*.[ch]"))[:60]
    for path in files:
        if not path.is_file():
            continue
        text = path.read_bytes()[:bytes_max].decode("utf8", "replace")
        lines += text.splitlines(keepends=True)
        pieces += [text[i:i + 65536] for i in range(0, len(text), 65536)]
    lines = list(dict.fromkeys(lines))
    return rng.sample(lines, min(len(lines), LINES_MAX)), pieces


def broken(rng, text, changes):
    """The text's bytes, some of them changed."""
    data = bytearray(text)
    for _ in range(changes if data else 0):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def broken_texts(rng, lines):
    """Bytes that are not UTF-8; the reference reads them as Python's "replace" does."""
    texts = [b"\xff", b"a\xc3", b"\xed\xa0\x80x", b"\xf0\x9f\x91", b"\xf0\x9fa", b"\xc0\xaf",
             b"\xf4\x90\x80\x80", b"\x80" * 9]
    return texts + [broken(rng, line.encode("utf8"), 3) for line in lines[:400]]


def run(driver, arguments, frames):
    result = subprocess.run([driver, *arguments], input=b"".join(frames), capture_output=True)
    if result.returncode:
        sys.exit(f"{driver} {arguments[0]}: {result.stderr.decode()}")
    return result.stdout


def encode(driver, table, texts, special, command="encode"):
    """Ids of the texts; `special` is True, False, or "plain" for special tokens that are only text."""
    mode = ["plain"] if special == "plain" else ["special"] * special
    frames = [struct.pack("<I", len(text)) + text for text in texts]
    output, at, ids = run(driver, [command, table, *mode], frames), 0, []
    while at < len(output):
        (count,) = struct.unpack_from("<I", output, at)
        ids.append(list(struct.unpack_from(f"<{count}i", output, at + 4)))
        at += 4 + 4 * count
    return ids


def decode(driver, table, rows):
    frames = [struct.pack(f"<I{len(row)}i", len(row), *row) for row in rows]
    output, at, texts = run(driver, ["decode", table], frames), 0, []
    while at < len(output):
        (count,) = struct.unpack_from("<I", output, at)
        texts.append(output[at + 4:at + 4 + count])
        at += 4 + count
    return texts


def count_differences(what, inputs, ours, theirs):
    differences = 0
    if len(ours) != len(theirs):
        print(f"   {what}: {len(ours)} results for {len(theirs)} inputs")
        return 1
    for given, mine, other in zip(inputs, ours, theirs):
        if mine == other:
            continue
        differences += 1
        if differences <= SHOWN:
            place = next((i for i, (a, b) in enumerate(zip(mine, other)) if a != b), min(len(mine), len(other)))
            print(f"   {what} of {given[:80]!r}: at {place}: {mine[place:place + 8]!r}, expected "
                  f"{other[place:place + 8]!r}")
    return differences


def reference_ids(tokenizer, texts):
    """Texts and their ids, without the texts that the reference itself fails on; in parts, to save memory."""
    kept, ids = [], []
    for i in range(0, len(texts), 500):
        part = reference_part(tokenizer, texts[i:i + 500])
        kept += part[0]
        ids += part[1]
    return kept, ids


def reference_part(tokenizer, texts):
    try:
        return texts, [e.ids for e in tokenizer.encode_batch_fast([t.decode("utf8", "replace") for t in texts])]
    except BaseException as error:  # a panic of the reference is no Exception
        if isinstance(error, KeyboardInterrupt):
            raise
    kept, ids = [], []
    for text in texts:
        try:
            ids.append(tokenizer.encode(text.decode("utf8", "replace")).ids)
            kept.append(text)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
    print(f"   the reference fails on {len(texts) - len(kept)} texts")
    return kept, ids


def reference_pairs(tokenizer, pairs, special):
    """Pairs, and ids and types of each, without those that the reference itself fails on."""
    kept, rows = [], []
    for pair in pairs:
        try:
            encoding = tokenizer.encode(*(t.decode("utf8", "replace") for t in pair), add_special_tokens=special)
        except BaseException as error:  # a panic of the reference is no Exception
            if isinstance(error, KeyboardInterrupt):
                raise
            continue
        kept.append(pair)
        rows += [encoding.ids, encoding.type_ids]
    return kept, rows


def compare_pairs(driver, table, tokenizer, texts):
    """Ids and types of each text with the next one, with and without special tokens."""
    pairs = [(a, b) for a, b in zip(texts, texts[1:]) if len(a) + len(b) < 4000]
    wrong = 0
    for special in (True, False):
        kept, theirs = reference_pairs(tokenizer, pairs, special)
        ours = encode(driver, table, [text for pair in kept for text in pair], special, "pairs")
        inputs = [pair for pair in kept for _ in range(2)]
        wrong += count_differences(f"pair, special {special},", inputs, ours, theirs)
    return wrong


def compare_texts(driver, table, tokenizer, texts):
    """Ids of the texts, then texts of these ids, whole and as streams (which the driver compares)."""
    texts, reference = reference_ids(tokenizer, texts)
    wrong = count_differences("encode", texts, encode(driver, table, texts, True), reference)
    whole = [t.encode("utf8") for t in tokenizer.decode_batch(reference, skip_special_tokens=True)]
    return wrong + count_differences("decode", reference, decode(driver, table, reference), whole)


def compare(family, driver, data, folder, options):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    rng = random.Random(7)
    lines, pieces = real_texts(data, rng, options.bytes)
    texts = [t.encode("utf8", "replace") for t in edge_cases(tokenizer, rng, options.random)]
    texts = [broken(rng, t, 2) if rng.random() < 0.1 else t for t in texts]
    texts += [t.encode("utf8", "replace") for t in lines + pieces] + broken_texts(rng, lines)
    with tempfile.TemporaryDirectory() as scratch:
        table = str(Path(scratch) / "table")
        compiled = subprocess.run([driver, "compile", table, str(folder / "tokenizer.json")], capture_output=True)
        if compiled.returncode:
            print(f"{family:14} refused: {compiled.stderr.decode().splitlines()[0]}")
            return options.refusals_count
        wrong = sum(compare_texts(driver, table, tokenizer, texts[i:i + 20000]) for i in range(0, len(texts), 20000))
        wrong += compare_pairs(driver, table, tokenizer, texts[:4000])
        vocabulary = tokenizer.get_vocab_size() + 20
        rows = [[rng.randrange(vocabulary) for _ in range(rng.randrange(1, 30))] for _ in range(3000)]
        whole = [t.encode("utf8") for t in tokenizer.decode_batch(rows, skip_special_tokens=True)]
        wrong += count_differences("decode", rows, decode(driver, table, rows), whole)
        print(f"{family:14} {wrong} differences; {len(texts)} texts, {sum(map(len, texts)) / 1e6:.1f} MB", flush=True)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", required=True)
    parser.add_argument("--data", default=os.environ.get("TLMC_DATA", str(Path.home() / ".cache/tlmc-data")))
    parser.add_argument("--tokenizers", help="another folder of FAMILY/tokenizer.json")
    parser.add_argument("--bytes", type=int, default=300_000, help="of each text")
    parser.add_argument("--random", type=int, default=1500, help="random texts")
    parser.add_argument("families", nargs="*")
    parser.add_argument("--refusals-count", action="store_true", help="a refused tokenizer is a difference")
    options = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    data = Path(options.data)
    if not (data / "tokenizers").is_dir() or not (data / "text").is_dir():
        print(f"skipped: no tokenizers or text under {data}; fetch the test data's items tokenizers and text")
        return 0
    wrong = 0
    for folder in sorted(Path(options.tokenizers or data / "tokenizers").iterdir()):
        if not folder.is_dir():
            continue
        if not options.families or folder.name in options.families:
            wrong += compare(folder.name, options.driver, data, folder, options)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Compares tlmc's reading of tokenizer.model with the sentencepiece package: ids of texts, texts of ids.

    compare_pieces.py --driver build/tests/tokenizer_driver [--data DIR] [--train N] [MODEL ...]

MODEL files are compared as they are; --train makes N small ones of all kinds first. Special tokens spelled in a
text are plain text here, as they are for sentencepiece; ids with the unknown one are not decoded, which would give
" \u2047 " there. Exit status 1 if anything differs. Known: a few long texts (10^4 tokens without a cut) of Unigram
models with equal sums of scores, where rounding decides and sentencepiece's is not that of its published sources.
"""
import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import sentencepiece

from compare_tokenizers import count_differences, decode, edge_cases, encode, real_texts


class NoTokens:
    @staticmethod
    def get_added_tokens_decoder():
        return {}


def train(folder, rng, lines, index):
    """A model with random options; its path."""
    prefix = Path(folder) / f"trained{index:02}"
    users = rng.sample(["<tool>", "ab", "\u2581\u2581", "the", "é", "\n", "你好", "...."], rng.randrange(4))
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(rng.sample(lines, 3000)), model_prefix=str(prefix), vocab_size=rng.choice([1900, 3000]),
        model_type=rng.choice(["bpe", "unigram"]), byte_fallback=rng.random() < 0.5, character_coverage=0.98,
        add_dummy_prefix=rng.random() < 0.6, remove_extra_whitespaces=rng.random() < 0.4, minloglevel=2,
        normalization_rule_name=rng.choice(["identity", "nmt_nfkc", "nfkc_cf"]), user_defined_symbols=users,
        control_symbols=["[INST]"],
        max_sentencepiece_length=rng.choice([4, 16]), split_by_whitespace=rng.random() < 0.8,
        split_digits=rng.random() < 0.5, allow_whitespace_only_pieces=rng.random() < 0.5, hard_vocab_limit=False)
    return prefix.with_suffix(".model")


def compare(driver, path, texts, scratch):
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    table = str(Path(scratch) / "table")
    compiled = subprocess.run([driver, "compile", table, str(path)], capture_output=True)
    if compiled.returncode:
        print(f"{path.name:20} refused: {compiled.stderr.decode().splitlines()[0]}")
        return 0
    reference = [model.encode(text) for text in texts]
    data = [text.encode("utf8") for text in texts]
    wrong = count_differences("encode", texts, encode(driver, table, data, "plain"), reference)
    known = [ids for ids in reference if model.unk_id() not in ids]
    whole = [model.decode(ids).encode("utf8") for ids in known]
    wrong += count_differences("decode", known, decode(driver, table, known), whole)
    print(f"{path.name:20} {wrong} differences; {len(texts)} texts, {sum(map(len, data)) / 1e6:.1f} MB", flush=True)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", required=True)
    parser.add_argument("--data", default=os.environ.get("TLMC_DATA", str(Path.home() / ".cache/tlmc-data")))
    parser.add_argument("--bytes", type=int, default=300_000, help="of each text")
    parser.add_argument("--random", type=int, default=1500, help="random texts")
    parser.add_argument("--train", type=int, default=0)
    parser.add_argument("models", nargs="*", type=Path)
    options = parser.parse_args()
    rng = random.Random(11)
    lines, pieces = real_texts(Path(options.data), rng, options.bytes)
    texts = edge_cases(NoTokens, rng, options.random) + lines + pieces
    # NUL ends a sentence in sentencepiece's trainer, and it cannot read lone surrogates.
    lines = [line.strip("\n") for line in lines if "\0" not in line]
    with tempfile.TemporaryDirectory() as scratch:
        models = options.models + [train(scratch, rng, lines, i) for i in range(options.train)]
        wrong = sum(compare(options.driver, path, texts, scratch) for path in models)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

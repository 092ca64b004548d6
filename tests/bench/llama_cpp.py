#!/usr/bin/env python3
"""Measures the peer: llama.cpp through llama-cpp-python's plain C interface, one JSON object per line on stdout.

    build-bench/venv/bin/python tests/bench/llama_cpp.py [MODEL.gguf] [--prompt 512] [--gen 64] [--batch 1,16]
        [--depth 0] [--threads 2] [--repeats 3]

A line: {"batch", "prompt", "gen", "depth", "prefill_tok_s", "decode_tok_s", "flash_attention"}. Prefill is `prompt`
tokens of one sequence, the last one's logits wanted; it does not depend on the batch: measured for 1, else null. Decode
is `gen` steps of one token for each of `batch` sequences, and counts all of them. Both start on `depth` tokens of
context. Each is run with flash attention on and off, several times; the better of the two medians is the peer's figure,
flash_attention says which for [prefill, decode].
"""
import argparse
import json
import random
import statistics
import sys
import time

# This file is named after the package it drives: its own folder, the first in the path, must not hide the package.
del sys.path[0]
import llama_cpp as api  # noqa: E402

PREFILL_CHUNK = 512
LEVEL_ERROR = 4


class Fault(Exception):
    """llama.cpp refused something; the message is for the user."""


def context(model, options, batch, flash_attention):
    params = api.llama_context_default_params()
    params.n_ctx = batch * (options.depth + max(options.prompt, options.gen) + 1)
    params.n_batch = params.n_ubatch = PREFILL_CHUNK
    params.n_seq_max = batch
    params.n_threads = params.n_threads_batch = options.threads
    params.flash_attn_type = (api.LLAMA_FLASH_ATTN_TYPE_ENABLED if flash_attention
                              else api.LLAMA_FLASH_ATTN_TYPE_DISABLED)
    made = api.llama_init_from_model(model, params)
    if not made:
        raise Fault(f"llama.cpp makes no context for {batch} sequences of {params.n_ctx // batch} tokens")
    return made


def decode(ctx, rows):
    """One llama_decode of rows (token, position, sequence, logits wanted), waited for."""
    batch = api.llama_batch_init(len(rows), 0, 1)
    batch.n_tokens = len(rows)
    for i, (token, position, sequence, wanted) in enumerate(rows):
        batch.token[i], batch.pos[i], batch.logits[i] = token, position, wanted
        batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
    status = api.llama_decode(ctx, batch)
    api.llama_synchronize(ctx)
    api.llama_batch_free(batch)
    if status:
        raise Fault(f"llama_decode failed with {status} on {len(rows)} rows")


def fill(ctx, tokens, sequence, first):
    """Runs tokens of one sequence in chunks; only the last one's logits are wanted."""
    for start in range(0, len(tokens), PREFILL_CHUNK):
        chunk = tokens[start:start + PREFILL_CHUNK]
        decode(ctx, [(token, first + start + i, sequence, start + i + 1 == len(tokens))
                     for i, token in enumerate(chunk)])


def back_to(ctx, depth, batch):
    for sequence in range(batch):
        api.llama_memory_seq_rm(api.llama_get_memory(ctx), sequence, depth, -1)


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(ctx, options, batch, tokens):
    """(prefill tokens/s or None, decode tokens/s), each a median."""
    for sequence in range(batch):
        fill(ctx, tokens(options.depth), sequence, 0)

    def prefill():
        fill(ctx, tokens(options.prompt), 0, options.depth)

    def generate():
        for step in range(options.gen):
            decode(ctx, [(token, options.depth + step, sequence, True)
                         for sequence, token in enumerate(tokens(batch))])

    def per_second(work, count):
        times = []
        for _ in range(options.repeats + 1):
            times.append(seconds(work))
            back_to(ctx, options.depth, batch)
        return round(count / statistics.median(times[1:]), 2)  # the first warms up
    return per_second(prefill, options.prompt) if batch == 1 else None, per_second(generate, options.gen * batch)


def cell(model, options, batch):
    generator = random.Random(1)
    vocab = api.llama_vocab_n_tokens(api.llama_model_get_vocab(model))

    def tokens(count):
        return [generator.randrange(vocab) for _ in range(count)]
    found = {}
    for flash_attention in (True, False):
        ctx = context(model, options, batch, flash_attention)
        found[flash_attention] = measure(ctx, options, batch, tokens)
        api.llama_free(ctx)
    best = [max(found, key=lambda flash: found[flash][i] or 0) for i in range(2)]
    return {"batch": batch, "prompt": options.prompt, "gen": options.gen, "depth": options.depth,
            "prefill_tok_s": found[best[0]][0], "decode_tok_s": found[best[1]][1],
            "flash_attention": best}


def quiet(level, text, _):
    if level == LEVEL_ERROR:
        sys.stderr.write(text.decode(errors="replace"))


def arguments():
    parser = argparse.ArgumentParser(description="Measures llama.cpp.")
    parser.add_argument("model", nargs="?", default="build-bench/bench.gguf")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--gen", type=int, default=64)
    parser.add_argument("--batch", default="1,16", help="comma-separated")
    parser.add_argument("--depth", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


def main():
    options = arguments()
    log = api.llama_log_callback(quiet)
    api.llama_log_set(log, None)
    api.llama_backend_init()
    model = api.llama_model_load_from_file(options.model.encode(), api.llama_model_default_params())
    if not model:
        sys.exit(f"llama_cpp.py: {options.model} cannot be loaded (tests/bench/make_gguf.py makes it)")
    try:
        for batch in map(int, options.batch.split(",")):
            print(json.dumps(cell(model, options, batch)), flush=True)
    except Fault as fault:
        sys.exit(f"llama_cpp.py: {fault}")
    finally:
        api.llama_model_free(model)


if __name__ == "__main__":
    main()

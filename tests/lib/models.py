"""Writes small model folders for tests that need one of a certain size or with a certain fault. Standard library only.

    write_model("m", Shape(layers=1))                    m/config.json and m/model.safetensors, random bf16
    tensors = model_tensors(Shape())                     {name: Tensor("BF16", [128, 64], bytes)}: change some, then
    write_safetensors("m/model.safetensors", tensors)

The same shape gives the same bytes.
"""
import json
import math
import random
import struct
from dataclasses import dataclass
from pathlib import Path

SEED = 7
BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "BF16": 2, "F16": 2, "U8": 1, "F8_E4M3": 1}
# High bytes of a bf16 that make numbers of either sign in [2^-7, 2^-5).
HIGH = bytes(0x3C | (b & 0x80) for b in range(256))


@dataclass
class Shape:
    hidden: int = 64
    inner: int = 96
    heads: int = 4
    kv_heads: int = 2
    head: int = 16
    layers: int = 2
    vocabulary: int = 128


@dataclass
class Tensor:
    dtype: str
    shape: list
    data: bytes


def config(shape):
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": shape.hidden,
        "intermediate_size": shape.inner, "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head, "num_hidden_layers": shape.layers, "vocab_size": shape.vocabulary,
        "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": True,
        "torch_dtype": "bfloat16", "eos_token_id": 2,
    }


def random_bf16(count):
    raw = bytearray(random.Random(f"{SEED} {count}").randbytes(2 * count))
    raw[1::2] = raw[1::2].translate(HIGH)
    return bytes(raw)


def layer_tensors(shape):
    kv = shape.kv_heads * shape.head
    return {
        "input_layernorm": [shape.hidden], "post_attention_layernorm": [shape.hidden],
        "self_attn.q_proj": [shape.heads * shape.head, shape.hidden], "self_attn.k_proj": [kv, shape.hidden],
        "self_attn.v_proj": [kv, shape.hidden], "self_attn.o_proj": [shape.hidden, shape.heads * shape.head],
        "mlp.gate_proj": [shape.inner, shape.hidden], "mlp.up_proj": [shape.inner, shape.hidden],
        "mlp.down_proj": [shape.hidden, shape.inner],
    }


def model_tensors(shape):
    shapes = {"embed_tokens": [shape.vocabulary, shape.hidden], "norm": [shape.hidden]}
    for layer in range(shape.layers):
        shapes.update({f"layers.{layer}.{name}": dims for name, dims in layer_tensors(shape).items()})
    return {f"model.{name}.weight": Tensor("BF16", dims, random_bf16(math.prod(dims))) for name, dims in shapes.items()}


def header_of(tensors):
    header, at = {}, 0
    for name in sorted(tensors):
        end = at + len(tensors[name].data)
        header[name] = {"dtype": tensors[name].dtype, "shape": tensors[name].shape, "data_offsets": [at, end]}
        at = end
    return header


def write_safetensors(path, tensors, header=None):
    """`header` replaces what the tensors would give: an object, or the bytes of one."""
    text = header if isinstance(header, bytes) else json.dumps(header or header_of(tensors)).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            out.write(tensors[name].data)


def write_model(folder, shape):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config(shape), indent=2) + "\n", encoding="utf-8")
    write_safetensors(folder / "model.safetensors", model_tensors(shape))
    return folder

"""A reader of safetensors files on the standard library alone, for tests that run where numpy is not installed.

File: u64 length of the header, the header as JSON {name: {dtype, shape, data_offsets}}, the data. Numbers come back
flat, as array.array, in row-major order:

    header = read_header("a.safetensors")          {"logits": Entry("F32", [41, 112], 96, 18464)}
    values = read_tensor("a.safetensors", "logits")
"""
import array
import json
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

HEADER_BYTES_MAX = 100 << 20
CODES = {"F32": "f", "F64": "d", "I32": "i", "I64": "q", "U8": "B"}
BYTES = {"F32": 4, "F64": 8, "I32": 4, "I64": 8, "U8": 1}


@dataclass
class Entry:
    dtype: str
    shape: list
    offset: int    # from the start of the file
    size: int      # in bytes


def read_header(path):
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        if length > HEADER_BYTES_MAX:
            raise ValueError(f"{path}: a header of {length} bytes")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    file_bytes, out = Path(path).stat().st_size, {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        out[name] = Entry(entry["dtype"], entry["shape"], 8 + length + begin, end - begin)
        if not 0 <= begin <= end <= file_bytes - 8 - length:
            raise ValueError(f"{path}: {name} lies outside the file")
    return out


def read_tensor(path, name):
    entry = read_header(path)[name]
    count = 1
    for dim in entry.shape:
        count *= dim
    if entry.dtype not in CODES or count * BYTES[entry.dtype] != entry.size:
        raise ValueError(f"{path}: cannot read {name}: {entry}")
    with open(path, "rb") as file:
        file.seek(entry.offset)
        values = array.array(CODES[entry.dtype], file.read(entry.size))
    if sys.byteorder == "big":
        values.byteswap()
    return values

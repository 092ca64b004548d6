#!/usr/bin/env python3
"""First inputs for the fuzz targets, one folder per target: make_seeds.py FOLDER

The same files each time. Targets whose inputs are checked in elsewhere get copies of those.
"""
import json
import re
import shutil
import struct
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent


def write(folder, inputs):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in inputs.items():
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def json_texts():
    texts = {
        "empty": "{}", "number": "-12.5e-3", "nested": "[[[[]],{}]]", "blanks": " \n[\t1 ,\r2 ] ",
        "strings": r'["","\"\\\/\b\f\n\r\t","\u00e9\ud83d\ude00","é😀"]',
        "numbers": "[0,-0,1e5,0.1,9223372036854775807,-9223372036854775808,18446744073709551616,5e-324]",
        "index": json.dumps({f"key{i}": i for i in range(20)}), "twice": '{"a":1,"b":2,"a":3}',
    }
    for path in sorted(TESTS.glob("fixtures/tiny/*/config.json"))[:4]:
        texts[path.parent.name] = path.read_text()
    return texts


def safetensors_files():
    def file(entries, data):
        header = json.dumps(entries).encode()
        return struct.pack("<Q", len(header)) + header + data

    def entry(dtype, shape, begin, end):
        return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}

    sizes = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "I16": 2,
             "I8": 1, "U8": 1, "BOOL": 1}
    everything, at = {"__metadata__": {"format": "pt"}}, 0
    for dtype, size in sizes.items():
        everything["w." + dtype] = entry(dtype, [2, 3], at, at + 6 * size)
        at += 6 * size
    return {
        "none": file({}, b""), "scalar": file({"a": entry("F32", [], 0, 4)}, b"\0\0\x80?"),
        "zero": file({"a": entry("F16", [0, 5], 0, 0), "b": entry("U8", [2], 0, 2)}, b"ab"),
        "all": file(everything, bytes(range(at))),
    }


def expressions():
    """Those of the parameters and refusals of the built-in descriptions, and a few with all operators."""
    found = ["config.d[2].e ?? [1, 2.5, 'x'][1]", "-a ** 2 + (b - 3) * 4 / 7 // 2 % 5",
             "not (a in [1, 2]) and a <= b or a != c", "config.big + 1", "sum(range(9))",
             "min(1, 2, 3) if has(config.f.g) else round_up(len(config.c), 64)"]
    for path in sorted(TESTS.parent.glob("archs/**/*.yaml")):
        found += re.findall(r"^ +(?:- )?\w+: ([^{\[\"|\n]+)$", path.read_text(), re.MULTILINE)
    return {f"{i:03}": text for i, text in enumerate(dict.fromkeys(found))}


def copies(folder, pattern):
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(TESTS.glob(pattern)):
        shutil.copyfile(path, folder / f"{path.parent.name}-{path.name}")


def main():
    out = Path(sys.argv[1])
    write(out / "json", json_texts())
    write(out / "safetensors", safetensors_files())
    write(out / "expr", expressions())
    write(out / "plan_file", {"none": bytes(1), "options": b"\x1f", "one": bytes(13)})
    write(out / "plan", {"none": b"", "one": bytes(8), "two": bytes(range(16))})
    copies(out / "ir_text", "ir/*/*.ir")
    copies(out / "plan_text", "plans/*.plan.txt")
    copies(out / "tokenizer_json", "fixtures/tokenizers/*/tokenizer.json")


if __name__ == "__main__":
    main()

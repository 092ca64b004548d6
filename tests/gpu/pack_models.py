#!/usr/bin/env python3
"""What of compiled models goes to a machine with a GPU: tiny ones with what they should give, and a
skeleton.

    pack_models.py FOLDER TARGET.. [--build DIR]     TARGET: cuda:sm_90a, ..; all in every plan

FOLDER/8b.plan       the skeleton of tests/gpu/8b.json; 8b.costs: what its steps read and calculate
FOLDER/tiny/         plans, ids and references of tests/fixtures/tiny; cases.txt has a line each:
    plan, ids, reference, KV type, rows of a step, largest deviation, largest KL
    plan, ids, reference, KV type, `greedy`, share of ids that must be equal
FOLDER/tiny/long.txt has such a line of a model whose steps are long enough for a library of matmuls
on every GPU, compared with a CPU plan.
References are transformers' logits in float64. They hold for weights as stored too, which are
exact; where weights are stored as f32 or f16 there is also a plan in bf16, whose reference is a CPU
plan of the same bf16 weights, in f32. Standard library only.
"""
import argparse
import json
import struct
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from tiny import CONFIGS, FIXTURES, Fixture  # noqa: E402
from tools import Failed, ROOT, Tools, find_program, read_header, run, run_test  # noqa: E402

JOBS = 2
BARS = {"f32": ("5e-5", "1e-8"), "stored": ("0.1", "5e-4"), "bf16": ("0.1", "5e-4")}
KINDS = {"f32": ("--weights", "f32", "--kv", "f32"), "stored": (), "bf16": ("--weights", "bf16")}
REFERENCE = ("--target", "cpu:x86-64-v3", "--weights", "bf16", "--kv", "f32")
CHUNKS = (64, 512)      # the second takes every sequence whole
BF16_BYTES = 2
LONG, LONG_MODEL = 1030, "llama-tied"


def write_logits(path, shape, values):
    """A file as `tlmrt logits` writes it."""
    header = json.dumps({"logits": {"dtype": "F32", "shape": list(shape), "data_offsets": [0, 4 * len(values)]}},
                        separators=(",", ":"))
    header += " " * (-len(header) % 8)
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + values.tobytes())


def stored_types(fixture):
    files = fixture.folder.glob("model*.safetensors")
    return {entry.dtype for path in files for entry in read_header(path).values()}


class Model:
    """One tiny model: its plans, files and lines of cases.txt."""

    def __init__(self, options, name):
        self.name, self.fixture, self.targets = name, Fixture(FIXTURES / name), ",".join(options.targets)
        self.out = options.folder / "tiny"
        self.work = tempfile.TemporaryDirectory()
        self.tools = Tools(options.build, self.work.name)
        self.model = self.fixture.link_model(CONFIGS[0], Path(self.work.name) / "model")
        self.cases = []

    def reference(self, kind, length):
        """Name of the file that a plan's logits are compared with."""
        name = f"{self.name}.{length}.{'bf16' if kind == 'bf16' else 'exact'}"
        if (self.out / name).exists():
            return name
        if kind != "bf16":
            write_logits(self.out / name, *self.fixture.logits(length))
            return name
        plan = Path(self.work.name) / "reference.plan"
        if not plan.exists():
            self.tools.build(self.model, plan, *REFERENCE)
        ids = self.fixture.ids(length)
        write_logits(self.out / name, *self.tools.logits(plan, ids, "--device", "cpu", "--kv-type", "f32"))
        return name

    def add_logits(self, kind, length):
        ids = f"{self.name}.{length}.ids"
        (self.out / ids).write_text(json.dumps(self.fixture.ids(length)))
        for chunk in CHUNKS:
            if length > CHUNKS[0] or chunk == CHUNKS[-1]:
                self.add(kind, ids, self.reference(kind, length), f"{chunk} {' '.join(BARS[kind])}")

    def add_greedy(self, kind):
        ids, name = f"{self.name}.{self.fixture.lengths[0]}.ids", f"{self.name}.greedy"
        (self.out / name).write_text(json.dumps({"ids": self.fixture.greedy()}))
        self.add(kind, ids, name, f"greedy {1 if kind == 'f32' else 0}")    # rounding may turn one of the rest

    def add(self, kind, ids, wanted, how):
        self.cases.append(f"{self.name}.{kind}.plan {ids} {wanted} {'f32' if kind == 'f32' else 'auto'} {how}")

    def pack(self):
        kinds = [k for k in KINDS if k != "bf16" or stored_types(self.fixture) != {"BF16"}]
        for kind in kinds:
            self.tools.build(self.model, self.out / f"{self.name}.{kind}.plan", "--target", self.targets, "--no-ptx",
                             "--keep-source", *KINDS[kind])
            for length in self.fixture.lengths:
                self.add_logits(kind, length)
            if kind != "bf16":
                self.add_greedy(kind)
        self.work.cleanup()
        return self.cases


def pack_long(options):
    """A model of a longer context, and a step of more rows than any plan's border."""
    name, out = f"{LONG_MODEL}.long", options.folder / "tiny"
    with tempfile.TemporaryDirectory() as work:
        tools = Tools(options.build, work)
        model = Fixture(FIXTURES / LONG_MODEL).link_model(CONFIGS[0], Path(work) / "model")
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").unlink()
        (model / "config.json").write_text(json.dumps(dict(config, max_position_embeddings=2 * LONG)))
        ids, reference = [i * 37 % 101 for i in range(LONG)], Path(work) / "reference.plan"
        tools.build(model, reference, "--target", "cpu:x86-64-v3", "--weights", "f32", "--kv", "f32")
        write_logits(out / f"{name}.exact", *tools.logits(reference, ids, "--device", "cpu"))
        tools.build(model, out / f"{name}.plan", "--target", ",".join(options.targets), "--no-ptx", "--keep-source")
    (out / f"{name}.ids").write_text(json.dumps(ids))
    bars = " ".join(BARS["stored"])
    (out / "long.txt").write_text(f"{name}.plan {name}.ids {name}.exact auto {2 * LONG} {bars}\n")
    return []


def costs(config):
    """({what: bytes or operations} of a dense decoder, bytes of all weights)"""
    hidden, inner, layers = (config[k] for k in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    heads, kv, head = config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]
    layer = hidden * head * (heads + 2 * kv) + heads * head * hidden + 3 * hidden * inner + 2 * hidden
    head_weights = config["vocab_size"] * hidden
    facts = {"layer_bytes": BF16_BYTES * layers * layer, "head_bytes": BF16_BYTES * (head_weights + hidden),
             "kv_bytes": BF16_BYTES * layers * 2 * kv * head, "layer_flops": 2 * layers * layer,
             "head_flops": 2 * head_weights, "pair_flops": 4 * layers * heads * head}
    return facts, facts["layer_bytes"] + facts["head_bytes"] + BF16_BYTES * head_weights


def pack_skeleton(options):
    source, plan = HERE / "8b.json", options.folder / "8b.plan"
    facts, weights = costs(json.loads(source.read_text()))
    tlmc, tlmrt = find_program(options.build, "tlmc"), find_program(options.build, "tlmrt")
    run(tlmc, "build", "--skeleton", source, "-o", plan, "--target", ",".join(options.targets), "--no-ptx",
        "--kv", "bf16")
    said = json.loads(run(tlmrt, "info", plan, "--json"))["memory"]["weights_bytes"]
    if abs(said - weights) > 0.001 * weights:
        raise Failed(f"the plan has {said} bytes of weights, counted are {weights}")
    (options.folder / "8b.costs").write_text("".join(f"{key} {value}\n" for key, value in facts.items()))
    (options.folder / "8b.json").write_text(source.read_text())
    return []


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("targets", nargs="+", metavar="TARGET")
    parser.add_argument("--build", default=ROOT / "build", help="folder with tlmc and tlmrt (default: build)")
    options = parser.parse_args()
    (options.folder / "tiny").mkdir(parents=True, exist_ok=True)
    names = sorted(p.parent.name for p in FIXTURES.glob("*/expected.safetensors"))
    models = [Model(options, name) for name in names]
    with ThreadPoolExecutor(JOBS) as jobs:
        work = [jobs.submit(pack, options) for pack in (pack_skeleton, pack_long)]
        work += [jobs.submit(model.pack) for model in models]
        cases = [line for done in work for line in done.result()]
    (options.folder / "tiny" / "cases.txt").write_text("".join(f"{line}\n" for line in cases))
    print(f"{len(models)} tiny models, {len(cases)} comparisons, a skeleton")
    return 0


if __name__ == "__main__":
    sys.exit(run_test(main))

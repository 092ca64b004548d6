#!/usr/bin/env python3
"""What decode costs by the shape of a layer: experts by how many are chosen, attention over latents and heads.

    tests/bench/shapes.py [--build build] [--rounds 3] [experts|latents]...

    experts   Qwen3-30B-A3B's layers, fewer of them, with 1 to 32 of 128 experts chosen. If only the chosen ones are
              read, time grows with their bytes.
    latents   DeepSeek-V3's attention with a quarter of its heads in dense layers, beside the expanded form: plain
              attention with as many heads and as wide keys and values (192 + 128, here 160 + 160). The difference
              between decode at depth 4096 and at 0 is what looking back costs; what a token keeps is read from
              `tlmrt info`.
Skeletons with random weights; medians of the rounds. One lock keeps measurements apart. A quiet machine takes some
minutes for both.
"""
import argparse
import json
import re
import statistics
import sys
import tempfile
from pathlib import Path

from compare import Fault, alone, output

CONFIGS = Path(__file__).resolve().parent.parent / "fixtures" / "hub_configs"
LAYERS, VOCAB, DEPTH = 3, 32000, 4096
CHOSEN = (1, 2, 4, 8, 16, 32)
LATENT_LAYERS, HEADS = 2, 32
TARGET = "cpu:native"


def config(name, **changes):
    return json.loads((CONFIGS / f"{name}.json").read_text()) | dict(vocab_size=VOCAB, **changes)


def without(keys, values):
    return {k: v for k, v in values.items() if k not in keys}


class Shape:
    """A skeleton built from a config."""

    def __init__(self, build, work, name, values):
        self.build, self.name, self.plan = build, name, work / f"{name}.plan"
        source = work / f"{name}.json"
        source.write_text(json.dumps(values))
        output(build / "tlmc", "build", "--skeleton", source, "-o", self.plan, "--target", TARGET)

    def kept(self):
        """Bytes of KV memory of a token."""
        return int(re.search(r"^kv +(\d+) bytes", output(self.build / "tlmrt", "info", self.plan), re.M)[1])

    def decode_ms(self, depth):
        """Milliseconds a token, for one sequence."""
        cells = json.loads(output(self.build / "tlmrt", "bench", self.plan, "--prompt", 64, "--gen", 32, "--batch", 1,
                                  "--depth", depth, "--ctx", depth + 256, "--json"))
        return 1000 / cells[0]["decode_tok_s"]

    def prefill(self):
        cells = json.loads(output(self.build / "tlmrt", "bench", self.plan, "--prompt", 512, "--gen", 1, "--batch", 1,
                                  "--json"))
        return cells[0]["prefill_tok_s"]


def experts(build, work, rounds):
    base = config("qwen3-30b-a3b", num_hidden_layers=LAYERS)
    shapes = [Shape(build, work, f"experts-{k}", base | dict(num_experts_per_tok=k)) for k in CHOSEN]
    width, inner = base["hidden_size"], base["moe_intermediate_size"]
    heads, groups, head = base["num_attention_heads"], base["num_key_value_heads"], base["head_dim"]
    rest = VOCAB * width + LAYERS * (width * head * (2 * heads + 2 * groups) + 2 * base["num_experts"] * width)
    times = {k: [] for k in CHOSEN}
    fill = []
    for _ in range(rounds):
        for k, shape in zip(CHOSEN, shapes):
            times[k].append(shape.decode_ms(0))
        fill.append(shapes[CHOSEN.index(8)].prefill())
    print(f"{LAYERS} layers of Qwen3-30B-A3B, {base['num_experts']} experts, bf16\n"
          f"{'chosen':>8} {'MB a token':>11} {'ms a token':>11} {'GB/s':>6}")
    for k in CHOSEN:
        megabytes, ms = 2 * (rest + LAYERS * k * 3 * width * inner) / 1e6, statistics.median(times[k])
        print(f"{k:8} {megabytes:11.1f} {ms:11.2f} {megabytes / ms:6.1f}")
    print(f"prefill of 512, 8 chosen: {statistics.median(fill):.1f} tokens/s\n")


def latents(build, work, rounds):
    deepseek = without(("quantization_config",), config("deepseek-v3", num_hidden_layers=LATENT_LAYERS,
                       first_k_dense_replace=LATENT_LAYERS, intermediate_size=2048, num_nextn_predict_layers=0,
                       num_attention_heads=HEADS, num_key_value_heads=HEADS))
    plain = config("llama-3.1-70b", num_hidden_layers=LATENT_LAYERS, hidden_size=deepseek["hidden_size"], head_dim=160,
                   num_attention_heads=HEADS, num_key_value_heads=HEADS, intermediate_size=2048)
    shapes = [Shape(build, work, "latent", deepseek), Shape(build, work, "heads", plain)]
    times = {(s.name, depth): [] for s in shapes for depth in (0, DEPTH)}
    for _ in range(rounds):
        for shape in shapes:
            for depth in (0, DEPTH):
                times[shape.name, depth].append(shape.decode_ms(depth))
    print(f"{LATENT_LAYERS} layers with {HEADS} of DeepSeek-V3's heads, bf16\n"
          f"{'cache':>8} {'bytes a token and layer':>24} {'ms at 0':>9} {f'ms at {DEPTH}':>11} "
          f"{'looking back, ms a layer':>25}")
    for shape in shapes:
        near, far = (statistics.median(times[shape.name, depth]) for depth in (0, DEPTH))
        print(f"{shape.name:>8} {shape.kept() // LATENT_LAYERS:24} {near:9.2f} {far:11.2f} "
              f"{(far - near) / LATENT_LAYERS:25.2f}")


TABLES = {"experts": experts, "latents": latents}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=" ".join(TABLES))
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    unknown = [t for t in options.tables if t not in TABLES]
    if unknown:
        parser.error(f"no such table: {' '.join(unknown)} (there is: {' '.join(TABLES)})")
    try:
        with alone(), tempfile.TemporaryDirectory() as work:
            for name in options.tables or TABLES:
                TABLES[name](options.build.resolve(), Path(work), options.rounds)
    except Fault as fault:
        print(fault, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

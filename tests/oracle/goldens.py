#!/usr/bin/env python3
"""What transformers says about the real models of the test data: float32, CPU, eager attention. Nothing is checked in.

    goldens.py [--data DIR] [MODEL...]       DIR: $TLMC_DATA, default ~/.cache/tlmc-data

Writes DIR/goldens/MODEL.json
    prompts    [{text, ids, greedy (64 new ids, eos ignored), margins (best logit minus second, per step)}]
    text       {name, ids (512), mean_nll}
and DIR/goldens/MODEL.logits.npy, f32 [512, V]: the logits after every id of the text.
Prompts with a near tie are left out: there, another order of summation may rightly choose another token.
"""
import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
import tokenizers
import torch
import transformers

STEPS, TEXT_IDS, MARGIN_MIN, PROMPTS_MIN, PROMPTS_MAX = 64, 512, 0.005, 5, 6
TEXT, TEXT_FROM, TEXT_CHARACTERS = "python-tutorial.rst", 30000, 8000
MODELS = ("smollm2", "qwen2.5-coder-0.5b", "gemma3-270m")
PROSE = [
    "The largest river in South America is", "A short list of things to pack for a winter hike:",
    "My grandmother used to say that",
    "Water freezes at zero degrees because", "In 1969, two astronauts", "Der Zug nach Hamburg",
    "The recipe needs three eggs, a cup of flour and", "Chapter 1\n\nThe lighthouse keeper", "2, 3, 5, 7, 11,",
    "The difference between a lake and a pond is",
]
CODE = [
    "def is_prime(n):\n", "/* Returns the length of a list. */\nsize_t list_length(",
    "SELECT name, count(*) FROM orders",
    "The largest river in South America is", "import sys\n\n\ndef main():\n", "fn main() {\n    let mut total = 0;",
    "#!/bin/sh\n# Deletes empty files below a folder.\n", "Der Zug nach Hamburg",
    "class Stack:\n    def __init__(self):\n", "2, 3, 5, 7, 11,",
]


def greedy(model, ids):
    """(64 new ids, the distance of the two best logits at each step)."""
    cache, step, new, margins = transformers.DynamicCache(config=model.config), ids, [], []
    for _ in range(STEPS):
        out = model(torch.tensor([step]), past_key_values=cache, use_cache=True, logits_to_keep=1)
        best = out.logits[0, -1].topk(2)
        new.append(int(best.indices[0]))
        margins.append(round(float(best.values[0] - best.values[1]), 5))
        step = new[-1:]
    return new, margins


def prompts_of(model, tokenizer, texts):
    out = []
    for text in texts:
        ids = tokenizer.encode(text).ids
        new, margins = greedy(model, ids)
        if min(margins) >= MARGIN_MIN:
            out.append({"text": text, "ids": ids, "greedy": new, "margins": margins})
        if len(out) == PROMPTS_MAX:
            break
    if len(out) < PROMPTS_MIN:
        raise RuntimeError(f"only {len(out)} prompts without near ties, {PROMPTS_MIN} needed: add prompts")
    return out


def text_logits(model, tokenizer, text, path):
    ids = tokenizer.encode(text).ids[:TEXT_IDS]
    assert len(ids) == TEXT_IDS, f"the text gives only {len(ids)} ids"
    logits = model(torch.tensor([ids]), use_cache=False).logits[0]
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=tuple(logits.shape))
    out[:] = logits.numpy()
    out.flush()
    loss = torch.nn.functional.cross_entropy(logits[:-1].double(), torch.tensor(ids[1:]))
    return {"name": TEXT, "ids": ids, "mean_nll": round(float(loss), 6)}


@torch.no_grad()
def make(data, name):
    folder, out = data / name, data / "goldens"
    text_path = data / "text" / TEXT
    for needed in (folder / "model.safetensors", text_path):
        if not needed.exists():
            print(f"skipped: {name}: {needed} is absent")
            return
    out.mkdir(exist_ok=True)
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager").eval()
    text = text_path.read_text(encoding="utf8")[TEXT_FROM:TEXT_FROM + TEXT_CHARACTERS]
    made_with = f"transformers {transformers.__version__}, torch {torch.__version__}, float32, eager"
    golden = {"made_with": made_with, "text": text_logits(model, tokenizer, text, out / f"{name}.logits.npy"),
              "prompts": prompts_of(model, tokenizer, CODE if "coder" in name else PROSE)}
    (out / f"{name}.json").write_text(json.dumps(golden, ensure_ascii=False), encoding="utf8")
    lowest = min(min(p["margins"]) for p in golden["prompts"])
    count, nll = len(golden["prompts"]), golden["text"]["mean_nll"]
    print(f"{name}: {count} prompts, lowest margin {lowest}, nll {nll}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=" ".join(MODELS))
    parser.add_argument("--data", default=os.environ.get("TLMC_DATA") or "~/.cache/tlmc-data")
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.disable_progress_bar()
    for name in options.models or MODELS:
        make(Path(options.data).expanduser(), name)
    return 0


if __name__ == "__main__":
    sys.exit(main())

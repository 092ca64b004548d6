#!/usr/bin/env python3
"""What rounding to bf16 alone does to a tiny model's logits: the model in float64, rounded at some places.

    rounding.py [NAME...]       rows of variants.py (default: llama-odd-5, the worst of them)

Matrix units take activations, queries and softmax's weights (shares) in bf16, caches keep keys and values so. A row of
the table rounds at one such place or at several, and tells the largest |difference| in standard deviations of the
logits and KL, at the worst position and on average over 300. The bars of tests/e2e/tiny.py come from it.
"""
import sys
import tempfile
from pathlib import Path

import torch
import transformers

import variants

LENGTH = 300
INPUTS = {"q_proj": "qkv", "k_proj": "qkv", "v_proj": "qkv", "o_proj": "o", "gate_proj": "gate, up",
          "up_proj": "gate, up", "down_proj": "down", "lm_head": "logits"}
OUTPUTS = {"k_proj": "cache", "v_proj": "cache", "q_proj": "queries"}
PRODUCTS = ("qkv", "o", "gate, up", "down", "logits")
PLACES = [(place,) for place in (*PRODUCTS, "cache", "queries", "shares")]
ATTENTION = ("cache", "queries", "shares")
SETS = {"attention's three": ATTENTION, "all": (*PRODUCTS, *ATTENTION)}


def rounded(values):
    return values.to(torch.bfloat16).to(values.dtype)


def hook(model, places):
    """Rounds what goes into and comes out of the model's matrices at these places; the hooks."""
    hooks = []
    for name, module in model.named_modules():
        kind = name.split(".")[-1]
        if INPUTS.get(kind) in places:
            hooks.append(module.register_forward_pre_hook(lambda _, given: (rounded(given[0]),)))
        if OUTPUTS.get(kind) in places:
            hooks.append(module.register_forward_hook(lambda _, given, made: rounded(made)))
    return hooks


def logits_of(model, ids, places=()):
    softmax = torch.nn.functional.softmax
    hooks = hook(model, places)
    if "shares" in places:
        torch.nn.functional.softmax = lambda *args, **options: rounded(softmax(*args, **options))
    with torch.no_grad():
        made = model(ids).logits[0]
    torch.nn.functional.softmax = softmax
    for one in hooks:
        one.remove()
    return made


def measure(name, folder):
    variants.make(folder, name)
    model = transformers.AutoModelForCausalLM.from_pretrained(Path(folder) / name, attn_implementation="eager")
    model = model.to(torch.bfloat16).to(torch.float64)
    ids = torch.randint(0, model.config.vocab_size, (1, LENGTH), generator=torch.Generator().manual_seed(5))
    exact = logits_of(model, ids)
    expected = exact.log_softmax(-1)
    print(f"{name:28} {'worst':>9} {'KL':>9} {'mean KL':>9}")
    for places, text in [(p, p[0]) for p in PLACES] + [(p, text) for text, p in SETS.items()]:
        found = logits_of(model, ids, places)
        worst = (found - exact).abs().max() / exact.std()
        kl = (expected.exp() * (expected - found.log_softmax(-1))).sum(-1)
        print(f"  {text:26} {worst:9.1e} {kl.max():9.1e} {kl.mean():9.1e}", flush=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or ["llama-odd-5"]:
            measure(name, folder)


if __name__ == "__main__":
    main()

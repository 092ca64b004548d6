#!/usr/bin/env python3
"""The peer of `tlmrt bench` on a GPU: a dense decoder with random bf16 weights in plain PyTorch,
written for speed.

    torch_peer.py CONFIG.json [--seconds 150] [--device cuda] [--small]

Weights of q, k, v and of gate and up lie together, the KV memory is a static tensor exactly as long
as the context, attention is PyTorch's fused one, a whole step is one CUDA graph, and the next ids
are chosen on the GPU. A layer is run as written, compiled by torch.compile (once: all layers have
one shape), and for decoding also tuned ("max-autotune-no-cudagraphs"), as far as time goes. Prints
lines of words for cuda_table, where the fastest counts:

    matmul_tflops X PyTorch ..            bf16, 8192 x 8192 x 8192
    peer decode SEQUENCES TOKENS TOK_S HOW
    peer prefill 1 TOKENS TOK_S HOW       logits of the last row only, as a prompt needs them

Exit status 1: some row has no figure.
"""
import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F

DECODES = ((1, 512), (8, 512), (32, 512))
PREFILLS = (512, 2048, 8192)
SMALL = (((1, 8), (2, 8)), (16,))      # with --small: to see that it works where there is no GPU
GROUPS, GROUP_SECONDS = 5, 0.06        # replays that are timed together, and how many such
MATMUL = 8192
HOWS = {"eager": None, "compiled": "default", "tuned": "max-autotune-no-cudagraphs"}
SECONDS_NEEDED = {"eager": 4, "compiled": 20, "tuned": 45}     # left, or a try is not begun


@dataclass
class Shape:
    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    head: int
    vocabulary: int
    theta: float
    eps: float

    @classmethod
    def of(cls, path):
        c = json.loads(Path(path).read_text())
        return cls(c["hidden_size"], c["intermediate_size"], c["num_hidden_layers"], c["num_attention_heads"],
                   c["num_key_value_heads"], c["head_dim"], c["vocab_size"], c["rope_theta"], c["rms_norm_eps"])


class Weights:
    """All weights, random."""

    def __init__(self, shape, device):
        def make(*sizes):
            return torch.empty(sizes, dtype=torch.bfloat16, device=device).normal_(0, 0.02)
        s, ones = shape, torch.ones(shape.hidden, dtype=torch.bfloat16, device=device)
        self.layers = [(ones, make((s.heads + 2 * s.kv_heads) * s.head, s.hidden), make(s.hidden, s.heads * s.head),
                        ones.clone(), make(2 * s.inner, s.hidden), make(s.hidden, s.inner)) for _ in range(s.layers)]
        self.embedding, self.head, self.norm = make(s.vocabulary, s.hidden), make(s.vocabulary, s.hidden), ones


def rope_table(shape, positions):
    """(cos, sin), each [positions, head], of angles in f32."""
    steps = torch.arange(0, shape.head, 2, device=positions.device, dtype=torch.float32) / shape.head
    angles = positions[:, None].float() * shape.theta ** -steps
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().bfloat16(), angles.sin().bfloat16()


def rotate(x, table):
    cos, sin = table
    low, high = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-high, low), dim=-1) * sin


def attend(shape, q, keys, values):
    """q [B, heads, T, head]; keys and values [B, kv_heads, length, head], the last T are q's own."""
    batch, _, rows, _ = q.shape
    if rows == 1:      # heads of a group are rows of one attention
        q = q.view(batch, shape.kv_heads, -1, shape.head)
        return F.scaled_dot_product_attention(q, keys, values).reshape(batch, 1, -1)
    out = F.scaled_dot_product_attention(q, keys, values, is_causal=True, enable_gqa=True)
    return out.transpose(1, 2).reshape(batch, rows, -1)


def run_layer(shape, x, weights, cache, places):
    """One layer on x [B, T, hidden], whose keys and values go to places (positions, rope's table) of
    the cache, a pair of [B, kv_heads, length, head]."""
    norm, w_qkv, w_o, norm_2, w_gate_up, w_down = weights
    batch, rows, _ = x.shape
    qkv = F.linear(F.rms_norm(x, (shape.hidden,), norm, shape.eps), w_qkv)
    qkv = qkv.view(batch, rows, -1, shape.head).transpose(1, 2)
    q, k, v = qkv.split((shape.heads, shape.kv_heads, shape.kv_heads), dim=1)
    (keys, values), (positions, table) = cache, places
    keys[:, :, positions] = rotate(k, table)       # torch.compile does this in place
    values[:, :, positions] = v
    x = x + F.linear(attend(shape, rotate(q, table), keys, values), w_o)
    gate, up = F.linear(F.rms_norm(x, (shape.hidden,), norm_2, shape.eps), w_gate_up).chunk(2, dim=-1)
    return x + F.linear(F.silu(gate) * up, w_down)


class Step:
    """A step of fixed shape: `rows` new positions of `batch` sequences, each then of `context`."""

    def __init__(self, shape, weights, batch, rows, context):
        device = weights.norm.device
        self.shape, self.weights = shape, weights
        self.ids = torch.randint(0, shape.vocabulary, (batch, rows), device=device)
        self.caches = [[torch.randn((batch, shape.kv_heads, context, shape.head), dtype=torch.bfloat16,
                                    device=device) for _ in range(2)] for _ in range(shape.layers)]
        positions = torch.arange(context - rows, context, device=device)
        self.places = positions, rope_table(shape, positions)
        self.next = torch.zeros(batch, dtype=torch.int64, device=device)
        self.layer = partial(run_layer, shape)

    def logits(self):
        x = F.embedding(self.ids, self.weights.embedding)
        for weights, cache in zip(self.weights.layers, self.caches):
            x = self.layer(x, weights, cache, self.places)
        x = F.rms_norm(x[:, -1], (self.shape.hidden,), self.weights.norm, self.shape.eps)
        return F.linear(x, self.weights.head)

    def __call__(self):
        self.next.copy_(self.logits().argmax(-1))
        if self.ids.shape[1] == 1:
            self.ids.copy_(self.next[:, None])

    def compile(self, mode):
        torch._dynamo.reset()
        self.layer = torch.compile(partial(run_layer, self.shape), mode=mode, dynamic=False)


def seconds_of(work, device):
    """The median time of one `work()`, as a CUDA graph on a GPU."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    if device == "cuda":
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            work()
            work()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
        work = graph.replay

    def timed(count):
        wait()
        start = time.perf_counter()
        for _ in range(count):
            work()
        wait()
        return (time.perf_counter() - start) / count
    timed(1)
    count = max(1, int(GROUP_SECONDS / timed(1)))
    return statistics.median(timed(count) for _ in range(GROUPS))


class Peer:
    """Measures rows in every way, the quickest to begin first, until the time is over."""

    def __init__(self, options):
        self.device, self.shape = options.device, Shape.of(options.config)
        self.end = time.monotonic() + options.seconds
        self.weights = Weights(self.shape, self.device)
        self.done = set()

    def measure_matmul(self):
        a, b = (torch.randn(MATMUL, MATMUL, device=self.device, dtype=torch.bfloat16) for _ in range(2))
        out = torch.empty_like(a)
        seconds = seconds_of(lambda: torch.matmul(a, b, out=out), self.device)
        print(f"matmul_tflops {2 * MATMUL ** 3 / seconds / 1e12:.1f} PyTorch {torch.__version__}", flush=True)

    def measure(self, row, how):
        kind, batch, tokens = row
        is_decode = kind == "decode"
        step = Step(self.shape, self.weights, batch, 1 if is_decode else tokens, tokens + is_decode)
        if HOWS[how]:
            step.compile(HOWS[how])
        speed = batch * (1 if is_decode else tokens) / seconds_of(step, self.device)
        print(f"peer {kind} {batch} {tokens} {speed:.1f} {how}", flush=True)
        self.done.add(row)

    def attempt(self, row, how):
        begin = time.monotonic()
        if self.end - begin < SECONDS_NEEDED[how]:
            print(f"left out, no time: {row} {how}", flush=True)
            return
        try:
            self.measure(row, how)
        except Exception as reason:     # whatever a compiler lacks: the other ways remain
            print(f"not measured: {row} {how}: {type(reason).__name__}: {str(reason)[:300]}", flush=True)
        print(f"  {time.monotonic() - begin:.1f} s", flush=True)

    def run(self, decodes, prefills):
        decodes, prefills = [("decode", *d) for d in decodes], [("prefill", 1, p) for p in prefills]
        for how in HOWS:
            for row in decodes + (prefills if how != "tuned" else []):
                self.attempt(row, how)
        return [row for row in decodes + prefills if row not in self.done]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--seconds", type=float, default=150, help="no try begins later (default: 150)")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--small", action="store_true", help="few tokens")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("skipped: PyTorch sees no GPU")
        return 0
    with torch.no_grad():
        peer = Peer(options)
        if not options.small:
            peer.measure_matmul()
        missing = peer.run(*(SMALL if options.small else (DECODES, PREFILLS)))
    print(*(f"no figure: {row}" for row in missing), sep="\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())

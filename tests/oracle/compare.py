#!/usr/bin/env python3
"""Compares two sets of logits [T, V]: how far apart, which argmax differ, how much information is lost.

    compare.py REFERENCE OTHER [--tensor logits] [--rows]      each file .safetensors (f32) or .npy

distance    max |difference| over a row, in standard deviations of all reference logits; the worst row and the mean
argmax      rows whose best token differs, each with the reference's margin between its two best
KL          sum p (log p - log q) over a row, p the reference; mean and worst
Files are mapped, never read as a whole, so 512 x 262144 logits take little memory.
"""
import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from tensors import read_header  # noqa: E402

ROWS_AT_ONCE = 8


@dataclass
class Comparison:
    distance: np.ndarray     # [T], in standard deviations
    kl: np.ndarray           # [T], in nats
    wrong: list              # (row, reference's best, other's best, reference's margin)


def open_logits(path, tensor="logits"):
    """[T, V] f32, mapped."""
    if str(path).endswith(".npy"):
        return np.load(path, mmap_mode="r")
    entry = read_header(path)[tensor]
    if entry.dtype != "F32" or len(entry.shape) != 2:
        raise ValueError(f"{path}: {tensor} is {entry.dtype}{entry.shape}, expected F32 of two dimensions")
    return np.memmap(path, dtype="<f4", mode="r", offset=entry.offset, shape=tuple(entry.shape))


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def deviation(logits):
    """Standard deviation of all values, in blocks of rows."""
    count, total, squares = 0, 0.0, 0.0
    for at in range(0, logits.shape[0], ROWS_AT_ONCE):
        block = np.asarray(logits[at:at + ROWS_AT_ONCE], np.float64)
        count, total, squares = count + block.size, total + block.sum(), squares + (block * block).sum()
    return float(np.sqrt(max(squares / count - (total / count) ** 2, 0.0)))


def compare(reference, other):
    if reference.shape != other.shape:
        raise ValueError(f"reference {list(reference.shape)} and other {list(other.shape)} differ in shape")
    scale = deviation(reference) or 1.0
    out = Comparison(np.zeros(reference.shape[0]), np.zeros(reference.shape[0]), [])
    for at in range(0, reference.shape[0], ROWS_AT_ONCE):
        rows = slice(at, min(at + ROWS_AT_ONCE, reference.shape[0]))
        a, b = (np.asarray(x[rows], np.float64) for x in (reference, other))
        if not np.isfinite(b).all():
            raise ValueError(f"rows {at}..{rows.stop - 1} hold values that are not finite")
        out.distance[rows] = np.abs(a - b).max(-1) / scale
        p, q = log_softmax(a), log_softmax(b)
        out.kl[rows] = (np.exp(p) * (p - q)).sum(-1)
        for row in np.nonzero(a.argmax(-1) != b.argmax(-1))[0]:
            best = np.partition(a[row], -2)[-2:]
            out.wrong.append((at + int(row), int(a[row].argmax()), int(b[row].argmax()), float(best[1] - best[0])))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference")
    parser.add_argument("other")
    parser.add_argument("--tensor", default="logits")
    parser.add_argument("--rows", action="store_true", help="print every row")
    options = parser.parse_args()
    result = compare(open_logits(options.reference, options.tensor), open_logits(options.other, options.tensor))
    if options.rows:
        for row, (distance, kl) in enumerate(zip(result.distance, result.kl)):
            print(f"{row:5} distance {distance:.3e}  KL {kl:.3e}")
    worst = int(result.distance.argmax())
    print(f"distance  worst {result.distance[worst]:.3e} (row {worst})  mean {result.distance.mean():.3e}")
    print(f"KL        worst {result.kl.max():.3e} (row {int(result.kl.argmax())})  mean {result.kl.mean():.3e}")
    print(f"argmax    {len(result.wrong)} of {len(result.kl)} rows differ")
    for row, a, b, margin in result.wrong:
        print(f"  row {row}: {b} instead of {a} (margin {margin:.4f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())

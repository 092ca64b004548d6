"""Runs transformers models in honest float64, but for the angles of rope.

A model moved with .double() still computes its norms, softmax and router in float32, because its source says so by
name. Inside `exact()` every such request is answered with float64; `only_float64()` proves it: there, an operation
that yields another floating type is an error.

The rope tables stay as they are written, float32: frequencies and angles rounded to float32 are what the models were
trained with, and another rounding moves the logits of 300 positions by up to 3e-5 of their deviation.

    with exact():
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
        with only_float64():
            rope_as_written(model)
        with only_float64():
            logits = model(ids).logits
"""
import contextlib

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

NARROW = (torch.float32, torch.bfloat16, torch.float16)


class WidenMode(TorchFunctionMode):
    """Calls that name float32 get float64."""
    paused = False

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if WidenMode.paused:
            return func(*args, **(kwargs or {}))
        if func is torch.Tensor.float:
            func = torch.Tensor.double
        args = tuple(widened(a) for a in args)
        kwargs = {k: widened(v) for k, v in (kwargs or {}).items()}
        return func(*args, **kwargs)


class Float64OnlyMode(TorchDispatchMode):
    """Every floating result of every operation must be float64."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for value in () if WidenMode.paused else out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(value, torch.Tensor) and value.dtype in NARROW:
                raise AssertionError(f"{func} computed in {value.dtype}")
        return out


def widened(value):
    return torch.float64 if isinstance(value, torch.dtype) and value is torch.float32 else value


@contextlib.contextmanager
def exact():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with WidenMode(), torch.no_grad():
            yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def as_written():
    """Inside, nothing is widened."""
    before, WidenMode.paused = torch.get_default_dtype(), True
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
        WidenMode.paused = False


def rope_as_written(model):
    """Replaces the model's rope modules by ones made and run in float32; what they give is widened."""
    for parent in list(model.modules()):
        for name, module in list(parent.named_children()):
            if not type(module).__name__.endswith("RotaryEmbedding"):
                continue
            with as_written():
                fresh = type(module)(config=module.config)
            fresh.forward = unwidened(fresh.forward)
            setattr(parent, name, fresh)


def unwidened(forward):
    def call(*args, **kwargs):
        with as_written():
            return forward(*args, **kwargs)
    return call


def only_float64():
    return Float64OnlyMode()

"""Runs transformers models in honest float64.

A model moved with .double() still computes its rope tables, norms, softmax and router in float32, because its
source says so by name. Inside `exact()` every such request is answered with float64; `only_float64()` proves it:
there, an operation that yields another floating type is an error.

    with exact():
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
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

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.float:
            func = torch.Tensor.double
        args = tuple(widened(a) for a in args)
        kwargs = {k: widened(v) for k, v in (kwargs or {}).items()}
        return func(*args, **kwargs)


class Float64OnlyMode(TorchDispatchMode):
    """Every floating result of every operation must be float64."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for value in out if isinstance(out, (tuple, list)) else (out,):
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


def only_float64():
    return Float64OnlyMode()

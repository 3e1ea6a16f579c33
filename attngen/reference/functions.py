"""Every function of the language, on tensors: float64, int64 and bool."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

TENSOR: dict[str, Callable[..., Tensor]] = {
    "+": torch.add,
    "-": torch.sub,
    "*": torch.mul,
    "/": torch.div,
    "^": torch.pow,
    "div": lambda x, y: torch.div(x, y, rounding_mode="floor"),
    "mod": torch.remainder,
    "neg": torch.neg,
    "abs": torch.abs,
    "min": torch.minimum,
    "max": torch.maximum,
    "clamp": torch.clamp,
    "<": torch.lt,
    "<=": torch.le,
    ">": torch.gt,
    ">=": torch.ge,
    "==": torch.eq,
    "!=": torch.ne,
    "and": torch.logical_and,
    "or": torch.logical_or,
    "not": torch.logical_not,
    "if": torch.where,
    "float": lambda x: x.to(torch.float64),
    "floor": lambda x: torch.floor(x).to(torch.int64),
    "ceil": lambda x: torch.ceil(x).to(torch.int64),
    "exp": torch.exp,
    "log": torch.log,
    "log2": torch.log2,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
    "relu": torch.relu,
    "elu": torch.nn.functional.elu,
    "silu": torch.nn.functional.silu,
    "sqrt": torch.sqrt,
    "rsqrt": torch.rsqrt,
    "sin": torch.sin,
    "cos": torch.cos,
}
"""Rows (`dot`, `outer`, `l2norm`, `prev`) are the interpreter's own."""

"""Random calls of a variant, and how long they take."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from attngen.emit.checks import POSITIONS
from attngen.errors import CallError
from attngen.ir import nodes
from attngen.ir.evaluate import Number, evaluate
from attngen.ir.expr import Kind
from attngen.runtime.kernel import Kernel

DTYPES = {
    "float32": torch.float32, "fp32": torch.float32, "bfloat16": torch.bfloat16, "bf16": torch.bfloat16,
    "float16": torch.float16, "fp16": torch.float16,
}  # fmt: skip


def dtype_of(name: str) -> torch.dtype:
    """Of a dtype as users write it; `CallError` where there is none."""
    if name not in DTYPES:
        raise CallError(f"there is no dtype `{name}`; choose float32, bfloat16 or float16")
    return DTYPES[name]


def backend_of(backend: str, q: Tensor) -> str:
    """What computes a call with such rows, where a kernel was built for that backend."""
    return backend if backend != "auto" else "triton" if q.is_cuda else "cpp"


def device_for(backend: str) -> str:
    """Where a kernel of that backend is tried."""
    return "cuda" if torch.cuda.is_available() and backend != "cpp" else "cpu"


def tensors(
    variant: nodes.Variant, shape: list[int], dtype: torch.dtype, device: str, parameters: Mapping[str, Number]
) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
    """Random q, k, v and inputs.

    Args:
        shape: B, H, N, D; or B, H, Hk, N, M, D, E.
    """
    batch, heads, key_heads, queries, keys, width, value_width = _sizes(shape)
    q = torch.randn(batch, heads, queries, width, device=device).to(dtype)
    k = torch.randn(batch, key_heads, keys, width, device=device).to(dtype)
    v = torch.randn(batch, key_heads, keys, value_width, device=device).to(dtype)
    lengths = {"b": batch, "h": heads, "i": queries, "j": keys, "n": keys, "t": keys, "c": width, "e": value_width}
    return q, k, v, {given.name: _random(given, lengths, parameters).to(device) for given in variant.inputs}


def seconds(kernel: Kernel, q: Tensor, k: Tensor, v: Tensor, inputs: Mapping[str, Any]) -> float:
    """The median of three calls."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        kernel(q, k, v, **inputs)
        if q.is_cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return sorted(times)[1]


def _sizes(shape: list[int]) -> list[int]:
    if len(shape) == 7:
        return shape
    batch, heads, length, width = shape
    return [batch, heads, heads, length, length, width, width]


def _random(given: nodes.Input, lengths: Mapping[str, int], parameters: Mapping[str, Number]) -> Tensor:
    """Random values of an input in its declared range, sorted if it is; an own axis gets 64 elements."""
    shape = [lengths.get(axis, 64) for axis in given.axes]
    if given.kind is Kind.BOOL:
        return torch.rand(shape) < 0.5
    low = 0.0 if given.range.low is None else float(evaluate(given.range.low, parameters))
    high = low + (1.0 if given.kind is Kind.FLOAT else 8.0)
    if given.range.high is not None:
        high = float(evaluate(given.range.high, parameters))
        low = max(low, high - 8.0) if given.range.low is not None else high - 1.0
    if given.kind is Kind.FLOAT:
        values = low + (high - low) * (0.01 + 0.98 * torch.rand(shape))
    else:
        values = torch.randint(int(low), int(high) + 1, shape)
    along = next((k for k, axis in enumerate(given.axes) if axis in POSITIONS), None) if given.sorted else None
    return values if along is None else values.sort(dim=along).values

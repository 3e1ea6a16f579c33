"""Run a variant on random tensors, compare it with the interpreter, and time it: `attngen run`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from attngen.emit.checks import POSITIONS
from attngen.errors import CallError
from attngen.ir import nodes
from attngen.ir.evaluate import Number, evaluate
from attngen.ir.expr import Apply, Kind
from attngen.reference import attention
from attngen.runtime.build import build
from attngen.runtime.kernel import Kernel

DTYPES = {
    "float32": torch.float32, "fp32": torch.float32, "bfloat16": torch.bfloat16, "bf16": torch.bfloat16,
    "float16": torch.float16, "fp16": torch.float16,
}  # fmt: skip
COMPARED_PAIRS = 2**24
"""The interpreter looks at every pair: it gets the last query rows, so many that this is about what it does."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a run. Errors are against the float64 interpreter; `tolerance` is what `error` may be, `live` the
    fraction of the compared pairs that the mask lets through."""

    variant: str
    backend: str
    dtype: str
    shape: str
    compared_rows: int
    live: float
    error: float
    tolerance: float
    lse_error: float
    lse_tolerance: float
    seconds_first: float
    seconds: float

    @property
    def passed(self) -> bool:
        return self.live > 0 and self.error <= self.tolerance and self.lse_error <= self.lse_tolerance

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "passed": self.passed}

    def text(self) -> str:
        verdict = "agrees with" if self.passed else "DISAGREES with" if self.live else "SEES NO KEY, nor does"
        return "\n".join(
            [
                f"{self.variant} {self.shape} {self.dtype} on {self.backend}: {verdict} the interpreter"
                f" in the last {self.compared_rows} queries, {self.live:.1%} of whose pairs are live",
                f"  largest error of y    {self.error:.2e} ({self.tolerance:.2e} is allowed)",
                f"  largest error of lse  {self.lse_error:.2e} ({self.lse_tolerance:.2e} is allowed)",
                f"  first call {self.seconds_first:.2f} s (compiles, unless cached), then {self.seconds * 1e3:.2f} ms",
            ]
        )


def trial(
    variant: nodes.Variant, shape: list[int], dtype: str, backend: str, seed: int, parameters: Mapping[str, Number]
) -> Trial:
    """Build and run a variant on random numbers.

    Args:
        shape: B, H, N, D; or B, H, Hk, N, M, D, E.

    Raises:
        CallError: there is no such dtype or backend.
    """
    if dtype not in DTYPES:
        raise CallError(f"there is no dtype `{dtype}`; choose float32, bfloat16 or float16")
    if isinstance(variant.body, nodes.Recurrent):
        raise CallError(f"{variant.name}: `attngen run` can't compare recurrences yet; `kernel.reference` does")
    kernel = build(variant, backend=backend, **dict[str, Any](parameters))
    device = "cuda" if torch.cuda.is_available() and backend != "cpp" else "cpu"
    torch.manual_seed(seed)
    q, k, v, inputs = _tensors(variant, shape, DTYPES[dtype], device, parameters)
    started = time.perf_counter()
    y, lse = kernel(q, k, v, return_lse=True, **inputs) if kernel.has_lse else (kernel(q, k, v, **inputs), None)
    first = time.perf_counter() - started
    rows, live, error, tolerance, lse_error = _compared(kernel, q, k, v, inputs, y, lse)
    return Trial(
        variant.name,
        kernel.backend if backend != "auto" else ("triton" if device == "cuda" else "cpp"),
        dtype,
        "x".join(map(str, shape)),
        rows,
        live,
        error,
        tolerance,
        lse_error,
        _lse_tolerance(kernel, DTYPES[dtype]),
        first,
        _seconds(kernel, q, k, v, inputs),
    )


def _tensors(
    variant: nodes.Variant, shape: list[int], dtype: torch.dtype, device: str, parameters: Mapping[str, Number]
) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
    """Random q, k, v and inputs."""
    batch, heads, key_heads, queries, keys, width, value_width = _sizes(shape)
    q = torch.randn(batch, heads, queries, width, device=device).to(dtype)
    k = torch.randn(batch, key_heads, keys, width, device=device).to(dtype)
    v = torch.randn(batch, key_heads, keys, value_width, device=device).to(dtype)
    lengths = {"b": batch, "h": heads, "i": queries, "j": keys, "n": keys, "c": width, "e": value_width}
    return q, k, v, {given.name: _random(given, lengths, parameters).to(device) for given in variant.inputs}


def _seconds(kernel: Kernel, q: Tensor, k: Tensor, v: Tensor, inputs: Mapping[str, Any]) -> float:
    """The median of three calls."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        kernel(q, k, v, **inputs)
        if q.is_cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return sorted(times)[1]


def _compared(
    kernel: Kernel, q: Tensor, k: Tensor, v: Tensor, inputs: Mapping[str, Any], y: Tensor, lse: Tensor | None
) -> tuple[int, float, float, float, float]:
    """How many of the last query rows were compared, the live fraction, the errors of y and lse, what y's may be."""
    batch, heads, queries, keys = *q.shape[:3], k.shape[2]
    rows = max(1, min(queries, COMPARED_PAIRS // max(1, batch * heads * keys)))
    tail = {name: _last(tensor, kernel.variant.input(name), rows) for name, tensor in inputs.items()}
    first = queries - rows
    given: dict[str, Any] = {"parameters": kernel.parameters, "inputs": tail, "offset": keys - rows}
    expected = attention(kernel.variant, q[:, :, first:], k, v, **given)
    return (
        rows,
        expected.live.double().mean().item() if expected.live.numel() else 0.0,
        _difference(y[:, :, first:], expected.y),
        _tolerance(y.dtype, attention(_of_magnitudes(kernel.variant), q[:, :, first:], k, v.abs(), **given).y),
        0.0 if lse is None or expected.lse is None else _difference(lse[:, :, first:], expected.lse),
    )


def _difference(found: Tensor, expected: Tensor) -> float:
    """The largest; equal infinities don't differ."""
    difference = torch.where(found == expected, 0.0, (found.double() - expected).abs())
    return difference.max().item() if difference.numel() else 0.0


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


def _last(tensor: Tensor, given: nodes.Input, rows: int) -> Tensor:
    """The part of an input that belongs to the last query rows."""
    return (
        tensor.narrow(given.axes.index("i"), tensor.shape[given.axes.index("i")] - rows, rows)
        if "i" in given.axes
        else tensor
    )


def _lse_tolerance(kernel: Kernel, dtype: torch.dtype) -> float:
    """Log-sum-exps are float32, but rows that are changed before a product are rounded to their dtype."""
    plain = all(product.query.plain and product.key.plain for product in kernel.plan.products)
    return 1e-3 if plain else max(1e-3, 8 * torch.finfo(dtype).eps)


def _of_magnitudes(variant: nodes.Variant) -> nodes.Variant:
    """The same with the magnitudes of its weights."""
    body = variant.pairwise
    if body.logit:
        return variant
    return replace(variant, body=replace(body, score=Apply(Kind.FLOAT, function="abs", arguments=(body.score,))))


def _tolerance(dtype: torch.dtype, scale: Tensor) -> float:
    """Two units in the last place of the largest sum of |weight| |value|, and float32's rounding of sums."""
    largest = scale.max().item() if scale.numel() else 1.0
    return (2 * torch.finfo(dtype).eps + 2e-5) * max(largest, 1.0)

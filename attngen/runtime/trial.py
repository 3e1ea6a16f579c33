"""Run a variant on random tensors, compare it with the interpreter, and time it: `attngen run`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from attngen.ir import nodes
from attngen.ir.evaluate import Number
from attngen.ir.expr import Apply, Kind
from attngen.reference import attention
from attngen.runtime.build import build
from attngen.runtime.draws import backend_of, device_for, dtype_of, seconds, tensors
from attngen.runtime.kernel import Kernel
from attngen.runtime.recurrent_trial import RecurrentTrial, recurrent_trial

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
) -> Trial | RecurrentTrial:
    """Build and run a variant on random numbers.

    Args:
        shape: B, H, N, D; or B, H, Hk, N, M, D, E.

    Raises:
        CallError: there is no such dtype or backend.
        ValueError: a recurrence is asked for with other numbers of queries and keys.
    """
    if isinstance(variant.body, nodes.Recurrent):
        return recurrent_trial(variant, shape, dtype, backend, seed, parameters)
    kind = dtype_of(dtype)
    kernel = build(variant, backend=backend, **dict[str, Any](parameters))
    torch.manual_seed(seed)
    q, k, v, inputs = tensors(variant, shape, kind, device_for(backend), parameters)
    started = time.perf_counter()
    y, lse = kernel(q, k, v, return_lse=True, **inputs) if kernel.has_lse else (kernel(q, k, v, **inputs), None)
    first = time.perf_counter() - started
    return Trial(
        variant.name,
        backend_of(backend, q),
        dtype,
        "x".join(map(str, shape)),
        *compared(kernel, q, k, v, inputs, y, lse),
        first,
        seconds(kernel, q, k, v, inputs),
    )


class Compared(NamedTuple):
    """How many of the last query rows were compared, the live fraction of their pairs, errors and what they may be."""

    rows: int
    live: float
    error: float
    tolerance: float
    lse_error: float
    lse_tolerance: float


def compared(
    kernel: Kernel, q: Tensor, k: Tensor, v: Tensor, inputs: Mapping[str, Any], y: Tensor, lse: Tensor | None
) -> Compared:
    """What a call gave, against the interpreter."""
    batch, heads, queries, keys = *q.shape[:3], k.shape[2]
    rows = max(1, min(queries, COMPARED_PAIRS // max(1, batch * heads * keys)))
    tail = {name: _last(tensor, kernel.variant.input(name), rows) for name, tensor in inputs.items()}
    first = queries - rows
    given: dict[str, Any] = {"parameters": kernel.parameters, "inputs": tail, "offset": keys - rows}
    expected = attention(kernel.variant, q[:, :, first:], k, v, **given)
    return Compared(
        rows,
        expected.live.double().mean().item() if expected.live.numel() else 0.0,
        _difference(y[:, :, first:], expected.y),
        _tolerance(y.dtype, attention(_of_magnitudes(kernel.variant), q[:, :, first:], k, v.abs(), **given).y),
        0.0 if lse is None or expected.lse is None else _difference(lse[:, :, first:], expected.lse),
        _lse_tolerance(kernel, q.dtype),
    )


def _difference(found: Tensor, expected: Tensor) -> float:
    """The largest; equal infinities don't differ."""
    difference = torch.where(found == expected, 0.0, (found.double() - expected).abs())
    return difference.max().item() if difference.numel() else 0.0


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

"""What a kernel's result is compared with, and how close it must be.

The yardstick is the same computation in float32 PyTorch, rounded to the kernel's dtype, against float64. A kernel's
maximal and root-mean-square error may be twice the yardstick's (four times for float32 kernels), plus two units in the
last place of the row's scale: sum_j p_ij |v_j| for y, the sum of what makes it up for the log-sum-exp.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from attngen.ir import nodes
from attngen.ir.expr import Apply, Kind, Row, distinct
from attngen.reference import attention
from attngen.reference.scope import Scope
from attngen.reference.values import Value, contract

SAMPLES = 16
"""The errors of few rows say little about a computation: then it is summed in several orders.

The numbers of a row share the errors of its weights, so it is rows that count. Rows of one batch row that is given
several times are alike.
"""
CHANNELS = 16
"""A mean over fewer channels than these scatters as single errors do, and these are held against the largest."""
FACTOR = {torch.float32: 4.0, torch.bfloat16: 2.0, torch.float16: 2.0}


class InFloat32(TorchFunctionMode):
    """Runs a float64 computation in float32: every dtype that is asked for becomes the smaller one."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        def narrowed(argument: Any) -> Any:
            return torch.float32 if argument is torch.float64 else argument

        return function(*map(narrowed, args), **{name: narrowed(given) for name, given in (kwargs or {}).items()})


class RoundedRows(Scope):
    """Rows that are changed before a product are rounded to their dtype again, as everyone does who multiplies them."""

    __slots__ = ()

    def _apply(self, expr: Apply) -> Value:
        if expr.function != "dot" or expr.channels:
            return super()._apply(expr)
        left, right = (self.evaluate(row) for row in expr.arguments)
        left, right = (replace(row, tensor=row.tensor.to(self.q.dtype).to(row.tensor.dtype)) for row in (left, right))
        return contract(left, right, frozenset(expr.arguments[0].channels))


@dataclass(frozen=True, repr=False)
class Call:
    """The arguments of a kernel."""

    q: Tensor
    k: Tensor
    v: Tensor
    parameters: Mapping[str, int | float | bool] = field(default_factory=dict)
    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    scale: float | None = None
    offset: int | Tensor | None = None

    def __repr__(self) -> str:
        shown = [f"{list(rows.shape)} {rows.stride()}" for rows in (self.q, self.k, self.v)]
        inputs = {name: list(given.shape) for name, given in self.inputs.items()}
        return f"Call({shown}, {self.q.dtype}, {self.parameters}, {inputs}, scale={self.scale}, offset={self.offset})"


@dataclass(frozen=True)
class Expected:
    """y, log-sum-exp and mask in float64; the errors of each sample of the yardstick; and the scale of each row."""

    y: Tensor
    lse: Tensor | None
    live: Tensor
    y_error: Tensor
    lse_error: Tensor | None
    y_scale: Tensor
    lse_scale: Tensor | None
    dtype: torch.dtype


def expected(variant: nodes.Variant, call: Call) -> Expected:
    """The meaning of a call, and what float32 makes of it."""
    y, lse, live = attention(
        variant,
        call.q,
        call.k,
        call.v,
        parameters=call.parameters,
        inputs=call.inputs,
        scale=call.scale,
        offset=call.offset,
    )
    score, extra, values = _parts(variant, call)
    samples = [_rough(variant, call, score, live, seed) for seed in range(orders(y))]
    y_scale, lse_scale = _scales(variant.pairwise, score, extra, values, live, lse)
    return Expected(
        y=y,
        lse=lse,
        live=live,
        y_error=torch.stack([_error(rough_y.to(call.q.dtype), y) for rough_y, _ in samples]),
        lse_error=None
        if lse is None
        else torch.stack([_error(rough, lse) for _, rough in samples if rough is not None]),
        y_scale=y_scale.expand_as(y),
        lse_scale=lse_scale,
        dtype=call.q.dtype,
    )


def _scales(
    body: nodes.Pairwise, score: Tensor, extra: Tensor | None, values: Tensor, live: Tensor, lse: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """What y and the log-sum-exp of each row are the sums of, in magnitude."""
    if lse is None:
        weights = (score.exp() if body.logit else score).abs()
        return _weighted(body.normalization, weights, extra, values.abs(), live), None
    finite = torch.where(lse == -torch.inf, 0.0, lse)
    logits = torch.where(live, score, -torch.inf)
    weights = torch.exp(logits - finite[..., None])
    parts = torch.where(weights > 0, weights * (logits.abs() - weights.clamp(min=1e-300).log()), 0.0)
    return weights @ values.abs(), parts.sum(-1) + lse.nan_to_num(neginf=0.0).abs()


def _rough(variant: nodes.Variant, call: Call, score: Tensor, live: Tensor, seed: int) -> tuple[Tensor, Tensor | None]:
    """y and log-sum-exp in float32; each seed adds channels and keys in another order."""
    generator = torch.Generator().manual_seed(seed)
    shuffled = in_another_order(variant, call, generator)
    keys = torch.randperm(call.k.shape[-2], generator=generator)
    with InFloat32():
        rough, extra, values = _parts(variant, shuffled)
    # Where float32 decides otherwise (a bucket, a comparison), it is no yardstick for rounding.
    decided = (rough.double() - score).abs() > 1e-3 * (1 + score.abs())
    rough = torch.where(decided, score.float(), rough)
    body, rough, values, live = variant.pairwise, rough[..., keys], values[..., keys, :], live[..., keys]
    if isinstance(body.normalization, nodes.Softmax):
        return _softmax(rough, extra, values, live)
    return _weighted(body.normalization, rough.exp() if body.logit else rough, extra, values, live), None


def in_another_order(variant: nodes.Variant, call: Call, generator: torch.Generator) -> Call:
    """The same call with its channels in another order, where all are alike."""
    channels = torch.randperm(call.q.shape[-1], generator=generator)
    if any("c" in part.channels and not isinstance(part, Row) for part in distinct(variant.pairwise.score)):
        channels = torch.arange(call.q.shape[-1])
    return replace(call, q=call.q[..., channels], k=call.k[..., channels])


def orders(y: Tensor) -> int:
    """How often the yardstick is taken."""
    rows = y.flatten(0, -2).unique(dim=0) if y.numel() else y
    return min(SAMPLES, 1 + 256 // max(1, len(rows)))


def _parts(variant: nodes.Variant, call: Call) -> tuple[Tensor, Tensor | None, Tensor]:
    """Score, sink or eps, and values, in the precision of the surroundings."""
    scope = RoundedRows(variant, call.q, call.k, call.v, call.parameters, call.inputs, call.scale, call.offset)
    body = variant.pairwise
    score = scope.evaluate(body.score)
    match body.normalization:
        case nodes.Softmax(sink=extra) | nodes.Sum(eps=extra) if extra is not None:
            value = scope.evaluate(extra)
            per_head = scope.per_head(value.tensor, value.axes)
        case _:
            per_head = None
    return scope.dense(score.tensor, score.axes), per_head, scope.evaluate(Row(Kind.FLOAT, ("e",), name="v")).tensor


def _weighted(
    normalization: nodes.Normalization, weights: Tensor, eps: Tensor | None, values: Tensor, live: Tensor
) -> Tensor:
    """As one writes it in PyTorch, without a softmax."""
    weights = torch.where(live, weights, 0.0)
    y = weights @ values
    if isinstance(normalization, nodes.Sum):
        return torch.where(live.any(-1, keepdim=True), y / (weights.sum(-1, keepdim=True) + eps), 0.0)
    return y / live.sum(-1, keepdim=True).clamp(min=1) if isinstance(normalization, nodes.Count) else y


def _softmax(score: Tensor, sink: Tensor | None, values: Tensor, live: Tensor) -> tuple[Tensor, Tensor]:
    """As one writes it in PyTorch."""
    logits = torch.where(live, score, -torch.inf)
    if sink is not None:
        logits = torch.cat([logits, sink.expand(*logits.shape[:-1], 1)], -1)
        values = torch.cat([values, values.new_zeros(*values.shape[:-2], 1, values.shape[-1])], -2)
    if logits.shape[-1] == 0:
        return logits @ values, logits.new_full(logits.shape[:-1], -torch.inf)
    lse = torch.logsumexp(logits, -1)
    return torch.softmax(logits, -1).nan_to_num(0.0) @ values, lse


def _error(rough: Tensor, exact: Tensor) -> Tensor:
    """The distance; two infinities of one sign are alike."""
    return torch.where(rough == exact, 0.0, (rough.double() - exact).abs())


def ratios(wanted: Expected, y: Tensor, lse: Tensor | None) -> dict[str, float]:
    """The errors of a kernel as parts of what they may be, each the worst of all rows: up to 1 is fine."""
    found = {}
    factor = FACTOR[wanted.dtype]
    y_error = _error(y, wanted.y)
    ulp = 2 * torch.finfo(wanted.dtype).eps * _binade(wanted.y_scale)
    found["y max"] = _worst(y_error, factor * _largest(wanted.y_error) + ulp)
    if y.shape[-1] >= CHANNELS:
        allowed = factor * _largest(_mean_square(wanted.y_error))
        found["y rms"] = _worst(_mean_square(y_error), allowed + _mean_square(ulp))
    if lse is not None:
        assert wanted.lse is not None and wanted.lse_scale is not None and wanted.lse_error is not None
        lse_ulp = 2 * torch.finfo(torch.float32).eps * _binade(wanted.lse_scale)
        allowed = FACTOR[torch.float32] * _largest(wanted.lse_error) + lse_ulp
        found["lse max"] = _worst(_error(lse, wanted.lse), allowed)
    return found


def assert_close(wanted: Expected, y: Tensor, lse: Tensor | None) -> None:
    """A kernel's y and log-sum-exp are as right as their dtype allows."""
    assert y.dtype == wanted.dtype and y.shape == wanted.y.shape
    assert (lse is None) == (wanted.lse is None)
    if lse is not None and wanted.lse is not None:
        assert lse.dtype == torch.float32 and lse.shape == wanted.lse.shape
        empty = torch.equal(lse == -torch.inf, wanted.lse == -torch.inf)
        assert empty, "log-sum-exp is -inf exactly where a row is empty"
    found = ratios(wanted, y, lse)
    assert all(ratio <= 1 for ratio in found.values()), found


def _binade(x: Tensor) -> Tensor:
    """The power of two below; times the dtype's epsilon it is the unit in the last place."""
    return torch.where(x > 0, 2.0 ** torch.floor(torch.log2(x.clamp(min=1e-30))), 0.0)


def _largest(x: Tensor) -> Tensor:
    return x.max() if x.numel() else x.new_zeros(())


def _mean_square(x: Tensor) -> Tensor:
    return x.square().mean(-1).sqrt()


def _worst(error: Tensor, allowed: Tensor) -> float:
    """NaN is worse than anything."""
    parts = torch.where(error == 0, 0.0, error / allowed).nan_to_num(nan=torch.inf)
    return float(_largest(parts))

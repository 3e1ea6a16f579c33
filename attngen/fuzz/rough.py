"""The yardstick: what float32 PyTorch makes of a call, in an order of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from attngen.fuzz.call import Call
from attngen.ir import nodes
from attngen.ir.bodies import extra_of
from attngen.ir.expr import Apply, Expr, Kind, Row, distinct
from attngen.reference.scope import Scope
from attngen.reference.values import Value, contract

SAMPLES = 16
"""The errors of few rows say little about a computation: then it is summed in several orders.

The numbers of a row share the errors of its weights, so it is rows that count. Rows of one batch row that is given
several times are alike.
"""
OPEN = 0.25
"""Scores that rounding moves by more than this tell little of weights, and of how large an error may be."""
COARSE = 1e-6
"""Scores that a unit of float64 in a number moves by more than this part are no yardstick: angles of 10^10, say."""


class InFloat32(TorchFunctionMode):
    """Runs a float64 computation in float32: every dtype that is asked for becomes the smaller one.

    With `shaking`, functions whose slopes are made of their values give values that are off by a unit: near 1, that is
    much of the slope.
    """

    def __init__(self, shaking: torch.Generator | None = None) -> None:
        super().__init__()
        self.shaking = shaking

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        def narrowed(argument: Any) -> Any:
            return torch.float32 if argument is torch.float64 else argument

        if self.shaking is not None and function in SLOPES:
            shaking: Tensor = _Shaking.apply(args[0], function, self.shaking)  # type: ignore[no-untyped-call]
            return shaking
        return function(*map(narrowed, args), **{name: narrowed(given) for name, given in (kwargs or {}).items()})


SLOPES: dict[Callable[..., Any], Callable[[Tensor], Tensor]] = {
    torch.tanh: lambda y: 1 - y * y,
    torch.sigmoid: lambda y: y * (1 - y),
}
"""By values, as everyone computes them."""


class _Shaking(torch.autograd.Function):
    """A function whose value, which its slope is made of, is off."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, function: Callable[[Tensor], Tensor], generator: torch.Generator) -> Tensor:
        ctx.function, y = function, shaken(function(x), generator)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, by: Tensor) -> tuple[Tensor, None, None]:
        (y,) = ctx.saved_tensors
        return by * SLOPES[ctx.function](y), None, None


@dataclass(slots=True)
class RoundedRows(Scope):
    """Rows that are changed before a product are rounded to their dtype again, as everyone does who multiplies them.

    With `shaking`, they are off by up to half a unit: where a row of ones is all there is, none is by luck.
    """

    shaking: torch.Generator | None = None

    def _apply(self, expr: Apply) -> Value:
        if expr.function != "dot" or expr.channels:
            return Scope._apply(self, expr)
        left, right = (self._rounded(row) for row in expr.arguments)
        return contract(left, right, frozenset(expr.arguments[0].channels))

    def _rounded(self, row: Expr) -> Value:
        value, dtype = self.evaluate(row), self.q.dtype
        tensor = value.tensor.to(dtype).to(value.tensor.dtype)
        if self.shaking is not None and not isinstance(row, Row):
            tensor = shaken(tensor, self.shaking, torch.finfo(dtype).eps / 2)
        return replace(value, tensor=tensor)


def in_another_order(variant: nodes.Variant, call: Call, generator: torch.Generator) -> Call:
    """The same call with its channels in another order, where all are alike."""
    channels = torch.randperm(call.q.shape[-1], generator=generator)
    if any("c" in part.channels and not isinstance(part, Row) for part in distinct(variant.pairwise.score)):
        channels = torch.arange(call.q.shape[-1])
    return replace(call, q=call.q[..., channels], k=call.k[..., channels])


def orders(y: Tensor) -> int:
    """How often the yardstick is taken."""
    rows = torch.unique(y.flatten(0, -2), dim=0) if y.numel() else y
    return min(SAMPLES, 1 + 256 // max(1, len(rows)))


def shaken(x: Tensor, generator: torch.Generator, unit: float = torch.finfo(torch.float32).eps) -> Tensor:
    """Numbers, each as it is or off by a unit in its last place: of float32 unless given.

    Where few of them are no fractions (ones, quarters), a computation makes no error by luck: the yardstick is that of
    numbers of their size.
    """
    return x * (1 + unit * torch.randint(-1, 2, x.shape, generator=generator))


def parts(
    variant: nodes.Variant, call: Call, shaking: torch.Generator | None = None
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Score, sink or eps, and values, in the precision of the surroundings."""
    scope = RoundedRows(
        variant, call.q, call.k, call.v, call.parameters, call.inputs, call.scale, call.offset, shaking=shaking
    )
    body = variant.pairwise
    score = scope.evaluate(body.score)
    extra = extra_of(body.normalization)
    value = None if extra is None else scope.evaluate(extra)
    per_head = None if value is None else scope.per_head(value.tensor, value.axes)
    return scope.dense(score.tensor, score.axes), per_head, scope.evaluate(Row(Kind.FLOAT, ("e",), name="v")).tensor


def decided_otherwise(variant: nodes.Variant, call: Call) -> Tensor:
    """The pairs for which float32 decides otherwise (a bucket, a comparison): it is no yardstick for rounding there."""
    exact, rough = (replace(call, q=call.q.to(each), k=call.k.to(each)) for each in (torch.float64, torch.float32))
    score = parts(variant, exact)[0]
    with InFloat32():
        found = parts(variant, rough)[0]
    return (found.double() - score).abs() > 1e-3 * (1 + score.abs())


def left_open(variant: nodes.Variant, call: Call, live: Tensor) -> str:
    """Why scores tell little of weights, or nothing: float32 makes them infinite, float64 is too coarse, or rows that
    are rounded move them; of weights that are no powers, as parts of them."""
    exact = _score(variant, call)
    with InFloat32():
        rough = _score(variant, replace(call, q=call.q.float(), k=call.k.float()))
    if bool((live & exact.isfinite() & ~rough.isfinite()).any()):
        return "float32 makes its scores infinite"
    unit = torch.finfo(torch.float64).eps
    parameters = {name: x * (1 + unit) if isinstance(x, float) else x for name, x in call.parameters.items()}
    inputs = {name: x.double() * (1 + unit) if x.is_floating_point() else x for name, x in call.inputs.items()}
    moved = (_score(variant, replace(call, parameters=parameters, inputs=inputs)) - exact).abs()
    if bool((live & (moved > COARSE * (1 + exact.abs()))).any()):
        return "float64 leaves its scores open"
    moved = (parts(variant, call)[0] - exact).abs() / (1 if variant.pairwise.logit else 1 + exact.abs())
    is_open = live.any() and moved[live].nan_to_num(nan=0.0).max() > OPEN
    return f"rows that are rounded to {call.q.dtype} leave its scores open" if is_open else ""


def _score(variant: nodes.Variant, call: Call) -> Tensor:
    """As it is written, in the precision of the surroundings."""
    scope = Scope(variant, call.q, call.k, call.v, call.parameters, call.inputs, call.scale, call.offset)
    score = scope.evaluate(variant.pairwise.score)
    return scope.dense(score.tensor, score.axes)


def weighted(
    normalization: nodes.Normalization, weights: Tensor, eps: Tensor | None, values: Tensor, live: Tensor
) -> Tensor:
    """As one writes it in PyTorch, without a softmax."""
    weights = torch.where(live, weights, 0.0)
    y = weights @ values
    if isinstance(normalization, nodes.Sum):
        assert eps is not None
        return torch.where(live.any(-1, keepdim=True), y / (weights.sum(-1, keepdim=True) + eps), 0.0)
    return y / live.sum(-1, keepdim=True).clamp(min=1) if isinstance(normalization, nodes.Count) else y


def softmax(score: Tensor, sink: Tensor | None, values: Tensor, live: Tensor) -> tuple[Tensor, Tensor]:
    """As one writes it in PyTorch."""
    logits = torch.where(live, score, -torch.inf)
    if sink is not None:
        logits = torch.cat([logits, sink.expand(*logits.shape[:-1], 1)], -1)
        values = torch.cat([values, values.new_zeros(*values.shape[:-2], 1, values.shape[-1])], -2)
    if logits.shape[-1] == 0:
        return logits @ values, logits.new_full(logits.shape[:-1], -torch.inf)
    lse = torch.logsumexp(logits, -1)
    return torch.softmax(logits, -1).nan_to_num(0.0) @ values, lse

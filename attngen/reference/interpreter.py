"""The meaning of a spec: a dense float64 computation, written to be obviously right.

It reads the checked tree as the author wrote it, before any pass, and shares nothing with what lies below: no tiles,
no bounds, no rewriting. Every kernel is compared with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from attngen.errors import CallError
from attngen.ir import nodes
from attngen.ir.expr import Apply, Constant, Expr, Kind, Parameter, Read, Rechannel, Row, Size, Variable
from attngen.reference.functions import TENSOR
from attngen.reference.values import Value, aligned, any_invalid, contract, elementwise, gather

DTYPES = {Kind.BOOL: torch.bool, Kind.INT: torch.int64, Kind.FLOAT: torch.float64}
ROW_AXES = {"q": ("b", "h", "i", "c"), "k": ("b", "h", "j", "c"), "v": ("b", "h", "j", "e")}


class Result(NamedTuple):
    """`y` [B, H, N, E] and `lse` [B, H, N] in float64 (`None` without softmax), `live` [B, H, N, M]: the mask."""

    y: Tensor
    lse: Tensor | None
    live: Tensor


def attention(
    variant: nodes.Variant,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    parameters: Mapping[str, int | float | bool],
    inputs: Mapping[str, Tensor] | None = None,
    scale: float | None = None,
    offset: int | Tensor | None = None,
) -> Result:
    """What a pairwise variant computes, as written, for every pair.

    Args:
        q: [B, H, N, D]; k: [B, Hk, M, D]; v: [B, Hv, M, E], with head counts that divide H.
        parameters: a value for each parameter of the variant.
        inputs: a tensor for each input of the variant.
        scale: 1/sqrt(D) unless given.
        offset: the position of query row 0, one number or one per batch row; M - N unless given.

    Raises:
        CallError: an input is read outside of its axes at a pair where the value counts.
    """
    scope = _Scope(variant, q, k, v, parameters, inputs or {}, scale, offset)
    body = variant.pairwise
    score, mask = scope.evaluate(body.score), scope.evaluate(body.mask)
    live = scope.dense(mask.tensor, mask.axes)
    _refuse_invalid(scope, score, mask, live)
    values = scope.evaluate(Row(Kind.FLOAT, ("e",), name="v")).tensor
    dense = scope.dense(score.tensor, score.axes)
    if isinstance(body.normalization, nodes.Softmax):
        return _softmax(scope, body.normalization, dense, values, live)
    weights = torch.where(live, dense.exp() if body.logit else dense, 0.0)
    y = weights @ values
    if isinstance(body.normalization, nodes.Sum):
        total = weights.sum(-1, keepdim=True) + scope.evaluate(body.normalization.eps).tensor
        y = torch.where(live.any(-1, keepdim=True), y / total, 0.0)
    elif isinstance(body.normalization, nodes.Count):
        y = y / live.sum(-1, keepdim=True).clamp(min=1)
    return Result(y, None, live)


def _softmax(scope: _Scope, softmax: nodes.Softmax, score: Tensor, values: Tensor, live: Tensor) -> Result:
    logits = torch.where(live, score, -torch.inf)
    if softmax.sink is not None:
        sink = scope.evaluate(softmax.sink)
        column = scope.dense(sink.tensor, sink.axes)[..., :1]
        lse = torch.logsumexp(torch.cat([logits, column], -1), -1)
    elif logits.shape[-1] == 0:
        lse = logits.new_full(logits.shape[:-1], -torch.inf)
    else:
        lse = torch.logsumexp(logits, -1)
    finite = torch.where(lse == -torch.inf, 0.0, lse)
    weights = torch.exp(logits - finite[..., None])
    return Result(weights @ values, lse, live)


def _refuse_invalid(scope: _Scope, score: Value, mask: Value, live: Tensor) -> None:
    marks = [scope.dense(value.invalid, value.axes) for value in (mask,) if value.invalid is not None]
    if score.invalid is not None:
        marks.append(scope.dense(score.invalid, score.axes) & live)
    for mark in marks:
        if bool(mark.any()):
            b, h, i, j = (int(index) for index in mark.nonzero()[0])
            names = ", ".join(f"`{name}`" for name in sorted(scope.read_outside))
            raise CallError(
                f"{scope.variant.name}: {names} is read outside of an axis at b={b}, h={h}, query {i}, key {j}"
            )


@dataclass(slots=True)
class _Scope:
    """The tensors and sizes of one call, and the values of expressions in it."""

    variant: nodes.Variant
    q: Tensor
    k: Tensor
    v: Tensor
    parameters: Mapping[str, int | float | bool]
    inputs: Mapping[str, Tensor]
    scale: float | None
    offset: int | Tensor | None
    channels: dict[str, Value] = field(default_factory=dict)
    read_outside: set[str] = field(default_factory=set)

    def size(self, axis: str) -> int:
        sizes = {
            "B": self.q.shape[0],
            "H": max(rows.shape[1] for rows in (self.q, self.k, self.v)),
            "N": self.q.shape[2],
            "M": self.k.shape[2],
            "D": self.q.shape[3],
            "E": self.v.shape[3],
        }
        if axis in sizes:
            return sizes[axis]
        return next(
            self.inputs[given.name].shape[given.axes.index(axis)] for given in self.variant.inputs if axis in given.axes
        )

    def dense(self, tensor: Tensor, axes: tuple[str, ...]) -> Tensor:
        """One element for each (b, h, i, j)."""
        shape = [self.size(axis) for axis in "BHNM"]
        return aligned(tensor, axes, ("b", "h", "i", "j")).expand(shape)

    def evaluate(self, expr: Expr) -> Value:
        match expr:
            case Constant():
                return Value(self._tensor(expr.value, expr.kind))
            case Parameter(name="scale"):
                scale = self.size("D") ** -0.5 if self.scale is None else self.scale
                return Value(self._tensor(scale, Kind.FLOAT))
            case Parameter():
                return Value(self._tensor(self.parameters[expr.name], expr.kind))
            case Size():
                return Value(self._tensor(self.size(expr.axis), Kind.INT))
            case Variable():
                return self._variable(expr.name)
            case Row():
                return self._row(expr.name)
            case Read():
                return self._read(expr)
            case Rechannel():
                return self._rechannel(expr)
            case Apply():
                return self._apply(expr)

    def _tensor(self, value: int | float | bool, kind: Kind) -> Tensor:
        return torch.tensor(value, dtype=DTYPES[kind], device=self.q.device)

    def _arange(self, axis: str, size: int) -> Value:
        return Value(torch.arange(size, device=self.q.device), (axis,))

    def _variable(self, name: str) -> Value:
        """Positions stand in the key sequence; a channel counts its axis, unless it was replaced."""
        if name == "i":
            return self._query_position()
        lengths = {"b": "B", "h": "H", "j": "M", "c": "D", "e": "E"}
        if name in self.channels:
            return self.channels[name]
        return self._arange(name, self.size(lengths.get(name, name)))

    def _query_position(self) -> Value:
        rows = self._arange("i", self.size("N"))
        if isinstance(self.offset, Tensor) and self.offset.ndim:
            offset = Value(self.offset.to(torch.int64), ("b",))
        else:
            given = self.size("M") - self.size("N") if self.offset is None else int(self.offset)
            offset = Value(self._tensor(given, Kind.INT))
        return elementwise(torch.add, [rows, offset])

    def _row(self, name: str) -> Value:
        tensor = {"q": self.q, "k": self.k, "v": self.v}[name]
        axes = ROW_AXES[name]
        indices = [self._row_index(axis, tensor.shape[k]) for k, axis in enumerate(axes)]
        return gather(tensor.to(torch.float64), indices)

    def _row_index(self, axis: str, size: int) -> Value:
        """Where an axis is read as it is: heads are shared evenly, `i` counts rows, not positions."""
        if axis == "h":
            return Value(torch.arange(self.size("H"), device=self.q.device) // (self.size("H") // size), ("h",))
        if axis == "i":
            return self._arange("i", size)
        return self._variable(axis)

    def _read(self, expr: Read) -> Value:
        given = self.variant.input(expr.input)
        tensor = self.inputs[expr.input].to(DTYPES[given.kind])
        indices = [
            self._row_index(axis, size) if axis in "bhij" else self.evaluate(index)
            for axis, size, index in zip(given.axes, tensor.shape, expr.indices, strict=True)
        ]
        value = gather(tensor, indices)
        if value.invalid is not None:
            self.read_outside.add(expr.input)
        return value

    def _rechannel(self, expr: Rechannel) -> Value:
        index = self.evaluate(expr.index)
        before = dict(self.channels)
        self.channels[expr.axis] = index
        try:
            return self.evaluate(expr.row)
        finally:
            self.channels = before

    def _apply(self, expr: Apply) -> Value:
        values = [self.evaluate(argument) for argument in expr.arguments]
        if expr.function in ("dot", "outer"):
            left, right = expr.arguments
            return contract(values[0], values[1], frozenset(left.channels) & frozenset(right.channels))
        if expr.function == "l2norm":
            (row,) = values
            over = frozenset(expr.arguments[0].channels)
            norm = elementwise(lambda x: x.sqrt().clamp(min=1e-12), [contract(row, row, over)])
            return elementwise(torch.div, [row, norm])
        result = elementwise(TENSOR[expr.function], values)
        if expr.function in ("and", "or", "if"):
            return Value(result.tensor, result.axes, _short_circuit(expr.function, values, result.axes))
        return result


def _short_circuit(function: str, values: list[Value], axes: tuple[str, ...]) -> Tensor | None:
    """What is not looked at cannot be invalid: the right of a false `and`, the branch that is not taken."""
    if any_invalid(values, axes) is None:
        return None
    first = aligned(values[0].tensor, values[0].axes, axes)
    nothing = torch.zeros_like(first)
    marks = [nothing if v.invalid is None else aligned(v.invalid, v.axes, axes) for v in values]
    if function == "and":
        return marks[0] | (first & marks[1])
    if function == "or":
        return marks[0] | (~first & marks[1])
    return marks[0] | torch.where(first, marks[1], marks[2])

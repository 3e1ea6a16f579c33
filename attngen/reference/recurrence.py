"""The meaning of a recurrent spec: its lines executed as they are written, token by token, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from attngen.errors import CallError
from attngen.ir import nodes
from attngen.ir.expr import EARLIER, Apply, Expr, Kind, Read, Variable, of_token, rewrite, variable
from attngen.reference.scope import LENGTHS, Scope
from attngen.reference.values import Value, aligned, elementwise


class Trace(NamedTuple):
    """`y` [B, H, N, E], and each state behind the last token, [B, H, *channels]: all in float64.

    `largest` is the greatest magnitude that each number of a state had on its way: rounding is relative to that.
    """

    y: Tensor
    states: dict[str, Tensor]
    largest: dict[str, Tensor]


def recurrence(
    variant: nodes.Variant,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    parameters: Mapping[str, int | float | bool],
    inputs: Mapping[str, Tensor] | None = None,
    scale: float | None = None,
    offset: int | Tensor | None = None,
    states: Mapping[str, Tensor] | None = None,
) -> Trace:
    """What a recurrent variant computes, as written, one token after the other.

    Args:
        q: [B, H, N, D]; k: [B, Hk, N, D]; v: [B, Hv, N, E], with head counts that divide the largest.
        parameters: a value for each parameter of the variant.
        inputs: a tensor for each input of the variant.
        scale: 1/sqrt(D) unless given.
        offset: the position of the first token, one number or one per batch row; 0 unless given.
        states: what states are before the first token, [B, H, *channels]; 0 unless given.

    Raises:
        CallError: an input is read outside of its axes, an int divided by zero, or `order` is no bijection.
    """
    body = variant.recurrent
    tokens = Token(variant, q, k, v, parameters, inputs or {}, scale, 0 if offset is None else offset)
    given = states or {}
    now = {state.name: tokens.filled(given.get(state.name), state.channels) for state in body.states}
    steps = _steps(tokens)
    visited = steps.argsort(-1)
    largest = {name: state.tensor.abs() for name, state in now.items()}
    rows = []
    for step in range(tokens.size("N")):
        row, earlier = (Value(visited[..., max(place, 0)], ("b", "h")) for place in (step, step - 1))
        at = replace(tokens, row=row, earlier=earlier, states=now)
        after = {state.name: at.required(state.update, state.channels) for state in body.states}
        rows.append(replace(at, states=after, before=now).required(body.out, ("e",)).tensor)
        now = after
        largest = {name: largest[name].maximum(state.tensor.abs()) for name, state in now.items()}
    y = torch.stack(rows, 2) if rows else tokens.filled(None, ("e",)).tensor.unsqueeze(2)[:, :, :0]
    by_position = y.gather(2, steps.unsqueeze(-1).expand_as(y))
    return Trace(by_position, {name: state.tensor for name, state in now.items()}, largest)


def _steps(tokens: Token) -> Tensor:
    """The step at which each token is visited: int64 [B, H, N]."""
    size = tokens.size("N")
    rows = Value(torch.arange(size, device=tokens.q.device), ("t",))
    step: Expr = variable("t")
    order = tokens.variant.order
    if order is not None:
        bound = Variable(Kind.INT, name=order.variable)
        step = rewrite(order.step, lambda node: variable("t") if node == bound else node)
    found = elementwise(torch.add, [replace(tokens, row=rows, offset=0).evaluate(step), Value(0 * rows.tensor, ("t",))])
    if found.invalid is not None:
        tokens.refuse(found.invalid)
    steps = aligned(found.tensor, found.axes, ("b", "h", "t")).expand(tokens.size("B"), tokens.size("H"), size)
    if not torch.equal(steps.sort(-1).values, rows.tensor.expand_as(steps)):
        raise CallError(f"{tokens.variant.name}: the order is no bijection of the {size} positions")
    return steps


@dataclass(slots=True)
class Token(Scope):
    """What names stand for at one token: rows and inputs are read there.

    `row` is its number, which may differ between batch rows and heads, and `earlier` that of the token before;
    `states` are those that a name reads, and `before` those that `prev` reads.
    """

    row: Value = field(default_factory=lambda: Value(torch.tensor(0)))
    earlier: Value = field(default_factory=lambda: Value(torch.tensor(0)))
    states: Mapping[str, Value] = field(default_factory=dict)
    before: Mapping[str, Value] = field(default_factory=dict)

    as_they_are: ClassVar[frozenset[str]] = frozenset("bhtn")

    def filled(self, given: Tensor | None, channels: tuple[str, ...]) -> Value:
        """A value for every head, with some channels; 0 where none is given."""
        shape = [self.size("B"), self.size("H"), *(self.size(LENGTHS.get(axis, axis)) for axis in channels)]
        tensor = self.q.new_zeros(shape, dtype=torch.float64) if given is None else given.to(torch.float64)
        return Value(tensor.expand(shape), ("b", "h", *channels))

    def required(self, expr: Expr, channels: tuple[str, ...]) -> Value:
        """The value of an expression for every head; nothing of it may be invalid."""
        value = self.evaluate(expr)
        if value.invalid is not None:
            self.refuse(value.invalid)
        return self.filled(aligned(value.tensor, value.axes, ("b", "h", *channels)), channels)

    def refuse(self, marks: Tensor) -> None:
        if bool(marks.any()):
            row = sorted({*self.row.tensor.flatten().tolist()})
            place = f" at token {row[0]}" if len(row) == 1 else ""
            raise CallError(f"{self.variant.name}: {' or '.join(sorted(self.faults))}{place}")

    def _variable(self, name: str) -> Value:
        if name != "t":
            return Scope._variable(self, name)
        several = isinstance(self.offset, Tensor) and self.offset.ndim
        first = torch.as_tensor(self.offset, device=self.q.device).to(torch.int64)
        return elementwise(torch.add, [self.row, Value(first, ("b",) if several else ())])

    def _row(self, name: str) -> Value:
        return self.states[name] if name in self.states else Scope._row(self, name)

    def _read(self, expr: Read) -> Value:
        if EARLIER not in expr.indices:
            return Scope._read(self, expr)
        return replace(self, row=self.earlier)._read(of_token(expr))

    def _row_index(self, axis: str, size: int) -> Value:
        return self.row if axis in ("i", "j", "t", "n") else Scope._row_index(self, axis, size)

    def _apply(self, expr: Apply) -> Value:
        if expr.function == "prev":
            return replace(self, states=self.before).evaluate(expr.arguments[0])
        return Scope._apply(self, expr)

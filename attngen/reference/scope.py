"""The tensors and sizes of one call, and the values of expressions in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from attngen.ir import nodes
from attngen.ir.expr import Apply, Constant, Expr, Kind, Parameter, Read, Rechannel, Row, Size, Variable
from attngen.reference.functions import TENSOR
from attngen.reference.values import Value, aligned, contract, elementwise, gather, short_circuit

DTYPES = {Kind.BOOL: torch.bool, Kind.INT: torch.int64, Kind.FLOAT: torch.float64}
ROW_AXES = {"q": ("b", "h", "i", "c"), "k": ("b", "h", "j", "c"), "v": ("b", "h", "j", "e")}
LENGTHS = {"b": "B", "h": "H", "j": "M", "c": "D", "e": "E"}
"""The sizes of the axes that count from 0; `i` counts from the offset, and own axes have the length of an input's."""


@dataclass(slots=True)
class Scope:
    """What names stand for in one call; `faults` says what went wrong in the values that are marked invalid."""

    variant: nodes.Variant
    q: Tensor
    k: Tensor
    v: Tensor
    parameters: Mapping[str, int | float | bool]
    inputs: Mapping[str, Tensor]
    scale: float | None
    offset: int | Tensor | None
    faults: set[str] = field(default_factory=set)

    as_they_are: ClassVar[frozenset[str]] = frozenset("bhij")
    """The axes of inputs that are read where a row stands, and not at a position."""

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

    def per_head(self, tensor: Tensor, axes: tuple[str, ...]) -> Tensor:
        """One element for each (b, h): [B, H, 1, 1]."""
        shape = [self.size("B"), self.size("H"), 1, 1]
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
        """A position in the key sequence, a batch row, a head or a channel."""
        if name == "i":
            return self._query_position()
        return self._arange(name, self.size(LENGTHS.get(name, name)))

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
        indices = [self._row_index(axis, size) for axis, size in zip(ROW_AXES[name], tensor.shape, strict=True)]
        return gather(tensor.to(torch.float64), indices)

    def _row_index(self, axis: str, size: int) -> Value:
        """Where an axis is read as it is: heads are shared evenly, `i` counts rows, not positions."""
        if axis == "h":
            return Value(torch.arange(self.size("H"), device=self.q.device) // (self.size("H") // size), ("h",))
        return self._arange(axis, size)

    def _read(self, expr: Read) -> Value:
        given = self.variant.input(expr.input)
        tensor = self.inputs[expr.input].to(DTYPES[given.kind])
        indices = [
            self._row_index(axis, size) if axis in self.as_they_are else self.evaluate(index)
            for axis, size, index in zip(given.axes, tensor.shape, expr.indices, strict=True)
        ]
        value = gather(tensor, indices)
        if value.invalid is not None:
            self.faults.add(f"`{expr.input}` is read outside of an axis")
        return value

    def _rechannel(self, expr: Rechannel) -> Value:
        """The row as it is, and then its element at the other channel."""
        row, index = self.evaluate(expr.row), self.evaluate(expr.index)
        indices = [
            index if axis == expr.axis else self._arange(axis, size)
            for axis, size in zip(row.axes, row.tensor.shape, strict=True)
        ]
        value = gather(row.tensor, indices)
        if value.invalid is not None:
            self.faults.add("a row is read outside of its channels")
        if row.invalid is None:
            return value
        marks = gather(row.invalid.expand(row.tensor.shape), indices).tensor
        return Value(value.tensor, value.axes, marks if value.invalid is None else marks | value.invalid)

    def _apply(self, expr: Apply) -> Value:
        values = [self.evaluate(argument) for argument in expr.arguments]
        if expr.function in ("dot", "outer"):
            left, right = expr.arguments
            return contract(values[0], values[1], frozenset(left.channels) & frozenset(right.channels))
        if expr.function == "l2norm":
            (row,) = values
            over = frozenset(expr.arguments[0].channels)
            # The square is clamped and not its root, which has no slope at 0.
            norm = elementwise(lambda x: x.clamp(min=1e-24).sqrt(), [contract(row, row, over)])
            return elementwise(torch.div, [row, norm])
        if expr.function in ("div", "mod"):
            values[1] = self._nonzero(values[1])
        result = elementwise(TENSOR[expr.function], values)
        if expr.function in ("and", "or", "if"):
            return Value(result.tensor, result.axes, short_circuit(expr.function, values, result.axes))
        return result

    def _nonzero(self, divisor: Value) -> Value:
        """A divisor; where it is 0 it is marked invalid, because ints have no value for the quotient."""
        zero = divisor.tensor == 0
        if not bool(zero.any()):
            return divisor
        self.faults.add("an int is divided by zero")
        marks = zero if divisor.invalid is None else zero | divisor.invalid
        return Value(torch.where(zero, 1, divisor.tensor), divisor.axes, marks)

"""Rows of tokens, and where their gradients are summed: the same for all backends."""

from __future__ import annotations

from dataclasses import dataclass

from attngen.emit.python import size_name
from attngen.ir.expr import Expr, Read, Row, Variable
from attngen.schedule.chunks import ChunkPlan
from attngen.schedule.levels import is_row_sum
from attngen.schedule.names import kernel_name
from attngen.schedule.returns import TOKEN_AXES
from attngen.schedule.tokens import TokenRow

SIZES = {"c": "D", "e": "E", None: "1"}


def size_of(axis: str | None) -> str:
    """How many elements rows over an axis have."""
    return SIZES[axis] if axis in SIZES or axis is None else size_name(axis)


def index_of(axis: str) -> str:
    """What loops over an axis call their index; the name of an input's own axis may be one of the kernel's."""
    return axis if axis in SIZES else kernel_name(axis)


def kept_axes(plan: ChunkPlan) -> dict[str, str | None]:
    """The axis of each value that threads keep for all tokens of a chunk: rows, readings, and gradients by both."""
    axes = {row.name: row.axis for row in plan.rows if not row.plain}
    gradients = {f"d_{row.name}": row.axis for row in plan.rows}
    axes |= {each.name: state.value_axis for state in plan.states for each in state.readings}
    return axes | gradients


def channel_of(value: Expr) -> str | None:
    """The channel that a value varies with."""
    if is_row_sum(value):
        return None
    if isinstance(value, Row):
        return value.channels[0]
    if isinstance(value, Variable) and value.name in ("c", "e"):
        return value.name
    return value.channels[0] if value.channels else None


def distinct_matrices(plan: ChunkPlan) -> dict[Read, TokenRow]:
    """Each matrix, with a row that is a product with it."""
    return {row.matrix: row for row in reversed(plan.rows) if row.matrix is not None}


def matrix_axes(row: TokenRow) -> tuple[str, str]:
    """Of the product, and of the row that is multiplied."""
    assert row.axis is not None and row.projected is not None and row.projected.axis is not None
    return row.axis, row.projected.axis


@dataclass(frozen=True, slots=True)
class Landed:
    """The gradient by an input, or by q, k or v: summed for each token, or for each head in float64."""

    input: str
    of_token: bool
    axes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The field of a call that holds its sums."""
        return f"d{self.input}" if self.input in ("q", "k", "v") else f"by_{kernel_name(self.input)}"

    @property
    def shape(self) -> tuple[str, ...]:
        """Of its sums for a head, behind the axis of tokens."""
        return tuple(map(size_of, self.axes))


def landed(plan: ChunkPlan) -> list[Landed]:
    """The gradients by inputs that a kernel sums."""
    inputs = frozenset[str]().union(*(each.inputs for each in (*plan.returns, plan.y_return))) - plan.lacking
    return [landed_by(plan, name) for name in sorted(inputs)]


def landed_by(plan: ChunkPlan, name: str) -> Landed:
    """Where gradients by an input are summed."""
    axes = plan.variant.input(name).axes
    for row in plan.rows:
        if row.matrix is not None and row.matrix.input == name:
            return Landed(name, of_token=False, axes=matrix_axes(row))
    return Landed(name, not set(TOKEN_AXES).isdisjoint(axes), tuple(axis for axis in axes if axis in ("c", "e")))

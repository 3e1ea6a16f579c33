"""Expressions of tokens in Triton: [tokens, channels], with 1 for an axis along which they do not vary."""

from __future__ import annotations

from collections.abc import Iterable

from attngen.emit.tokens import channel_of, index_of, kept_axes, size_of
from attngen.emit.triton.reads import ReadingPrinter
from attngen.emit.triton.widths import Bits
from attngen.ir.expr import EARLIER, Expr, Parameter, Read, Rechannel, Row, Variable, children, variables
from attngen.ir.printer import ATOM
from attngen.schedule.chunks import ChunkPlan
from attngen.schedule.levels import Level, is_row_sum, level
from attngen.schedule.names import kernel_name
from attngen.schedule.returns import TOKEN_AXES
from attngen.schedule.statements import Statement
from attngen.schedule.tokens import TOKENS

LAST = {"q": "d", "k": "d", "v": "e"}
"""The axis of the last stride of rows of the call."""


class TokenPrinter(ReadingPrinter):
    """`statements` are all that is named in the function where the expression stands."""

    growing = ("N", "M")

    def __init__(self, plan: ChunkPlan, statements: Iterable[Statement], exact: bool) -> None:
        super().__init__(plan.variant, exact)
        self.statements = tuple(statements)
        self.levels = {name: Level.PAIR if axis else Level.QUERY for name, axis in kept_axes(plan).items()}
        self.taken = {s.name: s.value.name for s in self.statements if isinstance(s.value, Row)}
        self.levels |= {statement.name: statement.level for statement in self.statements}

    def bits_of(self, name: str) -> Bits:
        """A token's number has 64 bits, heads, channels and sizes have 32."""
        return super().bits_of(name) if name == "t" else min(super().bits_of(name), Bits.NARROW)

    def defined(self, name: str) -> Expr | None:
        return next((statement.value for statement in self.statements if statement.name == name), None)

    def mask(self, expr: Expr) -> str | None:
        axis = channel_of(expr) or "c"
        match level(expr, self.levels, TOKENS):
            case Level.HEAD:
                return None
            case Level.QUERY:
                return inside(None)
            case Level.KEY:
                return f"{index_of(axis)} < {size_of(axis)}"
        return inside(axis)

    def name(self, expr: Variable | Parameter | Row) -> str:
        if isinstance(expr, Variable) and expr.name in self.taken:
            return f"{self.taken[expr.name]}_at"
        own = isinstance(expr, Variable) and expr.channels == (expr.name,)
        return index_of(expr.name) if own else super().name(expr)

    def part(self, expr: Expr) -> tuple[str, int]:
        if isinstance(expr, Row):
            return f"{expr.name}_at", ATOM
        if isinstance(expr, Rechannel):
            assert isinstance(expr.row, Row)
            name = expr.row.name
            channel = f"tl.cast({self.text(expr.index)}, tl.int64) * {name}_stride_{LAST[name]}"
            where = f"{name}_head + rows[:, None] * {name}_stride_n + {channel}"
            return f"tl.cast(tl.load({where}, mask={inside('c')}, other=0.0), tl.float32)", ATOM
        if is_row_sum(expr):
            (inner,) = children(expr)
            axis = self.summed(inner)
            there = f"{index_of(axis)} < {size_of(axis)}"
            return f"tl.sum(tl.where({there}, {self.text(inner)}, 0.0), 1, keep_dims=True)", ATOM
        return super().part(expr)

    def summed(self, inner: Expr) -> str:
        """The axis that a sum goes over."""
        if inner.channels:
            return inner.channels[0]
        used = variables(inner)
        axes = {channel_of(statement.value) for statement in self.statements if statement.name in used}
        return next(axis for axis in axes if axis is not None)

    def term(self, expr: Read, k: int, axis: str) -> str:
        """A token's number has 64 bits."""
        if axis in TOKEN_AXES:
            return f"{self.index(expr, k, axis)} * {kernel_name(expr.input)}_stride_{k}"
        return super().term(expr, k, axis)

    def index(self, expr: Read, k: int, axis: str) -> str:
        """Inputs are read where a token lies, whatever its position."""
        if axis in TOKEN_AXES:
            return "earlier[:, None]" if expr.indices[k] == EARLIER else "rows[:, None]"
        if axis in ("b", "h", "c"):
            return super().index(expr, k, axis)
        index = self.text(expr.indices[k])
        return index if index == index_of(axis) else f"_inside({index}, {size_of(axis)})"


def inside(axis: str | None) -> str:
    """Which tokens there are, and which of their channels."""
    return "live" if axis is None else f"live & ({index_of(axis)} < {size_of(axis)})"

"""Expressions of tokens in C++, and where threads keep what they are made of."""

from __future__ import annotations

from attngen.emit.cpp.arguments import Computed, input_type
from attngen.emit.cpp.reads import KernelPrinter
from attngen.emit.tokens import channel_of, index_of
from attngen.ir.expr import EARLIER, Expr, Parameter, Read, Rechannel, Row, Variable, variable
from attngen.ir.printer import ATOM
from attngen.schedule.chunks import ChunkPlan
from attngen.schedule.levels import Level
from attngen.schedule.names import kernel_name
from attngen.schedule.returns import TOKEN_AXES
from attngen.schedule.statements import Statements

LANES = {"c": "D_lanes", "e": "E_lanes", None: "LANES"}


def lanes_of(axis: str | None) -> str:
    """How far apart rows over an axis lie."""
    return LANES[axis] if axis in LANES or axis is None else f"lanes_{axis}"


class TokenPrinter(KernelPrinter):
    """Expressions of tokens, element by element; what varies with the channel alone is kept in arrays."""

    def __init__(self, plan: ChunkPlan, part: Statements, exact: bool) -> None:
        of_channels = {s.name: channel_of(s.value) or "c" for s in part.at(Level.KEY)}
        super().__init__(plan, exact, {name: f"{name}[{index_of(axis)}]" for name, axis in of_channels.items()})

    def part(self, expr: Expr) -> tuple[str, int]:
        if isinstance(expr, (Row, Rechannel)):
            row, channel = (expr, expr.channels[0]) if isinstance(expr, Row) else (expr.row, self.tight(expr.index, 12))
            assert isinstance(row, Row)
            return f"{row.name}_at[{channel}]", ATOM
        return super().part(expr)

    def name(self, expr: Variable | Parameter | Row) -> str:
        own = isinstance(expr, Variable) and expr.channels == (expr.name,)
        return index_of(expr.name) if own else super().name(expr)

    def read(self, expr: Read) -> str:
        """An element of a row that was taken for the token, or of the input itself."""
        if row_axis(self.plan, expr) is None:
            return super().read(expr)
        return f"{kernel_name(expr.input)}_at[{self.text(expr.indices[-1])}]"

    def index(self, axis: str, index: Expr, share: str) -> str:
        """Inputs are read where a token lies, whatever its position."""
        if axis not in TOKEN_AXES:
            return super().index(axis, index, share)
        return "earlier" if index == EARLIER else "row"


def place_of(axis: str | None) -> str:
    """Where the element of row r that a loop is at stands among the rows of a chunk."""
    return f"r * {lanes_of(axis)} + {index_of(axis)}" if axis else f"r * {lanes_of(axis)}"


def row_axis(plan: Computed, read: Read) -> str | None:
    """The channels of an input of which every token has a row; nothing for what is read element by element."""
    given = plan.variant.input(read.input)
    if input_type(plan, read.input) != "float" or variable("t") not in read.indices:
        return None
    if not all(axis in ("b", "h", *TOKEN_AXES, "c", "e") for axis in given.axes):
        return None
    return given.axes[-1] if given.axes[-1] in ("c", "e") and len(read.channels) == 1 else None

"""Reads of inputs in Triton: loads with the mask of their level, indices kept inside of their axes."""

from __future__ import annotations

from attngen.emit.python import size_name
from attngen.emit.triton.printer import TritonPrinter
from attngen.emit.triton.widths import Bits
from attngen.ir.expr import Expr, Kind, Read, Rechannel, Row, children, variables
from attngen.ir.nodes import Variant
from attngen.ir.printer import ATOM
from attngen.schedule.levels import KEY_ROWS, QUERY_ROWS, Level, is_row_sum, level
from attngen.schedule.names import kernel_name
from attngen.schedule.plan import Plan
from attngen.schedule.statements import Statements


class ReadingPrinter(TritonPrinter):
    """Expressions over the inputs of a variant: what they read is loaded where it is needed."""

    def __init__(self, variant: Variant, exact: bool) -> None:
        super().__init__(exact)
        self.variant = variant

    def mask(self, expr: Expr) -> str | None:
        """Where what is read exists; `None` if everywhere."""
        raise NotImplementedError

    def read(self, expr: Read) -> str:
        given = self.variant.input(expr.input)
        terms = [self.term(expr, k, axis) for k, axis in enumerate(given.axes)]
        address = " + ".join([f"{kernel_name(expr.input)}_ptr", *terms])
        mask = self.mask(expr)
        load = f"tl.load({address}, mask={mask}, other=0)" if mask else f"tl.load({address})"
        if given.kind is Kind.BOOL:
            return f"tl.cast({load}, tl.int1)"
        dtype = "int64" if given.kind is Kind.INT else "float64" if self.exact else "float32"
        return f"tl.cast({load}, tl.{dtype})"

    def places(self, expr: Read) -> list[str]:
        """The indices of what is read."""
        axes = self.variant.input(expr.input).axes
        return [self.index(expr, k, axis) for k, axis in enumerate(axes)]

    def term(self, expr: Read, k: int, axis: str) -> str:
        """How far that is from the start."""
        name = kernel_name(expr.input)
        return f"tl.cast({self.index(expr, k, axis)}, tl.int64) * {name}_stride_{k}"

    def index(self, expr: Read, k: int, axis: str) -> str:
        """Where it is read along an axis."""
        index = self.text(expr.indices[k])
        match axis:
            case "h":
                return f"h // {kernel_name(expr.input)}_share"
            case "b":
                return index
            case "c":
                return index if index == "c" else f"_inside({index}, D)"
        return f"_inside({index}, {size_name(axis)})"


class KernelPrinter(ReadingPrinter):
    """Expressions of pairs; `row` is the text for their rows, along the axis of queries."""

    row = "rows[:, None]"
    ints = "tl.int64 if WIDE else tl.int32"

    def __init__(self, plan: Plan, exact: bool) -> None:
        super().__init__(plan.variant, exact)
        self.plan = plan
        self._head = {statement.name: statement.value for statement in plan.head}

    def defined(self, name: str) -> Expr | None:
        return self._head.get(name)

    def mask(self, expr: Expr) -> str | None:
        row = f"{self.row} < N"
        masks = {Level.QUERY: row, Level.KEY: "j < M", Level.PAIR: f"({row}) & (j < M)"}
        return masks.get(_level(expr, self.plan))

    def term(self, expr: Read, k: int, axis: str) -> str:
        """As for all reads; launchers see to it that places fit into the ints of kernels."""
        place = f"tl.cast({self.index(expr, k, axis)}, {self.ints})"
        return f"{place} * {kernel_name(expr.input)}_stride_{k}"

    def index(self, expr: Read, k: int, axis: str) -> str:
        index = self.text(expr.indices[k])
        match axis:
            case "i":
                return self.row
            case "j":
                return index
            case "n":
                # A query may stand outside of the key sequence, where offsets on a GPU are not looked at.
                return index if index == "j" else f"_inside({index}, M)"
        return super().index(expr, k, axis)


class GradientPrinter(KernelPrinter):
    """Expressions of pairs in tiles whose axis of queries is either."""

    row = "row"


class RowPrinter(KernelPrinter):
    """Expressions of rows: of the queries of a tile, or of the keys of one; what grows is computed in 64 bits."""

    ints = "tl.int64"
    growing = ("i", "j", "N", "M")

    def __init__(self, plan: Plan, rows: Statements, exact: bool, keys: bool) -> None:
        super().__init__(plan, exact)
        self.levels = {statement.name: statement.level for statement in rows.statements}
        self.axes = KEY_ROWS if keys else QUERY_ROWS
        self.tensor = "k" if keys else "q"
        count = "M" if keys else "N"
        self.masks = {
            Level.QUERY: f"rows[:, None] < {count}",
            Level.KEY: "c < D",
            Level.PAIR: f"(rows[:, None] < {count}) & (c < D)",
        }

    def bits_of(self, name: str) -> Bits:
        return min(super().bits_of(name), Bits.NARROW)

    def mask(self, expr: Expr) -> str | None:
        return self.masks.get(level(expr, self.levels, self.axes))

    def term(self, expr: Read, k: int, axis: str) -> str:
        return ReadingPrinter.term(self, expr, k, axis)

    def part(self, expr: Expr) -> tuple[str, int]:
        if isinstance(expr, Row):
            return f"tl.cast({expr.name}, tl.float32)", ATOM
        if isinstance(expr, Rechannel):
            name = self.tensor
            row = f"{name}_head + tl.cast(rows, tl.int64)[:, None] * {name}_stride_n"
            channel = f"tl.cast({self.text(expr.index)}, tl.int64) * {name}_stride_d"
            mask = self.masks[Level.PAIR]
            return f"tl.cast(tl.load({row} + {channel}, mask={mask}, other=0.0), tl.float32)", ATOM
        if is_row_sum(expr):
            (inner,) = children(expr)
            return f"tl.sum(tl.where(c < D, {self.text(inner)}, 0.0), 1)[:, None]", ATOM
        return super().part(expr)


def _level(expr: Expr, plan: Plan) -> Level:
    levels = {s.name: s.level for tile in plan.tiles for s in tile.statements}
    found = 0
    for name in variables(expr):
        found |= levels.get(name, {"i": Level.QUERY, "j": Level.KEY}.get(name, Level.HEAD))
    return Level(found)

"""Rows of tokens in C++: computed for all tokens of a chunk, one row behind the other."""

from __future__ import annotations

from attngen.emit.cpp.reads import KernelPrinter
from attngen.emit.cpp.types import scalar_type
from attngen.emit.layout import deeper, laid_out_cpp
from attngen.ir.expr import Expr, Rechannel, Row, Variable, children, variables
from attngen.ir.printer import ATOM
from attngen.schedule.chunks import ChunkPlan
from attngen.schedule.levels import Level, is_row_sum
from attngen.schedule.statements import Statement, needed
from attngen.schedule.tokens import TokenRow

SIZES = {"c": "D", "e": "E", None: "1"}
LANES = {"c": "D_lanes", "e": "E_lanes", None: "LANES"}
"""How many elements rows over an axis have, and how far apart rows of them lie."""


class TokenPrinter(KernelPrinter):
    """Expressions of tokens, element by element; what varies with the channel alone is kept in arrays."""

    def __init__(self, plan: ChunkPlan, row: TokenRow, exact: bool) -> None:
        read = {each.name: state.values for state in plan.states for each in state.readings}
        kept = {name: f"space.{name}[r * {LANES['e' if e else None]}{' + e' * e}]" for name, e in read.items()}
        kept |= {s.name: f"{s.name}[{_axis(s.value)}]" for s in row.at(Level.KEY)}
        super().__init__(plan, exact, kept)

    def part(self, expr: Expr) -> tuple[str, int]:
        if isinstance(expr, (Row, Rechannel)):
            row, channel = (expr, expr.channels[0]) if isinstance(expr, Row) else (expr.row, self.tight(expr.index, 12))
            assert isinstance(row, Row)
            return f"to_float({row.name}[row * call.{row.name}.token + {channel} * call.{row.name}.channel])", ATOM
        return super().part(expr)

    def index(self, axis: str, index: Expr, share: str) -> str:
        """Inputs are read where a token lies, whatever its position."""
        return "row" if axis in ("t", "n") else super().index(axis, index, share)


def _axis(value: Expr) -> str | None:
    """The channel that a value varies with."""
    if is_row_sum(value):
        return None
    if isinstance(value, Row):
        return value.channels[0]
    if isinstance(value, Variable) and value.name in ("c", "e"):
        return value.name
    return value.channels[0] if value.channels else None


def load_lines(plan: ChunkPlan, row: TokenRow) -> list[str]:
    """The rows of a chunk, one behind the other."""
    if row.plain:
        source = f"{row.name} + (first + r) * call.{row.name}.token, call.{row.name}.channel"
        target = f"&space.{row.name}[r * {LANES[row.axis]}]"
        lines = [f"read_row({source}, {SIZES[row.axis]}, {target});"]
        return [*_pointers(row), "for (int64_t r = 0; r < rows; ++r)", *deeper(lines)]
    lines = _elements(
        plan, row, f"space.{row.name}[r * {LANES[row.axis]}{f' + {row.axis}' if row.axis else ''}] = ", ";"
    )
    return _per_token(plan, row, lines)


def give_lines(plan: ChunkPlan) -> list[str]:
    element = "((int64_t{b} * H + h) * N + row) * E + e"
    return _per_token(plan, plan.y, _elements(plan, plan.y, f"assign(call.y[{element}], ", ");"))


def _per_token(plan: ChunkPlan, row: TokenRow, lines: list[str]) -> list[str]:
    """A loop over tokens, in a scope of its own."""
    loop = ["[[maybe_unused]] const int64_t row = first + r, t = row + offset;", *lines]
    inside = [*_pointers(row), *_ahead(plan, row), "for (int64_t r = 0; r < rows; ++r) {", *deeper(loop), "}"]
    return laid_out_cpp(["{", *deeper(inside), "}"], 4)


def _pointers(row: TokenRow) -> list[str]:
    """The rows of the call that a row is made of."""
    names = {part.name for expr in row.exprs for part in _rows(expr)}
    return [
        f"[[maybe_unused]] const Element* {name} = call.{name}.of(b, h);" for name in ("q", "k", "v") if name in names
    ]


def _rows(expr: Expr) -> list[Row]:
    found = [expr] if isinstance(expr, Row) else []
    return found + [row for child in children(expr) for row in _rows(child)]


def _elements(plan: ChunkPlan, row: TokenRow, before: str, behind: str) -> list[str]:
    """The elements of the row of one token; a number has one."""
    lines = [line for s in row.at(Level.QUERY) for line in _of_token(plan, row, s)]
    text = TokenPrinter(plan, row, exact=False).text(row.result)
    return [*lines, *_over(row.axis, [*_needed(plan, row, row.result), f"{before}{text}{behind}"])]


def _of_token(plan: ChunkPlan, row: TokenRow, statement: Statement) -> list[str]:
    """A number of one token; a sum over its channels computes what it needs of each."""
    if not is_row_sum(statement.value):
        return [_line(plan, row, statement)]
    (inner,) = children(statement.value)
    term = f"{statement.name} += {TokenPrinter(plan, row, exact=False).text(inner)};"
    lines = [*_needed(plan, row, inner), term]
    return [f"float {statement.name} = 0.0f;", *_over(_summed(row, inner), lines)]


def _summed(row: TokenRow, inner: Expr) -> str:
    """The axis that a sum goes over."""
    if inner.channels:
        return inner.channels[0]
    axes = {_axis(s.value) for s in row.statements if s.name in variables(inner)}
    return next(axis for axis in axes if axis is not None)


def _over(axis: str | None, lines: list[str]) -> list[str]:
    if axis is None:
        return lines
    return [f"for (int64_t {axis} = 0; {axis} < {SIZES[axis]}; ++{axis}) {{", *deeper(lines), "}"]


def _needed(plan: ChunkPlan, row: TokenRow, expr: Expr) -> list[str]:
    return [_line(plan, row, statement) for statement in needed(row.at(Level.PAIR), expr)]


def _ahead(plan: ChunkPlan, row: TokenRow) -> list[str]:
    """What is computed once for all tokens: values of the head, and arrays of what varies with the channel alone."""
    lines = [_line(plan, row, statement) for statement in row.at(Level.HEAD)]
    for statement in row.at(Level.KEY):
        axis = _axis(statement.value) or "c"
        text = TokenPrinter(plan, row, statement.exact).text(statement.value)
        lines.append(f"std::vector<{scalar_type(statement, long=True)}> {statement.name}({SIZES[axis]});")
        lines += _over(axis, [f"{statement.name}[{axis}] = {text};"])
    return lines


def _line(plan: ChunkPlan, row: TokenRow, statement: Statement) -> str:
    text = TokenPrinter(plan, row, statement.exact).text(statement.value)
    return f"const {scalar_type(statement, long=True)} {statement.name} = {text};"

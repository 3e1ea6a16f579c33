"""Rows of tokens in C++: computed for all tokens of a chunk, one row behind the other."""

from __future__ import annotations

from attngen.emit.cpp.arguments import Computed, input_type
from attngen.emit.cpp.reads import KernelPrinter
from attngen.emit.cpp.types import scalar_type
from attngen.emit.layout import deeper, laid_out_blocks
from attngen.ir.expr import EARLIER, Expr, Read, Rechannel, Row, Variable, children, variable, variables
from attngen.ir.printer import ATOM
from attngen.schedule.chunks import ChunkPlan
from attngen.schedule.levels import Level, is_row_sum
from attngen.schedule.names import kernel_name
from attngen.schedule.statements import Statement, needed
from attngen.schedule.tokens import TokenRow

SIZES = {"c": "D", "e": "E", None: "1"}
LANES = {"c": "D_lanes", "e": "E_lanes", None: "LANES"}
"""How many elements rows over an axis have, and how far apart rows of them lie."""


class TokenPrinter(KernelPrinter):
    """Expressions of tokens, element by element; what varies with the channel alone is kept in arrays."""

    def __init__(self, plan: ChunkPlan, row: TokenRow, exact: bool) -> None:
        read = {each.name: state.value_axis for state in plan.states for each in state.readings}
        kept = {name: f"space.{name}[{_place(axis)}]" for name, axis in read.items()}
        kept |= {s.name: f"{s.name}[{_axis(s.value)}]" for s in row.at(Level.KEY)}
        super().__init__(plan, exact, kept)

    def part(self, expr: Expr) -> tuple[str, int]:
        if isinstance(expr, (Row, Rechannel)):
            row, channel = (expr, expr.channels[0]) if isinstance(expr, Row) else (expr.row, self.tight(expr.index, 12))
            assert isinstance(row, Row)
            return f"{row.name}_at[{channel}]", ATOM
        return super().part(expr)

    def read(self, expr: Read) -> str:
        """An element of a row that was taken for the token, or of the input itself."""
        if row_axis(self.plan, expr) is None:
            return super().read(expr)
        return f"{kernel_name(expr.input)}_at[{self.text(expr.indices[-1])}]"

    def index(self, axis: str, index: Expr, share: str) -> str:
        """Inputs are read where a token lies, whatever its position."""
        if axis not in ("t", "n"):
            return super().index(axis, index, share)
        return "earlier" if index == EARLIER else "row"


def _place(axis: str | None) -> str:
    """Where the element of row r that a loop is at stands among the rows of a chunk."""
    return f"r * {LANES[axis]} + {axis}" if axis else f"r * {LANES[axis]}"


def row_axis(plan: Computed, read: Read) -> str | None:
    """The channels of an input of which every token has a row; nothing for what is read element by element."""
    given = plan.variant.input(read.input)
    if input_type(plan, read.input) != "float" or variable("t") not in read.indices:
        return None
    if not all(axis in ("b", "h", "t", "n", "c", "e") for axis in given.axes):
        return None
    return given.axes[-1] if given.axes[-1] in ("c", "e") and len(read.channels) == 1 else None


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
        at = token(plan) if plan.variant.order else f"({token(plan)})"
        source = f"{row.name} + {at} * call.{row.name}.token, call.{row.name}.channel"
        target = f"&space.{row.name}[r * {LANES[row.axis]}]"
        lines = [f"read_row({source}, {SIZES[row.axis]}, {target});"]
        source = f"const Element* {row.name} = call.{row.name}.of(b, h);"
        return [source, "for (int64_t r = 0; r < rows; ++r)", *deeper(lines)]
    return _per_token(plan, row, _elements(plan, row, f"space.{row.name}[{_place(row.axis)}] = ", ";"))


def token(plan: ChunkPlan, step: str = "first + r") -> str:
    """The token of a step; that of row r of a chunk, unless another is given."""
    return step if plan.variant.order is None else f"token_at({step})"


def give_lines(plan: ChunkPlan) -> list[str]:
    element = "((int64_t{b} * H + h) * N + row) * E + e"
    return _per_token(plan, plan.y, _elements(plan, plan.y, f"assign(call.y[{element}], ", ");"))


def _per_token(plan: ChunkPlan, row: TokenRow, lines: list[str]) -> list[str]:
    """A loop over tokens."""
    used = any(EARLIER in part.indices for expr in row.exprs for part in _parts(expr) if isinstance(part, Read))
    before = [f"const int64_t earlier = {token(plan, 'std::max<int64_t>(first + r - 1, 0)')};"] if used else []
    loop = [
        f"[[maybe_unused]] const int64_t row = {token(plan)}, t = row + offset;",
        *before,
        *_taken(plan, row),
        *lines,
    ]
    return laid_out_blocks([*_ahead(plan, row), "for (int64_t r = 0; r < rows; ++r) {", *deeper(loop), "}"], 4)


def _taken(plan: ChunkPlan, row: TokenRow) -> list[str]:
    """The rows of the call that a token's row is made of: as they lie, or as floats one behind the other."""
    lines = []
    for name, source, step, axis in taken_rows(plan, row):
        given = f"{source}, {step}, {SIZES[axis]}, &space.{name}_at[0]"
        lines.append(f"const float* {name}_at = as_floats({given});")
    return lines


def taken_rows(plan: ChunkPlan, row: TokenRow) -> list[tuple[str, str, str, str]]:
    """The name, the address of the first channel, the step to the next and the axis of each, once."""
    found = {}
    parts = [part for expr in row.exprs for part in _parts(expr)]
    for part in parts:
        if isinstance(part, Row):
            name = part.name
            found[name] = (f"call.{name}.of(b, h) + row * call.{name}.token", f"call.{name}.channel", part.channels[0])
        elif isinstance(part, Read) and (axis := row_axis(plan, part)) is not None:
            name, axes = kernel_name(part.input), plan.variant.input(part.input).axes
            places = {"b": "b", "h": f"h / call.{name}.share", axis: "0"}
            place = ", ".join(places.get(each, "row") for each in axes)
            found[name] = (f"&call.{name}.data[call.{name}.at({place})]", f"call.{name}.stride[{len(axes) - 1}]", axis)
    return [(name, *facts) for name, facts in sorted(found.items())]


def _parts(expr: Expr) -> list[Expr]:
    """All parts; of what is read at another channel, the row as well."""
    return [expr, *(part for child in children(expr) for part in _parts(child))]


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
    axis = _summed(row, inner)
    term = f"space.terms[{axis}] = {TokenPrinter(plan, row, exact=False).text(inner)};"
    lines = _over(axis, [*_needed(plan, row, inner), term])
    return [*lines, f"const float {statement.name} = sum_of_terms(&space.terms[0], {SIZES[axis]});"]


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

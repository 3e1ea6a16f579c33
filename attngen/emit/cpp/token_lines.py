"""Rows of tokens in C++: computed for all tokens of a chunk, one row behind the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from attngen.emit.cpp.token_printer import TokenPrinter, lanes_of, place_of, row_axis
from attngen.emit.cpp.types import scalar_type
from attngen.emit.layout import deeper, laid_out_blocks
from attngen.emit.tokens import channel_of, index_of, kept_axes, size_of
from attngen.ir.expr import EARLIER, Expr, Read, Row, children, variables
from attngen.ir.nodes import Input
from attngen.schedule.chunks import ChunkPlan
from attngen.schedule.levels import Level, is_row_sum
from attngen.schedule.names import kernel_name
from attngen.schedule.returns import Return
from attngen.schedule.statements import Statement, needed
from attngen.schedule.tokens import TokenRow

HEAD = "(int64_t{b} * H + h)"
PIECE = "(head * call.pieces + piece)"
"""What a gradient belongs to that is summed over tokens: threads may share a head."""


def load_lines(plan: ChunkPlan, row: TokenRow) -> list[str]:
    """The rows of a chunk, one behind the other."""
    if row.plain:
        at = token(plan) if plan.variant.order else f"({token(plan)})"
        source = f"{row.name} + {at} * call.{row.name}.token, call.{row.name}.channel"
        target = f"&space.{row.name}[r * {lanes_of(row.axis)}]"
        head = f"const Element* {row.name} = call.{row.name}.of(b, h);"
        taken = f"read_row({source}, {size_of(row.axis)}, {target});"
        return [head, "for (int64_t r = 0; r < rows; ++r)", *deeper([taken])]
    lines = TokenLines(plan, row)
    return lines.per_token(lines.elements(row, f"space.{row.name}[{place_of(row.axis)}] = ", ";"))


def give_lines(plan: ChunkPlan) -> list[str]:
    """The rows of y of a chunk."""
    lines = TokenLines(plan, plan.y)
    return lines.per_token(lines.elements(plan.y, f"assign(call.y[({HEAD} * N + row) * E + e], ", ");"))


def token(plan: ChunkPlan, step: str = "first + r") -> str:
    """The token of a step; that of row r of a chunk, unless another is given."""
    return step if plan.variant.order is None else f"token_at({step})"


def over(axis: str | None, lines: list[str]) -> list[str]:
    """A loop over channels."""
    if axis is None:
        return lines
    index = index_of(axis)
    return [f"for (int64_t {index} = 0; {index} < {size_of(axis)}; ++{index}) {{", *deeper(lines), "}"]


def taken_rows(plan: ChunkPlan, part: TokenRow | Return) -> list[tuple[str, str, str, str]]:
    """The rows of the call that a part reads: the name, where it lies, the step to the next channel and the axis."""
    found = {}
    for each in (one for expr in part.exprs for one in parts(expr)):
        if isinstance(each, Row):
            name = each.name
            found[name] = (f"call.{name}.of(b, h) + row * call.{name}.token", f"call.{name}.channel", each.channels[0])
        elif isinstance(each, Read) and (axis := row_axis(plan, each)) is not None:
            name = kernel_name(each.input)
            found[name] = (*_row_of_input(name, plan.variant.input(each.input), axis), axis)
    return [(name, *facts) for name, facts in sorted(found.items())]


def _row_of_input(name: str, given: Input, axis: str) -> tuple[str, str]:
    places = {"b": "b", "h": f"h / call.{name}.share", axis: "0"}
    place = ", ".join(places.get(each, "row") for each in given.axes)
    return f"&call.{name}.data[call.{name}.at({place})]", f"call.{name}.stride[{len(given.axes) - 1}]"


def parts(expr: Expr) -> list[Expr]:
    """All parts; of what is read at another channel, the row as well."""
    return [expr, *(part for child in children(expr) for part in parts(child))]


@dataclass(frozen=True, slots=True)
class TokenLines:
    """What is computed of each token: a row, or what its gradient hands down."""

    plan: ChunkPlan
    part: TokenRow | Return

    def per_token(self, lines: list[str], leaves: Iterable[Expr] = ()) -> list[str]:
        """A loop over tokens; `leaves` are what gradients go to."""
        found = [each for expr in (*self.part.exprs, *leaves) for each in parts(expr)]
        used = any(EARLIER in each.indices for each in found if isinstance(each, Read))
        earlier = f"const int64_t earlier = {token(self.plan, 'std::max<int64_t>(first + r - 1, 0)')};"
        loop = [f"[[maybe_unused]] const int64_t row = {token(self.plan)}, t = row + offset;"]
        loop += [*([earlier] if used else []), *self._taken(), *self._kept(), *lines]
        return laid_out_blocks([*self._ahead(), "for (int64_t r = 0; r < rows; ++r) {", *deeper(loop), "}"], 4)

    def _taken(self) -> list[str]:
        """Rows of the call: as they lie, or as floats one behind the other."""
        lines = []
        for name, source, step, axis in taken_rows(self.plan, self.part):
            given = f"{source}, {step}, {size_of(axis)}, &space.{name}_at[0]"
            lines.append(f"const float* {name}_at = as_floats({given});")
        return lines

    def _kept(self) -> list[str]:
        """What threads keep of the token: numbers, and rows by their first channel."""
        used, lines = self._used(*self.part.exprs), []
        for name, axis in used.items():
            place = f"space.{name}[r * {lanes_of(axis)}]"
            lines.append(f"const float {name} = {place};" if axis is None else f"const float* {name}_at = &{place};")
        return lines

    def _used(self, *exprs: Expr) -> dict[str, str | None]:
        """The axes of what threads keep, where expressions name it."""
        names = frozenset[str]().union(*map(variables, exprs))
        return {name: axis for name, axis in kept_axes(self.plan).items() if name in names}

    def elements(self, row: TokenRow, before: str, behind: str) -> list[str]:
        """The elements of the row of one token; a number has one."""
        element = f"{before}{self.text(row.result)}{behind}"
        return [*self.numbers(), *over(row.axis, [*self.needed(row.result), element])]

    def numbers(self) -> list[str]:
        """The numbers of one token."""
        return [line for statement in self.part.at(Level.QUERY) for line in self._number(statement)]

    def _number(self, statement: Statement) -> list[str]:
        """A number; a sum over channels computes what it needs of each."""
        if not is_row_sum(statement.value):
            return [self._line(statement)]
        (inner,) = children(statement.value)
        axis = self._summed(inner)
        lines = over(axis, [*self.needed(inner), f"space.terms[{index_of(axis)}] = {self.text(inner)};"])
        return [*lines, f"const float {statement.name} = sum_of_terms(&space.terms[0], {size_of(axis)});"]

    def _summed(self, inner: Expr) -> str:
        """The axis that a sum goes over."""
        if inner.channels:
            return inner.channels[0]
        axes = {channel_of(s.value) for s in self.part.statements if s.name in variables(inner)}
        return next(axis for axis in axes if axis is not None)

    def needed(self, expr: Expr) -> list[str]:
        """What an element is computed from."""
        statements = needed(self.part.at(Level.PAIR), expr)
        used = self._used(expr, *(statement.value for statement in statements))
        kept = [f"const float {name} = {name}_at[{index_of(axis)}];" for name, axis in used.items() if axis is not None]
        return [*kept, *map(self._line, statements)]

    def text(self, expr: Expr) -> str:
        """An expression over statements."""
        return TokenPrinter(self.plan, self.part, exact=False).text(expr)

    def _ahead(self) -> list[str]:
        """Computed once for all tokens: values of the head, and arrays of what varies with the channel alone."""
        lines = [self._line(statement) for statement in self.part.at(Level.HEAD)]
        for statement in self.part.at(Level.KEY):
            axis = channel_of(statement.value) or "c"
            text = TokenPrinter(self.plan, self.part, statement.exact).text(statement.value)
            lines.append(f"std::vector<{scalar_type(statement, long=True)}> {statement.name}({size_of(axis)});")
            lines += over(axis, [f"{statement.name}[{index_of(axis)}] = {text};"])
        return lines

    def _line(self, statement: Statement) -> str:
        text = TokenPrinter(self.plan, self.part, statement.exact).text(statement.value)
        return f"const {scalar_type(statement, long=True)} {statement.name} = {text};"

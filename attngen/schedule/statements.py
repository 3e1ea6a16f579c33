"""Expressions as a sequence of named values, each computed as seldom as possible: sharing and hoisting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from attngen.ir.expr import (
    Apply,
    Constant,
    Expr,
    Kind,
    Parameter,
    Read,
    Rechannel,
    Row,
    Size,
    Variable,
    children,
    distinct,
    variables,
    with_children,
)
from attngen.schedule.levels import PAIRS, Level, is_row_sum, level
from attngen.schedule.names import PAIR_PLACES, Namer


@dataclass(frozen=True, slots=True)
class Statement:
    """`name = value`, once per head, query, key or pair; `exact` values keep float64 (they decide masks)."""

    name: str
    value: Expr
    level: Level
    exact: bool


@dataclass(frozen=True, slots=True)
class Statements:
    """Statements in order."""

    statements: tuple[Statement, ...]

    def at(self, *levels: Level) -> tuple[Statement, ...]:
        return tuple(statement for statement in self.statements if statement.level in levels)


@dataclass(frozen=True, slots=True)
class Tile(Statements):
    """A value of a tile, of pairs or of rows: `statements` in order, then `result` over their names."""

    result: Expr

    @property
    def exprs(self) -> tuple[Expr, ...]:
        """All that is computed."""
        return (*(statement.value for statement in self.statements), self.result)


@dataclass(slots=True)
class Sequence:
    """Statements in order, and the names of values that are known already."""

    namer: Namer
    exact: bool
    statements: list[Statement] = field(default_factory=list)
    known: dict[Expr, Variable] = field(default_factory=dict)
    levels: dict[str, Level] = field(default_factory=dict)
    axes: Mapping[str, Level] = field(default_factory=lambda: PAIRS)
    places: Mapping[Level, str] = field(default_factory=lambda: PAIR_PLACES)
    _counted: dict[tuple[Expr, ...], Counter[Expr]] = field(default_factory=dict)

    def define(self, name: str, value: Expr, roots: list[Expr]) -> None:
        """A statement with a name of its own; `roots` are all expressions among which parts are shared."""
        self._append(name, self.lowered(value, roots), level(value, self.levels, self.axes))

    def lowered(self, expr: Expr, roots: list[Expr]) -> Expr:
        """The expression over shared values, whose statements are appended."""
        key = tuple(roots)
        if key not in self._counted:
            self._counted[key] = _uses(roots)
        return self._visit(expr, None, self._counted[key])

    def _visit(self, expr: Expr, outer: Level | None, uses: Counter[Expr]) -> Expr:
        if expr in self.known:
            return self.known[expr]
        own = level(expr, self.levels, self.axes)
        if isinstance(expr, Rechannel):  # read elsewhere; the row itself is not needed for that
            index = self._visit(expr.index, own, uses)
            return self._shared(expr, replace(expr, index=index), own)
        below = children(expr)
        visited = tuple(self._visit(child, own, uses) for child in below)
        lowered = expr if visited == below else with_children(expr, visited)
        return self._shared(expr, lowered, own) if self._is_shared(expr, own, outer, uses) else lowered

    def _shared(self, expr: Expr, lowered: Expr, own: Level) -> Variable:
        name = self.namer.of_value(expr, own, self.places)
        self._append(name, lowered, own)
        self.known[expr] = Variable(expr.kind, name=name)
        return self.known[expr]

    def _is_shared(self, expr: Expr, own: Level, outer: Level | None, uses: Counter[Expr]) -> bool:
        if isinstance(expr, (Read, Row)) or is_row_sum(expr):
            return True
        if not isinstance(expr, Apply) or _is_cheap(expr):
            return False
        hoisted = outer is not None and own != outer
        return hoisted or uses[expr] > 1 or (expr in self.namer.given and outer is not None)

    def _append(self, name: str, value: Expr, own: Level) -> None:
        self.statements.append(Statement(name, value, own, self.exact))
        self.levels[name] = own


def _uses(roots: list[Expr]) -> Counter[Expr]:
    """How often each expression is an operand, or a root."""
    counts: Counter[Expr] = Counter(roots)
    for node in set[Expr]().union(*map(distinct, roots)):
        counts.update(children(node))
    return counts


def _is_cheap(expr: Apply) -> bool:
    """A conversion or a sum of a name and a constant: computing it again costs nothing."""
    if expr.function in ("float", "neg"):
        return not isinstance(expr.arguments[0], Apply)
    leaves = all(isinstance(argument, (Constant, Variable, Parameter, Size)) for argument in expr.arguments)
    constant = any(isinstance(argument, (Constant, Parameter, Size)) for argument in expr.arguments)
    return expr.function in ("+", "-") and leaves and constant and expr.kind is Kind.INT


def needed(statements: Iterable[Statement], *results: Expr) -> list[Statement]:
    """The statements that results are computed from, in order."""
    used = {name for result in results for name in variables(result)}
    found: list[Statement] = []
    for statement in reversed(list(statements)):
        if statement.name in used:
            used |= variables(statement.value)
            found.insert(0, statement)
    return found

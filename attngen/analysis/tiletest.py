"""Tests of tiles: can a pair of a query tile and a key tile be live, and are all of them?

Both positions are taken as intervals. What depends on one position alone and has no exact interval (data, remainders,
a position that stands in several places) comes from a table with the exact least and greatest value of each tile.
A bool read by both positions comes from a table of counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from attngen.analysis import algebra as al
from attngen.analysis.facts import FIRST, FIRST_KEY, LAST, LAST_KEY, Facts
from attngen.analysis.interval import SOMETIMES, interval, is_uniform, truth
from attngen.analysis.rules import UNBOUNDED, Interval
from attngen.analysis.sums import from_linear, linear
from attngen.ir.expr import (
    TRUE,
    Apply,
    Constant,
    Expr,
    Kind,
    Read,
    Variable,
    children,
    rewrite,
    variables,
)
from attngen.ir.nodes import AXIS_SIZES, Variant


@dataclass(frozen=True, slots=True)
class Spans:
    """The least and the greatest value of an expression of one position (`i` or `j`) in each tile of it."""

    name: str
    position: str
    value: Expr

    @property
    def least(self) -> Variable:
        return Variable(self.value.kind, name=f"{self.name}_least")

    @property
    def most(self) -> Variable:
        """Of a bool, `True` is the greater value: it says whether any position of the tile has it."""
        return Variable(self.value.kind, name=f"{self.name}_most")


@dataclass(frozen=True, slots=True)
class Area:
    """Whether any and whether all elements of a rectangle of a bool input hold; the ends of each index are included.

    An index that is the same for the whole tile has equal ends.
    """

    name: str
    read: Read
    ends: tuple[Interval, ...]

    @property
    def any(self) -> Variable:
        return Variable(Kind.BOOL, name=f"{self.name}_any")

    @property
    def all(self) -> Variable:
        return Variable(Kind.BOOL, name=f"{self.name}_all")


@dataclass(frozen=True, slots=True)
class TileTest:
    """`possible`: can a pair of the tile be live; `always`: are all; over q0, q1, k0, k1, b, h, spans and areas."""

    spans: tuple[Spans, ...]
    areas: tuple[Area, ...]
    possible: Expr
    always: Expr


def tile_test(variant: Variant, mask: Expr, fault: Expr, ordered: bool = False) -> TileTest:
    """The test for a mask; a pair that may be at fault counts as one that may be live.

    With `ordered`, positions of a tile are no interval: nothing is known of them but spans.
    """
    box = TileBox(Facts.of(variant), variant, ordered)
    found, bad = truth(mask, box), truth(fault, box)
    possible, always = found.possible, found.always
    if ordered:  # the same predicate in another form: what either form knows is true
        split = truth(split_remainders(mask, box.facts), box)
        possible, always = al.both(possible, split.possible), al.either(always, split.always)
    spans, areas = tuple(box.spans.values()), tuple(box.areas.values())
    possible = al.either(possible, bad.possible)
    return TileTest(spans, areas, rewrite(possible, _without_difference), rewrite(always, _without_difference))


def _without_difference(expr: Expr) -> Expr:
    """x - y < 0 as x < y: elements of inputs may be numbers as large as hashes, whose differences have no 64 bits."""
    match expr:
        case Apply(function="<" | "<=" | ">" | ">=", arguments=(Apply(function="-") as difference, al.ZERO)):
            return al.compare(expr.function, *difference.arguments)
        case Apply(function="<" | "<=" | ">" | ">=", arguments=(al.ZERO, Apply(function="-") as difference)):
            return al.compare(expr.function, *reversed(difference.arguments))
    return expr


@dataclass(slots=True)
class TileBox:
    """A query tile [q0, q1] and a key tile [k0, k1]; collects the tables that its intervals need."""

    facts: Facts
    variant: Variant
    ordered: bool = False
    spans: dict[Expr, Spans] = field(default_factory=dict)
    areas: dict[Expr, Area] = field(default_factory=dict)
    intervals: dict[Expr, Interval] = field(default_factory=dict)

    def leaf(self, expr: Expr) -> Interval | None:
        position = _position(expr)
        if position is not None and (self.ordered or needs_table(expr)):
            spans = self._spans_of(expr, position)
            return Interval(spans.least, spans.most)
        match expr:
            case Variable(name="i"):
                return Interval(FIRST, LAST)
            case Variable(name="j"):
                return Interval(FIRST_KEY, LAST_KEY)
            case Read() if not is_uniform(expr):
                return self._read(expr)
        return None

    def at_least(self, expr: Expr, least: int) -> bool:
        return self.facts.at_least(expr, least)

    def knows(self, part: Expr) -> bool:
        """Whether anything is known about a part of a mask over a tile."""
        if part.kind is Kind.BOOL:
            return truth(part, self) != SOMETIMES
        return interval(part, self) != UNBOUNDED

    def _spans_of(self, expr: Expr, position: str) -> Spans:
        if expr not in self.spans:
            given = {let.value: let.name for let in self.variant.lets}
            wanted = f"{given.get(expr) or _hint(expr)}_at_{position}"
            name = _fresh(wanted, {known.name for known in self.spans.values()})
            self.spans[expr] = Spans(name, position, expr)
        return self.spans[expr]

    def _read(self, expr: Read) -> Interval:
        """An element that both positions choose: of a bool input with axes of its own, by counting a rectangle."""
        given = self.variant.input(expr.input)
        if given.kind is not Kind.BOOL:
            return self.facts.inputs[expr.input]
        if expr not in self.areas:
            ends = tuple(interval(index, self) for index in expr.indices)
            moving = [axis for axis, index in zip(given.axes, expr.indices, strict=True) if not is_uniform(index)]
            known = all(end.low is not None and end.high is not None for end in ends)
            if not known or len(moving) > 2 or not AXIS_SIZES.keys().isdisjoint(moving):
                return UNBOUNDED
            name = _fresh(f"{expr.input}_of_tile", {area.name for area in self.areas.values()})
            self.areas[expr] = Area(name, expr, ends)
        return Interval(self.areas[expr].all, self.areas[expr].any)


def needs_table(expr: Expr) -> bool:
    """Whether the interval of an expression of one position is not exact: data, remainders, several occurrences."""
    match expr:
        case Constant() | Variable():
            return False
        case Apply(function="and" | "or" | "not"):
            return False  # their operands are asked
        case Apply(function="<" | "<=" | ">" | ">=" | "==" | "!=", arguments=(left, right)):
            return left.kind is not Kind.INT or not _exact(al.subtract(left, right))
        case Apply() if expr.kind is Kind.INT:
            return not _exact(expr)
    return True


EXACT = frozenset("+ - neg * div min max clamp abs".split())


def _exact(expr: Expr) -> bool:
    """Whether the interval rules give the exact ends of an int of one position: it occurs once, under known rules."""
    if isinstance(expr, Variable):
        return True
    if not isinstance(expr, Apply):
        return False
    terms, constant = linear(expr)
    if list(terms) != [expr]:
        expr = from_linear(terms, constant)
        moving = [term for term in terms if _position(term) is not None]
        return len(moving) == 1 and _exact(moving[0])
    moving = [part for part in children(expr) if _position(part) is not None]
    conditional = expr.function == "if" and is_uniform(expr.arguments[0])
    if conditional:
        return all(map(_exact, moving))
    return expr.function in EXACT and len(moving) == 1 and _exact(moving[0])


def _position(expr: Expr) -> str | None:
    """`i` or `j` if an expression depends on that position alone."""
    found = variables(expr) & {"i", "j"}
    return next(iter(found)) if len(found) == 1 else None


def split_remainders(mask: Expr, facts: Facts) -> Expr:
    """(x(i) + y(j)) mod g == c says x(i) mod g == (c - y(j)) mod g, where each side depends on one position."""
    return rewrite(mask, partial(_with_sides, facts))


def _with_sides(facts: Facts, expr: Expr) -> Expr:
    match expr:
        case Apply(function="==", arguments=(Apply(function="mod", arguments=(operand, divisor)), right)):
            terms, constant = linear(operand)
            groups: dict[str | None, dict[Expr, int]] = {}
            for term, factor in terms.items():
                groups.setdefault(_position(term), {})[term] = factor
            if not {"i", "j"} <= groups.keys() or not is_uniform(divisor) or not is_uniform(right):
                return expr
            if any(not is_uniform(term) for term in groups.get(None, {})):
                return expr
            mine = al.add(from_linear(groups["i"], constant), from_linear(groups.get(None, {}), 0))
            other = al.subtract(right, from_linear(groups["j"], 0))
            sides = al.modulo(mine, divisor), al.modulo(other, divisor)
            in_period: Expr = TRUE
            if not (right == al.ZERO and facts.at_least(divisor, 1)):
                in_period = al.both(al.compare("<=", al.ZERO, right), al.compare("<", right, divisor))
            return al.both(in_period, Apply(Kind.BOOL, function="==", arguments=sides))
    return expr


def _hint(expr: Expr) -> str:
    """What a table is about: the input that it reads, or the operation."""
    parts: list[Expr] = [expr]
    while parts:
        part = parts.pop(0)
        if isinstance(part, Read):
            return part.input
        parts += children(part)
    words = {"mod": "rest", "div": "block"}
    return words.get(expr.function, "value") if isinstance(expr, Apply) else "position"


def _fresh(wanted: str, taken: set[str]) -> str:
    name, count = wanted, 2
    while name in taken:
        name, count = f"{wanted}_{count}", count + 1
    return name

"""Predicates solved for one position over a tile of the other, through nested monotone operations.

The other side of a comparison is taken as its interval over the tile; `and` intersects and `or` unites. What cannot
be solved allows every key, or, where all queries must agree, none: a fallback costs time and never an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from attngen.analysis import algebra as al
from attngen.analysis import remainders
from attngen.analysis.facts import FIRST, FIRST_KEY, LAST, LAST_KEY, Facts
from attngen.analysis.interval import SOMETIMES, interval, is_uniform, truth
from attngen.analysis.rules import Interval
from attngen.analysis.segments import (
    ALL,
    MOST,
    NONE,
    Segment,
    Segments,
    choose,
    hull_of,
    intersect,
    unite,
)
from attngen.analysis.sums import from_linear, linear
from attngen.ir.expr import FALSE, TRUE, Apply, Constant, Expr, Kind, Read, Variable, integer, mentions, size, variable

MOST_SOLVED = 200
"""Comparisons of a mask that are solved, with all their cases: remainders of remainders double them. Masks take thirty
at most."""
Join = Callable[[Segments, Segments], Segments]


@dataclass(frozen=True, slots=True)
class Fallback:
    """A part of a mask that has no closed form, and why."""

    part: Expr
    reason: str


@dataclass(frozen=True, slots=True)
class Side:
    """What is solved for, a position of `every`, over the tile [first, last] of the other position."""

    unknown: str
    every: Segment
    first: Expr
    last: Expr


OFFSET = variable("offset")
KEYS = Side("j", Segment(al.ZERO, size("M")), FIRST, LAST)
"""The keys of a query tile [q0, q1]."""
QUERIES = Side("i", Segment(OFFSET, al.add(OFFSET, size("N"))), FIRST_KEY, LAST_KEY)
"""The queries of a key tile [k0, k1]."""


@dataclass(slots=True)
class Solver:
    """Solves predicates for one position over a tile of the other: `must` for all positions of it, or else for any."""

    facts: Facts
    must: bool
    side: Side = KEYS
    fallbacks: list[Fallback] = field(default_factory=list)
    intervals: dict[Expr, Interval] = field(default_factory=dict)
    _solved: int = 0

    def leaf(self, expr: Expr) -> Interval | None:
        match expr:
            case Variable(name=name) if name == self.side.unknown:
                return Interval(self.side.every.start, al.subtract(self.side.every.stop or al.ZERO, al.ONE))
            case Variable(name="i" | "j"):
                return Interval(self.side.first, self.side.last)
            case Read() if not is_uniform(expr):
                return self.facts.inputs[expr.input]
        return None

    def at_least(self, expr: Expr, least: int) -> bool:
        return self.facts.at_least(expr, least)

    def predicate(self, expr: Expr, negated: bool = False) -> Segments:
        """The keys for which a bool expression (or its negation) holds."""
        match expr:
            case Constant():
                return ALL if expr.value != negated else NONE
            case Apply(function="not", arguments=(operand,)):
                return self.predicate(operand, not negated)
            case Apply(function="and" | "or", arguments=(left, right)):
                return self._joined((expr.function == "and") != negated, left, right, negated)
        if not mentions(expr, self.side.unknown):
            return self._same_for_all_keys(expr, negated)
        match expr:
            case Apply(function="if", arguments=(condition, then, otherwise)):
                return self._either(condition, self.predicate(then, negated), self.predicate(otherwise, negated))
            case Apply(function=operator, arguments=(left, right)) if operator in al.OPPOSITE:
                return self._comparison(al.OPPOSITE[operator] if negated else operator, left, right, expr)
        return self._fallback(expr, "its value is data" if isinstance(expr, Read) else "no rule")

    def _joined(self, conjunction: bool, left: Expr, right: Expr, negated: bool) -> Segments:
        """`and` or `or` of two predicates; where one is the same for all keys, the other decides, or nothing does."""
        for fixed, other in ((left, right), (right, left)):
            if not mentions(fixed, self.side.unknown):
                condition = self._condition(fixed, negated)
                rest = self.predicate(other, negated)
                return self._chosen(condition, rest, NONE) if conjunction else self._chosen(condition, ALL, rest)
        join = intersect if conjunction else unite
        return self._bounded(join(self.predicate(left, negated), self.predicate(right, negated)))

    def _same_for_all_keys(self, expr: Expr, negated: bool) -> Segments:
        return self._chosen(self._condition(expr, negated), ALL, NONE)

    def _condition(self, expr: Expr, negated: bool) -> Expr:
        """Whether a predicate without the unknown holds, for all positions of the tile or for one of them."""
        held = truth(expr, self)
        if held == SOMETIMES:
            self.fallbacks.append(Fallback(expr, "nothing is known about it before the call"))
        if negated:
            return al.inverse(held.possible if self.must else held.always)
        return held.always if self.must else held.possible

    def _either(self, condition: Expr, then: Segments, otherwise: Segments) -> Segments:
        """`if condition then ... else ...` of sets."""
        if is_uniform(condition):
            return self._chosen(condition, then, otherwise)
        taken = intersect(self.predicate(condition), then)
        return self._bounded(unite(taken, intersect(self.predicate(condition, True), otherwise)))

    def _comparison(self, operator: str, left: Expr, right: Expr, expr: Expr) -> Segments:
        if left.kind is Kind.BOOL:
            return self._fallback(expr, "bools are compared")
        if left.kind is Kind.FLOAT:
            return self._fallback(expr, "floats are compared")
        difference = al.subtract(left, right)
        if operator == "!=":
            return self._bounded(unite(self._solve(difference, None, al.ZERO), self._solve(difference, al.ONE, None)))
        target = {
            "<": (None, al.ZERO),
            "<=": (None, al.ONE),
            ">": (al.ONE, None),
            ">=": (al.ZERO, None),
            "==": (al.ZERO, al.ONE),
        }[operator]
        return self._solve(difference, *target)

    def _solve(self, expr: Expr, start: Expr | None, stop: Expr | None) -> Segments:
        """The keys for which an int expression lies in [start, stop)."""
        self._solved += 1
        if self._solved > MOST_SOLVED:
            return self._fallback(expr, "it has more cases than are solved")
        mine, rest = self.parted(expr)
        if not mine:
            return self._same_for_all_keys(_within(expr, start, stop), negated=False)
        if len(mine) > 1:
            return self._fallback(expr, f"{self.side.unknown} stands in several terms")
        near, far = self.ends_of(rest)
        if (start is not None and near is None) or (stop is not None and far is None):
            return self._fallback(expr, "nothing bounds the other side")
        start = None if start is None or near is None else al.subtract(start, near)
        stop = None if stop is None or far is None else al.subtract(stop, far)
        ((term, factor),) = mine.items()
        return self._scaled(term, integer(factor), start, stop)

    def _scaled(self, term: Expr, factor: Expr, start: Expr | None, stop: Expr | None) -> Segments:
        """The keys for which factor * term lies in [start, stop)."""
        if self.facts.at_least(al.negate(factor), 1):
            start, stop = _mirrored(start, stop)
            factor = al.negate(factor)
        elif not self.facts.at_least(factor, 1):
            return self._fallback(
                al.multiply(factor, term), f"the sign of `{factor.span.text or 'a factor'}` is unknown"
            )
        start = None if start is None else al.ceil_divide(start, factor)
        stop = None if stop is None else al.ceil_divide(stop, factor)
        return self._term(term, start, stop)

    def _term(self, term: Expr, start: Expr | None, stop: Expr | None) -> Segments:
        """The keys for which a term that is no sum lies in [start, stop): one rule per monotone operation."""
        match term:
            case Variable():
                return (Segment(start, stop),)
            case Apply(function="div", arguments=(operand, divisor)) if self.is_positive(divisor):
                # x div g >= s  <=>  x >= s * g
                ends = [None if end is None else al.multiply(end, divisor) for end in (start, stop)]
                return self._solve(operand, *ends)
            case Apply(function="mod", arguments=(operand, period)) if self.is_positive(period):
                return self._remainder(term, operand, period, start, stop)
            case Apply(function="*", arguments=(left, right)):
                factor, operand = (left, right) if is_uniform(left) else (right, left)
                if is_uniform(factor):
                    return self._scaled(operand, factor, start, stop)
            case Apply(function="abs", arguments=(operand,)):
                return self._absolute(operand, start, stop)
            case Apply(function="max", arguments=(left, right)):
                # max(x, y) in [s, t)  <=>  (x >= s or y >= s) and x < t and y < t
                return self._extremum(unite, intersect, left, right, start, stop)
            case Apply(function="min", arguments=(left, right)):
                # min(x, y) in [s, t)  <=>  x >= s and y >= s and (x < t or y < t)
                return self._extremum(intersect, unite, left, right, start, stop)
            case Apply(function="clamp", arguments=(operand, low, high)):
                raised = Apply(Kind.INT, function="max", arguments=(operand, low))
                return self._term(Apply(Kind.INT, function="min", arguments=(raised, high)), start, stop)
            case Apply(function="if", arguments=(condition, then, otherwise)):
                return self._either(condition, self._solve(then, start, stop), self._solve(otherwise, start, stop))
        reason = "its value is data" if isinstance(term, Read) else f"`{getattr(term, 'function', '')}` is not solved"
        return self._fallback(term, reason)

    def _remainder(self, term: Expr, operand: Expr, period: Expr, start: Expr | None, stop: Expr | None) -> Segments:
        """The keys for which `operand mod period` lies in [start, stop): one case for each of two periods, or teeth."""
        bend = remainders.bend(self, operand, period)
        if bend is not None:
            split = Apply(Kind.BOOL, function="<", arguments=(operand, bend))
            before, behind = (al.subtract(operand, al.subtract(bend, back)) for back in (period, al.ZERO))
            return self._either(split, self._solve(before, start, stop), self._solve(behind, start, stop))
        if start is None or not self.facts.at_least(start, 0):
            start = al.ZERO if start is None else al.largest(al.ZERO, start)
        if stop is None or not self.facts.ordered(stop, period):
            stop = period if stop is None else al.smallest(stop, period)
        teeth = remainders.teeth(self, operand, start, stop, period)
        if teeth is None:
            return self._fallback(term, "its remainders have no period in one position")
        return (Segment(teeth=(teeth,)),)

    def _absolute(self, operand: Expr, start: Expr | None, stop: Expr | None) -> Segments:
        """|x| in [s, t)  <=>  x in [s, t) or -x in [s, t); where s <= 0 these make one segment."""
        if start is None or self.facts.at_least(al.negate(start), 0):
            return ALL if stop is None else self._solve(operand, al.subtract(al.ONE, stop), stop)
        start = al.largest(al.ZERO, start)  # below zero, x in [s, t) would let x = s through
        positive = self._solve(operand, start, stop)
        return self._bounded(unite(positive, self._solve(operand, *_mirrored(start, stop))))

    def _extremum(
        self, above: Join, below: Join, left: Expr, right: Expr, start: Expr | None, stop: Expr | None
    ) -> Segments:
        high_enough = ALL if start is None else self._part(above, left, right, start, None)
        low_enough = ALL if stop is None else self._part(below, left, right, None, stop)
        return self._bounded(intersect(high_enough, low_enough))

    def _part(self, join: Join, left: Expr, right: Expr, start: Expr | None, stop: Expr | None) -> Segments:
        """Both operands in [start, stop), or one of them; an operand without j is a condition."""
        for fixed, other in ((left, right), (right, left)):
            if not mentions(fixed, self.side.unknown):
                condition = self._condition(_within(fixed, start, stop), negated=False)
                rest = self._solve(other, start, stop)
                return self._chosen(condition, rest, NONE) if join is intersect else self._chosen(condition, ALL, rest)
        return join(self._solve(left, start, stop), self._solve(right, start, stop))

    def parted(self, expr: Expr) -> tuple[dict[Expr, int], Expr]:
        """The terms of an int expression that hold the unknown, with their factors, and the sum of the others."""
        terms, constant = linear(expr)
        mine = {term: factor for term, factor in terms.items() if mentions(term, self.side.unknown)}
        return mine, from_linear({term: terms[term] for term in terms if term not in mine}, constant)

    def ends_of(self, rest: Expr) -> tuple[Expr | None, Expr | None]:
        """What is taken off the start and the stop of a range for `unknown + rest`, over the other position's tile."""
        reach = interval(rest, self)
        return (reach.low, reach.high) if self.must else (reach.high, reach.low)

    def is_positive(self, expr: Expr) -> bool:
        """Whether an expression is the same for the whole tile, and above 0."""
        return is_uniform(expr) and self.facts.at_least(expr, 1)

    def _chosen(self, condition: Expr, then: Segments, otherwise: Segments) -> Segments:
        return choose(condition, then, otherwise, self.side.every)

    def _bounded(self, segments: Segments) -> Segments:
        """Not more segments than are worth their code."""
        if len(segments) <= 2 * MOST:
            return segments
        return segments[: 2 * MOST] if self.must else (hull_of(segments),)

    def _fallback(self, part: Expr, reason: str) -> Segments:
        self.fallbacks.append(Fallback(part, reason))
        return NONE if self.must else ALL


def _mirrored(start: Expr | None, stop: Expr | None) -> tuple[Expr | None, Expr | None]:
    """The ends for -x where x lies in [start, stop)."""
    return (
        None if stop is None else al.subtract(al.ONE, stop),
        None if start is None else al.subtract(al.ONE, start),
    )


def _within(expr: Expr, start: Expr | None, stop: Expr | None) -> Expr:
    above = TRUE if start is None else Apply(Kind.BOOL, function=">=", arguments=(expr, start))
    below = TRUE if stop is None else Apply(Kind.BOOL, function="<", arguments=(expr, stop))
    return al.both(above, below) if FALSE not in (above, below) else FALSE

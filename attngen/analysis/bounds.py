"""Which keys can be live for a tile of queries, and which are live for all of it: hull and core.

Each comparison is solved for j through nested monotone operations, the other side taken as its interval over the
tile; `and` intersects and `or` unites. What cannot be solved gives every key to the hull and none to the core, so a
fallback costs time and never an answer; it is recorded with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from attngen.analysis import algebra as al
from attngen.analysis.facts import FIRST, LAST, Facts
from attngen.analysis.interval import Interval, interval, is_uniform, truth
from attngen.analysis.segments import ALL, MOST, NONE, Segment, Segments, choose, hull_of, in_order, intersect, limited, unite
from attngen.ir.expr import FALSE, TRUE, Apply, Constant, Expr, Kind, Read, Variable, integer, mentions, size
from attngen.ir.nodes import Variant

INVERSE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


@dataclass(frozen=True, slots=True)
class Fallback:
    """A part of a mask that has no closed form, and why."""

    part: Expr
    reason: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """The keys of a query tile as segments in order, ends in terms of q0, q1 (first and last query position).

    Every live key lies in `hull`; every key in `core` is live for all queries of the tile.
    """

    hull: Segments
    core: Segments
    fallbacks: tuple[Fallback, ...]


def key_bounds(variant: Variant, mask: Expr) -> Bounds:
    """Hull and core of the keys for the query tile [q0, q1] of a variant with this mask."""
    facts = Facts.of(variant)
    hull, core = Solver(facts, must=False), Solver(facts, must=True)
    keys = size("M")
    live = limited(hull.predicate(mask), keys)
    always = limited(core.predicate(mask), keys)
    if len(live) > MOST:
        live = (hull_of(live),)
    return Bounds(in_order(live, facts), in_order(always[:MOST], facts), tuple(dict.fromkeys(hull.fallbacks)))


@dataclass(slots=True)
class Solver:
    """Solves predicates for j over the query tile [q0, q1]: `must` for all queries of it, or else for any."""

    facts: Facts
    must: bool
    fallbacks: list[Fallback] = field(default_factory=list)

    def box(self, expr: Expr) -> Interval | None:
        match expr:
            case Variable(name="i"):
                return Interval(FIRST, LAST)
            case Variable(name="j"):
                return Interval(al.ZERO, al.subtract(size("M"), al.ONE))
            case Read() if not is_uniform(expr):
                return self.facts.inputs[expr.input]
        return None

    def predicate(self, expr: Expr, negated: bool = False) -> Segments:
        """The keys for which a bool expression (or its negation) holds."""
        match expr:
            case Constant():
                return ALL if expr.value != negated else NONE
            case Apply(function="not", arguments=(operand,)):
                return self.predicate(operand, not negated)
            case Apply(function="and" | "or", arguments=(left, right)):
                join = intersect if (expr.function == "and") != negated else unite
                return self._bounded(join(self.predicate(left, negated), self.predicate(right, negated)))
        if not mentions(expr, "j"):
            return self._same_for_all_keys(expr, negated)
        match expr:
            case Apply(function="if", arguments=(condition, then, otherwise)):
                return self._either(condition, self.predicate(then, negated), self.predicate(otherwise, negated))
            case Apply(function=operator, arguments=(left, right)) if operator in INVERSE:
                return self._comparison(INVERSE[operator] if negated else operator, left, right, expr)
        return self._fallback(expr, "its value is data" if isinstance(expr, Read) else "no rule")

    def _same_for_all_keys(self, expr: Expr, negated: bool) -> Segments:
        held = truth(expr, self.box)
        certain = held.always if self.must else held.possible
        if negated:
            certain = al.inverse(held.possible if self.must else held.always)
        return choose(certain, ALL, NONE)

    def _either(self, condition: Expr, then: Segments, otherwise: Segments) -> Segments:
        """`if condition then ... else ...` of sets."""
        if is_uniform(condition):
            return choose(condition, then, otherwise)
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
        terms, constant = al.linear(expr)
        mine = {term: factor for term, factor in terms.items() if mentions(term, "j")}
        others = {term: factor for term, factor in terms.items() if term not in mine}
        if not mine:
            return self._same_for_all_keys(_within(expr, start, stop), negated=False)
        if len(mine) > 1:
            return self._fallback(expr, "j stands in several terms")
        rest = interval(al.from_linear(others, constant), self.box)
        near, far = (rest.low, rest.high) if self.must else (rest.high, rest.low)
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
            return self._fallback(al.multiply(factor, term), f"the sign of `{factor.span.text or 'a factor'}` is unknown")
        start = None if start is None else al.ceil_divide(start, factor)
        stop = None if stop is None else al.ceil_divide(stop, factor)
        return self._term(term, start, stop)

    def _term(self, term: Expr, start: Expr | None, stop: Expr | None) -> Segments:
        """The keys for which a term that is no sum lies in [start, stop): one rule per monotone operation."""
        match term:
            case Variable(name="j"):
                return (Segment(start, stop),)
            case Apply(function="div", arguments=(operand, divisor)) if self._positive(divisor):
                # x div g >= s  <=>  x >= s * g
                ends = [None if end is None else al.multiply(end, divisor) for end in (start, stop)]
                return self._solve(operand, *ends)
            case Apply(function="*", arguments=(left, right)):
                factor, operand = (left, right) if is_uniform(left) else (right, left)
                if is_uniform(factor):
                    return self._scaled(operand, factor, start, stop)
            case Apply(function="abs", arguments=(operand,)):
                inner = self._solve(operand, start, stop)
                # |x| in [s, t)  <=>  x in [s, t) or -x in [s, t); for s <= 0 that is one segment
                if start is None or self.facts.at_least(al.negate(start), 0):
                    return self._solve(operand, *_mirrored(None, stop)[:1], stop)
                return self._bounded(unite(inner, self._solve(operand, *_mirrored(start, stop))))
            case Apply(function="max", arguments=(left, right)):
                below = intersect(self._solve(left, None, stop), self._solve(right, None, stop))
                above = unite(self._solve(left, start, None), self._solve(right, start, None))
                return self._bounded(intersect(below if stop is not None else ALL, above if start is not None else ALL))
            case Apply(function="min", arguments=(left, right)):
                above = intersect(self._solve(left, start, None), self._solve(right, start, None))
                below = unite(self._solve(left, None, stop), self._solve(right, None, stop))
                return self._bounded(intersect(below if stop is not None else ALL, above if start is not None else ALL))
            case Apply(function="clamp", arguments=(operand, low, high)):
                inner_ = Apply(Kind.INT, function="max", arguments=(operand, low))
                return self._term(Apply(Kind.INT, function="min", arguments=(inner_, high)), start, stop)
            case Apply(function="if", arguments=(condition, then, otherwise)):
                return self._either(condition, self._solve(then, start, stop), self._solve(otherwise, start, stop))
        reason = "its value is data" if isinstance(term, Read) else f"`{getattr(term, 'function', '')}` is not solved"
        return self._fallback(term, reason)

    def _positive(self, expr: Expr) -> bool:
        return is_uniform(expr) and self.facts.at_least(expr, 1)

    def _bounded(self, segments: Segments) -> Segments:
        """At most `MOST` squared segments: more are not worth their code."""
        if len(segments) <= MOST * MOST:
            return segments
        return segments[: MOST * MOST] if self.must else (hull_of(segments),)

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

"""What is known about the names of a spec before any call: signs and ranges, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from attngen.analysis import algebra as al
from attngen.analysis.interval import interval
from attngen.analysis.rules import UNBOUNDED, Interval
from attngen.analysis.sums import from_linear, linear
from attngen.ir import nodes
from attngen.ir.expr import Apply, Constant, Expr, Kind, Parameter, Read, Size, Variable, integer, rewrite, variable

FIRST, LAST = variable("q0"), variable("q1")
"""The first and the last query position of a tile."""
FIRST_KEY, LAST_KEY = variable("k0"), variable("k1")
"""The first and the last key of a tile."""
SPAN = variable("span")
"""How many positions lie between the first and the last one of a tile; never negative."""
NOT_NEGATIVE = Interval(integer(0), None)
POSITIVE = Interval(integer(1), None)


@dataclass(frozen=True, slots=True)
class Facts:
    """The declared ranges of parameters and inputs; there are heads and channels, and all else counts from 0."""

    parameters: dict[str, Interval]
    inputs: dict[str, Interval]
    intervals: dict[Expr, Interval] = field(default_factory=dict, repr=False, compare=False)
    _proved: dict[tuple[Expr, int], bool] = field(default_factory=dict, repr=False, compare=False)
    _tidied: dict[Expr, Expr] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def of(variant: nodes.Variant) -> Facts:
        """What a variant declares; those who ask about the same declarations share what was proved."""
        parameters, inputs = (
            tuple((given.name, _declared(given.range, given.kind)) for given in declared)
            for declared in (variant.parameters, variant.inputs)
        )
        return _shared(parameters, inputs)

    def leaf(self, expr: Expr) -> Interval | None:
        """The interval of a leaf, in numbers."""
        match expr:
            case Parameter():
                return self.parameters.get(expr.name, UNBOUNDED)
            case Size():
                return POSITIVE if expr.axis in ("H", "D", "E") else NOT_NEGATIVE
            case Read():
                return self.inputs.get(expr.input, UNBOUNDED)
            case Variable(name="h" | "b" | "j" | "k0" | "span"):
                return NOT_NEGATIVE
            case Variable():
                return UNBOUNDED
        return None

    def before_data(self) -> Facts:
        """Those that hold whatever the inputs hold: parameters are always checked, and data only on the CPU."""
        return _shared(tuple(self.parameters.items()), ()) if self.inputs else self

    def at_least(self, expr: Expr, least: int) -> bool:
        """Whether an expression is proved to be `least` or more for every call."""
        if isinstance(expr, Constant):
            return expr.value >= least
        if (expr, least) not in self._proved:
            estimate = self._without_remainders(_with_span(expr)) if expr.kind is Kind.INT else expr
            low = interval(estimate, self).low
            self._proved[expr, least] = isinstance(low, Constant) and low.value >= least
        return self._proved[expr, least]

    def _without_remainders(self, expr: Expr) -> Expr:
        """A lower estimate of a sum: (x div g) * g = x - x mod g, and 0 <= x mod g <= g - 1 for g > 0."""
        terms, constant = linear(rewrite(expr, _as_remainder))
        estimate: Expr = integer(constant)
        for term, factor in terms.items():
            if isinstance(term, Apply) and term.function == "mod" and self.at_least(term.arguments[1], 1):
                largest = al.subtract(term.arguments[1], al.ONE)
                term = largest if factor < 0 else al.ZERO
            estimate = al.add(estimate, al.multiply(integer(factor), term))
        return estimate

    def ordered(self, left: Expr, right: Expr) -> bool:
        """Whether `left <= right` is proved for every call."""
        if any(self.at_least(al.subtract(part, left), 0) for part in al.parts("max", right)):
            return True
        return any(self.at_least(al.subtract(right, part), 0) for part in al.parts("min", left))

    def tidy(self, expr: Expr) -> Expr:
        """The same value without the operands of min and max that are proved to make no difference."""
        return rewrite(expr, self._tidy_node)

    def _tidy_node(self, expr: Expr) -> Expr:
        if not isinstance(expr, Apply) or expr.function not in ("min", "max") or expr.kind is not Kind.INT:
            return expr
        if expr not in self._tidied:
            self._tidied[expr] = self._needed(expr)
        return self._tidied[expr]

    def _needed(self, expr: Apply) -> Expr:
        """A min or max without the operands that others decide."""
        kept: list[Expr] = []
        candidates = al.parts(expr.function, expr)
        for k, part in enumerate(candidates):
            others = kept + candidates[k + 1 :]
            wins = (self.ordered(o, part) if expr.function == "min" else self.ordered(part, o) for o in others)
            if not any(wins):
                kept.append(part)
        return al.smallest(*kept) if expr.function == "min" else al.largest(*kept)


@lru_cache(maxsize=64)
def _shared(parameters: tuple[tuple[str, Interval], ...], inputs: tuple[tuple[str, Interval], ...]) -> Facts:
    return Facts(dict(parameters), dict(inputs))


def _as_remainder(expr: Expr) -> Expr:
    """(x div g) * g as x - x mod g, with sums multiplied out."""
    if not isinstance(expr, Apply) or expr.function != "*" or expr.kind is not Kind.INT:
        return expr
    for quotients, divisor in (expr.arguments, expr.arguments[::-1]):
        terms, constant = linear(quotients)
        if any(_divides(divisor, term) for term in terms):
            total = al.multiply(integer(constant), divisor)
            for term, factor in terms.items():
                total = al.add(total, al.multiply(integer(factor), _product(term, divisor)))
            return total
    return expr


def _divides(divisor: Expr, term: Expr) -> bool:
    return isinstance(term, Apply) and term.function == "div" and term.arguments[1] == divisor


def _product(term: Expr, divisor: Expr) -> Expr:
    if isinstance(term, Apply) and _divides(divisor, term):
        dividend = term.arguments[0]
        return al.subtract(dividend, Apply(Kind.INT, function="mod", arguments=(dividend, divisor)))
    return Apply(Kind.INT, function="*", arguments=(term, divisor))


def _with_span(expr: Expr) -> Expr:
    """Write the last position of a tile as the first one and a distance that is not negative."""
    ends = {LAST: FIRST, LAST_KEY: FIRST_KEY}
    moved = rewrite(expr, lambda node: al.add(ends[node], SPAN) if node in ends else node)
    terms, constant = linear(moved)
    return from_linear(terms, constant)


def _declared(bounds: nodes.Range, kind: Kind) -> Interval:
    if kind is Kind.BOOL:
        return UNBOUNDED
    step = 1 if kind is Kind.INT else 0
    low = _shifted(bounds.low, 0 if bounds.closed_low else step)
    high = _shifted(bounds.high, 0 if bounds.closed_high else -step)
    return Interval(low, high)


def _shifted(end: Expr | None, by: int) -> Expr | None:
    """An end that is a constant, moved inwards if the range does not include it."""
    if not isinstance(end, Constant):
        return None
    return integer(int(end.value) + by) if end.kind is Kind.INT else end

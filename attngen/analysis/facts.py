"""What is known about the names of a spec before any call: signs and ranges, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass

from attngen.analysis import algebra as al
from attngen.analysis.interval import Interval, interval
from attngen.ir import nodes
from attngen.ir.expr import Constant, Expr, Kind, Parameter, Read, Size, Variable, integer, rewrite, variable

FIRST, LAST = variable("q0"), variable("q1")
"""The first and the last query position of a tile."""
SPAN = variable("span")
"""How many positions lie between them; never negative."""
NOT_NEGATIVE = Interval(integer(0), None)
POSITIVE = Interval(integer(1), None)


@dataclass(frozen=True, slots=True)
class Facts:
    """The declared ranges of parameters and inputs; sizes are at least 1, heads and keys count from 0."""

    parameters: dict[str, Interval]
    inputs: dict[str, Interval]

    @staticmethod
    def of(variant: nodes.Variant) -> Facts:
        return Facts(
            {given.name: _declared(given.range, given.kind) for given in variant.parameters},
            {given.name: _declared(given.range, given.kind) for given in variant.inputs},
        )

    def box(self, expr: Expr) -> Interval | None:
        """The interval of a leaf, in numbers."""
        match expr:
            case Parameter():
                return self.parameters.get(expr.name, Interval(None, None))
            case Size():
                return POSITIVE
            case Read():
                return self.inputs[expr.input]
            case Variable(name="h" | "b" | "j" | "span"):
                return NOT_NEGATIVE
            case Variable():
                return Interval(None, None)
        return None

    def at_least(self, expr: Expr, least: int) -> bool:
        """Whether an int expression is proved to be `least` or more for every call."""
        low = interval(_with_span(expr), self.box).low
        return isinstance(low, Constant) and low.value >= least

    def ordered(self, left: Expr, right: Expr) -> bool:
        """Whether `left <= right` is proved for every call."""
        if any(self.at_least(al.subtract(part, left), 0) for part in al.parts("max", right)):
            return True
        return any(self.at_least(al.subtract(right, part), 0) for part in al.parts("min", left))


def _with_span(expr: Expr) -> Expr:
    """Write the last query as the first one and a distance that is not negative."""
    moved = rewrite(expr, lambda node: al.add(FIRST, SPAN) if node == LAST else node)
    terms, constant = al.linear(moved)
    return al.from_linear(terms, constant)


def _declared(bounds: nodes.Range, kind: Kind) -> Interval:
    if kind is Kind.BOOL:
        return Interval(None, None)
    step = 1 if kind is Kind.INT else 0
    low = _shifted(bounds.low, 0 if bounds.closed_low else step)
    high = _shifted(bounds.high, 0 if bounds.closed_high else -step)
    return Interval(low, high)


def _shifted(end: Expr | None, by: int) -> Expr | None:
    """An end that is a constant, moved inwards if the range does not include it."""
    if not isinstance(end, Constant):
        return None
    return integer(int(end.value) + by) if end.kind is Kind.INT else end



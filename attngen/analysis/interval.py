"""Expressions over a box of positions: what values they can take, and whether a predicate holds never, sometimes
or always.

An interval's ends are expressions, so the same rules give numbers for one tile and formulas for all tiles. What has
no rule is unbounded, or holds "sometimes": the analysis is sound by construction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from attngen.analysis import algebra as al
from attngen.ir.expr import FALSE, TRUE, Apply, Expr, Kind, Read, Row, children, distinct, integer, mentions


@dataclass(frozen=True, slots=True)
class Interval:
    """Values from `low` to `high`, both included; `None` where nothing bounds them."""

    low: Expr | None
    high: Expr | None

    @staticmethod
    def point(expr: Expr) -> Interval:
        return Interval(expr, expr)


UNBOUNDED = Interval(None, None)


@dataclass(frozen=True, slots=True)
class Truth:
    """Two bool expressions: does a predicate hold for all pairs of a box, and can it hold for one?"""

    always: Expr
    possible: Expr


SOMETIMES = Truth(FALSE, TRUE)


class Box(Protocol):
    """Where expressions are evaluated: the intervals of leaves, and what is known about signs."""

    def leaf(self, expr: Expr) -> Interval | None:
        """The interval of a variable, size, parameter or read; `None` if it stands for itself."""

    def at_least(self, expr: Expr, least: int) -> bool:
        """Whether an expression over leaves is proved to be `least` or more."""


INCREASING = frozenset("float floor ceil exp tanh sigmoid softplus relu elu".split())
"""Functions that keep order, everywhere. (`log` and `sqrt` keep it where they are defined.)"""


def is_uniform(expr: Expr) -> bool:
    """Whether an expression has one value per batch row and head: no position, no row, no channel."""
    return (
        not expr.channels and not any(isinstance(part, Row) for part in distinct(expr)) and not mentions(expr, "i", "j")
    )


def interval(expr: Expr, box: Box) -> Interval:
    """The values that an int or float expression can take over a box."""
    given = box.leaf(expr)
    if given is not None:
        return given
    if isinstance(expr, Read):
        return Interval.point(expr) if is_uniform(expr) else UNBOUNDED
    if not isinstance(expr, Apply):
        return UNBOUNDED if isinstance(expr, Row) or expr.channels else Interval.point(expr)
    if expr.kind is Kind.INT and expr.function in ("+", "-", "neg", "*"):
        terms, constant = al.linear(expr)
        if list(terms) != [expr]:
            return _sum(terms, constant, box)
    below = [interval(argument, box) for argument in expr.arguments if argument.kind is not Kind.BOOL]
    if expr.function == "if":
        return _choice(expr, below, box)
    if all(part.low is not None and part.low == part.high for part in below):
        return Interval.point(al.build(Apply(expr.kind, function=expr.function, arguments=_ends(below))))
    if expr.function in INCREASING:
        return Interval(*(None if end is None else al.fold(expr.function, expr.kind, end) for end in _both(below[0])))
    rule = _RULES.get(expr.function)
    return UNBOUNDED if rule is None else rule(box, *below)


def truth(expr: Expr, box: Box) -> Truth:
    """Whether a bool expression holds for all pairs of a box, and whether it can hold for any."""
    if _stands_for_itself(expr, box):
        return Truth(expr, expr)
    match expr:
        case Apply(function="not", arguments=(operand,)):
            inner = truth(operand, box)
            return Truth(al.inverse(inner.possible), al.inverse(inner.always))
        case Apply(function="and" | "or", arguments=(left, right)):
            a, b = truth(left, box), truth(right, box)
            join = al.both if expr.function == "and" else al.either
            return Truth(join(a.always, b.always), join(a.possible, b.possible))
        case Apply(function="if", arguments=(condition, then, otherwise)):
            c, a, b = truth(condition, box), truth(then, box), truth(otherwise, box)
            taken = al.either(al.both(c.always, a.always), al.both(al.inverse(c.possible), b.always))
            can = al.either(al.both(c.possible, a.possible), al.both(al.inverse(c.always), b.possible))
            return Truth(al.either(taken, al.both(a.always, b.always)), can)
        case Apply(function="<" | "<=" | ">" | ">=" | "==" | "!=", arguments=(left, right)) if (
            left.kind is not Kind.BOOL
        ):
            return _comparison(expr.function, left, right, box)
    return SOMETIMES


def _stands_for_itself(expr: Expr, box: Box) -> bool:
    """Whether a predicate is the same for the whole box, and known to it by its own name."""
    leaves = (part for part in distinct(expr) if not children(part) or isinstance(part, Read))
    return is_uniform(expr) and all(box.leaf(leaf) is None for leaf in leaves)


def _comparison(operator: str, left: Expr, right: Expr, box: Box) -> Truth:
    """Compare through the difference, so that what both sides share cancels."""
    if left.kind is Kind.INT:
        difference = interval(al.subtract(left, right), box)
        low, high, zero = difference.low, difference.high, integer(0)
    else:
        a, b = interval(left, box), interval(right, box)
        if None in (a.low, a.high, b.low, b.high):
            return SOMETIMES
        if a.low == a.high and b.low == b.high and a.low is not None and b.low is not None:
            exact = al.compare(operator, a.low, b.low)
            return Truth(exact, exact)
        return SOMETIMES
    below = FALSE if high is None else al.compare("<", high, zero)
    above = FALSE if low is None else al.compare(">", low, zero)
    not_above = FALSE if high is None else al.compare("<=", high, zero)
    not_below = FALSE if low is None else al.compare(">=", low, zero)
    match operator:
        case "<":
            return Truth(below, al.inverse(not_below))
        case "<=":
            return Truth(not_above, al.inverse(above))
        case ">":
            return Truth(above, al.inverse(not_above))
        case ">=":
            return Truth(not_below, al.inverse(below))
    apart = al.either(below, above)
    zero_only = al.both(not_above, not_below)
    return Truth(zero_only, al.inverse(apart)) if operator == "==" else Truth(apart, al.inverse(zero_only))


def _sum(terms: dict[Expr, int], constant: int, box: Box) -> Interval:
    low: Expr | None = integer(constant)
    high: Expr | None = integer(constant)
    for term, factor in terms.items():
        part = interval(term, box)
        down, up = (part.low, part.high) if factor > 0 else (part.high, part.low)
        scale = integer(factor)
        low = None if low is None or down is None else al.add(low, al.multiply(scale, down))
        high = None if high is None or up is None else al.add(high, al.multiply(scale, up))
    return Interval(low, high)


def _choice(expr: Apply, below: list[Interval], box: Box) -> Interval:
    """An `if`: the branch, where the condition is decided; else anything between both."""
    taken = truth(expr.arguments[0], box)
    then, otherwise = below[-2:]
    if taken.always == taken.possible:
        ends = [
            None if a is None or b is None else al.choose(taken.always, a, b)
            for a, b in ((then.low, otherwise.low), (then.high, otherwise.high))
        ]
        return Interval(*ends)
    return Interval(_least(then.low, otherwise.low), _greatest(then.high, otherwise.high))


def _add(box: Box, a: Interval, b: Interval) -> Interval:
    return Interval(_map(al.add, a.low, b.low), _map(al.add, a.high, b.high))


def _subtract(box: Box, a: Interval, b: Interval) -> Interval:
    return Interval(_map(al.subtract, a.low, b.high), _map(al.subtract, a.high, b.low))


def _negate(box: Box, a: Interval) -> Interval:
    return Interval(_map(al.negate, a.high), _map(al.negate, a.low))


def _multiply(box: Box, a: Interval, b: Interval) -> Interval:
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return _multiply_unbounded(box, a, b)
    for x, y in ((a, b), (b, a)):
        if (
            y.low == y.high
            and _proved(box, y.low, 0)
            and x.low is not None
            and x.high is not None
            and y.low is not None
        ):
            return Interval(al.multiply(x.low, y.low), al.multiply(x.high, y.low))
    products = list(dict.fromkeys(al.multiply(x, y) for x in (a.low, a.high) for y in (b.low, b.high)))
    return Interval(al.smallest(*products), al.largest(*products))


def _multiply_unbounded(box: Box, a: Interval, b: Interval) -> Interval:
    """Without an upper end there is still a lower one, if both are known not to be negative."""
    if _proved(box, a.low, 0) and _proved(box, b.low, 0):
        return Interval(_map(al.multiply, a.low, b.low), _map(al.multiply, a.high, b.high))
    return UNBOUNDED


def _floor_divide(box: Box, a: Interval, b: Interval) -> Interval:
    """By a positive constant or an interval above 0: towards zero the more, the larger the divisor."""
    if not _proved(box, b.low, 1) or b.low is None:
        return UNBOUNDED
    if b.low == b.high:
        return Interval(_map(al.floor_divide, a.low, b.low), _map(al.floor_divide, a.high, b.low))
    low = integer(0) if _proved(box, a.low, 0) else None
    return Interval(low, a.high if low is not None else None)


def _modulo(box: Box, a: Interval, b: Interval) -> Interval:
    """Inside one period the remainder keeps order; across several it is anything below the divisor."""
    if not _proved(box, b.low, 1) or b.low is None:
        return UNBOUNDED
    last = _map(al.subtract, b.high, integer(1))
    if a.low is None or a.high is None or b.low != b.high:
        return Interval(integer(0), last)
    period = b.low
    same = al.compare("==", al.floor_divide(a.low, period), al.floor_divide(a.high, period))
    low = al.choose(same, al.modulo(a.low, period), integer(0))
    return Interval(low, None if last is None else al.choose(same, al.modulo(a.high, period), last))


def _minimum(box: Box, a: Interval, b: Interval) -> Interval:
    return Interval(_least(a.low, b.low), _any(al.smallest, a.high, b.high))


def _maximum(box: Box, a: Interval, b: Interval) -> Interval:
    return Interval(_any(al.largest, a.low, b.low), _greatest(a.high, b.high))


def _clamp(box: Box, x: Interval, low: Interval, high: Interval) -> Interval:
    return _minimum(box, _maximum(box, x, low), high)


def _absolute(box: Box, a: Interval) -> Interval:
    zero: Expr = integer(0)
    if a.low is None and a.high is None:
        return Interval(zero, None)
    if a.low is None or a.high is None:
        end = a.low if a.low is not None else al.negate(a.high) if a.high is not None else zero
        return Interval(al.largest(zero, end) if end.kind is Kind.INT else None, None)
    if a.low.kind is not Kind.INT:
        return UNBOUNDED
    return Interval(al.largest(zero, a.low, al.negate(a.high)), al.largest(a.high, al.negate(a.low)))


_RULES: dict[str, Callable[..., Interval]] = {
    "+": _add,
    "-": _subtract,
    "neg": _negate,
    "*": _multiply,
    "div": _floor_divide,
    "mod": _modulo,
    "min": _minimum,
    "max": _maximum,
    "clamp": _clamp,
    "abs": _absolute,
}


def _proved(box: Box, end: Expr | None, least: int) -> bool:
    return end is not None and box.at_least(end, least)


def _map(function: Callable[..., Expr], *ends: Expr | None) -> Expr | None:
    present = [end for end in ends if end is not None]
    return function(*present) if len(present) == len(ends) else None


def _any(function: Callable[..., Expr], *ends: Expr | None) -> Expr | None:
    """One end is enough: the smaller of two is bounded by either."""
    present = [end for end in ends if end is not None]
    return function(*present) if present else None


def _least(a: Expr | None, b: Expr | None) -> Expr | None:
    return _map(al.smallest, a, b)


def _greatest(a: Expr | None, b: Expr | None) -> Expr | None:
    return _map(al.largest, a, b)


def _ends(below: list[Interval]) -> tuple[Expr, ...]:
    return tuple(part.low for part in below if part.low is not None)


def _both(part: Interval) -> tuple[Expr | None, Expr | None]:
    return part.low, part.high

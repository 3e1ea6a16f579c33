"""Intervals, and for each function of numbers the interval of its results.

What has no rule, or none for the ends that are given, is unbounded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from attngen.analysis import algebra as al
from attngen.analysis.sums import fold
from attngen.ir.expr import Constant, Expr, Kind, integer


@dataclass(frozen=True, slots=True)
class Interval:
    """Values from `low` to `high`, both included; `None` where nothing bounds them."""

    low: Expr | None
    high: Expr | None

    @staticmethod
    def point(expr: Expr) -> Interval:
        return Interval(expr, expr)


UNBOUNDED = Interval(None, None)


class Box(Protocol):
    """Where expressions are evaluated: the intervals of leaves, and what is known about signs."""

    @property
    def intervals(self) -> dict[Expr, Interval]:
        """Those that are computed already."""

    def leaf(self, expr: Expr) -> Interval | None:
        """The interval of a variable, size, parameter or read; `None` if it stands for itself."""

    def at_least(self, expr: Expr, least: int) -> bool:
        """Whether an expression over leaves is proved to be `least` or more."""


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


def _divide(_: Box, a: Interval, b: Interval) -> Interval:
    """By a positive constant: rounding keeps order."""
    if not isinstance(b.low, Constant) or b.low != b.high or b.low.value <= 0:
        return UNBOUNDED
    return Interval(*(None if end is None else fold("/", Kind.FLOAT, end, b.low) for end in (a.low, a.high)))


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
    return Interval(least_of(a.low, b.low), _any(al.smallest, a.high, b.high))


def _maximum(box: Box, a: Interval, b: Interval) -> Interval:
    return Interval(_any(al.largest, a.low, b.low), greatest_of(a.high, b.high))


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


def _where_defined(function: str, least: int) -> Callable[[Box, Interval], Interval]:
    """A function that keeps order from `least` on."""

    def rule(box: Box, a: Interval) -> Interval:
        if not _proved(box, a.low, least):
            return UNBOUNDED
        return Interval(*(None if end is None else fold(function, Kind.FLOAT, end) for end in (a.low, a.high)))

    return rule


def _power(box: Box, a: Interval, b: Interval) -> Interval:
    """Of a base of 1 or more: it keeps the order of exponents."""
    if a.low is None or a.low != a.high or not _proved(box, a.low, 1):
        return UNBOUNDED
    base = a.low
    return Interval(*(None if end is None else fold("^", Kind.FLOAT, base, end) for end in (b.low, b.high)))


RULES: dict[str, Callable[..., Interval]] = {
    "+": _add,
    "-": _subtract,
    "neg": _negate,
    "*": _multiply,
    "/": _divide,
    "div": _floor_divide,
    "mod": _modulo,
    "min": _minimum,
    "max": _maximum,
    "clamp": _clamp,
    "abs": _absolute,
    "log": _where_defined("log", 1),
    "log2": _where_defined("log2", 1),
    "sqrt": _where_defined("sqrt", 0),
    "^": _power,
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


def least_of(a: Expr | None, b: Expr | None) -> Expr | None:
    return _map(al.smallest, a, b)


def greatest_of(a: Expr | None, b: Expr | None) -> Expr | None:
    return _map(al.largest, a, b)

"""Whether positions and what is computed from them may need 64 bits: a test that launchers make before a launch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from attngen.emit.python import size_name
from attngen.ir.bodies import extra_of
from attngen.ir.expr import Apply, Constant, Expr, Kind, Parameter, Size, Variable, distinct
from attngen.schedule.plan import Plan

Magnitude: TypeAlias = dict[tuple[str, ...], int]
"""An upper bound of |x| as a polynomial with coefficients that are not negative, over magnitudes of names."""

REACH = ("reach",)
"""The largest magnitude of a position, or of M."""


def wide_test(plan: Plan) -> str:
    """Python over `reach`, sizes and parameters that is true if an int of the kernel may not fit into 32 bits.

    The bound is 2^30: what the kernel itself adds to positions, such as the width of a tile, is smaller than that.
    """
    body = plan.variant.pairwise
    ends = [end for segment in (*plan.bounds.hull, *plan.bounds.core) for end in segment.ends]
    for segment in plan.bounds.hull:
        ends += [_total([segment.stop or t.stop, t.start, t.stop, t.period, t.period]) for t in segment.teeth]
    nodes = set[Expr]().union(*map(distinct, [body.mask, body.score, *ends]))
    extra = extra_of(body.normalization)  # of each head, whose number alone is small
    nodes |= set() if extra is None else {part for part in distinct(extra) if isinstance(part, Apply)}
    ints = [node for node in nodes if node.kind is Kind.INT and not node.channels]
    return f"{_text(_largest([{REACH: 1}, *map(magnitude, ints)]))} >= 2**30"


def _total(parts: list[Expr]) -> Expr:
    """A sum as large as what a periodic walk makes of its ends."""
    total, *rest = parts
    for part in rest:
        total = Apply(Kind.INT, function="+", arguments=(total, part))
    return total


def magnitude(expr: Expr) -> Magnitude:
    """A bound of an int expression; elements of inputs and rounded floats have 64 bits anyway and count nothing."""
    match expr:
        case Constant():
            return {(): abs(int(expr.value))}
        case Variable(name="h" | "b"):
            return {(expr.name.upper(),): 1}
        case Variable() | Size(axis="M"):
            return {REACH: 1}
        case Size():
            return {(size_name(expr.axis),): 1}
        case Parameter():
            return {(f"abs({expr.name})",): 1}
        case Apply(function="+" | "-"):
            return _sum(map(magnitude, expr.arguments))
        case Apply(function="neg" | "abs" | "div"):  # |x div y| <= |x|
            return magnitude(expr.arguments[0])
        case Apply(function="mod"):  # |x mod y| < |y|
            return magnitude(expr.arguments[1])
        case Apply(function="*", arguments=(left, right)):
            return _product(left, right)
        case Apply(function="if", arguments=(_, then, otherwise)):
            return _largest([magnitude(then), magnitude(otherwise)])
        case Apply(function="min" | "max" | "clamp"):
            return _largest(map(magnitude, expr.arguments))
    return {}


def _product(left: Expr, right: Expr) -> Magnitude:
    for quotient, factor in ((left, right), (right, left)):
        if isinstance(quotient, Apply) and quotient.function == "div" and quotient.arguments[1] == factor:
            return _sum([magnitude(quotient.arguments[0]), magnitude(factor)])  # |(x div g) g| <= |x| + |g|
    total: Magnitude = {}
    for a, m in magnitude(left).items():
        for b, n in magnitude(right).items():
            key = tuple(sorted(a + b))
            total[key] = total.get(key, 0) + m * n
    return total


def _sum(parts: Iterable[Magnitude]) -> Magnitude:
    total: Magnitude = {}
    for part in parts:
        for key, count in part.items():
            total[key] = total.get(key, 0) + count
    return total


def _largest(parts: Iterable[Magnitude]) -> Magnitude:
    total: Magnitude = {}
    for part in parts:
        for key, count in part.items():
            total[key] = max(total.get(key, 0), count)
    return total


def _text(total: Magnitude) -> str:
    """The polynomial as Python, the term with the positions first; constants below 2^20 are within the margin."""
    terms = sorted((key, count) for key, count in total.items() if key or count >= 2**20)
    terms.sort(key=lambda term: term[0] != REACH)
    return " + ".join(" * ".join([*([str(count)] if count != 1 or not key else []), *key]) for key, count in terms)

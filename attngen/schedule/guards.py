"""Where a pair has no value: an input read outside of its axes, an int divided by 0.

A condition with the short circuits of `and`, `or` and `if`: what is not looked at can't be wrong.
"""

from __future__ import annotations

from attngen.analysis import algebra as al
from attngen.analysis.facts import Facts
from attngen.ir import nodes
from attngen.ir.expr import FALSE, Apply, Expr, Kind, Read, children, distinct, mentions, size

MEANINGFUL = frozenset("b h i j n t c e".split())
"""Axes whose indices are checked before the launch; the index of any other axis must be checked where it is read."""


def outside(expr: Expr, variant: nodes.Variant) -> Expr:
    """A predicate: evaluating `expr` reads an input outside, or divides by 0. `FALSE` if it can't."""
    if isinstance(expr, Apply) and expr.function in ("and", "or"):
        left, right = expr.arguments
        reached = left if expr.function == "and" else al.inverse(left)
        return al.either(outside(left, variant), al.both(reached, outside(right, variant)))
    if isinstance(expr, Apply) and expr.function == "if":
        condition, then, otherwise = expr.arguments
        taken = al.choose(condition, outside(then, variant), outside(otherwise, variant))
        return al.either(outside(condition, variant), taken)
    total: Expr = FALSE
    for child in children(expr):
        total = al.either(total, outside(child, variant))
    if isinstance(expr, Read):
        return al.either(total, _own_axes(expr, variant))
    return al.either(total, _divides_by_zero(expr, variant))


def _divides_by_zero(expr: Expr, variant: nodes.Variant) -> Expr:
    """By something that varies with the pair or is data; parameters and sizes are checked before the launch."""
    if not isinstance(expr, Apply) or expr.function not in ("div", "mod"):
        return FALSE
    divisor = expr.arguments[1]
    varies = mentions(divisor, "i", "j") or any(isinstance(part, Read) for part in distinct(divisor))
    if not varies or Facts.of(variant).at_least(divisor, 1):
        return FALSE
    return Apply(Kind.BOOL, function="==", arguments=(divisor, al.ZERO))


def _own_axes(read: Read, variant: nodes.Variant) -> Expr:
    total: Expr = FALSE
    for axis, index in zip(variant.input(read.input).axes, read.indices, strict=True):
        if axis not in MEANINGFUL:
            below = Apply(Kind.BOOL, function="<", arguments=(index, al.ZERO))
            above = Apply(Kind.BOOL, function=">=", arguments=(index, size(axis)))
            total = al.either(total, al.either(below, above))
    return total

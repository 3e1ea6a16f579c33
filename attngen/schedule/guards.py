"""Where a pair has no value: an input read outside of its axes, an int divided by 0.

A condition with the short circuits of `and`, `or` and `if`: what is not looked at can't be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

from attngen.analysis import algebra as al
from attngen.analysis.facts import Facts
from attngen.ir import nodes
from attngen.ir.expr import FALSE, Apply, Expr, Kind, Read, children, size
from attngen.schedule.host import is_of_host

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


def certain_divisors(variant: nodes.Variant) -> tuple[Expr, ...]:
    """What divides ints in every pair, may be 0, and is known on the host: it is checked before the launch."""
    body = variant.pairwise
    found = {divisor: None for expr in (body.mask, body.score) for divisor in _certain(expr)}
    facts = Facts.of(variant)
    return tuple(divisor for divisor in found if is_of_host(divisor) and not facts.at_least(divisor, 1))


def _certain(expr: Expr) -> Iterator[Expr]:
    """The divisors that no condition can keep from being looked at."""
    if isinstance(expr, Apply) and expr.function in ("div", "mod"):
        yield expr.arguments[1]
    reached = children(expr)
    if isinstance(expr, Apply) and expr.function in ("and", "or", "if"):
        reached = reached[:1]
        if expr.function != "if" and not _settled_on_host(expr.arguments[0]):
            reached = expr.arguments
    for child in reached:
        yield from _certain(child)


def _settled_on_host(condition: Expr) -> bool:
    """Whether a condition may be there to guard against a 0: it asks for nothing but parameters, sizes and h."""
    if isinstance(condition, Apply) and condition.function in ("and", "or", "not"):
        return any(map(_settled_on_host, condition.arguments))
    return is_of_host(condition)


def _divides_by_zero(expr: Expr, variant: nodes.Variant) -> Expr:
    """By something that is not checked before the launch."""
    if not isinstance(expr, Apply) or expr.function not in ("div", "mod"):
        return FALSE
    divisor = expr.arguments[1]
    if Facts.of(variant).at_least(divisor, 1) or divisor in certain_divisors(variant):
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

"""Ints that a score makes of floats (buckets, for example) decide which element is read: they are computed exactly."""

from __future__ import annotations

from attngen.ir.expr import Apply, Expr, Variable, children, with_children
from attngen.schedule.host import Hoisting, is_of_host
from attngen.schedule.levels import level
from attngen.schedule.statements import Sequence


def exact_ints(expr: Expr, sequence: Sequence, hoisting: Hoisting) -> Expr:
    """The expression with a name for every int that was rounded from a float; `sequence` computes it in float64."""
    if isinstance(expr, Apply) and expr.function in ("floor", "ceil") and not is_of_host(expr):
        value = hoisting.hoisted(expr, exact=True)
        if value not in sequence.known:
            name = sequence.namer.of_value(value, level(value, sequence.levels))
            sequence.define(name, value, [value])
            sequence.known[value] = Variable(expr.kind, name=name)
        return sequence.known[value]
    below = children(expr)
    visited = tuple(exact_ints(child, sequence, hoisting) for child in below)
    return expr if visited == below else with_children(expr, visited)

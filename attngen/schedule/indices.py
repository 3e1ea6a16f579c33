"""What a score decides by floats is decided exactly: ints that are rounded (buckets, for example) and comparisons."""

from __future__ import annotations

from collections.abc import Collection

from attngen.ir.expr import Apply, Expr, Kind, Variable, children, mentions, with_children
from attngen.schedule.host import Hoisting, is_of_host
from attngen.schedule.levels import level
from attngen.schedule.statements import Sequence


def exact_decisions(expr: Expr, sequence: Sequence, hoisting: Hoisting, products: Collection[str]) -> Expr:
    """The expression with a name for every decision by floats; `sequence` computes it in float64.

    `products` are the names of dot products, which are never exact.
    """
    if _decides(expr) and not mentions(expr, *products):
        value = hoisting.hoisted(expr, exact=True)
        if value not in sequence.known:
            name = sequence.namer.of_value(value, level(value, sequence.levels))
            sequence.define(name, value, [value])
            sequence.known[value] = Variable(expr.kind, name=name)
        return sequence.known[value]
    below = children(expr)
    visited = tuple(exact_decisions(child, sequence, hoisting, products) for child in below)
    return expr if visited == below else with_children(expr, visited)


def _decides(expr: Expr) -> bool:
    """Whether a small error of a float would make a large one here."""
    if not isinstance(expr, Apply) or expr.arguments[0].kind is not Kind.FLOAT or expr.kind is Kind.FLOAT:
        return False
    return not is_of_host(expr)

"""Values of pairs that depend on i - j alone."""

from __future__ import annotations

from attngen.analysis.sums import from_linear, linear
from attngen.ir.expr import Apply, Expr, Kind, variable

QUERY, KEY, DISTANCE = variable("i"), variable("j"), variable("i_minus_j")


def over_distance(expr: Expr) -> Expr:
    """A sum that holds i as often as it takes j away, as one of their distance."""
    if not isinstance(expr, Apply) or expr.function not in ("+", "-", "neg") or expr.kind is not Kind.INT:
        return expr
    terms, constant = linear(expr)
    times = terms.pop(QUERY, 0)
    if times == 0 or terms.pop(KEY, 0) != -times:
        return expr
    terms[DISTANCE] = terms.get(DISTANCE, 0) + times
    return from_linear(terms, constant)

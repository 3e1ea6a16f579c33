"""Constants are computed and identities removed: `x + 0`, `x * 1`, `true and p`, comparisons that are decided."""

from __future__ import annotations

from attngen.analysis import algebra
from attngen.ir.expr import Apply, Constant, Expr, Kind, rewrite
from attngen.ir.nodes import Variant
from attngen.passes.over import over_expressions


def fold(variant: Variant) -> Variant:
    """Every expression with the laws of `analysis.algebra` applied."""
    return over_expressions(variant, lambda expr: rewrite(expr, folded))


def folded(expr: Expr) -> Expr:
    if not isinstance(expr, Apply):
        return expr
    match expr:
        case Apply(function="*", kind=Kind.FLOAT, arguments=(Constant(value=1.0), x)):  # 1 * x = x
            return x
        case Apply(function="*" | "/", kind=Kind.FLOAT, arguments=(x, Constant(value=1.0))):  # x * 1 = x / 1 = x
            return x
        case Apply(function="+" | "-", kind=Kind.FLOAT, arguments=(x, Constant(value=0.0))):  # x + 0 = x - 0 = x
            return x
        case Apply(function="+", kind=Kind.FLOAT, arguments=(Constant(value=0.0), x)):  # 0 + x = x
            return x
    return algebra.build(expr)

"""Small whole powers are multiplied out: a power costs a logarithm and an exponential, and x ^ 2 is one product."""

from __future__ import annotations

from attngen.ir.expr import Apply, Constant, Expr, Kind, rewrite
from attngen.ir.nodes import Variant
from attngen.passes.over import over_expressions

LARGEST = 4


def powers(variant: Variant) -> Variant:
    """Every `x ^ n` with a whole n from 1 to 4 as products."""
    return over_expressions(variant, lambda expr: rewrite(expr, _multiplied_out))


def _multiplied_out(expr: Expr) -> Expr:
    match expr:
        case Apply(function="^", arguments=(base, Constant(value=n))) if n == int(n) and 1 <= n <= LARGEST:
            product = base
            for _ in range(int(n) - 1):  # x ^ n = x * ... * x
                product = Apply(Kind.FLOAT, product.channels, span=expr.span, function="*", arguments=(product, base))
            return product
    return expr

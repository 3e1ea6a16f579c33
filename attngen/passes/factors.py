"""Factors that do not depend on the pair are gathered, so that each is multiplied once and not for every pair."""

from __future__ import annotations

from attngen.ir.expr import Apply, Expr, Read, Row, distinct, mentions, rewrite
from attngen.ir.nodes import Variant
from attngen.passes.over import over_scores

STEPS = frozenset(("floor", "ceil", "<", "<=", ">", ">=", "==", "!="))
"""Functions that jump: what they take must be what the author wrote, to the last bit."""


def factors(variant: Variant) -> Variant:
    """Every product in a score as (factors of the head) * (what depends on the pair)."""
    return over_scores(variant, gathered)


def gathered(expr: Expr) -> Expr:
    """The same of one expression, but for what decides a step."""
    return rewrite(expr, _gathered, _decides_a_step)


def _decides_a_step(expr: Expr) -> bool:
    return isinstance(expr, Read) or (isinstance(expr, Apply) and expr.function in STEPS)


def _gathered(expr: Expr) -> Expr:
    """One step for a product or quotient whose operands are gathered already; u, w are the same for all pairs."""
    match expr:
        case Apply(function="*", arguments=(x, u)) if _fixed(u) and not _fixed(x):  # x * u = u * x
            return _gathered(_apply("*", expr, u, x))
        case Apply(function="*", arguments=(u, Apply(function="*", arguments=(w, x)))) if _fixed(u) and _fixed(w):
            return _apply("*", expr, _apply("*", expr, u, w), x)  # u * (w * x) = (u * w) * x
        case Apply(function="*", arguments=(Apply(function="*", arguments=(u, x)), y)) if _fixed(u) and not (
            _fixed(x) or _fixed(y)
        ):
            return _apply("*", expr, u, _apply("*", expr, x, y))  # (u * x) * y = u * (x * y)
        case Apply(function="/", arguments=(Apply(function="*", arguments=(u, x)), w)) if _fixed(u) and _fixed(w):
            return _apply("*", expr, _apply("/", expr, u, w), x)  # (u * x) / w = (u / w) * x
    return expr


def _fixed(expr: Expr) -> bool:
    """Whether an expression is a scalar that is the same for all pairs of a head."""
    has_row = any(isinstance(part, Row) for part in distinct(expr))
    return not expr.channels and not has_row and not mentions(expr, "i", "j")


def _apply(function: str, like: Apply, left: Expr, right: Expr) -> Expr:
    channels = tuple(sorted({*left.channels, *right.channels}))
    return Apply(like.kind, channels, span=like.span, function=function, arguments=(left, right))

"""Scores in base two: e^s = 2^(s log2 e), and the factor is folded into what multiplies the score anyway."""

from __future__ import annotations

import math

from attngen.ir.expr import Apply, Constant, Expr, Kind, rewrite
from attngen.passes.factors import gathered
from attngen.passes.fold import folded

LOG2E = Constant(Kind.FLOAT, value=math.log2(math.e))


def in_base_two(score: Expr) -> Expr:
    """A score times log2(e), the factor moved to where it costs nothing."""
    return gathered(rewrite(_times(score), folded))


def _times(expr: Expr) -> Expr:
    match expr:
        case Constant():
            return Constant(Kind.FLOAT, value=expr.value * LOG2E.value)
        case Apply(function="+" | "-" | "neg"):  # a (x + y) = a x + a y
            return _again(expr, *map(_times, expr.arguments))
        case Apply(function="*", arguments=(x, y)):  # a (x y) = (a x) y
            return _again(expr, _times(x), y)
        case Apply(function="/", arguments=(x, y)):  # a (x / y) = (a x) / y
            return _again(expr, _times(x), y)
        case Apply(function="if", arguments=(condition, x, y)):
            return _again(expr, condition, _times(x), _times(y))
        case Apply(function="log", arguments=(x,)):  # log2(e) log(x) = log2(x)
            return Apply(Kind.FLOAT, function="log2", arguments=(x,))
    return Apply(Kind.FLOAT, function="*", arguments=(LOG2E, expr))


def _again(expr: Apply, *arguments: Expr) -> Expr:
    return Apply(expr.kind, span=expr.span, function=expr.function, arguments=arguments)

"""Products as their factors, in one order, so that two ways to write a product are one expression."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from attngen.analysis.laws import ONE, ZERO, of, where
from attngen.ir.expr import Apply, Constant, Expr, Kind
from attngen.ir.show import show_expr

MINUS_ONE = Constant(Kind.FLOAT, value=-1.0)


def factors(expr: Expr) -> list[Expr]:
    """What is multiplied: quotients are products with a reciprocal, and an outer product is one of rows."""
    match expr:
        case Constant(value=1.0):
            return []
        case Apply(function="*" | "outer", arguments=(x, y)):
            return factors(x) + factors(y)
        case Apply(function="/", arguments=(x, _)):
            return [*factors(x), reciprocal(expr)] if x != ONE else [expr]
        case Apply(function="neg", arguments=(x,)):
            return [MINUS_ONE, *factors(x)]
        case Apply(function="^", arguments=(x, Constant(value=1.0))):
            return factors(x)
    return [expr]


def reciprocal(quotient: Apply) -> Expr:
    """What a quotient multiplies by, standing where the quotient stands."""
    return replace(of("/", ONE, quotient.arguments[1]), span=quotient.span)


def product(parts: Iterable[Expr]) -> Expr:
    """The product of some factors, constants first; 1 if there are none."""
    constant = 1.0
    others: list[Expr] = []
    for part in parts:
        if isinstance(part, Constant):
            constant *= part.value
        else:
            others.append(part)
    if constant == 0 or not others:
        return Constant(Kind.FLOAT, value=constant)
    others.sort(key=lambda part: (len(part.channels), show_expr(part)))
    if constant not in (1, -1):
        others.insert(0, Constant(Kind.FLOAT, value=constant))
    total = others[0]
    for part in others[1:]:
        total = _over(total, part)
    return of("neg", total) if constant == -1 else total


def _over(total: Expr, part: Expr) -> Expr:
    """A product with one more factor; a reciprocal divides."""
    match part:
        case Apply(function="/", arguments=(Constant(value=1.0), divisor)):
            return of("/", total, divisor)
    return of("*", total, part)


def times(*parts: Expr) -> Expr:
    """The product of some products."""
    return product(factor for part in parts for factor in factors(part))


def expanded(expr: Expr, opens: Callable[[Expr], bool]) -> list[list[Expr]]:
    """An expression as a sum of products: the factors of each term. What is not opened is one term."""
    if not opens(expr):
        return [factors(expr)]
    match expr:
        case Apply(function="+", arguments=(x, y)):
            return expanded(x, opens) + expanded(y, opens)
        case Apply(function="-", arguments=(x, y)):
            return expanded(x, opens) + [[MINUS_ONE, *parts] for parts in expanded(y, opens)]
        case Apply(function="neg", arguments=(x,)):
            return [[MINUS_ONE, *parts] for parts in expanded(x, opens)]
        case Apply(function="*" | "outer", arguments=(x, y)):
            return [left + right for left in expanded(x, opens) for right in expanded(y, opens)]
        case Apply(function="/", arguments=(x, _)):
            return [[*parts, reciprocal(expr)] for parts in expanded(x, opens)]
        case Apply(function="if", arguments=(condition, x, y)):
            chosen, other = where(condition, ONE, ZERO), where(condition, ZERO, ONE)
            return [[chosen, *parts] for parts in expanded(x, opens)] + [
                [other, *parts] for parts in expanded(y, opens)
            ]
    return [factors(expr)]


def total(parts: Iterable[Expr]) -> Expr:
    """The sum of some terms, as written."""
    first, *rest = parts
    for part in rest:
        match part:
            case Apply(function="neg", arguments=(x,)):
                first = of("-", first, x)
            case _:
                first = of("+", first, part)
    return first

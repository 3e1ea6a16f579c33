"""Constants are computed and sums kept as `coefficient * term + ... + constant`, so that terms cancel."""

from __future__ import annotations

from attngen.ir.evaluate import HOST
from attngen.ir.expr import Apply, Constant, Expr, Kind, integer


def fold(function: str, kind: Kind, *arguments: Expr) -> Expr:
    """The function applied; a constant where all arguments are, unless it has no finite value."""
    if all(isinstance(argument, Constant) for argument in arguments):
        values = [argument.value for argument in arguments if isinstance(argument, Constant)]
        try:
            value = _select(*values) if function == "if" else HOST[function](*values)
        except (ArithmeticError, ValueError):
            return Apply(kind, function=function, arguments=arguments)
        if value == value and abs(value) != float("inf"):
            return Constant(kind, value=value)
    return Apply(kind, function=function, arguments=arguments)


def _select(condition: int | float | bool, then: int | float, otherwise: int | float) -> int | float:
    return then if condition else otherwise


def linear(expr: Expr) -> tuple[dict[Expr, int], int]:
    """An int expression as `sum of coefficient * term, plus a constant`; terms are no sums."""
    terms: dict[Expr, int] = {}
    constant = _gather(expr, 1, terms)
    return {term: factor for term, factor in terms.items() if factor}, constant


def _gather(expr: Expr, factor: int, terms: dict[Expr, int]) -> int:
    match expr:
        case Constant():
            return factor * int(expr.value)
        case Apply(function="+"):
            return sum(_gather(argument, factor, terms) for argument in expr.arguments)
        case Apply(function="-", arguments=(left, right)):
            return _gather(left, factor, terms) + _gather(right, -factor, terms)
        case Apply(function="neg", arguments=(operand,)):
            return _gather(operand, -factor, terms)
        case Apply(function="*", arguments=(Constant() as c, operand)):
            return _gather(operand, factor * int(c.value), terms)
        case Apply(function="*", arguments=(operand, Constant() as c)):
            return _gather(operand, factor * int(c.value), terms)
    terms[expr] = terms.get(expr, 0) + factor
    return 0


def from_linear(terms: dict[Expr, int], constant: int) -> Expr:
    """The shortest sum: positive terms first, then negative ones, then the constant."""
    total: Expr | None = None
    for term, factor in sorted(terms.items(), key=lambda item: item[1] < 0):
        if factor == 0:
            continue
        scaled = term if abs(factor) == 1 else Apply(Kind.INT, function="*", arguments=(integer(abs(factor)), term))
        if total is None:
            total = scaled if factor > 0 else Apply(Kind.INT, function="neg", arguments=(scaled,))
        else:
            sign = "+" if factor > 0 else "-"
            total = Apply(Kind.INT, function=sign, arguments=(total, scaled))
    if total is None:
        return integer(constant)
    if constant == 0:
        return total
    return Apply(Kind.INT, function="+" if constant > 0 else "-", arguments=(total, integer(abs(constant))))

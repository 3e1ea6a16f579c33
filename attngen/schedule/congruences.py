"""Divisibility of a difference between queries and keys, asked of each side alone: no division is left for pairs."""

from __future__ import annotations

from attngen.analysis import algebra as al
from attngen.ir.expr import Apply, Constant, Expr, rewrite
from attngen.schedule.levels import Level, level


def with_remainders(expr: Expr) -> Expr:
    """`(x - y) mod m == 0` as `x mod m == y mod m`, where one of x and y varies with the query, the other with the key.

    Both say that m divides x - y: floored remainders of one m are equal exactly then. The two of the right are
    computed once per query and once per key, which is what `Sequence` does with values of these levels.
    """
    return rewrite(expr, _separated)


def _separated(expr: Expr) -> Expr:
    match expr:
        case Apply(
            function="==" | "!=" as equality,
            arguments=(
                Apply(function="mod", arguments=(Apply(function="+" | "-" as sign, arguments=(x, y)), m)),
                Constant(value=0),
            ),
        ) if level(m) is Level.HEAD and {level(x), level(y)} == {Level.QUERY, Level.KEY}:
            return al.compare(equality, al.modulo(x, m), al.modulo(y if sign == "-" else al.negate(y), m))
    return expr

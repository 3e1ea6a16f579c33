"""Values of pairs that depend on i - j alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attngen.analysis.sums import from_linear, linear
from attngen.ir.expr import (
    Apply,
    Constant,
    Expr,
    Kind,
    Parameter,
    Size,
    Variable,
    distinct,
    mentions,
    rewrite,
    variable,
)
from attngen.schedule.levels import Level
from attngen.schedule.statements import Statement

QUERY, KEY, DISTANCE = variable("i"), variable("j"), variable("i_minus_j")

DEAR = frozenset("exp log log2 ^ sqrt rsqrt sin cos tanh sigmoid softplus elu silu".split())
"""Functions that take tens of instructions in float64."""


def tabled(statements: Sequence[Statement], results: Iterable[Expr], numbers: frozenset[str]) -> dict[Statement, Expr]:
    """Exact values of pairs that are worth a table, and what they are of their distance.

    Those that are dear, and that nothing else decides than the numbers of a call; `numbers` are the names of those that
    the host computes. What only such values use needs no table of its own.
    """
    whole: dict[str, Expr] = {}
    found: dict[Statement, Expr] = {}
    for each in statements:
        value = rewrite(each.value, lambda part: whole.get(getattr(part, "name", ""), part))
        value = rewrite(value, over_distance)
        exact = each.exact or all(part.kind is not Kind.FLOAT for part in distinct(each.value))
        if exact and each.level is Level.PAIR and _is_of_call(value, numbers):
            whole[each.name] = value
            if _is_dear(value):
                found[each] = value
    others = [*results, *(each.value for each in statements if each not in found)]
    return {each: value for each, value in found.items() if any(mentions(other, each.name) for other in others)}


def _is_of_call(value: Expr, numbers: frozenset[str]) -> bool:
    names, fixed = {DISTANCE.name, *numbers}, (Apply, Constant, Parameter, Size)
    parts = distinct(value)
    return all(part.name in names if isinstance(part, Variable) else isinstance(part, fixed) for part in parts)


def _is_dear(value: Expr) -> bool:
    return any(isinstance(part, Apply) and part.function in DEAR for part in distinct(value))


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

"""What a token writes into a state: the outer product of a key and a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from attngen.analysis.factored import MINUS_ONE, factors, product, reciprocal, total
from attngen.analysis.laws import ONE, ZERO, where
from attngen.analysis.linear import NotLinear, Piece
from attngen.ir.expr import Apply, Expr


class Write(NamedTuple):
    """`key value^T`; what has neither axis is part of the value."""

    key: Expr
    value: Expr


def written(terms: Sequence[Piece], key_axis: str | None) -> Write:
    """The one outer product that some terms without a state come to.

    Raises:
        NotLinear: they come to several, or to a matrix that is none.
    """
    found = [_write(parts, key_axis, term) for term in terms for parts in _products(term.factor)]
    if not found:
        return Write(ZERO, ONE)
    first, *rest = found
    if all(each.key == first.key for each in rest):
        return Write(first.key, total([each.value for each in found]))
    if all(each.value == first.value for each in rest):
        return Write(total([each.key for each in found]), first.value)
    raise NotLinear("a state takes two outer products of one token", terms[-1].span)


def _products(expr: Expr) -> list[list[Expr]]:
    """The terms of a matrix, each as its factors; what is no matrix is one term."""
    if len(expr.channels) < 2:
        return [] if expr == ZERO else [factors(expr)]
    match expr:
        case Apply(function="+", arguments=(x, y)):
            return _products(x) + _products(y)
        case Apply(function="-", arguments=(x, y)):
            return _products(x) + [[MINUS_ONE, *parts] for parts in _products(y)]
        case Apply(function="neg", arguments=(x,)):
            return [[MINUS_ONE, *parts] for parts in _products(x)]
        case Apply(function="*" | "outer", arguments=(x, y)):
            return [left + right for left in _products(x) for right in _products(y)]
        case Apply(function="/", arguments=(x, _)):
            return [[*parts, reciprocal(expr)] for parts in _products(x)]
        case Apply(function="if", arguments=(condition, x, y)):
            chosen, other = where(condition, ONE, ZERO), where(condition, ZERO, ONE)
            return [[chosen, *parts] for parts in _products(x)] + [[other, *parts] for parts in _products(y)]
    return [[expr]]


def _write(parts: list[Expr], key_axis: str | None, term: Piece) -> Write:
    keys = [part for part in parts if key_axis in part.channels]
    for part in keys:
        if part.channels != (key_axis,):
            raise NotLinear("what a token writes is no outer product of a key and a value", term.span)
    return Write(product(keys), product(part for part in parts if part not in keys))

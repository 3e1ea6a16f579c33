"""What a token writes into a state: the outer product of a key and a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from attngen.analysis.factored import expanded, product, total
from attngen.analysis.laws import ONE, ZERO
from attngen.analysis.linear import NotLinear, Piece
from attngen.ir.expr import Apply, Constant, Expr, Kind


class Write(NamedTuple):
    """`key value^T`; what has neither axis is part of the value."""

    key: Expr
    value: Expr


def along(expr: Expr, axis: str | None) -> Expr:
    """The same for all channels of an axis, where it does not vary with them."""
    if axis is None or axis in expr.channels:
        return expr
    if isinstance(expr, Constant):
        return replace(expr, channels=(axis,))
    return Apply(Kind.FLOAT, (axis,), function="*", arguments=(expr, replace(ONE, channels=(axis,))))


def written(terms: Sequence[Piece], key_axis: str | None) -> Write:
    """The one outer product that some terms without a state come to.

    Raises:
        NotLinear: they come to several, or to a matrix that is none.
    """
    products = [(parts, term) for term in terms for parts in expanded(term.factor, lambda part: len(part.channels) > 1)]
    found = [_write(parts, key_axis, term) for parts, term in products if ZERO not in parts]
    if not found:
        return Write(ZERO, ONE)
    first, *rest = found
    if all(each.key == first.key for each in rest):
        return Write(first.key, total([each.value for each in found]))
    if all(each.value == first.value for each in rest):
        return Write(total([each.key for each in found]), first.value)
    raise NotLinear("a state takes two outer products of one token", terms[-1].span)


def _write(parts: list[Expr], key_axis: str | None, term: Piece) -> Write:
    keys = [part for part in parts if key_axis in part.channels]
    for part in keys:
        if part.channels != (key_axis,):
            raise NotLinear("what a token writes is no outer product of a key and a value", term.span)
    return Write(product(keys), product(part for part in parts if part not in keys))

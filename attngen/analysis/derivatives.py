"""Derivatives of scores and of rows: the gradient by a value, handed down to what the value is made of.

Backwards from the value, as autograd does, but on expressions: a part that is used twice is met once, and what the
forward pass computes (a tanh, an angle) is the same expression here, so that kernels compute it once.
"""

from __future__ import annotations

from collections.abc import Callable

from attngen.analysis.laws import LAWS, ROW_SUM, plus
from attngen.ir.expr import Apply, Expr, Kind, children


def gradients(value: Expr, gradient: Expr, wanted: Callable[[Expr], bool]) -> dict[Expr, Expr]:
    """The gradient by each wanted part of a value, in the order in which they stand in it.

    Args:
        value: a float; with channels, the gradient has them too, and what has none gets the sum over all channels.
        gradient: the gradient by the value.
        wanted: what is taken for a leaf. Parts without a wanted one below them are constants.
    """
    parts = _parents_last(value, wanted)
    found = {value: gradient} if value in parts else {}
    for part in reversed(parts):
        if wanted(part):
            continue
        assert isinstance(part, Apply)
        handed_down = LAWS[part.function](found[part], part, *part.arguments)
        for argument, share in zip(part.arguments, handed_down, strict=True):
            if share is not None and argument in parts:
                share = share if set(part.channels) <= set(argument.channels) else of_all_channels(share)
                found[argument] = plus(found[argument], share) if argument in found else share
    return {part: found[part] for part in parts if wanted(part)}


def of_all_channels(row: Expr) -> Expr:
    """The sum over the channels of a row, also of one that is the same in all of them."""
    return Apply(Kind.FLOAT, function=ROW_SUM, arguments=(row,))


def _parents_last(value: Expr, wanted: Callable[[Expr], bool]) -> dict[Expr, None]:
    """The parts of a value that are wanted or hold a wanted float, each behind all that it is made of."""
    ordered: dict[Expr, None] = {}
    seen: set[Expr] = set()

    def visit(part: Expr) -> None:
        if part in seen or part.kind is not Kind.FLOAT:
            return
        seen.add(part)
        below = () if wanted(part) else children(part)
        for child in below:
            visit(child)
        if wanted(part) or not ordered.keys().isdisjoint(below):
            ordered[part] = None

    visit(value)
    return ordered

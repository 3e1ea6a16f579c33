"""Orders in which a walk may take tokens, where another one than their own may make live tiles dense.

An order is an int expression of the position j: tokens are walked from its least value to its greatest.
"""

from __future__ import annotations

from attngen.analysis import algebra as al
from attngen.analysis.interval import is_uniform
from attngen.ir.expr import Apply, Expr, Kind, Read, distinct, integer, mentions, rewrite, size, variable
from attngen.ir.nodes import Order, Variant

SQUARE = 8
"""Positions on a side of the squares in which an image is walked: a tile of 64 tokens is one of them."""
MOST = 3


def orders_for(variant: Variant, mask: Expr) -> tuple[Expr, ...]:
    """The order that the spec offers, residue classes of what the mask divides by, and squares of an image."""
    found = [] if variant.order is None else [as_key(variant.order)]
    divided = [part for part in distinct(mask) if isinstance(part, Apply) and part.function in ("div", "mod")]
    rests = dict.fromkeys(
        part.arguments[1] for part in sorted(divided, key=lambda part: part.span.start) if _rest(part)
    )
    for divisor in rests:
        if not is_uniform(divisor) or _of_batch(divisor) or divisor == size("M"):
            continue
        blocks = any(part.function == "div" and part.arguments[1] == divisor for part in divided)
        found.append(squares(divisor) if blocks else residue_classes(divisor))
    return tuple(dict.fromkeys(found))[:MOST]


def as_key(order: Order) -> Expr:
    """The step of a spec's order, as an expression of j."""
    return rewrite(order.step, lambda part: variable("j") if part == variable(order.variable) else part)


def residue_classes(period: Expr) -> Expr:
    """First those that are 0 modulo the period, then those that are 1."""
    j = variable("j")
    return al.add(_apply("*", al.modulo(j, period), size("M")), j)


def squares(width: Expr) -> Expr:
    """An image that is stored row by row, square by square."""
    j, side = variable("j"), integer(SQUARE)
    x, y = al.modulo(j, width), al.floor_divide(j, width)
    strip = _apply("*", al.floor_divide(y, side), _apply("*", width, side))
    within = al.add(al.multiply(side, al.modulo(y, side)), al.modulo(x, side))
    return al.add(al.add(al.multiply(side, strip), al.multiply(integer(SQUARE**2), al.floor_divide(x, side))), within)


def _rest(part: Apply) -> bool:
    """Whether it is a remainder of a position; that of a block of positions says nothing of single ones."""
    if part.function != "mod" or not mentions(part.arguments[0], "i", "j"):
        return False
    blocks = (node for node in distinct(part.arguments[0]) if isinstance(node, Apply) and node.function == "div")
    return not any(mentions(block, "i", "j") for block in blocks)


def _of_batch(expr: Expr) -> bool:
    return any(isinstance(part, Read) and mentions(part, "b") for part in distinct(expr))


def _apply(function: str, left: Expr, right: Expr) -> Expr:
    return Apply(Kind.INT, function=function, arguments=(left, right))

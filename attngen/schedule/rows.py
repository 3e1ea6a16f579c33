"""Rows that a score multiplies: q and k changed before the dot product (rotary embeddings, scales per channel).

A product `dot(x, y)` splits where x belongs to the query and y to the key. Then each side is computed once per row, and
the kernel multiplies the two as it multiplies q and k.
"""

from __future__ import annotations

from dataclasses import dataclass

from attngen.analysis.laws import ROW_SUM
from attngen.ir.expr import (
    Apply,
    Constant,
    Expr,
    Kind,
    Rechannel,
    Row,
    Size,
    Variable,
    children,
    distinct,
    rewrite,
    variables,
    with_children,
)
from attngen.ir.functions import SCALAR
from attngen.schedule.growth import ZERO, Growth, growth
from attngen.schedule.host import is_of_host
from attngen.schedule.levels import is_row_sum

CHANNEL = "c"
OUTSIDE = "the channel must be written as `... mod D`, so that it is one of the row's"
"""Why a row can't be read at another channel; the interpreter looks at every one."""


@dataclass(frozen=True, slots=True)
class Split:
    """dot(query, key): each side over the channel c, with rows read at other channels as `Rechannel(Row, ...)`.

    With `grown` the sides are steady, and are to be multiplied by how they grow.
    """

    query: Expr
    key: Expr
    grown: tuple[Growth, Growth] | None = None


def split(product: Expr) -> Split | str:
    """The two sides of a dot product of rows, or why it can't be split."""
    if not isinstance(product, Apply) or product.function != "dot" or product.channels:
        return "rows can only enter a score through `dot` yet"
    if any(isinstance(part, Rechannel) and not is_inside(part.index) for part in distinct(product)):
        return OUTSIDE
    sides = [of_channel(row) for row in product.arguments]
    at = [_side(row) for row in sides]
    if at[0] == "j" or at[1] == "i":
        sides, at = sides[::-1], at[::-1]
    if at not in (["i", "j"], ["i", ""], ["", "j"]):
        return "one side of the product must depend on the query alone, and the other on the key alone"
    query, key = growth(sides[0], "i"), growth(sides[1], "j")
    if query is None or key is None or not (_is_known(query) and _is_known(key)):
        return "a row that grows with the position must do so as a whole, by a rate per token that the host knows"
    reasons = [reason for row in (query.steady, key.steady) if (reason := _reason(row))]
    if reasons:
        return reasons[0]
    grows = query.rate != ZERO or key.rate != ZERO
    return Split(query.steady, key.steady, (query, key) if grows else None)


def _is_known(growth: Growth) -> bool:
    return is_of_host(growth.rate, CHANNEL) and is_of_host(growth.shift, CHANNEL)


def products(score: Expr) -> list[Expr]:
    """The dot products of rows in a score, the first first; those inside of others are not listed."""
    found: dict[Expr, None] = {}

    def visit(node: Expr) -> None:
        if isinstance(node, Apply) and node.function == "dot" and not node.channels:
            found[node] = None
            return
        for child in children(node):
            visit(child)

    visit(score)
    return list(found)


def is_anchored(score: Expr) -> bool:
    """Whether rows are relative to anchors, which the tokens of a tile can only have where they lie together."""
    return any(isinstance(sides := split(product), Split) and sides.grown is not None for product in products(score))


def is_positional(expr: Expr) -> bool:
    """Whether a value of a row is the same whatever q and k hold."""
    return not any(isinstance(part, (Row, Rechannel)) for part in distinct(expr))


def _side(row: Expr) -> str:
    """The position that a row belongs to: i, j, both or none."""
    return "".join(name for name in ("i", "j") if name in variables(row))


def of_channel(row: Expr) -> Expr:
    """The row with every change of channel at its leaves, where it reads q or k at another channel.

    Norms and products of rows become sums over the channels.
    """

    def pushed(node: Expr) -> Expr:
        if isinstance(node, Apply) and node.function == "l2norm":
            return _normalized(node.arguments[0])
        if isinstance(node, Apply) and node.function == "dot":
            return _row_sum(_times(*node.arguments))
        if isinstance(node, Rechannel) and not isinstance(node.row, Row):
            return _at_channel(node.row, node.index)
        return node

    return rewrite(row, pushed)


def _normalized(row: Expr) -> Expr:
    """x / max(|x|, 1e-12): the square is kept above 1e-24, for its root has no slope at 0."""
    square = Apply(
        Kind.FLOAT, function="max", arguments=(_row_sum(_times(row, row)), Constant(Kind.FLOAT, value=1e-24))
    )
    length = Apply(Kind.FLOAT, function="sqrt", arguments=(square,))
    return Apply(Kind.FLOAT, row.channels, function="/", arguments=(row, length))


def _row_sum(row: Expr) -> Expr:
    return Apply(Kind.FLOAT, function=ROW_SUM, arguments=(row,))


def _times(left: Expr, right: Expr) -> Expr:
    channels = tuple(sorted({*left.channels, *right.channels}))
    return Apply(Kind.FLOAT, channels, function="*", arguments=(left, right))


def _at_channel(expr: Expr, index: Expr) -> Expr:
    match expr:
        case Row():
            return Rechannel(expr.kind, index.channels, row=expr, axis=CHANNEL, index=index)
        case Variable(name="c"):
            return index
        case Apply(function="row_sum"):
            return expr
        case Rechannel():
            moved = _at_channel(expr.index, index)
            return Rechannel(expr.kind, moved.channels, row=expr.row, axis=CHANNEL, index=moved)
    return with_children(expr, tuple(_at_channel(child, index) for child in children(expr)))


def _reason(row: Expr) -> str:
    """Why a row can't be computed ahead; nothing if it can."""
    for part in distinct(row):
        if is_row_sum(part) and is_positional(part):
            return "a norm of what holds neither q nor k can't be compiled yet"
        if isinstance(part, Apply) and not (part.function in SCALAR or is_row_sum(part)):
            return f"`{part.function}` inside of a row can't be compiled yet"
        if isinstance(part, Row) and part.name not in ("q", "k"):
            return f"`{part.name}` can't enter a score yet"
        if isinstance(part, Variable) and part.channels and part.name != CHANNEL:
            return f"the channel axis `{part.name}` can't be compiled yet"
    return ""


def is_inside(index: Expr) -> bool:
    """Whether a channel is surely one of the row's."""
    if isinstance(index, Variable):
        return index.name == CHANNEL
    return isinstance(index, Apply) and index.function == "mod" and index.arguments[1] == Size(Kind.INT, axis="D")

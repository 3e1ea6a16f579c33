"""Gradients of a recurrence by what tokens bring: from those by its rows and by y to those by q, k, v and inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from attngen.analysis.derivatives import gradients
from attngen.ir import nodes
from attngen.ir.expr import EARLIER, Expr, Kind, Read, Rechannel, Row, Variable, rewrite, variable
from attngen.passes.fold import folded
from attngen.schedule.levels import Level
from attngen.schedule.rows import of_channel
from attngen.schedule.statements import Statements
from attngen.schedule.tokens import TokenRow, Tokens

DY = Row(Kind.FLOAT, ("e",), name="dy")
"""The gradient by y."""
TOKEN_AXES = ("t", "n", "i", "j")
"""The axes of inputs along which each token has an element; where pairs are carried along, queries are keys."""


@dataclass(frozen=True, slots=True)
class Return(Statements):
    """What the gradient by a row of each token hands down: to each of `shares`, its value over the statements.

    A share goes to a row of q, k or v or to one of its channels, to what an input reads, or to a reading of a state.
    """

    name: str
    shares: tuple[tuple[Expr, Expr], ...]

    @property
    def exprs(self) -> tuple[Expr, ...]:
        """All that is computed."""
        return (*(statement.value for statement in self.statements), *(share for _, share in self.shares))

    @property
    def inputs(self) -> frozenset[str]:
        """The inputs that get a share."""
        return frozenset(leaf.input for leaf, _ in self.shares if isinstance(leaf, Read))


def row_return(row: TokenRow, tokens: Tokens) -> Return:
    """What the gradient by a row hands down. `d_<row>` is its name, and what the row was is known.

    That by a product with a matrix goes to the matrix and the row as products again.
    """
    if row.matrix is not None and row.projected is not None:
        gradient = Variable(Kind.FLOAT, row.result.channels, name=f"d_{row.name}")
        return Return((), row.name, ((row.matrix, gradient),))
    expr = tokens.sources[row.name]
    level = Level.QUERY if row.axis is None else Level.PAIR
    gradient = Variable(Kind.FLOAT, expr.channels, name=f"d_{row.name}")
    known = Variable(Kind.FLOAT, expr.channels, name=row.name)
    value = of_channel(expr)
    levels = {gradient.name: level, known.name: level}
    return _returned(value, gradient, tokens, levels, {} if row.plain else {value: known}, row.name)


def y_return(levels: Mapping[str, Level], tokens: Tokens) -> Return:
    """What the gradient by y hands down, also to what was read of states: those names have `levels`."""
    return _returned(of_channel(tokens.sources["y"]), DY, tokens, levels, {}, "y")


def _returned(
    value: Expr, gradient: Expr, tokens: Tokens, levels: Mapping[str, Level], known: Mapping[Expr, Expr], name: str
) -> Return:
    products = {row.name: Level.PAIR for row in tokens.rows.values() if row.matrix is not None}
    levels = {**products, **levels}

    def is_leaf(part: Expr) -> bool:
        of_call = isinstance(part, (Row, Rechannel, Read))
        return part.kind is Kind.FLOAT and (of_call or (isinstance(part, Variable) and part.name in levels))

    found = {leaf: rewrite(share, folded) for leaf, share in gradients(value, gradient, is_leaf).items()}
    shares = [rewrite(share, lambda part: known.get(part, part)) for share in found.values()]
    statements, results = tokens.lowered(shares, levels)
    return Return(statements, name, tuple(zip(found, results, strict=True)))


def is_own_element(read: Read, variant: nodes.Variant) -> bool:
    """Whether a token reads of an input what is its own, or the token's before: all but the channel is as it is."""
    axes = variant.input(read.input).axes
    return all(axis in ("c", "e") or index in _own(axis) for axis, index in zip(axes, read.indices, strict=True))


def _own(axis: str) -> tuple[Expr, ...]:
    """Where a token stands along an axis; nowhere along one that only inputs know."""
    if axis in TOKEN_AXES:
        return variable("t"), EARLIER
    return (variable(axis),) if axis in ("b", "h") else ()

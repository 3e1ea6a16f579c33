"""Rows of tokens times a matrix of the call: `dot(omega[m, c], x)`, a row over the axis that is left."""

from __future__ import annotations

from collections.abc import Iterator

from attngen.ir.expr import EARLIER, Apply, Expr, Read, Variable, children


def projections(expr: Expr) -> Iterator[Apply]:
    """The products with a matrix in an expression, the outermost of nested ones."""
    if isinstance(expr, Apply) and matrix_of(expr) is not None:
        yield expr
        return
    for child in children(expr):
        yield from projections(child)


def matrix_of(expr: Apply) -> tuple[Read, Expr] | None:
    """The matrix, which is the same for all tokens, and the row; nothing of another expression."""
    if expr.function != "dot" or len(expr.channels) != 1:
        return None
    for matrix, row in (expr.arguments, expr.arguments[::-1]):
        alike = isinstance(matrix, Read) and len(matrix.channels) == 2 and len(row.channels) == 1
        if alike and isinstance(matrix, Read) and all(map(_is_plain, matrix.indices)):
            return matrix, row
    return None


def _is_plain(index: Expr) -> bool:
    """Whether an index is a batch row, a head or a channel as it is."""
    return isinstance(index, Variable) and index.name not in ("t", EARLIER.name)

"""An expression that is linear in the states of a recurrence, as a sum of pieces.

A piece is a factor times a state, a factor times what a row reads from a state, or free of states. Axes have names,
so `outer(b, dot(a, S))` is the piece with the factor b, read by a: no order of axes is left to care about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from attngen.analysis.factored import MINUS_ONE, factors, product, reciprocal, times
from attngen.analysis.laws import ONE, ZERO, where
from attngen.errors import Span
from attngen.ir.expr import Apply, Expr, Kind, Rechannel, Row, distinct

ROWS = ("q", "k", "v")


@dataclass(frozen=True, slots=True)
class Piece:
    """`factor * dot(by, state)`; `factor * state` where nothing is read by a row; without a state, `factor`.

    `state` is the state's row, or its `prev`. `span` is the term that an author wrote.
    """

    factor: Expr
    span: Span
    state: Expr | None = None
    by: Expr | None = None

    @property
    def channels(self) -> frozenset[str]:
        """The axes of the piece."""
        state = frozenset() if self.state is None else frozenset(self.state.channels)
        read = frozenset() if self.by is None else frozenset(self.by.channels)
        return frozenset(self.factor.channels) | (state - read)


class NotLinear(Exception):
    """A term is not linear in the states: `reason` says how, `span` where."""

    def __init__(self, reason: str, span: Span) -> None:
        super().__init__(reason)
        self.reason, self.span = reason, span


def depends(expr: Expr) -> bool:
    """Whether a state is read in an expression."""
    return any(isinstance(part, Row) and part.name not in ROWS for part in distinct(expr))


def is_state(expr: Expr) -> bool:
    """Whether an expression is a state, now or before the token."""
    if isinstance(expr, Apply) and expr.function == "prev":
        return True
    return isinstance(expr, Row) and expr.name not in ROWS


def pieces(expr: Expr) -> list[Piece]:
    """The pieces that an expression is the sum of.

    Raises:
        NotLinear: there are none.
    """
    if not depends(expr):
        return [Piece(expr, expr.span)]
    if is_state(expr):
        return [Piece(ONE, expr.span, expr)]
    if isinstance(expr, Rechannel):
        raise NotLinear("a state is read at another channel", expr.span)
    assert isinstance(expr, Apply)
    rule = RULES.get(expr.function)
    if rule is None:
        raise NotLinear(f"`{expr.function}` of a state", expr.span)
    return rule(expr)


def _sum(expr: Apply) -> list[Piece]:
    left, right = (pieces(argument) for argument in expr.arguments)
    return left + (right if expr.function == "+" else _scaled(MINUS_ONE, right))


def _negative(expr: Apply) -> list[Piece]:
    return _scaled(MINUS_ONE, pieces(expr.arguments[0]))


def _scaled(factor: Expr, terms: list[Piece], span: Span | None = None) -> list[Piece]:
    return [replace(term, factor=times(factor, term.factor), span=span or term.span) for term in terms]


def _product(expr: Apply) -> list[Piece]:
    left, right = expr.arguments
    if depends(left) and depends(right):
        raise NotLinear("states are multiplied with each other", expr.span)
    free, other = (right, left) if depends(left) else (left, right)
    found = pieces(other)
    return _scaled(free, found, expr.span if len(found) == 1 else None)


def _quotient(expr: Apply) -> list[Piece]:
    over, under = expr.arguments
    if depends(under):
        raise NotLinear("something is divided by a state", expr.span)
    return _scaled(reciprocal(expr), pieces(over))


def _choice(expr: Apply) -> list[Piece]:
    condition, then, otherwise = expr.arguments
    if depends(condition):
        raise NotLinear("a state decides", condition.span)
    found = [replace(term, factor=where(condition, term.factor)) for term in pieces(then)]
    for term in pieces(otherwise):
        same = [n for n, known in enumerate(found) if known.state and (known.state, known.by) == (term.state, term.by)]
        if same and isinstance(known := found[same[0]].factor, Apply):
            found[same[0]] = replace(term, factor=where(condition, known.arguments[1], term.factor), span=expr.span)
        else:
            found.append(replace(term, factor=where(condition, ZERO, term.factor)))
    return found


def _contraction(expr: Apply) -> list[Piece]:
    left, right = expr.arguments
    if depends(left) and depends(right):
        raise NotLinear("states are multiplied with each other", expr.span)
    row, other = (right, left) if depends(left) else (left, right)
    over = frozenset(left.channels) & frozenset(right.channels)
    return [_read(row, term, over, expr) for term in pieces(other)]


def _read(row: Expr, term: Piece, over: frozenset[str], expr: Apply) -> Piece:
    """The sum over some axes of a row and a piece."""
    if not over <= term.channels:
        raise NotLinear("a term has not all axes that are summed over", term.span)
    if term.state is None:
        return Piece(_dot(row, term.factor, over), expr.span)
    inside = [part for part in factors(term.factor) if over.intersection(part.channels)]
    outside = [part for part in factors(term.factor) if not over.intersection(part.channels)]
    state_axes = frozenset(term.state.channels) - frozenset(() if term.by is None else term.by.channels)
    if not over <= state_axes:  # what a row has read is summed with what it was multiplied by
        if over & state_axes:
            raise NotLinear("a sum over axes of a state and of a row beside it", expr.span)
        return replace(term, factor=times(product(outside), _dot(row, product(inside), over)), span=expr.span)
    if term.by is not None:
        raise NotLinear("a state is summed over all its axes", expr.span)
    if any(not over.issuperset(part.channels) for part in inside):
        raise NotLinear("a state decays by both its axes before it is read", term.span)
    scalars = [part for part in factors(row) if not part.channels]
    by = product([*(part for part in factors(row) if part.channels), *inside])
    if not over.issuperset(by.channels):
        raise NotLinear("what reads a state has an axis of its own", row.span)
    return replace(term, factor=times(product(outside), product(scalars)), by=by, span=expr.span)


def _dot(row: Expr, other: Expr, over: frozenset[str]) -> Expr:
    channels = tuple(sorted((frozenset(row.channels) | frozenset(other.channels)) - over))
    return Apply(Kind.FLOAT, channels, function="dot", arguments=(row, other))


RULES: dict[str, Callable[[Apply], list[Piece]]] = {
    "+": _sum,
    "-": _sum,
    "neg": _negative,
    "*": _product,
    "outer": _product,
    "/": _quotient,
    "if": _choice,
    "dot": _contraction,
}
"""Functions that keep an expression linear."""

"""What a recurrence computes of each token: rows over channels of keys or of values, and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from attngen.errors import Span
from attngen.ir.expr import (
    Apply,
    Expr,
    Kind,
    Read,
    Rechannel,
    Row,
    Variable,
    children,
    distinct,
    mentions,
    rewrite,
    variables,
    with_children,
)
from attngen.ir.functions import SCALAR
from attngen.schedule.angles import with_angles
from attngen.schedule.host import Hoisting
from attngen.schedule.levels import Level, is_row_sum
from attngen.schedule.names import ROW_PLACES, Namer
from attngen.schedule.projections import matrix_of, projections
from attngen.schedule.rows import OUTSIDE, is_inside, of_channel
from attngen.schedule.statements import Sequence, Statement, Tile

TOKENS: Mapping[str, Level] = {
    **dict.fromkeys(("t", "earlier", "i", "j"), Level.QUERY),
    **dict.fromkeys(("c", "e"), Level.KEY),
}
"""What varies in a tile of tokens: `QUERY` is once per token, `KEY` once per channel, `PAIR` once per element."""


@dataclass(frozen=True, slots=True)
class TokenRow(Tile):
    """A row of each token, over the channels of `axis`; a number of each where there is none.

    One with a `matrix` is the product of that and the row that is `projected`.
    """

    name: str
    axis: str | None
    matrix: Read | None = None
    projected: TokenRow | None = None

    @property
    def exprs(self) -> tuple[Expr, ...]:
        """All that is computed, and the matrix that is read."""
        values = (*(statement.value for statement in self.statements), self.result)
        return values if self.matrix is None else (*values, self.matrix)

    @property
    def plain(self) -> bool:
        """Whether it is a row of the call as it is."""
        return isinstance(self.result, Row)


@dataclass(slots=True)
class Tokens:
    """The rows of a kernel, each once; `sources` are what they are made of, products with matrices by their names."""

    namer: Namer
    hoisting: Hoisting
    rows: dict[Expr, TokenRow] = field(default_factory=dict)
    sources: dict[str, Expr] = field(default_factory=dict)

    def row(self, expr: Expr, wanted: str) -> TokenRow:
        """The row that an expression is; `wanted` is its name, where it is none of the call's own."""
        if expr not in self.rows:
            inner = self._products(expr, wanted)
            name = expr.name if isinstance(expr, Row) else self.namer.fresh(self.namer.given.get(expr, wanted))
            self.rows[expr] = inner[expr] if expr in inner else self._made(with_products(expr, inner), name, inner)
        return self.rows[expr]

    def _products(self, expr: Expr, wanted: str) -> dict[Expr, TokenRow]:
        """The products with matrices in an expression."""
        return {part: self._projected(part, f"{wanted}_product") for part in projections(expr)}

    def _projected(self, product: Apply, wanted: str) -> TokenRow:
        """A product with a matrix."""
        if product not in self.rows:
            found = matrix_of(product)
            assert found is not None
            matrix, row = found
            of = self.row(row, f"{wanted}_row")
            (axis,) = product.channels
            name = self.namer.fresh(wanted)
            result = Variable(Kind.FLOAT, product.channels, name=name)
            self.rows[product] = TokenRow((), result, name, axis, matrix, of)
        return self.rows[product]

    def result(self, expr: Expr, name: str, read: Mapping[str, Level]) -> TokenRow:
        """A row over values of the kernel, whose levels are given: no row that others take."""
        inner = self._products(expr, name)
        return self._made(with_products(expr, inner), name, inner, read)

    def _made(
        self, expr: Expr, name: str, inner: Mapping[Expr, TokenRow], read: Mapping[str, Level] | None = None
    ) -> TokenRow:
        axis = next(iter(expr.channels), None)
        self.sources[name] = expr
        if isinstance(expr, Row):
            return TokenRow((), expr, name, axis)
        levels = {row.name: Level.PAIR for row in inner.values()} | dict(read or {})
        statements, (result,) = self.lowered([of_channel(expr)], levels)
        return TokenRow(statements, result, name, axis)

    def lowered(self, roots: list[Expr], read: Mapping[str, Level]) -> tuple[tuple[Statement, ...], list[Expr]]:
        """Statements, and roots over their names; `read` gives the levels of names that are values of the kernel."""
        for value in set[Expr]().union(*map(distinct, roots)) & self.namer.given.keys():
            # the author's names stay, with host values inside
            self.namer.given.setdefault(self.hoisting.hoisted(value, exact=False), self.namer.given[value])
        exact = Sequence(self.namer, exact=True, axes=TOKENS, places=ROW_PLACES)
        turned = [_angles(root, frozenset(read), exact, self.hoisting) for root in roots]
        rough = [self.hoisting.hoisted(root, exact=False) for root in turned]
        levels = {**exact.levels, **read}
        known = dict(exact.known)
        sequence = Sequence(self.namer, exact=False, axes=TOKENS, places=ROW_PLACES, known=known, levels=levels)
        results = [sequence.lowered(root, rough) for root in rough]
        return (*exact.statements, *sequence.statements), results


def _angles(row: Expr, read: frozenset[str], exact: Sequence, hoisting: Hoisting) -> Expr:
    """Angles of positions are float64; what inputs hold and states give is not."""
    if not mentions(row, "t"):
        return row
    if not any(isinstance(part, Read) for part in distinct(row)) and read.isdisjoint(variables(row)):
        return with_angles(row, exact, hoisting)
    below = children(row)
    return with_children(row, tuple(_angles(child, read, exact, hoisting) for child in below))


def with_products(expr: Expr, products: Mapping[Expr, TokenRow]) -> Expr:
    """An expression over the names of its products with matrices."""
    return rewrite(expr, lambda part: products[part].result if part in products else part) if products else expr


def obstacle(row: Expr) -> tuple[str, Span] | None:
    """Why a row of tokens can't be computed yet, and where; nothing if it can."""
    for product in projections(row):
        found = matrix_of(product)
        if found is not None and (reason := obstacle(found[1])) is not None:
            return reason
    row = rewrite(row, _without_products)
    for part in _as_written(row):
        if isinstance(part, Rechannel) and not (part.axis == "c" and is_inside(part.index)):
            return OUTSIDE, part.span
    for part in _as_written(of_channel(row)):
        if isinstance(part, Apply) and not (part.function in SCALAR or is_row_sum(part)):
            return f"`{part.function}` of these rows can't be compiled yet", part.span
        if isinstance(part, Variable) and part.channels and part.name not in ("c", "e", PRODUCT):
            return f"the channel axis `{part.name}` can't be compiled yet", part.span
        if len(part.channels) > 1:
            return "a matrix of each token can't be compiled yet", part.span
    return None


def _as_written(expr: Expr) -> list[Expr]:
    """The parts of an expression, those that an author wrote first."""
    return sorted(distinct(expr), key=lambda part: (not part.span.text, part.span.start, -part.span.stop, repr(part)))


PRODUCT = "product"


def _without_products(part: Expr) -> Expr:
    """A name in place of a product with a matrix."""
    if isinstance(part, Apply) and matrix_of(part) is not None:
        return Variable(Kind.FLOAT, part.channels, name=PRODUCT)
    return part


def with_readings(out: Expr, names: Mapping[str, str]) -> Expr:
    """An expression over values of the kernel in place of what tokens read from states."""

    def named(node: Expr) -> Expr:
        if isinstance(node, Row) and node.name in names:
            return Variable(Kind.FLOAT, node.channels, name=names[node.name])
        return node

    return rewrite(out, named)

"""The dot products of a score: what they are called, and how their rows are computed once per row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace

from attngen.ir.expr import Apply, Expr, Kind, Row, Variable, distinct, mentions, rewrite
from attngen.schedule import growth
from attngen.schedule.adjoints import Adjoint, adjoint
from attngen.schedule.angles import with_angles
from attngen.schedule.growth import Growth
from attngen.schedule.host import Hoisting
from attngen.schedule.levels import BRIDGES, KEY_ROWS, QUERY_ROWS, Level
from attngen.schedule.names import Namer
from attngen.schedule.rows import Split, products, split
from attngen.schedule.statements import Sequence, Tile


@dataclass(frozen=True, slots=True)
class RowPlan(Tile):
    """One side of a product: the levels of its statements are those of a tile of rows.

    A plain side is q or k as it is. `per_head` tells whether a row depends on the head beyond its own. The `adjoint`
    is missing in a plan for the forward pass alone, and for a bridge.
    """

    name: str
    per_head: bool
    adjoint: Adjoint | None = None

    @property
    def plain(self) -> bool:
        return isinstance(self.result, Row)


@dataclass(frozen=True, slots=True)
class Product:
    """`name` stands for the dot product of a row of the query and a row of the key.

    Rows that grow are relative to anchors of their tiles; `bridge` is the factor of each channel between the two.
    """

    name: str
    query: RowPlan
    key: RowPlan
    bridge: RowPlan | None = None

    @property
    def rows(self) -> tuple[RowPlan, ...]:
        """All that is computed for it once per row or channel."""
        return (self.query, self.key, *(() if self.bridge is None else (self.bridge,)))

    @property
    def forward(self) -> Product:
        """The product without what gradients alone need."""
        return replace(self, query=replace(self.query, adjoint=None), key=replace(self.key, adjoint=None))


def query_rows(products: Iterable[Product]) -> list[RowPlan]:
    """The rows of queries, each once."""
    return list({product.query.name: product.query for product in products}.values())


def key_rows(products: Iterable[Product]) -> list[RowPlan]:
    """The rows of keys, each once."""
    return list({product.key.name: product.key for product in products}.values())


def named_products(score: Expr, namer: Namer, hoisting: Hoisting) -> tuple[Expr, tuple[Product, ...]]:
    """The score with names in place of its dot products, and the products."""
    nodes = {node: split(node) for node in products(score)}  # dot(q, k) and dot(k, q) are one
    names: dict[Split | str, Variable] = {}
    for node, sides in nodes.items():
        names.setdefault(sides, Variable(Kind.FLOAT, name=_name(node, len(names), set(nodes.values()), namer)))
    made = tuple(_product(name.name, sides, namer, hoisting) for sides, name in names.items())
    return rewrite(score, lambda node: names[nodes[node]] if node in nodes else node), made


def _name(product: Expr, number: int, found: Set[Split | str], namer: Namer) -> str:
    if len(found) == 1:
        return "qk"
    return namer.fresh(namer.given.get(product, f"product_{number + 1}"))


def _product(name: str, sides: Split | str, namer: Namer, hoisting: Hoisting) -> Product:
    assert isinstance(sides, Split), sides  # refused before
    prefix = "" if name == "qk" else f"{name}_"  # `near_q`, but `q_turned` where there is but one product
    elsewhere = Namer(namer.given, set(namer.taken))  # keys have a function of their own, where names are free again
    names = [f"{prefix}{side}" if prefix else f"{side}_turned" for side in ("q", "k")]
    since: dict[str, Expr] = {}
    if sides.grown is not None:
        rates = [grown.rate for grown in sides.grown]
        for value, called in growth.names(*rates).items():
            namer.given.setdefault(value, called)
            namer.given.setdefault(hoisting.hoisted(value, exact=False), called)
        since = growth.since_anchors(*rates)
    query = _row(namer.fresh(names[0]), sides.query, since.get("query"), QUERY_ROWS, namer, hoisting)
    key = _row(namer.fresh(names[1]), sides.key, since.get("key"), KEY_ROWS, elsewhere, hoisting)
    apart = [Namer(namer.given, set(namer.taken)) for _ in "qk"]
    query = replace(query, adjoint=adjoint(sides.query, "q", since.get("query"), QUERY_ROWS, apart[0], hoisting))
    key = replace(key, adjoint=adjoint(sides.key, "k", since.get("key"), KEY_ROWS, apart[1], hoisting))
    return Product(name, query, key, sides.grown and _bridge(*sides.grown, namer, hoisting))


def _bridge(query: Growth, key: Growth, namer: Namer, hoisting: Hoisting) -> RowPlan:
    exponent, precise = growth.bridge_exponent(query, key)
    exponent = hoisting.hoisted(exponent, exact=precise)
    sequence = Sequence(namer, exact=precise, axes=BRIDGES)
    if precise:
        sequence.define(namer.fresh("exponent"), exponent, [exponent])
        exponent = Variable(Kind.FLOAT, name=sequence.statements[-1].name)
        exponent = Apply(Kind.FLOAT, function="float", arguments=(exponent,))
    else:
        exponent = sequence.lowered(exponent, [exponent])
    factor = Apply(Kind.FLOAT, function="exp", arguments=(exponent,))
    per_head = any(mentions(grown.rate, "h") or mentions(grown.shift, "h") for grown in (query, key))
    return RowPlan(tuple(sequence.statements), factor, namer.fresh("bridge"), per_head)


def _row(
    name: str, row: Expr, since: Expr | None, axes: Mapping[str, Level], namer: Namer, hoisting: Hoisting
) -> RowPlan:
    """The plan of a row, times `since` if it grows."""
    if isinstance(row, Row) and since is None:
        return RowPlan((), row, row.name, per_head=False)
    named = [part for part in distinct(row) if part in namer.given]
    for value in named:  # what the author named keeps its name with host values inside
        namer.given.setdefault(hoisting.hoisted(value, exact=True), namer.given[value])
    exact = Sequence(namer, exact=True, axes=axes)
    turned = with_angles(row, exact, hoisting)
    rough = hoisting.hoisted(turned if since is None else _grown(turned, since), exact=False)
    sequence = Sequence(namer, exact=False, axes=axes, known=dict(exact.known), levels=dict(exact.levels))
    result = sequence.lowered(rough, [rough])
    per_head = mentions(row, "h") or (since is not None and mentions(since, "h"))
    return RowPlan((*exact.statements, *sequence.statements), result, name, per_head)


def _grown(row: Expr, since: Expr) -> Expr:
    return Apply(Kind.FLOAT, row.channels, function="*", arguments=(row, since))

"""The score of a pair over named values, and its slopes."""

from __future__ import annotations

from dataclasses import dataclass

from attngen.ir import nodes
from attngen.ir.expr import Apply, Expr, Kind, Read, Variable, children, distinct
from attngen.schedule.host import Hoisting
from attngen.schedule.indices import exact_decisions
from attngen.schedule.levels import Level, level
from attngen.schedule.logits import in_base_two
from attngen.schedule.products import Product, named_products
from attngen.schedule.slopes import Slope, name_of, slopes_of
from attngen.schedule.statements import Sequence, Statement


@dataclass(frozen=True, slots=True)
class Scores:
    """`score` over the names of `statements`, `normalization` with what it holds lowered, and the dot products.

    `slopes` are of the score, `extra_slopes` of the sink.
    """

    statements: tuple[Statement, ...]
    score: Expr
    normalization: nodes.Normalization
    products: tuple[Product, ...]
    slopes: tuple[Slope, ...]
    extra_slopes: tuple[Slope, ...]


def scores(body: nodes.Pairwise, hoisting: Hoisting, exact: Sequence) -> Scores:
    """What a score is computed from; ints are shared with the mask, whose statements are `exact`."""
    early = (Level.HEAD, Level.QUERY)  # what the mask computes for keys and pairs, it computes in partial tiles only
    shared = {
        expr: name for expr, name in exact.known.items() if _has_no_float(expr) and exact.levels[name.name] in early
    }
    weight, multiplied = named_products(body.score, exact.namer, hoisting)
    products = {product.name: Level.PAIR for product in multiplied}
    indices = Sequence(exact.namer, exact=True, known=dict(shared), levels={**exact.levels, **products})

    def ready(expr: Expr) -> Expr:
        return hoisting.hoisted(exact_decisions(expr, indices, hoisting, products), exact=False)

    extra = body.normalization.sink if isinstance(body.normalization, nodes.Softmax) else None
    score = ready(in_base_two(weight) if body.logit else weight)
    sink = None if extra is None else hoisting.hoisted(in_base_two(extra), exact=False)
    found = slopes_of(weight, products)
    of_extra = slopes_of(extra, ()) if extra is not None else {}
    slopes, extra_slopes = ({leaf: ready(slope) for leaf, slope in each.items()} for each in (found, of_extra))
    places: dict[Expr, Expr] = {leaf: ready(leaf) for leaf in slopes if isinstance(leaf, Read)}
    indices_of_places = [index for read in places.values() for index in children(read)]
    roots = [score, *([] if sink is None else [sink]), *slopes.values(), *extra_slopes.values(), *indices_of_places]
    sequence = Sequence(exact.namer, exact=False, known=shared, levels=dict(indices.levels))
    lowered = sequence.lowered(score, roots)
    match body.normalization:
        case nodes.Softmax() if sink is not None:
            normalization: nodes.Normalization = nodes.Softmax(sequence.lowered(sink, roots))
        case nodes.Sum(eps=eps):
            normalization = nodes.Sum(hoisting.hoisted(eps, exact=False))
        case normalization:
            pass
    made = [
        tuple(_slope(leaf, slope, places.get(leaf), sequence, roots) for leaf, slope in of.items())
        for of in (slopes, extra_slopes)
    ]
    return Scores((*indices.statements, *sequence.statements), lowered, normalization, multiplied, *made)


def _slope(leaf: Variable | Read, slope: Expr, place: Expr | None, sequence: Sequence, roots: list[Expr]) -> Slope:
    """A slope by a name of its own, unless it has one; and where the element is."""
    value = sequence.lowered(slope, roots)
    if isinstance(value, Apply):
        name = sequence.namer.fresh(f"slope_by_{name_of(leaf)}".rstrip("_"))
        sequence.define(name, slope, roots)
        value = Variable(Kind.FLOAT, name=name)
    indices = tuple(sequence.lowered(index, roots) for index in children(place)) if place is not None else ()
    return Slope(leaf, value, level(value, sequence.levels), indices)


def _has_no_float(expr: Expr) -> bool:
    """Ints that are the same in scores and masks."""
    return all(part.kind is not Kind.FLOAT for part in distinct(expr))

"""The plan of a streaming kernel: every decision, none of them left to a backend or a template.

    walk (which key tiles, which of them full)  ->  score and mask of a tile  ->  weights of the rows  ->  y

Positions and masks are exact (integers and float64); scores are float32, and in base two where they are exponents.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

from attngen.analysis import algebra as al
from attngen.analysis.bounds import Bounds, key_bounds, query_bounds
from attngen.analysis.calls import possible
from attngen.analysis.lists import List, rewritten
from attngen.analysis.walk import Definition, Periodic, Range, query_walk
from attngen.errors import SpecError
from attngen.ir import nodes
from attngen.ir.bodies import extra_of
from attngen.ir.expr import FALSE, TRUE, Expr, Kind, Read, distinct, variables
from attngen.passes import simplify
from attngen.schedule.congruences import with_remainders
from attngen.schedule.distances import tabled
from attngen.schedule.guards import outside
from attngen.schedule.homes import Landing, landings
from attngen.schedule.host import Hoisting, HostValue
from attngen.schedule.levels import Level
from attngen.schedule.names import Namer, kernel_name
from attngen.schedule.products import Product, RowPlan
from attngen.schedule.rows import is_anchored
from attngen.schedule.scores import scores
from attngen.schedule.slopes import Slope
from attngen.schedule.statements import Sequence, Statement, Tile, needed
from attngen.schedule.support import unsupported
from attngen.schedule.walks import choose_walk


@dataclass(frozen=True, slots=True)
class Plan:
    """A streaming kernel: per (batch row, head, query tile), a walk over key tiles that sums weighted values.

    `listed` is the walk over values of the host, if it is a list; `per_period` what a periodic walk computes in each.
    `head` holds what is computed once per query tile, the ends of the walk included. `by_keys` is the walk of a key
    tile over query tiles, unless walks are lists; `by_keys_ends` and `by_keys_period` are what it computes for that,
    once and in each period. `mask.result` is `TRUE`
    where every pair is live. `products` are the dot products of rows, by the names that the score calls them.
    `score.result` is the base-two logarithm of the weight if `logit`, else the weight itself.
    What `normalization` holds is lowered, a sink in base two. `slopes` are the derivatives of the score itself, not in
    base two, `extra_slopes` those of the sink, and `landings` what they and the rows make of inputs; all are empty in a
    plan for the forward pass alone. `fault` holds for a pair whose value would need an element outside of an input; its
    result is `FALSE` if none can. `suspected` says whether the ends of a call leave that possible (`analysis.calls`).
    """

    variant: nodes.Variant
    bounds: Bounds
    walk: Range | Periodic | List
    listed: List | None
    host: tuple[HostValue, ...]
    head: tuple[Statement, ...]
    per_period: tuple[Statement, ...]
    by_keys: Range | Periodic | None
    by_keys_ends: tuple[Statement, ...]
    by_keys_period: tuple[Statement, ...]
    products: tuple[Product, ...]
    mask: Tile
    score: Tile
    logit: bool
    normalization: nodes.Normalization
    slopes: tuple[Slope, ...]
    extra_slopes: tuple[Slope, ...]
    landings: tuple[Landing, ...]
    fault: Tile
    suspected: Expr

    @property
    def masked(self) -> bool:
        return self.mask.result != TRUE

    @property
    def ordered(self) -> bool:
        """Whether tokens may be walked in another order than their own."""
        return isinstance(self.walk, List) and bool(self.walk.orders)

    @property
    def softmax(self) -> bool:
        """Whether the rows need a running maximum, and have a log-sum-exp."""
        return isinstance(self.normalization, nodes.Softmax)

    @property
    def once_per_row(self) -> Expr | None:
        """What the normalization needs beside the weights: a sink, or what is added to a sum."""
        return extra_of(self.normalization)

    @property
    def checked(self) -> bool:
        """Whether a pair can be at fault."""
        return self.fault.result != FALSE

    @property
    def by_distance(self) -> dict[Statement, Expr]:
        """Values of the score that tables can hold, and what they are of a distance."""
        numbers = frozenset(value.name for value in self.host if not value.per_head)
        places = [place for landing in self.landings for place in landing.place]
        return tabled(self.score.statements, [self.score.result, *places], numbers)

    @property
    def counted(self) -> bool:
        """Whether it matters how many keys a row sees."""
        return isinstance(self.normalization, (nodes.Sum, nodes.Count))

    @property
    def centred(self) -> bool:
        """Whether a gradient by a score is relative to the sum of those of its row, as where weights are shares."""
        return isinstance(self.normalization, (nodes.Softmax, nodes.Sum))

    @property
    def smooth(self) -> tuple[Product, ...]:
        """The products that the score depends on smoothly."""
        found = {product.name: product for product in self.products}
        return tuple(found[slope.name] for slope in self.slopes if slope.of_product)

    @property
    def rows(self) -> tuple[RowPlan, ...]:
        """Both sides of every product."""
        return tuple(side for product in self.products for side in (product.query, product.key))

    @property
    def bridges(self) -> tuple[RowPlan, ...]:
        """The factors between the anchors of products whose rows grow with the position."""
        return tuple(product.bridge for product in self.products if product.bridge is not None)

    @property
    def exprs(self) -> list[Expr]:
        """All that kernels compute."""
        values = [expr for computed in (*self.tiles, *self.rows) for expr in computed.exprs]
        values += [expr for rows in self.rows if rows.adjoint is not None for expr in rows.adjoint.exprs]
        values += [slope.value for slope in (*self.slopes, *self.extra_slopes)]
        return values + [s.value for s in self.head] + ([] if self.once_per_row is None else [self.once_per_row])

    @property
    def exact(self) -> list[Expr]:
        """What of that is computed in float64."""
        statements = (statement for computed in (*self.tiles, *self.rows) for statement in computed.statements)
        return [statement.value for statement in statements if statement.exact]

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """All that is computed for pairs."""
        return (self.mask, self.score, self.fault)


def plan(variant: nodes.Variant) -> Plan:
    """Decide how a checked variant and its gradients are computed.

    Raises:
        SpecError: it cannot be compiled yet.
    """
    problems = unsupported(variant)
    simple = variant if problems else simplify(variant)
    if problems := problems or unsupported(simple):  # `q[0 mod D]` is `q[0]`
        raise SpecError(problems)
    body = simple.pairwise
    bounds = key_bounds(simple, body.mask)
    fault = _fault(simple)
    walk = choose_walk(simple, body.mask, fault, bounds, movable=not is_anchored(body.score))
    namer = _namer(simple)
    hoisting = Hoisting(namer)
    exact = Sequence(namer, exact=True)
    mask = hoisting.hoisted(with_remainders(body.mask), exact=True)
    ends = _hoisted(() if isinstance(walk, List) else walk.definitions, hoisting)
    inner = _hoisted(walk.inner if isinstance(walk, Periodic) else (), hoisting)
    by_keys = None if isinstance(walk, List) else query_walk(query_bounds(simple, body.mask))
    columns = _hoisted(() if by_keys is None else by_keys.definitions, hoisting)
    inner_columns = _hoisted(by_keys.inner if isinstance(by_keys, Periodic) else (), hoisting)
    listed = rewritten(walk, partial(hoisting.hoisted, exact=True)) if isinstance(walk, List) else None
    roots = [mask, *(value for _, value in ends)]
    for name, value in ends:
        exact.define(name, value, roots)
    masked = exact.lowered(mask, roots)
    per_period, by_keys_ends, by_keys_period = (_defined(each, exact) for each in (inner, columns, inner_columns))
    faults = Sequence(namer, exact=True, known=dict(exact.known), levels=dict(exact.levels))
    fault = hoisting.hoisted(fault, exact=True)
    faulty = faults.lowered(fault, [fault])
    scored = scores(body, hoisting, exact)
    statements = (*exact.statements, *scored.statements, *faults.statements)
    return Plan(
        variant=simple,
        bounds=bounds,
        walk=walk,
        listed=listed,
        host=tuple(hoisting.values),
        head=tuple(statement for statement in statements if statement.level is Level.HEAD),
        mask=Tile(tuple(exact.statements), masked),
        per_period=per_period,
        by_keys=by_keys,
        by_keys_ends=by_keys_ends,
        by_keys_period=by_keys_period,
        products=scored.products,
        score=Tile(scored.statements, scored.score),
        logit=body.logit,
        normalization=scored.normalization,
        slopes=scored.slopes,
        extra_slopes=scored.extra_slopes,
        landings=landings(scored.products, scored.slopes, scored.extra_slopes),
        fault=Tile(tuple(faults.statements), faulty),
        suspected=possible(_fault(simple), simple),
    )


def _hoisted(definitions: tuple[Definition, ...], hoisting: Hoisting) -> list[tuple[str, Expr]]:
    return [(definition.name, hoisting.hoisted(definition.value, exact=True)) for definition in definitions]


def _defined(definitions: list[tuple[str, Expr]], known: Sequence) -> tuple[Statement, ...]:
    """Definitions that stand elsewhere than those before, over what is known."""
    found = Sequence(known.namer, exact=True, known=dict(known.known), levels=dict(known.levels))
    for name, value in definitions:
        found.define(name, value, [value for _, value in definitions])
    return tuple(found.statements)


def _fault(variant: nodes.Variant) -> Expr:
    """Where a pair needs an element outside of an input: in its mask, or in its score if it is live."""
    body = variant.pairwise
    return al.either(outside(body.mask, variant), al.both(body.mask, outside(body.score, variant)))


def _namer(variant: nodes.Variant) -> Namer:
    names = {let.value: let.name for let in variant.lets}
    # A float parameter is a value of the host, which may keep its name.
    given = [parameter.name for parameter in variant.parameters if parameter.kind is not Kind.FLOAT]
    given += [tensor.name for tensor in variant.inputs]
    return Namer(names, {kernel_name(name) for name in given})


def forward(plan: Plan) -> Plan:
    """The plan without what gradients alone need."""
    extra = [] if plan.once_per_row is None else [plan.once_per_row]
    score = Tile(tuple(needed(plan.score.statements, plan.score.result, *extra)), plan.score.result)
    dropped = set(plan.score.statements) - set(score.statements)
    products = tuple(product.forward for product in plan.products)
    of_gradients = [statement.value for statement in dropped]
    of_gradients += [slope.value for slope in (*plan.slopes, *plan.extra_slopes)]
    of_gradients += [statement.value for statement in (*plan.by_keys_ends, *plan.by_keys_period)]
    of_gradients += [expr for row in plan.rows if row.adjoint is not None for expr in row.adjoint.exprs]
    head = tuple(statement for statement in plan.head if statement not in dropped)
    kept = [expr for tile in (plan.mask, score, plan.fault) for expr in tile.exprs]
    kept += [expr for product in products for row in product.rows for expr in row.exprs]
    kept += [*extra, *(statement.value for statement in (*head, *plan.per_period))]
    idle = _names(of_gradients) - _names(kept)
    host = tuple(value for value in plan.host if value.name not in idle)
    without = replace(plan, by_keys=None, by_keys_ends=(), by_keys_period=(), slopes=(), extra_slopes=(), landings=())
    return replace(without, host=host, head=head, score=score, products=products)


def _names(exprs: Iterable[Expr]) -> set[str]:
    return {name for expr in exprs for name in variables(expr)}


def reads(plan: Plan) -> tuple[Read, ...]:
    """Every element of an input that the kernel reads, each once; the rows of keys are another kernel's."""
    values = [expr for tile in (*plan.tiles, *(product.query for product in plan.products)) for expr in tile.exprs]
    found = {part: None for value in values for part in distinct(value) if isinstance(part, Read)}
    return tuple(found)

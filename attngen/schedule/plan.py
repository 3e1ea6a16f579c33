"""The plan of a streaming kernel: every decision, none of them left to a backend or a template.

    walk (which key tiles, which of them full)  ->  score and mask of a tile  ->  online softmax  ->  y, lse

Positions and masks are exact (integers and float64); scores are float32 and in base two.
"""

from __future__ import annotations

from dataclasses import dataclass

from attngen.analysis.bounds import Bounds, key_bounds
from attngen.analysis.walk import Range, key_walk
from attngen.errors import SpecError
from attngen.ir import nodes
from attngen.ir.expr import TRUE, Expr, Kind, Read, distinct
from attngen.passes import simplify
from attngen.schedule.host import Hoisting, HostValue
from attngen.schedule.levels import Level
from attngen.schedule.logits import in_base_two, with_product
from attngen.schedule.names import Namer
from attngen.schedule.statements import Sequence, Statement
from attngen.schedule.support import unsupported

FIXED_NAMES = frozenset("b h i j q0 q1 qk q k v y lse m B H N M D E KEY_TILE QUERY_TILE scale offset".split())
"""Names with a meaning in every kernel; statements never take them."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A value of a tile of pairs: `statements` in order, then `result` over their names."""

    statements: tuple[Statement, ...]
    result: Expr

    def at(self, *levels: Level) -> tuple[Statement, ...]:
        return tuple(statement for statement in self.statements if statement.level in levels)


@dataclass(frozen=True, slots=True)
class Plan:
    """A streaming kernel: per (batch row, head, query tile), a walk over key tiles with a running softmax.

    `head` holds what is computed once per query tile, the ends of the walk included. `mask.result` is `TRUE`
    where every pair is live; `sink` is a logit in base two, or `None`.
    """

    variant: nodes.Variant
    bounds: Bounds
    walk: Range
    host: tuple[HostValue, ...]
    head: tuple[Statement, ...]
    mask: Tile
    score: Tile
    sink: Expr | None

    @property
    def masked(self) -> bool:
        return self.mask.result != TRUE


def plan(variant: nodes.Variant) -> Plan:
    """Decide how a checked variant is computed.

    Raises:
        SpecError: it cannot be compiled yet.
    """
    problems = unsupported(variant)
    if problems:
        raise SpecError(problems)
    simple = simplify(variant)
    body = simple.pairwise
    bounds = key_bounds(simple, body.mask)
    walk = key_walk(bounds)
    namer = _namer(simple)
    hoisting = Hoisting(namer)
    exact = Sequence(namer, exact=True)
    mask = hoisting.hoisted(body.mask, exact=True)
    ends = [(definition.name, hoisting.hoisted(definition.value, exact=True)) for definition in walk.definitions]
    roots = [mask, *(value for _, value in ends)]
    for name, value in ends:
        exact.define(name, value, roots)
    masked = exact.lowered(mask, roots)
    inexact, score, sink = _scores(body, hoisting, exact)
    statements = (*exact.statements, *inexact.statements)
    return Plan(
        variant=simple,
        bounds=bounds,
        walk=walk,
        host=tuple(hoisting.values),
        head=tuple(statement for statement in statements if statement.level is Level.HEAD),
        mask=Tile(tuple(exact.statements), masked),
        score=Tile(tuple(inexact.statements), score),
        sink=sink,
    )


def _scores(body: nodes.Pairwise, hoisting: Hoisting, exact: Sequence) -> tuple[Sequence, Expr, Expr | None]:
    """The score and the sink in base two, and the statements before them; ints are shared with the mask."""
    shared = {expr: name for expr, name in exact.known.items() if _is_exact_anyway(expr)}
    sequence = Sequence(exact.namer, exact=False, known=shared, levels=dict(exact.levels))
    softmax = body.normalization
    assert isinstance(softmax, nodes.Softmax)
    score = hoisting.hoisted(in_base_two(with_product(body.score)), exact=False)
    sink = None if softmax.sink is None else hoisting.hoisted(in_base_two(softmax.sink), exact=False)
    roots = [score] if sink is None else [score, sink]
    lowered = sequence.lowered(score, roots)
    return sequence, lowered, None if sink is None else sequence.lowered(sink, roots)


def _is_exact_anyway(expr: Expr) -> bool:
    """Ints that are the same in scores and masks."""
    return all(part.kind is not Kind.FLOAT for part in distinct(expr))


def _namer(variant: nodes.Variant) -> Namer:
    names = {let.value: let.name for let in variant.lets}
    taken = {given.name for given in (*variant.parameters, *variant.inputs)} | FIXED_NAMES
    return Namer(names, taken)


def reads(plan: Plan) -> tuple[Read, ...]:
    """Every element of an input that the kernel reads, each once."""
    values = [statement.value for statement in (*plan.mask.statements, *plan.score.statements)]
    found = {part: None for value in values for part in distinct(value) if isinstance(part, Read)}
    return tuple(found)

"""Which keys can be live for a tile of queries, and which are live for all of it: hull and core; and the other way."""

from __future__ import annotations

from dataclasses import dataclass

from attngen.analysis.facts import Facts
from attngen.analysis.segments import MOST, Segment, Segments, Teeth, hull_of, in_order, limited, merged, parted
from attngen.analysis.solve import KEYS, QUERIES, Fallback, Side, Solver
from attngen.ir.expr import Expr, distinct
from attngen.ir.nodes import Variant


@dataclass(frozen=True, slots=True)
class Bounds:
    """The keys of a query tile as segments in order, ends in terms of q0, q1 (first and last query position).

    At most one segment has teeth; it comes last.

    Every live key lies in `hull`; every key in `core` is live for all queries of the tile. (Or the queries of a key
    tile, in terms of k0, k1 and `offset`, the position of the first query.)
    """

    hull: Segments
    core: Segments
    fallbacks: tuple[Fallback, ...]

    @property
    def toothed(self) -> bool:
        """Whether a part of the hull repeats."""
        return any(segment.teeth for segment in self.hull)

    @property
    def periodic(self) -> bool:
        """Whether all of it does."""
        return self.toothed and len(self.hull) == 1


def key_bounds(variant: Variant, mask: Expr) -> Bounds:
    """Hull and core of the keys for the query tile [q0, q1] of a variant with this mask."""
    return _bounds(variant, mask, KEYS)


def query_bounds(variant: Variant, mask: Expr) -> Bounds:
    """Hull and core of the queries for the key tile [k0, k1]: what a pass over key tiles walks along."""
    return _bounds(variant, mask, QUERIES)


def _bounds(variant: Variant, mask: Expr, side: Side) -> Bounds:
    facts = Facts.of(variant)
    hull, core = Solver(facts, must=False, side=side), Solver(facts, must=True, side=side)
    candidates = merged(hull.predicate(mask))
    if not _has_one_period(candidates):
        candidates = merged(tuple(Segment(segment.start, segment.stop) for segment in candidates))
        hull.fallbacks.append(Fallback(mask, "it has more than one period"))
    plain, toothed = parted(_limited(candidates, side))
    if len(plain) > MOST or _cost(in_order(plain, facts)) > LARGEST:
        plain = _limited((hull_of(parted(candidates)[0]),), side)
        hull.fallbacks.append(Fallback(mask, "it has more segments than are worth their code"))
    always, always_toothed = parted(_limited(merged(core.predicate(mask)), side))
    always = always[:MOST]
    if _cost(in_order(always, facts)) > LARGEST:
        always = always[:1]
    fallbacks = tuple(dict.fromkeys(hull.fallbacks))
    trusted = facts.before_data()
    live = (*in_order(plain, facts), *toothed)
    core_toothed = always_toothed if _has_one_period(always_toothed) and not always else ()
    return Bounds(_tidied(live, trusted), _tidied((*in_order(always, facts), *core_toothed), trusted), fallbacks)


def _has_one_period(segments: Segments) -> bool:
    """Whether at most one segment has teeth, and of one kind."""
    return sum(len(segment.teeth) for segment in segments) <= 1


def _limited(segments: Segments, side: Side) -> Segments:
    return merged(limited(segments, side.every))


LARGEST = 120
"""Operations that the ends of all segments may have together: a scalar program that runs once per query tile."""


def _cost(segments: Segments) -> int:
    ends = {end for segment in segments for end in segment.ends}
    return len(set[Expr]().union(*map(distinct, ends)))


def _tidied(segments: Segments, facts: Facts) -> Segments:
    """Shorter ends. The facts must not come from data: wrong data may cost keys, but never lead outside [0, M)."""
    return tuple(
        Segment(
            facts.tidy(segment.start),
            facts.tidy(segment.stop),
            tuple(Teeth(facts.tidy(t.start), facts.tidy(t.stop), t.period) for t in segment.teeth),
        )
        for segment in segments
        if segment.start is not None and segment.stop is not None
    )

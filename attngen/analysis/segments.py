"""Sets of positions: a fixed number of half-open segments whose ends are expressions.

An empty segment is one whose start is not below its stop when the numbers are known, so nothing here branches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product, zip_longest
from typing import TypeAlias

from attngen.analysis import algebra as al
from attngen.analysis.facts import Facts
from attngen.ir.expr import Constant, Expr, size

MOST = 4
"""Segments that a set may have; beyond that a hull is one segment, and a core keeps the first ones."""


@dataclass(frozen=True, slots=True)
class Teeth:
    """Positions in [start + n * period, stop + n * period) for some whole n."""

    start: Expr
    stop: Expr
    period: Expr


ANYWHERE = Teeth(al.ZERO, al.add(size("M"), al.ONE), al.add(size("M"), al.ONE))
"""What holds for every position; a walk along it has few periods."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Positions [start, stop), of those that lie in all `teeth`; `None` is an end that nothing limits."""

    start: Expr | None = None
    stop: Expr | None = None
    teeth: tuple[Teeth, ...] = ()

    @property
    def ends(self) -> tuple[Expr, ...]:
        """Every expression that decides what lies in it."""
        limits = tuple(end for end in (self.start, self.stop) if end is not None)
        return (*limits, *(end for t in self.teeth for end in (t.start, t.stop, t.period)))


Segments: TypeAlias = tuple[Segment, ...]
ALL: Segments = (Segment(),)
NONE: Segments = ()


def intersect(left: Segments, right: Segments) -> Segments:
    """What lies in both."""
    if left == ALL:
        return right
    if right == ALL:
        return left
    return tuple(
        dict.fromkeys(
            Segment(
                _innermost(al.largest, a.start, b.start),
                _innermost(al.smallest, a.stop, b.stop),
                tuple(dict.fromkeys((*a.teeth, *b.teeth))),
            )
            for a, b in product(left, right)
        )
    )


def unite(left: Segments, right: Segments) -> Segments:
    """What lies in either."""
    if ALL[0] in left or ALL[0] in right:
        return ALL
    return tuple(dict.fromkeys((*left, *right)))


def choose(condition: Expr, then: Segments, otherwise: Segments, every: Segment) -> Segments:
    """One set or the other, by a condition that is the same for the whole tile; `every` position there is."""
    if isinstance(condition, Constant):
        return then if condition.value else otherwise
    low, high = every.start, every.stop
    assert low is not None and high is not None
    empty = Segment(high, low)  # segments are clipped to `every` in the end, so this stays empty
    count = max(len(then), len(otherwise))
    pairs = zip(_padded(then, count, empty), _padded(otherwise, count, empty), strict=True)
    return tuple(
        Segment(
            _pick(condition, a.start, b.start, low),
            _pick(condition, a.stop, b.stop, high),
            _chosen_teeth(condition, a.teeth, b.teeth),
        )
        for a, b in pairs
    )


def _chosen_teeth(condition: Expr, then: tuple[Teeth, ...], otherwise: tuple[Teeth, ...]) -> tuple[Teeth, ...]:
    if then == otherwise:
        return then
    pairs = zip_longest(then, otherwise, fillvalue=ANYWHERE)
    return tuple(
        Teeth(*(al.choose(condition, x, y) for x, y in ((a.start, b.start), (a.stop, b.stop), (a.period, b.period))))
        for a, b in pairs
    )


def _padded(segments: Segments, count: int, empty: Segment) -> Segments:
    return segments + (empty,) * (count - len(segments))


def limited(segments: Segments, every: Segment) -> Segments:
    """The part that lies in a segment whose ends are given."""
    assert every.start is not None and every.stop is not None
    return tuple(
        Segment(
            every.start if segment.start is None else al.largest(every.start, segment.start),
            every.stop if segment.stop is None else al.smallest(segment.stop, every.stop),
            segment.teeth,
        )
        for segment in segments
    )


def merged(segments: Segments) -> Segments:
    """The same set with fewer segments: two that share their start (or stop) are one, whichever of them is empty."""
    kept: list[Segment] = []
    for segment in segments:
        for k, other in enumerate(kept):
            if segment.teeth != other.teeth:
                continue
            if segment.start == other.start and segment.stop is not None and other.stop is not None:
                kept[k] = Segment(other.start, al.largest(other.stop, segment.stop), other.teeth)
                break
            if segment.stop == other.stop and segment.start is not None and other.start is not None:
                kept[k] = Segment(al.smallest(other.start, segment.start), other.stop, other.teeth)
                break
        else:
            kept.append(segment)
    return tuple(kept)


def parted(segments: Segments) -> tuple[Segments, Segments]:
    """Those without teeth, and those with."""
    return tuple(s for s in segments if not s.teeth), tuple(s for s in segments if s.teeth)


def hull_of(segments: Segments) -> Segment:
    """One segment around all of them, without teeth."""
    starts = [segment.start for segment in segments]
    stops = [segment.stop for segment in segments]
    return Segment(
        None if None in starts else al.smallest(*(start for start in starts if start is not None)),
        None if None in stops else al.largest(*(stop for stop in stops if stop is not None)),
    )


def in_order(segments: Segments, facts: Facts) -> Segments:
    """The same segments with starts that never fall: as they are if that is proved, or through a sorting network.

    All ends must be given, and no teeth. An empty segment may stand anywhere.
    """
    ordered = list(segments)
    ordered.sort(key=lambda segment: segment.start != al.ZERO)  # a stable sort: those that start at 0 come first
    for last in range(len(ordered) - 1, 0, -1):
        for k in range(last):
            ordered[k], ordered[k + 1] = _exchanged(ordered[k], ordered[k + 1], facts)
    return tuple(ordered)


def _exchanged(first: Segment, second: Segment, facts: Facts) -> tuple[Segment, Segment]:
    """The two with the lower start first."""
    assert first.start is not None and first.stop is not None
    assert second.start is not None and second.stop is not None
    if facts.ordered(first.start, second.start):
        return first, second
    kept = al.compare("<=", first.start, second.start)
    lower = Segment(al.smallest(first.start, second.start), al.choose(kept, first.stop, second.stop))
    upper = Segment(al.largest(first.start, second.start), al.choose(kept, second.stop, first.stop))
    return lower, upper


def _innermost(pick: Callable[[Expr, Expr], Expr], a: Expr | None, b: Expr | None) -> Expr | None:
    if a is None or b is None:
        return a if b is None else b
    return pick(a, b)


def _pick(condition: Expr, then: Expr | None, otherwise: Expr | None, open_end: Expr) -> Expr | None:
    if then is None and otherwise is None:
        return None
    return al.choose(condition, open_end if then is None else then, open_end if otherwise is None else otherwise)

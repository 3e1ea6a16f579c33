"""Sets of positions as segments, on numbers: they hold what they should, in order, with as few pieces as promised."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from attngen.analysis import segments as sg
from attngen.analysis.facts import Facts
from attngen.analysis.segments import ALL, NONE, Segment, Segments
from attngen.ir.evaluate import evaluate
from attngen.ir.expr import Expr, Kind, Parameter, integer, size

KEYS = 12
EVERY = Segment(integer(0), size("M"))
ENDS = st.none() | st.integers(-4, 16)
NAMES = [Parameter(Kind.INT, name=f"p{k}") for k in range(8)]


def segments_of(pairs: list[tuple[int | None, int | None]]) -> Segments:
    def end(value: int | None) -> Expr | None:
        return None if value is None else integer(value)

    return tuple(Segment(end(start), end(stop)) for start, stop in pairs)


SETS = st.lists(st.tuples(ENDS, ENDS), max_size=4).map(segments_of)


def keys(segments: Segments, names: dict[str, int | float | bool] | None = None) -> set[int]:
    found: set[int] = set()
    for segment in segments:
        start = 0 if segment.start is None else int(evaluate(segment.start, names or {"M": KEYS}))
        stop = KEYS if segment.stop is None else int(evaluate(segment.stop, names or {"M": KEYS}))
        found |= set(range(max(start, 0), min(stop, KEYS)))
    return found


@given(left=SETS, right=SETS)
def test_sets(left: Segments, right: Segments) -> None:
    assert keys(sg.intersect(left, right)) == keys(left) & keys(right)
    assert keys(sg.unite(left, right)) == keys(left) | keys(right)
    assert keys(sg.merged(left)) == keys(left) and len(sg.merged(left)) <= len(left)
    assert keys(sg.limited(left, EVERY)) == keys(left)
    assert all(segment.start and segment.stop for segment in sg.limited(left, EVERY))
    assert not left or keys((sg.hull_of(left),)) >= keys(left)


@given(left=SETS, right=SETS, value=st.booleans())
def test_a_choice_is_one_or_the_other(left: Segments, right: Segments, value: bool) -> None:
    condition = Parameter(Kind.BOOL, name="flag")
    found = sg.choose(condition, left, right, EVERY)
    assert keys(found, {"flag": value, "M": KEYS}) == keys(left if value else right)
    assert len(found) == max(len(left), len(right))


@given(pairs=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=4))
def test_in_order_sorts_what_is_not_known_to_be_sorted(pairs: list[tuple[int, int]]) -> None:
    named = tuple(Segment(NAMES[2 * k], NAMES[2 * k + 1]) for k in range(len(pairs)))
    names = {f"p{2 * k + side}": pair[side] for k, pair in enumerate(pairs) for side in (0, 1)}
    ordered = sg.in_order(named, Facts({}, {}))
    starts = [evaluate(segment.start, names) for segment in ordered if segment.start]
    assert starts == sorted(start for start, _ in pairs)
    assert keys(ordered, dict(names)) == keys(named, dict(names))


def test_everything_and_nothing() -> None:
    some = segments_of([(2, 5)])
    assert sg.intersect(ALL, some) == sg.unite(NONE, some) == some
    assert sg.intersect(NONE, some) == NONE
    assert sg.unite(some, ALL) == ALL
    assert sg.merged(segments_of([(0, 5), (7, 9), (0, 8)])) == segments_of([(0, 8), (7, 9)])
    assert sg.merged(segments_of([(2, 9), (1, 9)])) == segments_of([(1, 9)])

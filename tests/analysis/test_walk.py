"""Walks against brute force: every pair of every tile is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from masks import MASKS, Named
from predicates import (
    COMPARISONS,
    MORE,
    OF_BOTH,
    PARAMETERS,
    RANDOM_CALLS,
    Call,
    calls,
    live_pairs,
    predicates,
    variant,
)

from attngen.analysis.bounds import Bounds, key_bounds, query_bounds
from attngen.analysis.segments import Segment, Segments, Teeth
from attngen.analysis.walk import Periodic, Range, key_walk, query_walk, tile_classes, visits
from attngen.ir import nodes
from attngen.ir.evaluate import Number, evaluate
from attngen.ir.expr import Expr, integer, size


def walked(spec: nodes.Variant) -> Range | Periodic:
    return key_walk(key_bounds(spec, spec.pairwise.mask))


def tiles(spec: nodes.Variant, walk: Range | Periodic, call: Call) -> list[tuple[str, int, bool, bool, range]]:
    """For each tile: where it is, its class, whether it has a live pair, whether it is full, and its keys.

    A tile is full if all of its pairs are live and all of its keys exist.
    """
    mask = live_pairs(spec.pairwise.mask, call)
    count = -(-call.M // call.key_tile)
    found = []
    for a, (q0, q1) in enumerate(call.query_tiles()):
        classes = tile_classes(walk, {**call.environment, "q0": q0, "q1": q1}, count, call.read)
        rows = mask[a * call.query_tile : (a + 1) * call.query_tile]
        for b, kind in enumerate(classes):
            keys = range(b * call.key_tile, (b + 1) * call.key_tile)
            part = rows[:, keys.start : keys.stop]
            full = bool(part.all()) and keys.stop <= call.M
            found.append((f"queries {q0}..{q1}, key tile {b}", kind, bool(part.any()), full, keys))
    return found


@MORE
@given(mask=predicates(), several=RANDOM_CALLS)
def test_live_tiles_are_visited_and_full_ones_are_full(mask: str, several: list[Call]) -> None:
    spec = variant(mask)
    walk = walked(spec)
    for call in several:
        for place, kind, live, full, _ in tiles(spec, walk, call):
            assert kind > 0 or not live, f"{place} of {call} is not visited"
            assert kind < 2 or full, f"{place} of {call} is no full tile"


ONE_RULE_EACH = (
    *(f"abs(i - j) {operator} s" for operator in COMPARISONS),
    *(f"s <= {form} < w" for form in OF_BOTH),
    *(f"i + s {operator} 2 * j" for operator in COMPARISONS),
    *("i - 3 * j == s", "s - g * j >= i", "-s < i - 2 * j <= w", "g * (j div 2) < i", "(j - i) div g == s div 2"),
    *("w - j div g < i", "j div g * g <= i", "s < -j", "not (s <= j and j < i)", "not (j < s or j > i)"),
    *("if i - j < s then j > w else j < g", "if h >= H div 2 then j < s else j < w or j >= i and j < i + g"),
    *("if chosen[h] then j < s or j > i + w else j <= i", "near[i] < 2 and j < w or j > i", "j + near[i] <= i"),
    *("j < (i + s) mod g", "j - i mod 4 < s", "j < abs(i - w)", "j < clamp(i, s, w)", "max(j, s) <= min(i, w)"),
    *("j < s or 5 <= j < 5 + w", "j == s or j == i or j == w", "j >= s and (j < i or j >= i + w)", "i < s or j > i"),
    *("(i - j) mod g == 0", "j mod (g + 2) < g", "(i div g - j div g) mod 2 == 0", "(j div 3) mod 2 == 1 and j <= i"),
    *("(j + s) mod (g + 4) >= w", "(s - j div 2) mod 3 < 2", "not (j + i) mod 5 < 3", "(j + g) mod (M + g) < w"),
    *("j mod g == 0 and j mod 3 == 1", "j mod g == i mod g", "if j <= i then j mod 4 < 2 else j mod 4 >= 2"),
    *("if h >= H div 2 then j mod 3 == 0 else j < w", "(j - i) mod (g * 2) < g or j < s"),
    *("(i div g - j div g) mod 2 == 0 or i - j < w and j <= i", "j mod (g + 1) == 0 or j > s", "j > s or j mod 3 < 2"),
    *("i < s or (i div g - j div g) mod 2 == 0", "not (2 == -i and (j + s) mod 3 <= 0)", "i >= s or j mod (w + 2) < w"),
    *("if i < s then j mod 3 == 0 else j mod 3 < 2", "if h == 0 then j mod (2 * g) < g else j <= i"),
    *("j < i * s", "j < i * i", "j < abs(s) * i", "j < i div (near[i] + 1)", "j <= max(i - s, w - i)"),
)
GRID = [
    Call(6, 13, offset, *sizes, {"h": s % 2, "w": 2 + (s + 3) % 4, "g": 1 + (s + 5) % 3, "s": s}, s)
    for offset, sizes in ((7, (3, 2)), (0, (1, 1)), (-2, (2, 3)), (9, (6, 4)))
    for s in range(-5, 8, 2)
]


@pytest.mark.parametrize("mask", ONE_RULE_EACH)
def test_each_rule(mask: str) -> None:
    """The same without chance, for masks that each need few rules."""
    spec = variant(mask)
    walk = walked(spec)
    for call in GRID:
        for place, kind, live, full, _ in tiles(spec, walk, call):
            assert kind > 0 or not live, f"{place} of {call} is not visited"
            assert kind < 2 or full, f"{place} of {call} is no full tile"


def positions(segment: Segment, names: Mapping[str, Number], call: Call) -> list[int]:
    """The positions that a segment holds."""

    def number(expr: Expr | None) -> int:
        assert expr is not None
        return int(evaluate(expr, names, call.read))

    found = list(range(number(segment.start), number(segment.stop)))
    for teeth in segment.teeth:
        start, length, period = number(teeth.start), number(teeth.stop) - number(teeth.start), number(teeth.period)
        found = [position for position in found if (position - start) % period < length]
    return found


def queries_between(bounds: Segments, call: Call, first: int, last: int) -> list[int]:
    """The queries of segments of a key tile: every one once."""
    names = {**call.environment, "k0": first, "k1": last, "offset": call.offset}
    return [query for segment in bounds for query in positions(segment, names, call)]


@MORE
@given(mask=predicates(), several=RANDOM_CALLS)
def test_queries_of_key_tiles(mask: str, several: list[Call]) -> None:
    """The other direction: every live query of a key tile lies in the hull, and what lies in the core is live."""
    spec = variant(mask)
    bounds = query_bounds(spec, spec.pairwise.mask)
    for call in several:
        live = live_pairs(spec.pairwise.mask, call)
        for first in range(0, call.M, call.key_tile):
            last = min(first + call.key_tile, call.M) - 1
            part = live[:, first : last + 1]
            positions = range(call.offset, call.offset + call.N)
            hull, core = (queries_between(side, call, first, last) for side in (bounds.hull, bounds.core))
            assert {query for query in positions if part[query - call.offset].any()} <= set(hull), f"{first} of {call}"
            assert set(core) <= {query for query in positions if part[query - call.offset].all()}, f"{first} of {call}"


@MORE
@given(mask=predicates(), several=RANDOM_CALLS)
def test_query_tiles_of_key_tiles(mask: str, several: list[Call]) -> None:
    """Every query tile that holds a live pair is visited once, and those that are visited as full ones are full."""
    spec = variant(mask)
    walk = query_walk(query_bounds(spec, spec.pairwise.mask))
    for call in several:
        live = live_pairs(spec.pairwise.mask, call)
        for first in range(0, call.M, call.key_tile):
            last = min(first + call.key_tile, call.M) - 1
            names = {**call.environment, "k0": first, "k1": last, "offset": call.offset, "QUERY_TILE": call.query_tile}
            count = -(-call.N // call.query_tile)
            for tile, kind in enumerate(tile_classes(walk, names, count, call.read)):
                rows = range(tile * call.query_tile, (tile + 1) * call.query_tile)
                part = live[rows.start : rows.stop, first : last + 1]
                assert kind > 0 or not part.any(), f"query tile {tile} of key {first} of {call} is not visited"
                full = bool(part.all()) and rows.stop <= call.N
                assert kind < 2 or full, f"query tile {tile} of key {first} of {call} is no full tile"


@pytest.mark.parametrize("name", [name for name in MASKS if name != "natten"])
@settings(max_examples=max(5, settings.default.max_examples // 3))
@given(data=st.data())
def test_queries_of_named_masks_are_exact(name: str, data: st.DataObject) -> None:
    """No query of the hull is dead for its key tile, where the tile holds one key."""
    named: Named = MASKS[name]
    call = data.draw(calls(named.strategies))
    bounds = query_bounds(named.variant, named.variant.pairwise.mask)
    live = live_pairs(named.variant.pairwise.mask, call)
    for key in range(call.M):
        wanted = [query for query in range(call.offset, call.offset + call.N) if live[query - call.offset, key]]
        assert sorted(set(queries_between(bounds.hull, call, key, key))) == wanted, f"key {key} of {call}"


@pytest.mark.parametrize("name", MASKS)
@given(data=st.data())
def test_named_masks_are_exact(name: str, data: st.DataObject) -> None:
    """What is visited is live, and what is full is found: nothing is left to be gained."""
    named: Named = MASKS[name]
    spec = named.variant
    walk = walked(spec)
    for _ in range(6):
        call = data.draw(calls(named.strategies))
        for place, kind, live, full, keys in tiles(spec, walk, call):
            assert (kind > 0) == live, f"{place} of {call}"
            over_seam = bool(named.seam) and call.names[named.seam] in keys[1:]
            assert (kind == 2) == full or (over_seam and kind == 1), f"{place} of {call}"


def test_visits_come_in_the_order_of_the_kernels() -> None:
    """Partial tiles first, stepping over the full ones; then these."""
    spec = MASKS["streaming_llm"].variant
    call = Call(4, 32, 28, 4, 4, {"sinks": 6, "window": 12})
    environment = {**call.environment, "q0": 28, "q1": 31}
    found = list(visits(walked(spec), environment))
    assert found == [(1, False), (4, False), (7, False), (0, True), (5, True), (6, True)]


def test_a_tile_is_never_visited_twice() -> None:
    """A walk that visits a tile again, or one that does not exist, is refused."""
    walk = walked(MASKS["causal"].variant)
    call = Call(4, 8, 4, 4, 4, {})
    with pytest.raises(ValueError, match="visits key tile 0 of 2 again"):
        tile_classes(replace(walk, full=(*walk.full, *walk.full)), {**call.environment, "q0": 4, "q1": 7}, 2)
    with pytest.raises(ValueError, match="visits key tile 1 of 1 "):
        tile_classes(walk, {**call.environment, "q0": 4, "q1": 7}, 1)


@given(mask=predicates(1), call=calls(PARAMETERS))
def test_wrong_data_never_leads_outside(mask: str, call: Call) -> None:
    """On a GPU data is not checked: an input beyond its declared range may cost keys, but tiles stay in [0, M)."""
    wrong = variant(f"({mask}) and (length[b] - 1 <= j or near[i] < 3) and 2 * length[b] > j - w")
    walk = walked(wrong)
    for q0, q1 in call.query_tiles():
        environment = {**call.environment, "q0": q0, "q1": q1}
        tile_classes(walk, environment, -(-call.M // call.key_tile), lambda name, _: -40 if name == "length" else 40)


def test_ends_without_keys() -> None:
    """M = 0 and inputs without elements are legal sizes: no tile exists, so none is visited."""
    text = "input table[m]: float  score table[0]  mask size(m) - 1 <= j < 3 or j == i"
    walk = walked(Named("", text).variant)
    environment = {**Call(4, 9, 0, 4, 4, {}).environment, "q0": 0, "q1": 3, "m": 0}
    assert tile_classes(walk, environment, 3) == [1, 0, 0]
    assert tile_classes(walk, {**environment, "M": 0}, 0) == []


def test_a_core_of_another_period_fills_no_tile_of_the_hull() -> None:
    """Teeth of 5 in 10, of which a core says that those of 5 in 7 are live for all."""
    hull, core = (
        Segment(integer(0), size("M"), (Teeth(integer(0), integer(5), integer(period)),)) for period in (10, 7)
    )
    classes = tile_classes(key_walk(Bounds((hull,), (core,), ())), {"M": 40, "KEY_TILE": 1, "q0": 0, "q1": 0}, 40)
    assert [tile for tile, kind in enumerate(classes) if kind] == [key for key in range(40) if key % 10 < 5]
    assert all(key % 7 < 5 for key, kind in enumerate(classes) if kind == 2)

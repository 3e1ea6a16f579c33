"""Walks against brute force: every pair of every tile is looked at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from masks import MASKS, Named
from predicates import MORE, RANDOM_CALLS, Call, calls, live_pairs, predicates, variant

from attngen.analysis.bounds import key_bounds
from attngen.analysis.walk import Range, key_walk, tile_classes, visits
from attngen.ir import nodes


def walked(spec: nodes.Variant) -> Range:
    return key_walk(key_bounds(spec, spec.pairwise.mask))


def tiles(spec: nodes.Variant, walk: Range, call: Call) -> list[tuple[str, int, bool, bool]]:
    """For each tile: where it is, its class, whether it has a live pair, whether it is all live and all there."""
    mask = live_pairs(spec.pairwise.mask, call)
    count = -(-call.M // call.key_tile)
    found = []
    for a, (q0, q1) in enumerate(call.query_tiles()):
        classes = tile_classes(walk, {**call.environment, "q0": q0, "q1": q1}, count, call.read)
        rows = mask[a * call.query_tile : (a + 1) * call.query_tile]
        for b, kind in enumerate(classes):
            part = rows[:, b * call.key_tile : (b + 1) * call.key_tile]
            whole = (b + 1) * call.key_tile <= call.M
            found.append((f"queries {q0}..{q1}, key tile {b}", kind, bool(part.any()), bool(part.all()) and whole))
    return found


@MORE
@given(mask=predicates(), several=RANDOM_CALLS)
def test_live_tiles_are_visited_and_full_ones_are_full(mask: str, several: list[Call]) -> None:
    spec = variant(mask)
    walk = walked(spec)
    for call in several:
        for place, kind, live, full in tiles(spec, walk, call):
            assert kind > 0 or not live, f"{place} of {call} is not visited"
            assert kind < 2 or full, f"{place} of {call} is no full tile"


@pytest.mark.parametrize("name", MASKS)
@given(data=st.data())
def test_named_masks_are_exact(name: str, data: st.DataObject) -> None:
    """What is visited is live, and what is full is found, for masks whose keys make one segment at each query."""
    named: Named = MASKS[name]
    spec = named.variant
    walk = walked(spec)
    for _ in range(4):
        call = data.draw(calls(named.strategies, inside=name in INSIDE))
        for place, kind, live, full in tiles(spec, walk, call):
            assert (kind > 0) == live, f"{place} of {call}"
            assert (kind == 2) == full, f"{place} of {call}"
INSIDE = ()

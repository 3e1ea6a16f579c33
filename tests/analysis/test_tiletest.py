"""Tests of tiles against brute force, where tiles are intervals of positions and where they are any positions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from masks import MASKS
from predicates import MORE, PARAMETERS, RANDOM_CALLS, Call, calls, live_pairs, predicates, variant

from attngen.analysis.lists import NumberedTest
from attngen.analysis.tiletest import tile_test
from attngen.errors import Source
from attngen.ir import nodes
from attngen.ir.check import check
from attngen.ir.expr import FALSE


def checked(
    spec: nodes.Variant, call: Call, order: Callable[[int], float] | None = None
) -> list[tuple[str, int, bool, bool]]:
    """For each tile: where it is, its class, whether it has a live pair, and whether all are live.

    `order` gives the place of a position, where tokens are not walked as they are stored.
    """
    rows, keys = list(range(call.N)), list(range(call.M))
    if order is not None:
        rows, keys = sorted(rows, key=lambda row: order(row + call.offset)), sorted(keys, key=order)
    mask = live_pairs(spec.pairwise.mask, call)[np.ix_(rows, keys)]
    test = NumberedTest(tile_test(spec, spec.pairwise.mask, FALSE, order is not None), call.environment, call.read)
    found = []
    for a in range(0, call.N, call.query_tile):
        for b in range(0, call.M, call.key_tile):
            part = mask[a : a + call.query_tile, b : b + call.key_tile]
            positions = tuple(row + call.offset for row in rows[a : a + call.query_tile])
            kind = test.tile_class(positions, tuple(keys[b : b + call.key_tile]))
            found.append((f"tile {a}, {b} of {call}", kind, bool(part.any()), bool(part.all())))
    return found


@MORE
@given(mask=predicates(), several=RANDOM_CALLS, multiplier=st.none() | st.floats(1, 20))
def test_dead_is_dead_and_full_is_full(mask: str, several: list[Call], multiplier: float | None) -> None:
    spec = variant(mask)
    order = None if multiplier is None else lambda position: position * multiplier % 1
    for call in several:
        for place, kind, live, full in checked(spec, call, order):
            assert kind > 0 or not live, place
            assert kind < 2 or full, place


EXACT = (
    "seen[j] or seen[i]",
    "near[i] < near[j]",
    "near[j] <= i - j",
    "j mod g >= g - 1",
    "j mod g == 2",
    "seen[j] or (i + s) mod 5 == 3",
    "j <= i and (j div g == i div g or j mod g >= g - 1)",
    "0 <= i - j < g or (j <= i and (i - j) mod g == 0)",
    "i - near[i] <= j",
    "i mod g + i div g <= j",
)


FEW = settings(max_examples=max(5, settings.default.max_examples // 3))


@pytest.mark.parametrize("mask", EXACT)
@FEW
@given(call=calls(PARAMETERS))
def test_what_data_and_remainders_decide(mask: str, call: Call) -> None:
    """Masks without a closed form whose tiles are known by a test: nothing dead is visited."""
    spec = variant(mask)
    for place, kind, live, _ in checked(spec, call):
        assert (kind > 0) == live, place


@given(call=calls(PARAMETERS))
def test_residue_classes_make_tiles_dense(call: Call) -> None:
    """In the order of residue classes, the tiles of a dilated mask are known exactly.

    Few queries may be of the last classes and of the first: a tile of both is taken to be of those between them, too.
    """
    g = call.names["g"]
    assume(call.N >= g or call.offset % g + call.N <= g)
    for place, kind, live, full in checked(variant("(i - j) mod g == 0"), call, lambda x: x % g * 100 + x // g):
        assert (kind > 0, kind == 2) == (live, full), place


@pytest.mark.parametrize("name", MASKS)
@FEW
@given(data=st.data())
def test_named_masks(name: str, data: st.DataObject) -> None:
    """The test alone finds the structure of masks with a closed form, too."""
    named = MASKS[name]
    call = data.draw(calls(named.strategies))
    for place, kind, live, full in checked(named.variant, call):
        assert kind > 0 or not live, place
        assert kind < 2 or full, place


def test_counted_rectangles() -> None:
    """A bool input read by both positions is known by counting."""
    text = "attention a(g: int) { input layout[h, x, y]: bool mask layout[h, i div 2, j div 3] }"
    spec = check(Source("a.attn", text))[0]
    layout = np.array([[[1, 0, 1], [0, 0, 1], [0, 0, 1]]], bool)
    test = NumberedTest(
        tile_test(spec, spec.pairwise.mask, FALSE), {"h": 0, "b": 0}, lambda _, place: bool(layout[place])
    )
    assert [[test.tile_class(range(a, a + 2), range(b, b + 3)) for b in (0, 3, 6)] for a in (0, 2, 4)] == [
        [2, 0, 2],
        [0, 0, 2],
        [0, 0, 2],
    ]
    assert test.tile_class(range(0, 4), range(0, 3)) == 1
    assert test.tile_class(range(2, 6), range(0, 6)) == 0
    assert test.tile_class(range(0, 6), range(6, 9)) == 2


@pytest.mark.parametrize(
    ("mask", "tables"),
    [
        ("j div g <= i", 0),
        ("(i + s) div g == j div g", 0),
        ("j mod g == 2", 1),
        ("i + i div g <= j", 1),
        ("abs(i - w) mod g <= near[j]", 2),
        ("(if h >= H div 2 then j else j + s) <= i", 0),
    ],
)
def test_what_gets_a_table(mask: str, tables: int) -> None:
    """What occurs once under a monotone operation has an exact interval; remainders, data and repetition have not."""
    spec = variant(mask)
    assert len(tile_test(spec, spec.pairwise.mask, FALSE).spans) == tables

"""Tile maps as text."""

from __future__ import annotations

from attngen.analysis.picture import TileMap, kinds_of_heads, tile_map
from attngen.ir.load import load
from attngen.schedule.plan import plan
from attngen.view.tiles import heads_text, picture, summary

CAUSAL = load("attention causal { mask j <= i }")
SHIFTED = load("attention a(g: int = 4 in [1, inf)) { mask (i + h mod 2) div g == (j + h mod 2) div g }")


def test_a_causal_map() -> None:
    tiles = tile_map(plan(CAUSAL).walk, {}, 12, 12, tile=(4, 4))
    assert picture(tiles) == ["▒··", "█▒·", "██▒"]
    assert summary(tiles) == "6 of 9 tiles visited (66.7%), 3 of them full"


def test_queries_stand_at_the_end_of_the_keys() -> None:
    tiles = tile_map(plan(CAUSAL).walk, {}, 4, 12, tile=(4, 4))
    assert picture(tiles) == ["██▒"]
    assert picture(tile_map(plan(CAUSAL).walk, {}, 4, 12, offset=0, tile=(4, 4))) == ["▒··"]


def test_a_large_map_is_drawn_smaller() -> None:
    tiles = tile_map(plan(CAUSAL).walk, {}, 64, 64, tile=(1, 1))
    drawn = picture(tiles, widest=8)
    assert [len(line) for line in drawn] == [8] * 8
    assert drawn[0] == "▒·······"
    assert drawn[-1] == "███████▒"


def test_heads_with_one_map_are_one_kind() -> None:
    kinds = kinds_of_heads(plan(SHIFTED).walk, {"g": 4}, 8, 8, 5, (4, 4))
    assert [heads for heads, _ in kinds] == [[0, 2, 4], [1, 3]]
    assert heads_text([0, 1, 2, 5]) == "heads 0-2, 5"
    assert heads_text([3]) == "head 3"


def test_an_empty_map_has_no_lines() -> None:
    assert picture(TileMap((), (0, 3))) == []

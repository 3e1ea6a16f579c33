"""What is said about one query tile agrees with the map and with brute force."""

from __future__ import annotations

from attngen.analysis.picture import tile_map
from attngen.ir.load import load
from attngen.schedule.plan import plan
from attngen.view.pairs import live_pairs
from attngen.view.scene import CELL, COLOURS, GAP, TEXT, Fill, scene
from attngen.view.segments import segment_lines
from attngen.view.svg import svg

WINDOW = "attention near_(w: int = 100 in [1, inf)) { mask 0 <= i - j < w }"


def test_segments_in_formulas_and_numbers() -> None:
    made = plan(load(WINDOW))
    tiles = tile_map(made.walk, {"w": 100}, 512, 512, tile=(32, 32))
    lines = segment_lines(made, {"w": 100}, tiles, 9, 0, {"N": 512, "M": 512, "H": 1, "query_tile": 32})
    assert lines == [
        "query tile 9: the queries q0 = 288 to q1 = 319",
        "  hull [max(q0 - w + 1, 0), min(q1 + 1, M)) = [189, 320)",
        "  core [max(q1 - w + 1, 0), min(q0 + 1, M)) = [220, 289)",
        "  key tiles 5-6 partial, 7-8 full, 9 partial",
    ]
    drawn = svg(scene([("", tiles)], 9, [lines]))
    assert all(line.strip().replace("<", "&lt;") in drawn for line in lines)
    assert '<rect x="0" y="70" width="96" height="6"' in drawn


def test_a_list_has_no_segments() -> None:
    made = plan(load("attention a(g: int = 64 in [1, inf)) { mask (i - j) mod g == 0 }"))
    tiles = tile_map(made.walk, {"g": 64}, 128, 128, tile=(32, 32))
    lines = segment_lines(made, {"g": 64}, tiles, 1, 0, {"N": 128, "M": 128, "H": 1, "query_tile": 32})
    assert lines == ["query tile 1: the queries q0 = 32 to q1 = 63", "  key tiles 1 partial, 3 partial"]


def test_live_pairs_stand_beside_the_map() -> None:
    variant = load(WINDOW)
    title, pairs = live_pairs(variant, {"w": 100}, 0, {"N": 256, "M": 512, "H": 1})
    assert (title, pairs.shape) == ("live pairs, one of 2 by 4", (128, 128))
    for row, query in enumerate(range(256, 512, 2)):
        assert pairs.classes[row] == tuple(3 * (0 <= query - key < 100) for key in range(0, 512, 4))
    tiles = tile_map(plan(variant).walk, {"w": 100}, 256, 512, tile=(64, 64))
    drawn = scene([("", tiles)], pairs=[(title, pairs)])
    (filled,) = (shape for shape in drawn.shapes if isinstance(shape, Fill) and shape.colour == COLOURS[3])
    height, width = (count * CELL for count in tiles.shape)
    left = width + GAP
    assert all(
        left <= x and x + w <= left + width and TEXT <= y and y + h <= TEXT + height for x, y, w, h in filled.boxes
    )

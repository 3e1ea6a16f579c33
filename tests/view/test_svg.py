"""Tile maps as SVG, and the page of the specs that is made of them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from attngen.analysis.picture import TileMap
from attngen.ir.load import load_all
from attngen.ir.nodes import Pairwise
from attngen.view.catalogue import picture
from attngen.view.scene import CELL, COLOURS, TEXT
from attngen.view.svg import drawing

SPECS = Path(__file__).parents[2] / "specs"
LOADED = [variant for path in sorted(SPECS.glob("*.attn")) for variant in load_all(path)]
VARIANTS = {variant.name: variant for variant in LOADED if isinstance(variant.body, Pairwise)}
NAMESPACE = "{http://www.w3.org/2000/svg}"


def test_a_run_of_tiles_is_one_rectangle() -> None:
    tiles = TileMap(((1, 0, 0), (2, 2, 1)), (2, 3))
    paths = {path.get("fill"): path.get("d") for path in ET.fromstring(drawing([("", tiles)])).iter(f"{NAMESPACE}path")}
    assert paths[COLOURS[2]] == f"M0 {TEXT + CELL}h{2 * CELL}v{CELL}h-{2 * CELL}z"
    assert paths[COLOURS[1]] == f"M0 {TEXT}h{CELL}v{CELL}h-{CELL}zM{2 * CELL} {TEXT + CELL}h{CELL}v{CELL}h-{CELL}z"


def test_maps_stand_side_by_side_with_their_titles() -> None:
    tiles = TileMap(((1,),), (1, 1))
    root = ET.fromstring(drawing([("heads 0-3", tiles), ("heads 4-7", tiles)]))
    texts = list(root.iter(f"{NAMESPACE}text"))
    assert [text.text for text in texts] == ["heads 0-3", "heads 4-7"]
    assert texts[0].get("x") != texts[1].get("x")


def test_nothing_is_drawn_of_nothing() -> None:
    assert ET.fromstring(drawing([("", TileMap((), (0, 0)))])).tag == f"{NAMESPACE}svg"


@pytest.mark.parametrize("name", VARIANTS)
def test_the_committed_picture_is_current(name: str) -> None:
    assert (SPECS / "pictures" / f"{name}.svg").read_text(encoding="utf-8") == picture(VARIANTS[name])


def test_the_page_has_a_row_for_every_variant() -> None:
    page = (SPECS / "README.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1].strip() for line in page.split("\n") if line.startswith("| [")]
    assert [row[1 : row.index("]")] for row in rows] == [variant.name for variant in LOADED]
    for variant in LOADED:
        assert all(line.replace("|", "\\|") in page for line in variant.text), variant.name

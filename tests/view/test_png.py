"""Tile maps as PNG show the classes of tiles where they are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from attngen.analysis.picture import TileMap
from attngen.cli import app
from attngen.view.png import SCALE, write_png
from attngen.view.scene import CELL, CHOSEN, COLOURS, GROUND, TEXT, scene

SPEC = Path(__file__).parents[2] / "specs" / "streaming_llm.attn"


def colour(image: Image.Image, row: int, column: int) -> str:
    """The colour in the middle of a tile."""
    middle = SCALE * CELL // 2
    found = image.getpixel((column * CELL * SCALE + middle, (TEXT + row * CELL) * SCALE + middle))
    assert isinstance(found, tuple)
    return "#" + bytes(found).hex()


def test_tiles_have_the_colours_of_their_classes(tmp_path: Path) -> None:
    classes = ((1, 0, 0), (2, 2, 1))
    write_png(tmp_path / "map.png", scene([("all heads", TileMap(classes, (2, 3)))], query=0, notes=[["a note"]]))
    image = Image.open(tmp_path / "map.png")
    wanted = {0: GROUND, **COLOURS}
    assert [[colour(image, row, column) for column in range(3)] for row in range(2)] == [
        [wanted[kind] for kind in row] for row in classes
    ]
    corner = image.getpixel((0, TEXT * SCALE))
    assert isinstance(corner, tuple)
    assert "#" + bytes(corner).hex() == CHOSEN


def test_show_writes_what_the_name_ends_in(tmp_path: Path) -> None:
    for name in ("mask.png", "mask.svg"):
        done = CliRunner().invoke(app, ["show", str(SPEC), "--tiles", "-o", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
    assert (tmp_path / "mask.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "mask.svg").read_text().startswith("<svg")
    done = CliRunner().invoke(app, ["show", str(SPEC), "--tiles", "-o", str(tmp_path / "mask.jpg")])
    assert done.exit_code == 2
    assert "pictures end in .svg or .png" in done.output


def test_without_pillow_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(RuntimeError, match=r"pip install 'attngen\[view\]'"):
        write_png(tmp_path / "map.png", scene([]))

"""Tile maps as SVG: one square per tile, side by side for the kinds of heads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from xml.sax.saxutils import escape

from attngen.analysis.picture import TileMap

CELL, GAP, TEXT = 6, 18, 16
"""Pixels of a tile, between two maps, and of a line of text."""
COLOURS = {1: "#f2b134", 2: "#2a6f97"}
GROUND = "#eef1f4"


def drawing(maps: Sequence[tuple[str, TileMap]], query: int | None = None, notes: Sequence[Sequence[str]] = ()) -> str:
    """The maps with their titles; rows are query tiles, columns key tiles.

    `query` is a query tile to be framed, `notes` are lines of text that are written under each map.
    """
    parts: list[str] = []
    left = 0
    height = TEXT + max((tiles.shape[0] * CELL for _, tiles in maps), default=0)
    for k, (title, tiles) in enumerate(maps):
        lines = notes[k] if notes else ()
        parts += _map(title, tiles, left)
        if query is not None:
            frame = f'x="{left}" y="{TEXT + query * CELL}" width="{tiles.shape[1] * CELL}" height="{CELL}"'
            parts.append(f'<rect {frame} fill="none" stroke="#c1121f"/>')
        parts += [_text(left, height + 13 + TEXT * n, line) for n, line in enumerate(lines)]
        left += max(tiles.shape[1] * CELL, *(len(line) * 7 for line in (title, *lines))) + GAP
    height += TEXT * max(map(len, notes), default=0) + (4 if notes else 0)
    size = f'width="{left - GAP}" height="{height}" viewBox="0 0 {left - GAP} {height}"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', *parts, "</svg>", ""])


def _map(title: str, tiles: TileMap, left: int) -> list[str]:
    rows, columns = tiles.shape
    lines = [_text(left, 11, title)]
    lines.append(f'<path fill="{GROUND}" d="{_run(left, 0, columns, rows)}"/>')
    for kind, colour in COLOURS.items():
        runs = "".join(_run(left + start * CELL, row, length, 1) for row, start, length in _runs(tiles, kind))
        if runs:
            lines.append(f'<path fill="{colour}" d="{runs}"/>')
    return lines


def _text(x: int, y: int, text: str) -> str:
    return f'<text x="{x}" y="{y}" font-family="sans-serif" font-size="11">{escape(text)}</text>'


def _run(x: int, row: int, columns: int, rows: int) -> str:
    """A rectangle of tiles."""
    return f"M{x} {TEXT + row * CELL}h{columns * CELL}v{rows * CELL}h-{columns * CELL}z"


def _runs(tiles: TileMap, kind: int) -> list[tuple[int, int, int]]:
    """Row, first column and length of the neighbours of one class."""
    found = []
    for row, classes in enumerate(tiles.classes):
        start = 0
        for value, group in groupby(classes):
            length = len(list(group))
            if value == kind:
                found.append((row, start, length))
            start += length
    return found

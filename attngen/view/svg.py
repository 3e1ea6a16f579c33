"""Tile maps as SVG: one square per tile, side by side for the kinds of heads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from attngen.analysis.picture import TileMap

CELL, GAP, TEXT = 6, 18, 16
"""Pixels of a tile, between two maps, and of a line of text."""
COLOURS = {1: "#f2b134", 2: "#2a6f97"}
GROUND = "#eef1f4"


def drawing(maps: Sequence[tuple[str, TileMap]]) -> str:
    """The maps with their titles; rows are query tiles, columns key tiles."""
    parts: list[str] = []
    left = 0
    for title, tiles in maps:
        parts += _map(title, tiles, left)
        left += max(tiles.shape[1] * CELL, len(title) * 7) + GAP
    height = TEXT + max((tiles.shape[0] * CELL for _, tiles in maps), default=0)
    size = f'width="{left - GAP}" height="{height}" viewBox="0 0 {left - GAP} {height}"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', *parts, "</svg>", ""])


def _map(title: str, tiles: TileMap, left: int) -> list[str]:
    rows, columns = tiles.shape
    lines = [f'<text x="{left}" y="11" font-family="sans-serif" font-size="11">{title}</text>']
    lines.append(f'<path fill="{GROUND}" d="{_run(left, 0, columns, rows)}"/>')
    for kind, colour in COLOURS.items():
        runs = "".join(_run(left + start * CELL, row, length, 1) for row, start, length in _runs(tiles, kind))
        if runs:
            lines.append(f'<path fill="{colour}" d="{runs}"/>')
    return lines


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

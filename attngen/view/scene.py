"""Tile maps as shapes: one square per tile, side by side for the kinds of heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from attngen.analysis.picture import TileMap

CELL, GAP, TEXT = 6, 18, 16
"""Pixels of a tile, between two maps, and of a line of text."""
COLOURS = {1: "#f2b134", 2: "#2a6f97", 3: "#22333b"}
"""Of tiles that are tested, of full ones, and of live pairs."""
GROUND = "#eef1f4"
CHOSEN = "#c1121f"

Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, width and height."""


@dataclass(frozen=True, slots=True)
class Fill:
    """Boxes of one colour."""

    colour: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """The outline of a box."""

    colour: str
    box: Box


@dataclass(frozen=True, slots=True)
class Label:
    """A line of text, from the left end of its base line."""

    left: int
    base: int
    text: str


@dataclass(frozen=True, slots=True)
class Scene:
    """What is drawn, in order."""

    width: int
    height: int
    shapes: tuple[Fill | Frame | Label, ...]


def scene(
    maps: Sequence[tuple[str, TileMap]],
    query: int | None = None,
    notes: Sequence[Sequence[str]] = (),
    pairs: Sequence[tuple[str, TileMap]] = (),
) -> Scene:
    """The maps with their titles; rows are query tiles, columns key tiles.

    `query` is a query tile to be framed, `notes` are lines of text that are written under each map, `pairs` are
    pictures of the same size that stand beside the maps.
    """
    shapes: list[Fill | Frame | Label] = []
    left = 0
    height = TEXT + max((tiles.shape[0] * CELL for _, tiles in maps), default=0)
    for k, (title, tiles) in enumerate(maps):
        lines = notes[k] if notes else ()
        shapes += _map(title, tiles, left)
        if query is not None:
            shapes.append(Frame(CHOSEN, (left, TEXT + query * CELL, tiles.shape[1] * CELL, CELL)))
        shapes += [Label(left, height + 13 + TEXT * n, line) for n, line in enumerate(lines)]
        width = max(tiles.shape[1] * CELL, len(title) * 7)
        if pairs:
            shapes += _map(*pairs[k], left + width + GAP, tiles.shape)
            width += GAP + max(tiles.shape[1] * CELL, len(pairs[k][0]) * 7)
        left += max([width, *(len(line) * 7 for line in lines)]) + GAP
    height += TEXT * max(map(len, notes), default=0) + (4 if notes else 0)
    return Scene(left - GAP, height, tuple(shapes))


def _map(title: str, tiles: TileMap, left: int, shape: tuple[int, int] | None = None) -> list[Fill | Frame | Label]:
    """A map, or a picture that is as large as one of `shape`."""
    rows, columns = (count * CELL for count in shape or tiles.shape)
    shapes: list[Fill | Frame | Label] = [Label(left, 11, title), Fill(GROUND, ((left, TEXT, columns, rows),))]
    high, wide = (size / max(1, count) for size, count in zip((rows, columns), tiles.shape, strict=True))
    for kind, colour in COLOURS.items():
        boxes = tuple(_box(left, place, high, wide) for place in _runs(tiles, kind))
        shapes += [Fill(colour, boxes)] if boxes else []
    return shapes


def _box(left: int, place: tuple[int, int, int], high: float, wide: float) -> Box:
    """Neighbours in a row, in whole pixels."""
    row, start, length = place
    top, bottom = round(row * high), round((row + 1) * high)
    first, stop = round(start * wide), round((start + length) * wide)
    return left + first, TEXT + top, stop - first, bottom - top


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

"""Tile maps as text: one character per tile, for a terminal and for README files."""

from __future__ import annotations

from attngen.analysis.picture import TileMap

CHARACTERS = {0: "·", 1: "▒", 2: "█"}
LEGEND = "█ full: no mask needed   ▒ partial: pairs are tested   · never visited"


def picture(tiles: TileMap, widest: int = 64) -> list[str]:
    """The map, one line per query tile; a map wider than `widest` tiles is shown in squares of several tiles."""
    block = -(-max(tiles.shape, default=1) // widest) or 1
    rows, columns = tiles.shape
    lines = []
    for top in range(0, rows, block):
        cells = []
        for left in range(0, columns, block):
            inside = {kind for row in tiles.classes[top : top + block] for kind in row[left : left + block]}
            cells.append(CHARACTERS[inside.pop() if len(inside) == 1 else 1])
        lines.append("".join(cells))
    return lines


def summary(tiles: TileMap) -> str:
    """How much of the map is visited, in words."""
    rows, columns = tiles.shape
    full, partial, every = tiles.count(2), tiles.count(1), rows * columns
    return f"{full + partial} of {every} tiles visited ({(full + partial) / max(every, 1):.1%}), {full} of them full"


def heads_text(heads: list[int]) -> str:
    """`heads 0-3, 8`."""
    runs: list[list[int]] = []
    for head in heads:
        if runs and head == runs[-1][-1] + 1:
            runs[-1].append(head)
        else:
            runs.append([head])
    listed = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return f"head{'' if len(heads) == 1 else 's'} {listed}"

"""The table of the specs, with a picture of each: `python -m attngen.view.catalogue specs` writes `specs/README.md`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch

from attngen.analysis.picture import TileMap, kinds_of_heads
from attngen.ir.evaluate import Number
from attngen.ir.expr import Constant, Kind, Read, distinct
from attngen.ir.load import load_all
from attngen.ir.nodes import Count, Pairwise, Recurrent, Variant
from attngen.reference import attention
from attngen.schedule.plan import plan
from attngen.view.svg import drawing
from attngen.view.tiles import heads_text

TOKENS, HEADS, TILE = 4096, 4, 128
ROWS = 256
"""Query rows whose pairs are counted at a time."""
NEEDED: dict[str, dict[str, Number]] = {"natten2d": {"width": 64}}
"""Values for parameters without a default."""
HEADER = f"""# Specs

One variant each, with its paper on the first line. The fraction of pairs that the mask lets through, and the pictures,
are for {TOKENS} tokens, {HEADS} heads, the defaults of the parameters and tiles of {TILE}: queries down, keys across;
blue tiles are full, yellow ones are tested pair by pair, grey ones are never visited. Where a mask depends on data, its
picture shows what is known before the data is. Recurrences go from token to token and have no pairs. `make pictures`
writes this page.

| name | equation | live | tiles |
|---|---|---|---|
"""


def write(folder: Path) -> list[Path]:
    """The page and its pictures; returns their paths."""
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    rows, written = [], []
    for path in sorted(folder.glob("*.attn")):
        for variant in load_all(path):
            if isinstance(variant.body, Recurrent):
                rows.append(_row(path, variant, "a recurrence", ""))
                continue
            drawn = pictures / f"{variant.name}.svg"
            drawn.write_text(picture(variant), encoding="utf-8")
            written.append(drawn)
            live = _live(variant)
            shown = "by data" if live is None else f"{live:.1%}"
            rows.append(_row(path, variant, shown, f"![](pictures/{variant.name}.svg)"))
    page = folder / "README.md"
    page.write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    return [page, *written]


def _row(path: Path, variant: Variant, live: str, drawn: str) -> str:
    equation = (
        "<br>".join(f"`{line.replace('|', chr(92) + '|')}`" for line in variant.text) or "`score scale * dot(q, k)`"
    )
    return f"| [{variant.name}]({path.name}) | {equation} | {live} | {drawn} |"


def picture(variant: Variant) -> str:
    """The maps of the kinds of heads; those that need an input show one map in which every tile is tested."""
    try:
        kinds = kinds_of_heads(plan(variant).walk, _parameters(variant), TOKENS, TOKENS, HEADS, (TILE, TILE))
    except LookupError:
        count = TOKENS // TILE
        return drawing([("by data", TileMap(((1,) * count,) * count, (count, count)))])
    if len(kinds) == 1:
        return drawing([("", kinds[0][1])])
    return drawing([(heads_text(heads), tiles) for heads, tiles in kinds])


def _live(variant: Variant) -> float | None:
    """The fraction of live pairs; `None` if the mask reads an input."""
    if any(isinstance(part, Read) for part in distinct(variant.pairwise.mask)):
        return None
    alone = Pairwise(Constant(Kind.FLOAT, value=0.0), logit=False, mask=variant.pairwise.mask, normalization=Count())
    masked = replace(variant, inputs=(), body=alone)
    keys, count = torch.zeros(1, HEADS, TOKENS, 1), 0
    for first in range(0, TOKENS, ROWS):
        rows = keys[:, :, :ROWS]
        found = attention(masked, rows, keys, keys, parameters=_parameters(variant), offset=first)
        count += int(found.live.sum())
    return count / (HEADS * TOKENS**2)


def _parameters(variant: Variant) -> dict[str, Number]:
    given = {one.name: one.default for one in variant.parameters if one.default is not None}
    return {**given, **NEEDED.get(variant.name, {})}


if __name__ == "__main__":
    for path in write(Path(sys.argv[1])):
        print(path)

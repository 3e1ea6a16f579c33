"""Live pairs as a picture of their own, beside the map of tiles: one of so many is looked at."""

from __future__ import annotations

from collections.abc import Mapping

from attngen.analysis.picture import TileMap
from attngen.ir.evaluate import Number, evaluate
from attngen.ir.nodes import Variant

MOST = 128
"""Queries and keys that are looked at."""
LIVE = 3
"""The class of a live pair, beside those of tiles."""


def live_pairs(
    variant: Variant, parameters: Mapping[str, Number], head: int, call: Mapping[str, int]
) -> tuple[str, TileMap]:
    """A title, and the pairs of one head by their class: every query and key, or one of so many.

    `call` gives N, M and H.

    Raises:
        LookupError: the mask depends on an input.
    """
    N, M = call["N"], call["M"]
    steps = [-(-count // MOST) or 1 for count in (N, M)]
    fixed = {**parameters, **call, "B": 1, "b": 0, "h": head}
    mask = variant.pairwise.mask
    rows = tuple(
        tuple(LIVE * bool(evaluate(mask, {**fixed, "i": M - N + query, "j": key})) for key in range(0, M, steps[1]))
        for query in range(0, N, steps[0])
    )
    which = "" if steps == [1, 1] else f", one of {steps[0]} by {steps[1]}"
    return f"live pairs{which}", TileMap(rows, (len(rows), len(rows[0]) if rows else 0))

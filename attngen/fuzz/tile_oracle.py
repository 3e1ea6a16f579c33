"""What is said of tiles, against all of their pairs."""

from __future__ import annotations

from torch import Tensor

from attngen.fuzz.call import Call
from attngen.fuzz.oracle import Disagreement
from attngen.ir.evaluate import Number
from attngen.runtime.tiles import tile_classes_of
from attngen.schedule.plan import Plan


def tiles_of(plan: Plan, call: Call, live: Tensor, tile: tuple[int, int], head: int = 0) -> Tensor:
    """What the kernel does with the tiles of one head of the first batch row: 0 skips, 1 tests pairs, 2 is full.

    Args:
        live: bool [B, H, N, M], what the interpreter says of all pairs.
        tile: queries and keys.

    Raises:
        Disagreement: a tile that is left out has a live pair, or a full one has a dead one.
    """
    width = call.q.shape[3]
    scale = width**-0.5 if call.scale is None else call.scale
    numbers: dict[str, Number] = {**call.parameters, "D": width, "E": call.v.shape[3], "scale": scale}
    N, M = live.shape[2:]
    offset = call.offset
    if isinstance(offset, Tensor):
        offset = int(offset.flatten()[0]) if offset.numel() else M - N
    classes = tile_classes_of(
        plan, numbers, N, M, head=head, H=live.shape[1], offset=offset, tile=tile, inputs=call.inputs
    )
    if live.numel() and not plan.ordered:  # an order moves pairs into other tiles
        _judge(classes, live[0, head], tile)
    return classes


def _judge(classes: Tensor, live: Tensor, tile: tuple[int, int]) -> None:
    N, M = live.shape
    for a, row in enumerate(classes.tolist()):
        for b, kind in enumerate(row):
            part = live[a * tile[0] : (a + 1) * tile[0], b * tile[1] : (b + 1) * tile[1]]
            full = bool(part.all()) and (b + 1) * tile[1] <= M
            if (kind == 0 and bool(part.any())) or (kind == 2 and not full):
                queries = f"queries {a * tile[0]} to {min(N, (a + 1) * tile[0])}"
                keys = f"keys {b * tile[1]} to {(b + 1) * tile[1]}"
                named = ("empty", "partial", "full")[kind]
                raise Disagreement(f"the tile of {queries}, {keys} is taken to be {named}, and isn't")

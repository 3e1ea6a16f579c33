"""The tiles of a whole call, computed by the walk that the kernels run, and the kinds of heads that share a map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from attngen.analysis.lists import List, listed_classes
from attngen.analysis.walk import Periodic, Range, tile_classes
from attngen.ir.evaluate import Number, Reader, named


@dataclass(frozen=True, slots=True)
class TileMap:
    """The class of each tile: 0 not visited, 1 visited with the mask, 2 full; rows are query tiles."""

    classes: tuple[tuple[int, ...], ...]
    shape: tuple[int, int]

    def count(self, kind: int) -> int:
        return sum(row.count(kind) for row in self.classes)


def tile_map(
    walk: Range | Periodic | List,
    parameters: Mapping[str, Number],
    N: int,
    M: int,
    *,
    head: int = 0,
    H: int = 1,
    offset: int | None = None,
    tile: tuple[int, int] = (64, 64),
    read: Reader | None = None,
    sizes: Mapping[str, Number] | None = None,
) -> TileMap:
    """The map of one head; `read` gives elements of inputs that the walk depends on, `sizes` those of their own axes.

    Raises:
        LookupError: the bounds depend on an input, and `read` is not given.
    """
    query_tile, key_tile = tile
    first = M - N if offset is None else offset
    fixed = named(parameters, sizes)
    fixed |= {"N": N, "M": M, "H": H, "B": 1, "b": 0, "h": head, "KEY_TILE": key_tile}
    columns = -(-M // key_tile)
    if isinstance(walk, List):
        found = listed_classes(walk, fixed, range(first, first + N), tile, M, read)
        return TileMap(tuple(map(tuple, found)), (-(-N // query_tile), columns))
    rows = []
    for start in range(0, N, query_tile):
        ends = {"q0": first + start, "q1": first + min(start + query_tile, N) - 1}
        rows.append(tuple(tile_classes(walk, {**fixed, **ends}, columns, read)))
    return TileMap(tuple(rows), (len(rows), columns))


def kinds_of_heads(
    walk: Range | Periodic | List,
    parameters: Mapping[str, Number],
    N: int,
    M: int,
    H: int,
    tile: tuple[int, int],
) -> list[tuple[list[int], TileMap]]:
    """The heads grouped by equal maps, in the order of their first head."""
    groups: dict[TileMap, list[int]] = {}
    for head in range(H):
        groups.setdefault(tile_map(walk, parameters, N, M, head=head, H=H, tile=tile), []).append(head)
    return [(heads, shared) for shared, heads in groups.items()]

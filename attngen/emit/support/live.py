"""Finding the live tiles of a call with tensors, on the device. Copied into generated files by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


def _nearest(index: Tensor | int, size: int) -> Tensor | int:
    """The nearest index of an axis; what is read in place of an element that is not there counts nowhere."""
    return index.clamp(0, size - 1) if isinstance(index, Tensor) else min(max(index, 0), size - 1)


def _not_zero(divisor: Tensor | int) -> Tensor | int:
    """1 in place of 0: of a quotient that nobody may ask for."""
    return divisor + (divisor == 0)


def _spans(values: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The least and the greatest value in each tile of the last axis; NaN is both, and no comparison rules it out."""
    short = -values.shape[-1] % size
    padded = torch.cat([values, values[..., -1:].expand(*values.shape[:-1], short)], -1)
    tiles = padded.view(*values.shape[:-1], -1, size)
    return (tiles.all(-1), tiles.any(-1)) if values.dtype == torch.bool else (tiles.amin(-1), tiles.amax(-1))


def _at(spans: tuple[Tensor, Tensor], b: Tensor, h: Tensor, tile: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the greatest value of some tiles; batch rows and heads may share them."""
    least, most = spans
    place = b % least.shape[0], h % least.shape[1], tile
    return least[place], most[place]


def _sums(flags: Tensor) -> Tensor:
    """How many flags hold before each corner of the last two axes: the table that `_count` looks into."""
    return torch.nn.functional.pad(flags.long(), (1, 0, 1, 0)).cumsum(-1).cumsum(-2)


def _count(
    sums: Tensor, head: tuple[Tensor, ...], rows: tuple[Tensor, Tensor], columns: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Whether any and whether all flags hold in rectangles, whose first and last rows and columns are given."""
    (top, bottom), (left, right) = rows, columns
    below, beside = bottom + 1, right + 1
    held = sums[*head, below, beside] - sums[*head, top, beside] - sums[*head, below, left] + sums[*head, top, left]
    return held > 0, held == (below - top) * (beside - left)


def _live_tiles(
    tests: Callable[[int, int], Callable[..., tuple[Tensor, Tensor]]],
    shared: tuple[int, int],
    lengths: tuple[int, int],
    sizes: tuple[int, int],
    device: torch.device,
    moved: bool = False,
) -> tuple[Tensor, Tensor]:
    """The live tiles of each query tile, in memory that grows with their number.

    Where tokens are `moved`, a tile holds several runs of positions, and what the test leaves open is looked at closer.

    Args:
        tests: for tiles of some size, the test whether tiles can be live and whether they are full.
        shared: batch rows and heads that differ.
        lengths: queries and keys. sizes: queries and keys per tile.

    Returns:
        tiles: int32, the key tiles one after the other. starts: int64 [batch rows, heads, query tiles, 3]: where those
        that need the mask begin, where the full ones begin, and where these end.
    """
    batch, heads = shared
    grid = batch, heads, *(-(-length // size) for length, size in zip(lengths, sizes, strict=True))
    if 0 in grid:
        return torch.zeros(0, dtype=torch.int32, device=device), torch.zeros(
            *grid[:3], 3, dtype=torch.int64, device=device
        )
    square = 16  # tiles on the side of a square that is tested first, as one tile
    coarse = batch, heads, *(-(-count // square) for count in grid[2:])
    test = tests(*(size * square for size in sizes))
    every = torch.arange(batch * heads * coarse[2] * coarse[3], device=device)
    squares = [part[test(*_indices(part, coarse))[0]] for part in torch.split(every, 2**18)]
    test = tests(*sizes)
    side = torch.arange(square, device=device)
    found = []
    for part in torch.split(torch.cat(squares), 2**10):
        b, h, tile, key_tile = (index[:, None, None] for index in _indices(part, coarse))
        tile, key_tile = tile * square + side[:, None], key_tile * square + side
        exists = ((tile < grid[2]) & (key_tile < grid[3])).flatten()
        b, h, tile, key_tile = (x.expand(len(part), square, square).flatten()[exists] for x in (b, h, tile, key_tile))
        possible, always = test(b, h, tile, key_tile)
        if moved:
            possible, always = _closer(tests, lengths, sizes, (b, h, tile, key_tile), (possible, always))
        full = always & ((key_tile + 1) * sizes[1] <= lengths[1])
        row = (b * heads + h) * grid[2] + tile
        found.append(((row * 2 + full) * grid[3] + key_tile)[possible])
    places = torch.cat(found).sort().values
    counts = torch.bincount(places // grid[3], minlength=2 * batch * heads * grid[2])
    ends = torch.nn.functional.pad(counts.cumsum(0), (1, 0))
    starts = torch.stack([ends[:-1:2], ends[1::2], ends[2::2]], -1).view(*grid[:3], 3)
    return (places % grid[3]).int(), starts


def _indices(places: Tensor, sizes: tuple[int, ...]) -> tuple[Tensor, ...]:
    """The index along each axis of places in a flat array of these sizes; `torch.unravel_index` imports sympy first."""
    found = []
    for size in reversed(sizes):
        found.append(places % size)
        places = places // size
    return tuple(reversed(found))


def _closer(
    tests: Callable[[int, int], Callable[..., tuple[Tensor, Tensor]]],
    lengths: tuple[int, int],
    sizes: tuple[int, int],
    tiles: tuple[Tensor, ...],
    found: tuple[Tensor, Tensor],
) -> tuple[Tensor, Tensor]:
    """Whether tiles can be live and whether they are full, by their pieces where that is open."""
    possible, always = found
    pieces = 16  # on the side of a tile
    (open_,) = (possible & ~always).nonzero(as_tuple=True)
    if any(size % pieces for size in sizes) or len(open_) > 2**14:  # there, a visit more costs less than a closer look
        return found
    test = tests(*(size // pieces for size in sizes))
    side = torch.arange(pieces, device=open_.device)
    for part in torch.split(open_, 2**10):
        b, h, tile, key_tile = (index[part][:, None, None] for index in tiles)
        rows, columns = tile * pieces + side[:, None], key_tile * pieces + side
        exists = (rows * (sizes[0] // pieces) < lengths[0]) & (columns * (sizes[1] // pieces) < lengths[1])
        b, h, rows, columns = (x.expand(len(part), pieces, pieces)[exists] for x in (b, h, rows, columns))
        can, must = (torch.zeros_like(exists).masked_scatter(exists, held) for held in test(b, h, rows, columns))
        possible[part], always[part] = can.any(-1).any(-1), (must | ~exists).all(-1).all(-1)
    return possible, always


def _by_keys_first(tiles: Tensor, starts: Tensor, key_tiles: int, whole: int) -> tuple[Tensor, Tensor]:
    """Lists of key tiles for each query tile as lists of query tiles for each key tile, partial ones first.

    Only the first query tiles are `whole`, and full only those. Nothing here waits for the device.
    """
    heads, query_tiles = starts.shape[0] * starts.shape[1], starts.shape[2]
    ends = starts.reshape(-1, 3)
    owners = torch.arange(len(ends), device=tiles.device)
    owners = torch.repeat_interleave(owners, ends[:, 2] - ends[:, 0], output_size=len(tiles))
    queries = owners % max(query_tiles, 1)
    full = (torch.arange(len(tiles), device=tiles.device) >= ends[owners, 1]) & (queries < whole)
    places = (owners // max(query_tiles, 1) * key_tiles + tiles) * 2 + full
    places, order = torch.sort(places, stable=True)
    edges = torch.searchsorted(places, torch.arange(2 * heads * key_tiles + 1, device=tiles.device))
    by_keys = torch.stack([edges[0:-1:2], edges[1::2], edges[2::2]], -1)
    return queries[order].int(), by_keys.view(*starts.shape[:2], key_tiles, 3)


def _versions(given: tuple[object, ...]) -> tuple[int, ...]:
    """How often each tensor was written to; 0 for what is no tensor."""
    return tuple(x._version if isinstance(x, Tensor) and not x.is_inference() else 0 for x in given)


def _same_call(made_for: tuple[object, ...], versions: tuple[int, ...], given: tuple[object, ...]) -> bool:
    """Whether a call gives what the tiles were made for.

    By value; on a GPU, where looking waits for the device, that is not needed for the same memory, not written to
    since.
    """
    if len(made_for) != len(given) or _versions(made_for) != versions:
        return False
    for old, new in zip(made_for, given, strict=True):
        if isinstance(old, Tensor) and isinstance(new, Tensor):
            alike = old.shape == new.shape and old.dtype == new.dtype and old.device == new.device
            same = old.is_cuda and old.data_ptr() == new.data_ptr() and old.stride() == new.stride()
            if not (old is new or (alike and (same or torch.equal(old, new)))):
                return False
        elif isinstance(old, Tensor) or isinstance(new, Tensor) or old != new:
            return False
    return True


def _kept(given: tuple[object, ...]) -> tuple[object, ...]:
    """What a list is made for: copies, for not every change of a tensor on the CPU is counted."""
    return tuple(x.detach().clone() if isinstance(x, Tensor) and x.device.type == "cpu" else x for x in given)


def _made_before(lists: Iterable[Any], given: tuple[object, ...]) -> Any:
    """The list among some that was made for a call like this one, or `None`."""
    return next((known for known in tuple(lists) if _same_call(known.made_for, known.versions, given)), None)


def _slots(order: Tensor | None, B: int, H: int) -> Tensor:
    """The order of tokens for each batch row and head; without elements where they are taken as they lie."""
    return torch.empty(B, H, 0, dtype=torch.int32, device="cpu") if order is None else order.expand(B, H, -1)

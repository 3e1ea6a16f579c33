"""What launchers of Triton kernels do beside launching. Copied into generated files by name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor


def _on(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Where kernels are launched."""
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()


def _far(reach: int, rows: tuple[Tensor, ...], inputs: tuple[Tensor, ...] = ()) -> bool:
    """Whether places need 64 bits: `reach`, or those in a head of `rows`, or those of elements of inputs."""
    axes = [*((x.shape[2:], x.stride()[2:]) for x in rows), *((x.shape, x.stride()) for x in inputs)]
    return max(reach, *(sum((n - 1) * step for n, step in zip(*each, strict=True)) for each in axes)) >= 2**31


def _power_of_two(size: int) -> int:
    """The next one: what tiles have along an axis, and up to what kernels are tuned."""
    return 1 << max(size - 1, 15).bit_length()


class _Sizes(NamedTuple):
    """How a kernel is cut: queries and keys of a tile, warps of a program, stages of the pipeline that loads.

    `registers`: the most of a thread, 0 for all there are; with fewer, more programs run at once. `key_axis`: the axis
    of tiles of pairs along which keys lie in `by_keys`: 0 is as its products take them.
    """

    query_tile: int
    key_tile: int
    warps: int
    stages: int
    registers: int = 0
    key_axis: int = 1


def _launched(kernel: str, sizes: _Sizes) -> dict[str, int]:
    """What a kernel of pairs is launched with."""
    queries, keys, warps, stages, registers, key_axis = sizes
    options = {"QUERY_TILE": queries, "KEY_TILE": keys, "num_warps": warps, "num_stages": stages}
    if registers:
        options["maxnreg"] = registers
    if kernel == "by_keys":
        options["KEY_AXIS"] = key_axis
    return options


@cache
def _gpu(device: torch.device) -> int:
    """Which column of a table of sizes is for a device; kernels that are interpreted have those of an H100."""
    if device.type != "cuda":
        return 1
    if torch.version.hip is not None:
        return 3
    # GPUs of other makes than those of data centres have the shared memory of neither: theirs fits what an A100 gets.
    return {9: 1, 10: 2}.get(torch.cuda.get_device_capability(device)[0], 0)


@cache
def _processors(device: torch.device) -> int:
    """How many programs run at once, at least; where kernels are interpreted, as if few."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 4


def _parts(programs: int, key_tiles: int, device: torch.device) -> int:
    """How many programs share the keys of a query tile, so that all processors have work: a power of two up to 32."""
    wanted = min(32, 2 * _processors(device) // max(programs, 1), key_tiles // 2)
    return 1 << max(wanted, 1).bit_length() - 1


@lru_cache(maxsize=1000)
def _table(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Numbers of the host as a tensor; it is kept, for copying it to a GPU waits for the device."""
    return torch.tensor(values, dtype=dtype, device=device)


def _gathered(
    given: Tensor, lengths: tuple[int, int, int, int], query_tile: int, pairs_of: Callable[..., None]
) -> Tensor:
    """The gradient by `given`, whose elements many pairs read; float64, and the same to the last bit each time.

    `pairs_of(values, elements, b, h, row, tiles)` computes, for some query tiles, the gradient of each pair and the
    element that it belongs to; `index_put_` adds them in one order.
    """
    B, H, N, M = lengths
    total = torch.zeros(given.numel(), dtype=torch.float64, device=given.device)
    rows = max(1, 2**22 // max(M, 1) // query_tile) * query_tile
    for b in range(B):
        for h in range(H):
            for row in range(0, N, rows):
                tiles = -(-min(rows, N - row) // query_tile)
                values = torch.zeros(tiles * query_tile * M, dtype=torch.float32, device=given.device)
                elements = torch.zeros(tiles * query_tile * M, dtype=torch.int64, device=given.device)
                pairs_of(values, elements, b, h, row, tiles)
                total.index_put_((elements,), values.double(), accumulate=True)
    return total.view(given.shape)

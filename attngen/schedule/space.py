"""The configurations that searches look at, before anything is compiled: what plainly can't fit is left out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from attngen.schedule.configuration import Chunking, Configuration

TILES = (16, 32, 64, 128)
WARPS = (4, 8)
CHUNKS = (16, 32, 64)
VALUES = (16, 32, 64, 128)
MOST_HELD = 190
"""Of 255 registers of a thread, so many may hold tiles; with fewer than `LEAST_HELD`, threads have little to do."""
LEAST_HELD = 24


AXES = {"by_keys": (0, 1)}
"""Of kernels that may have keys along either axis of tiles of pairs; others have them along 1."""
SQUEEZED = 0.8
"""Compilers can save so many registers; for fewer, they spill."""


def configurations(kernel: str, width: int, size: int, shared: int, threads: int = 32) -> Iterator[Configuration]:
    """Those of a kernel of pairs whose tiles can lie in registers and shared memory, the largest tiles first.

    Each with two stages, or one where there is no room for two: deeper pipelines cost memory alone (`deeper`). Tiles of
    float32 are smaller, for their products are made number by number, and code grows with them.

    Args:
        kernel: forward, by_queries or by_keys.
        width: channels of a head.
        size: bytes of an element.
        shared: bytes of shared memory that a program can have.
        threads: those of a warp.
    """
    sides = [side for side in TILES if side <= (128 if size == 2 else 64)]
    for queries, keys in sorted(itertools.product(sides, sides), key=price):
        walked, fixed = (queries, keys) if kernel == "by_keys" else (keys, queries)
        for warps in WARPS:
            held = _held(kernel, queries, keys, width) / (threads * warps)
            stages = [n for n in (2, 1) if (n * walked * 2 + fixed) * width * size <= shared]
            if LEAST_HELD <= held <= MOST_HELD and stages:
                yield from (Configuration(queries, keys, warps, stages[0], 0, axis) for axis in AXES.get(kernel, (1,)))


def deeper(given: Configuration) -> Configuration:
    """With a stage more."""
    return given._replace(stages=given.stages + 1)


def price(tile: tuple[int, int]) -> tuple[float, int]:
    """What a pair pays for each query and each key of its tile; of the same, more queries come first."""
    queries, keys = tile
    return 1 / queries + 1 / keys, -queries


def _held(kernel: str, queries: int, keys: int, width: int) -> int:
    """Numbers of float32 that a program holds: sums, and tiles of pairs."""
    sums = {"forward": queries * width, "by_queries": queries * width, "by_keys": 2 * keys * width}[kernel]
    return sums + queries * keys * (1 if kernel == "forward" else 2)


def chunkings(width: int) -> Iterator[Chunking]:
    """Those of a recurrence, most tokens and channels first; gradients take no more channels than what they follow."""
    values = [each for each in sorted(VALUES, reverse=True) if each <= max(width, 64)]
    for tokens in sorted(CHUNKS, reverse=True):
        for forward, back in itertools.combinations_with_replacement(values, 2):
            yield from (Chunking(tokens, forward, back, warps) for warps in sorted(WARPS, reverse=True))

"""How kernels are cut: tile sizes and launch options, and the sizes of CPUs."""

from __future__ import annotations

from typing import NamedTuple

GPUS = ("cuda:80", "cuda:90", "cuda:100", "hip:gfx942")
"""Those that there are defaults for, in the order of the columns of tables: A100, H100, B200, MI300X."""
WIDTHS = (64, 128, 256)
"""Head widths that there are defaults for; the last serves wider ones."""
BYTES = (2, 4)
"""Bytes of an element."""

TILED = ("forward", "by_queries", "by_keys")
"""The kernels of pairs that have sizes of their own; those that go pair by pair have those of `by_queries`."""


class Configuration(NamedTuple):
    """How a kernel of pairs is cut: queries and keys per tile, warps per program, stages of its load pipeline.

    `registers`: the most that a thread may have, 0 for all there are; with fewer, more programs run at once.
    `key_axis`: the axis of tiles of pairs along which keys lie; only `by_keys` may have them along 0, across.
    """

    query_tile: int
    key_tile: int
    warps: int
    stages: int
    registers: int = 0
    key_axis: int = 1

    @property
    def short(self) -> tuple[int, ...]:
        """Without what it need not say."""
        usual = tuple(self._field_defaults.values())
        kept = next((n for n in range(len(self), 4, -1) if self[n - 1] != usual[n - 5]), 4)
        return tuple(self)[:kept]


ROWS = 16
"""Rows of a program that computes them ahead, or gradients by them: few enough for angles in float64 of wide heads."""


class Chunking(NamedTuple):
    """How the kernels of a recurrence are cut.

    `tokens` of a chunk, channels of `values` that a program carries, `values_back` of one that sums gradients, warps.
    """

    tokens: int
    values: int
    values_back: int
    warps: int


ALL_VALUES = 2**30
"""Channels of values of a program that sums over all of them."""

CPU_TILES = (64, 128)
"""Queries and keys per tile on a CPU: a tile of scores (32 KB) stays in the second-level cache."""
CPU_BACKWARD_QUERIES = 128
"""Queries per tile of a backward pass on a CPU, and wherever tiles of bfloat16 make scores faster than memory takes
sums: no more than the keys of a tile, as queries are packed like values."""

"""Tile sizes and launch options: the space that is searched, and where each search starts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Configuration:
    """How one GPU kernel is cut: queries and keys per tile, warps per program, stages of its load pipeline."""

    query_tile: int
    key_tile: int
    warps: int
    stages: int


@dataclass(frozen=True, slots=True)
class Default:
    """Where to start for head widths up to `width` and elements of `bytes` bytes."""

    width: int
    bytes: int
    configuration: Configuration


GPU_DEFAULTS = (
    Default(64, 2, Configuration(128, 64, 4, 3)),
    Default(128, 2, Configuration(128, 64, 8, 3)),
    Default(256, 2, Configuration(64, 32, 4, 2)),
    Default(64, 4, Configuration(64, 32, 4, 2)),
    Default(128, 4, Configuration(32, 32, 4, 2)),
    Default(256, 4, Configuration(16, 32, 4, 1)),
)
"""From the narrowest head on; the last of its element size serves wider ones."""

GPU_SPACE = (
    Configuration(128, 128, 8, 2),
    Configuration(128, 64, 8, 3),
    Configuration(128, 64, 4, 3),
    Configuration(128, 32, 4, 3),
    Configuration(64, 128, 4, 3),
    Configuration(64, 64, 4, 3),
    Configuration(64, 32, 4, 2),
    Configuration(32, 32, 4, 2),
)
"""What `tune=True` tries."""

GPU_BY_QUERIES = (
    Default(64, 2, Configuration(64, 64, 4, 2)),
    Default(128, 2, Configuration(64, 64, 8, 2)),
    Default(256, 2, Configuration(32, 32, 8, 1)),
    Default(64, 4, Configuration(32, 32, 4, 2)),
    Default(128, 4, Configuration(32, 32, 8, 1)),
    Default(256, 4, Configuration(16, 16, 8, 1)),
)
"""Gradients of queries: where a walk along key tiles starts."""
GPU_BY_KEYS = (
    Default(64, 2, Configuration(64, 64, 8, 2)),
    Default(128, 2, Configuration(32, 64, 8, 2)),
    Default(256, 2, Configuration(32, 32, 8, 1)),
    Default(64, 4, Configuration(32, 32, 8, 1)),
    Default(128, 4, Configuration(32, 32, 8, 1)),
    Default(256, 4, Configuration(16, 16, 8, 1)),
)
"""Gradients of keys and values, whose kernel sums two rows for each key: none of these spills registers on an H100."""
GPU_BACKWARD_SPACE = (
    Configuration(128, 64, 8, 2),
    Configuration(64, 128, 8, 2),
    Configuration(64, 64, 4, 2),
    Configuration(64, 64, 8, 2),
    Configuration(64, 32, 4, 2),
    Configuration(32, 64, 4, 2),
    Configuration(32, 32, 4, 2),
    Configuration(32, 32, 8, 1),
)


@dataclass(frozen=True, slots=True)
class ChunkDefault:
    """How recurrences are cut on a GPU whose keys have up to `width` channels.

    `tokens` of a chunk, channels of `values` that a program carries, and `values_back` of one that sums gradients.
    """

    width: int
    tokens: int
    values: int
    values_back: int


GPU_CHUNKS = (ChunkDefault(64, 32, 64, 64), ChunkDefault(256, 16, 64, 32))
"""From the narrowest keys on; the last serves wider ones. Those of an H100, where wide keys leave less room."""
GPU_CHUNKS_BY_TOKEN = (ChunkDefault(64, 16, 64, 64), ChunkDefault(256, 16, 32, 32))
"""Where tokens are taken one after the other: where they erase, or channels decay each in its own way."""
GPU_CHUNKS_OF_MATRICES = (ChunkDefault(64, 16, 64, 32), ChunkDefault(256, 16, 32, 32))
"""Where both are so, or matrices of the call fill the registers."""
ALL_VALUES = 2**30
"""Channels of values of a program that sums over all of them."""

CPU_TILES = (64, 128)
"""Queries and keys per tile on a CPU: a tile of scores (32 KB) stays in the second-level cache."""
CPU_BACKWARD_QUERIES = 128
"""Queries per tile of a backward pass on a CPU, and wherever tiles of bfloat16 make scores faster than memory takes
sums: no more than the keys of a tile, as queries are packed like values."""

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

CPU_TILES = (64, 128)
"""Queries and keys per tile on a CPU: a tile of scores (32 KB) stays in the second-level cache."""
CPU_BACKWARD_QUERIES = 128
"""Queries per tile of a backward pass on a CPU, and wherever tiles of bfloat16 make scores faster than memory takes
sums: no more than the keys of a tile, as queries are packed like values."""

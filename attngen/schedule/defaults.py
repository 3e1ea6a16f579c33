"""The configurations that kernels start with, as `attngen tune --static` has found them: data, read from a file.

Skeletons are `forward`, `by_queries` and `by_keys`, with `listed_` in front where tiles are listed, which have the same
tile sizes for all three; and `plain`, `by_token` and `of_matrices` for recurrences. A spec whose kernels would spill
registers there has configurations of its own, by the hash of the spec.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from attngen.schedule.configuration import BYTES, GPUS, WIDTHS, Chunking, Configuration

PATH = Path(__file__).with_name("defaults.json")
Cell = tuple[int, int]
"""A head width and bytes of an element."""
CELLS: tuple[Cell, ...] = tuple((width, size) for size in BYTES for width in WIDTHS)


def pairwise(skeleton: str, spec: str = "") -> dict[Cell, tuple[Configuration, ...]]:
    """For each cell, the configurations of a kernel on `GPUS`; those of a spec, by its hash, where it has its own."""
    return {
        cell: tuple(Configuration(*_found(skeleton, spec, gpu, f"{cell[0]}, {cell[1]}")) for gpu in GPUS)
        for cell in CELLS
    }


def recurrent(skeleton: str, spec: str = "") -> dict[int, tuple[Chunking, ...]]:
    """For each width, the same for the kernels of a recurrence, which are cut alike."""
    return {width: tuple(Chunking(*_found(skeleton, spec, gpu, str(width))) for gpu in GPUS) for width in WIDTHS}


def _found(skeleton: str, spec: str, gpu: str, cell: str) -> list[int]:
    own = _data()["specs"].get(spec, {}).get(skeleton, {}).get(gpu, {})
    found: list[int] = own.get(cell) or _data()["skeletons"][skeleton][gpu][cell]
    return found


@cache
def _data() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return found

"""In which order candidates are tried: by what their inner loop is predicted to take, those that spill left out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch

from attngen.emit.support.launches import _gpu
from attngen.ir.nodes import Variant
from attngen.runtime.inspect.chips import CHIPS
from attngen.runtime.inspect.resources import configured
from attngen.runtime.inspect.search import Cell, candidates, squeezed
from attngen.runtime.tuned import Tiles
from attngen.schedule.configuration import GPUS, WIDTHS, Configuration
from attngen.schedule.space import chunkings, deeper

MOST = 16
"""Configurations of a kernel that are compiled to be put in order."""


def target_of(device: str) -> str:
    """Which of the GPUs that kernels are compiled for is most like a device, as launchers choose their sizes."""
    return GPUS[_gpu(torch.device(device))]


def predicted(variant: Variant, kernel: str, target: str, dtype: str, width: int) -> list[Tiles]:
    """The candidates of a kernel, those first that are predicted to be fastest.

    Raises:
        RuntimeError: this process interprets Triton.
    """
    if kernel == "chunks":
        return unpredicted(kernel, target, dtype, width)
    cell = Cell(kernel, target, dtype, width)
    chip, rows = CHIPS[target], []
    for each in itertools.islice(candidates(cell), MOST):
        rows += [configured(variant, kernel, target, dtype, width, tried) for tried in (each, deeper(each))]
    fewer = [few for few in (squeezed(row, chip) for row in rows if row.fits) if few is not None]
    rows += [configured(variant, kernel, target, dtype, width, few) for few in fewer]
    fitting = [row for row in rows if row.fits and row.shared <= chip.most]
    return [row.tiles for row in sorted(fitting, key=lambda row: row.price)]


def unpredicted(kernel: str, target: str, dtype: str, width: int) -> list[Tiles]:
    """The same without compiling anything: largest first."""
    found: Iterator[tuple[int, ...]]
    if kernel == "chunks":
        found = iter(chunkings(next((each for each in WIDTHS if each >= width), WIDTHS[-1])))
    else:
        found = candidates(Cell(kernel, target, dtype, width))
    return [tuple(each) for each in found]


def of_tile(found: list[Tiles], tile: tuple[int, int]) -> list[Tiles]:
    """Those with some tile sizes: where tiles are listed, all kernels have the same."""
    return [each for each in found if each[:2] == tile] or [Configuration(*tile, 4, 2), Configuration(*tile, 8, 2)]

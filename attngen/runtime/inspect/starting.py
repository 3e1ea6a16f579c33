"""The table of the sizes that kernels start with: made anew for all GPUs, widths and dtypes, without a GPU.

Sizes of pairs are searched with one plain spec. Every other spec is compiled with them, and has sizes of its own where
its kernels would spill registers, or not fit.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from attngen.analysis.lists import List
from attngen.analysis.separable import NotSeparable
from attngen.emit.backends import decide
from attngen.emit.face import spec_hash
from attngen.emit.triton.recurrent import skeleton
from attngen.emit.triton.token_lines import sums_values
from attngen.ir.nodes import Pairwise, Recurrent, Variant
from attngen.runtime.inspect.resources import Resources, chunked, resources
from attngen.runtime.inspect.search import Cell, alike, best, candidates, priced
from attngen.schedule.chunks import chunk_plan
from attngen.schedule.configuration import ALL_VALUES, GPUS, TILED, WIDTHS, Chunking, Configuration
from attngen.schedule.defaults import recurrent
from attngen.schedule.linear_time import linear_time
from attngen.schedule.plan import plan
from attngen.schedule.space import chunkings, price

DTYPES = {2: "bfloat16", 4: "float32"}
CHECKED = (64,)
"""Widths for which every spec is compiled, in bfloat16."""
SIZES_TRIED = 2
"""Tile sizes that fit all kernels of a list, after which a search ends."""
MOST_TRIED = 12
"""Chunks that are tried for a recurrence: each compiles up to seven kernels."""
Rows = tuple[Resources, ...]
Job = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function and its arguments: what takes seconds is done by several processes."""
Done = Callable[[Iterable[Job]], Iterator[Any]]
"""Does jobs, and gives what came of them in their order."""


@dataclass(frozen=True)
class Asked:
    """What is made anew; the rest stays as it is."""

    gpus: tuple[str, ...] = GPUS
    widths: tuple[int, ...] = WIDTHS
    dtypes: tuple[str, ...] = tuple(DTYPES.values())

    @property
    def of_specs(self) -> list[tuple[str, int]]:
        """GPUs and widths for which specs are compiled one by one."""
        widths = [width for width in self.widths if width in CHECKED and DTYPES[2] in self.dtypes]
        return [(gpu, width) for gpu in self.gpus for width in widths]


@dataclass
class Table:
    """What becomes the file of defaults."""

    skeletons: dict[str, dict[str, dict[str, list[int]]]]
    specs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def forget(self, asked: Asked) -> None:
        """Leave out what specs have of their own where it is made anew."""
        tables = [of_gpus for own in self.specs.values() for of_gpus in own.values() if isinstance(of_gpus, dict)]
        for of_gpus, (gpu, width) in itertools.product(tables, asked.of_specs):
            for cell in (f"{width}, 2", str(width)):
                of_gpus.get(gpu, {}).pop(cell, None)
        self.specs = {spec: own for spec, own in self.specs.items() if any(map(_holds, own.values()))}

    def put(self, skeleton: str, gpu: str, cell: str, found: Iterable[int], spec: Variant | None = None) -> None:
        """A configuration, for all kernels of a skeleton or for those of a spec."""
        own = self.skeletons
        if spec is not None:
            own = self.specs.setdefault(spec_hash(decide(spec).variant), {"name": spec.name})
        own.setdefault(skeleton, {}).setdefault(gpu, {})[cell] = [*found]


def _holds(of_gpus: object) -> bool:
    return isinstance(of_gpus, dict) and any(of_gpus.values())


def searched(variant: Variant, asked: Asked, done: Done, table: Table) -> dict[Cell, Rows]:
    """The defaults of kernels of pairs, found with a plain variant; gives what fits for each cell, best first."""
    places = [(gpu, dtype, width) for dtype in asked.dtypes for width in asked.widths for gpu in asked.gpus]
    cells = [Cell(kernel, *place) for place in places for kernel in TILED]
    found = dict(zip(cells, done((best, (variant, cell)) for cell in cells), strict=True))
    sizes = {dtype: size for size, dtype in DTYPES.items()}
    for gpu, dtype, width in places:
        of_cell = {kernel: found[Cell(kernel, gpu, dtype, width)] for kernel in TILED}
        for kernel, rows in of_cell.items():
            if rows:
                table.put(kernel, gpu, f"{width}, {sizes[dtype]}", Configuration(*rows[0].tiles).short)
        for kernel, each in alike(of_cell).items():
            table.put(f"listed_{kernel}", gpu, f"{width}, {sizes[dtype]}", each.short)
    return found


def fitted(variants: list[Variant], asked: Asked, found: dict[Cell, Rows], done: Done, table: Table) -> list[str]:
    """Sizes of their own for variants that need them; gives what doesn't fit in any."""
    pairs = [each for each in variants if isinstance(each.body, Pairwise)]
    jobs = [(variant, gpu, width) for variant in pairs for gpu, width in asked.of_specs]
    left = []
    for job, own in zip(jobs, done((_own_sizes, (*job, found)) for job in jobs), strict=True):
        for kernel, tiles in own.items():
            if tiles is None:
                left.append(f"{kernel} of {job[0].name} on {job[1]}, D = {job[2]}")
            else:
                table.put(kernel, job[1], f"{job[2]}, 2", Configuration(*tiles).short, job[0])
    return left


def _own_sizes(variant: Variant, gpu: str, width: int, found: dict[Cell, Rows]) -> dict[str, tuple[int, ...] | None]:
    """Those of kernels that don't fit, or would spill, with the sizes of their skeleton."""
    rows = {row.kernel: row for row in resources(variant, gpu, "bfloat16", width) if row.kernel in TILED}
    if all(row.fits for row in rows.values()):
        return {}
    cells = {kernel: Cell(kernel, gpu, "bfloat16", width) for kernel in rows}
    if isinstance(plan(variant).walk, List):
        together = alike(_of_same_tiles(variant, cells))
        return {f"listed_{kernel}": together.get(kernel) for kernel in rows}
    own: dict[str, tuple[int, ...] | None] = {}
    for kernel in (kernel for kernel, row in rows.items() if not row.fits):
        known = [Configuration(*row.tiles) for row in found[cells[kernel]][1:]]
        row = next(priced(variant, cells[kernel], (*known, *candidates(cells[kernel]))), None)
        own[kernel] = None if row is None else row.tiles
    return own


def _of_same_tiles(variant: Variant, cells: dict[str, Cell]) -> dict[str, Rows]:
    """What fits of each kernel, for the first tile sizes that fit all of them; larger ones come first."""
    found: dict[str, list[Resources]] = {kernel: [] for kernel in cells}
    sizes = dict.fromkeys(each[:2] for cell in cells.values() for each in candidates(cell))
    for size in sorted(sizes, key=price):
        rows = {
            kernel: [*priced(variant, cell, (each for each in candidates(cell) if each[:2] == size))]
            for kernel, cell in cells.items()
        }
        if all(rows.values()):
            for kernel, fitting in rows.items():
                found[kernel] += fitting
            if len({row.tiles[:2] for row in found["forward"]}) == SIZES_TRIED:
                break
    return {kernel: tuple(fitting) for kernel, fitting in found.items()}


def fitted_recurrences(variants: list[Variant], asked: Asked, done: Done, table: Table) -> list[str]:
    """The same for recurrences, those that kernels of pairs are as well included; all their kernels are cut alike."""
    recurrences = [each for each in variants if _recurrence(each) is not None]
    jobs = [(variant, gpu, width) for variant in recurrences for gpu, width in asked.of_specs]
    left = []
    for (variant, gpu, width), own in zip(jobs, done((_own_chunks, job) for job in jobs), strict=True):
        recurrence = _recurrence(variant)
        assert recurrence is not None
        if own is None:
            left.append(f"{variant.name} on {gpu}, D = {width}")
        elif own:
            table.put(skeleton(chunk_plan(recurrence)), gpu, str(width), own, recurrence)
    return left


def _recurrence(variant: Variant) -> Variant | None:
    """A variant as a recurrence, where it is one."""
    if isinstance(variant.body, Recurrent):
        return variant
    with suppress(NotSeparable):
        return linear_time(variant).variant
    return None


def _own_chunks(variant: Variant, gpu: str, width: int) -> Chunking | tuple[()] | None:
    """Nothing where all kernels fit; else the first chunks, of those smaller than the defaults, with which they do."""
    recurrence = _recurrence(variant)
    assert recurrence is not None
    start = recurrent(skeleton(chunk_plan(recurrence)))[width][GPUS.index(gpu)]
    rows = {row.kernel: row for row in resources(recurrence, gpu, "bfloat16", width)}
    unfit = [kernel for kernel, row in rows.items() if not row.fits]
    if not unfit:
        return ()
    order = [*unfit, *(kernel for kernel in rows if kernel not in unfit)]
    smaller = [each for each in chunkings(width) if all(a <= b for a, b in zip(each[:3], start[:3], strict=True))]
    if sums_values(chunk_plan(recurrence)):
        smaller = [each._replace(values=ALL_VALUES, values_back=ALL_VALUES) for each in smaller]
    for each in itertools.islice(dict.fromkeys(smaller), MOST_TRIED):
        if all(chunked(recurrence, kernel, gpu, width, each).fits for kernel in order):
            return each
    return None

"""Searching sizes without a GPU: those that fit and spill nothing, by what their inner loop is predicted to take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from attngen.ir.nodes import Variant
from attngen.runtime.cross import SIZES
from attngen.runtime.inspect.chips import CHIPS, Chip
from attngen.runtime.inspect.resources import Resources, configured
from attngen.schedule.configuration import Configuration
from attngen.schedule.space import SQUEEZED, configurations, deeper

NOISE = 1.02
"""Predictions that differ by less say nothing."""
ENOUGH = 4
"""Configurations that fit, for each axis of keys, after which a search ends: the largest tiles come first."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What there is one default for: a kernel of pairs on a target, by dtype and head width."""

    kernel: str
    target: str
    dtype: str
    width: int


def priced(variant: Variant, cell: Cell, tried: Iterable[Configuration]) -> Iterator[Resources]:
    """Those of some configurations that fit and spill nothing, until there are enough."""
    found: Counter[int] = Counter()
    for each in tried:
        if found[each.key_axis] < ENOUGH:
            row = configured(variant, cell.kernel, cell.target, cell.dtype, cell.width, each)
            if row.fits and row.shared <= CHIPS[cell.target].offered:
                yield row
                found[each.key_axis] += 1


def candidates(cell: Cell) -> Iterator[Configuration]:
    """The configurations of a cell, before anything is compiled."""
    chip = CHIPS[cell.target]
    return configurations(cell.kernel, cell.width, SIZES[cell.dtype], chip.offered, chip.warp)


def squeezed(row: Resources, chip: Chip) -> Configuration | None:
    """With as many registers as leave room for a program more, where that may do; AMD's compiler has its own way."""
    given = Configuration(*row.tiles)
    few = chip.registers // (chip.warp * given.warps * (row.resident + 1)) // chip.step * chip.step
    room = chip.resident(given.warps, few, row.shared) > row.resident
    return given._replace(registers=few) if chip.warp == 32 and room and few >= SQUEEZED * row.registers else None


def best(variant: Variant, cell: Cell) -> tuple[Resources, ...]:
    """Those that fit, the one first that is predicted to be fastest, with as deep a pipeline as costs no program."""
    chip = CHIPS[cell.target]

    def compiled(given: Configuration) -> Resources:
        return configured(variant, cell.kernel, cell.target, cell.dtype, cell.width, given)

    found = [*priced(variant, cell, candidates(cell))]
    found += [row for few in (squeezed(each, chip) for each in found) if few and (row := compiled(few)).fits]
    if not found:
        return ()
    ordered = sorted(found, key=lambda row: row.price)
    alike_most = ordered[0].price * NOISE
    # Of equals, those whose products are made by groups of warps, or by a whole program.
    first, *others = sorted(ordered, key=lambda row: row.price > alike_most or row.by_single_warps)
    row = compiled(deeper(Configuration(*first.tiles)))
    fine = row.fits and row.shared <= chip.offered and row.resident >= first.resident
    # Compilers may pipeline in another way, with more work in each round.
    return (row if fine and row.price <= first.price * NOISE else first, *others)


def alike(found: dict[str, tuple[Resources, ...]]) -> dict[str, Configuration]:
    """Configurations of kernels that have the same tile sizes: those that are predicted to be fastest together."""
    prices: dict[tuple[int, int], dict[str, Resources]] = {}
    for kernel, rows in found.items():
        for row in rows:
            at = prices.setdefault((row.tiles[0], row.tiles[1]), {})
            if kernel not in at or row.price < at[kernel].price:
                at[kernel] = row
    whole = [at for at in prices.values() if len(at) == len(found)]
    cheapest = min(whole, key=lambda at: sum(row.price for row in at.values()), default={})
    return {kernel: Configuration(*row.tiles) for kernel, row in cheapest.items()}

"""The resources of each kernel of a variant, compiled for a GPU that is not here with the sizes that it starts with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from attngen.ir.nodes import Variant
from attngen.runtime.cross import compile_for, starts
from attngen.runtime.inspect.chips import CHIPS
from attngen.runtime.inspect.loops import loops
from attngen.runtime.inspect.usage import machine_code, usage
from attngen.runtime.inspect.work import Work, innermost, work


@dataclass(frozen=True, slots=True)
class Resources:
    """One kernel. `tiles`: queries and keys, or tokens and channels of values; warps; stages.

    `registers` of a thread, bytes of them that it `spills`, bytes of `shared` memory of a program, and how many
    programs are `resident` on a processor: 0 where one does not fit. `inner`: the loop that makes most products, `None`
    where there is no loop.
    """

    variant: str
    kernel: str
    target: str
    dtype: str
    width: int
    tiles: tuple[int, int, int, int]
    registers: int
    spills: int
    shared: int
    resident: int
    inner: Work | None

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        queries, keys, warps, stages = self.tiles
        found = {name: getattr(self, name) for name in ("variant", "kernel", "target", "dtype", "width")}
        found |= {"tile": [queries, keys], "warps": warps, "stages": stages, "registers": self.registers}
        found |= {"spills": self.spills, "shared": self.shared, "resident": self.resident}
        return {**found, "inner": None if self.inner is None else _of_loop(self.inner)}


def _of_loop(inner: Work) -> dict[str, Any]:
    """Cycles are predicted, for comparing."""
    return {
        "matrix": inner.matrix,
        "instructions": dict(inner.counts),
        "products": inner.products,
        "busy": {pipe: round(cycles) for pipe, cycles in inner.busy.items()},
        "cycles": round(inner.cycles),
        "of_peak": round(inner.of_peak, 3),
    }


def resources(
    variant: Variant, target: str, dtype: str = "bfloat16", width: int = 64, only: str = ""
) -> Iterator[Resources]:
    """One row for each kernel, forward kernels first.

    Args:
        target: one of `attngen.runtime.cross.TARGETS`.
        dtype: of q, k and v.
        width: channels of keys and values.
        only: of all kernels, this one alone.

    Raises:
        RuntimeError: this process interprets Triton.
    """
    chip = CHIPS[target]
    binary = compile_for(variant, target, dtype=dtype, width=width, only=only)
    for kernel, stages in binary.kernels.items():
        tiles = starts(variant, kernel, width, dtype)
        used, shared, code = usage(stages, target), binary.shared[kernel], machine_code(stages)
        resident = chip.resident(tiles[2], used.registers, shared)
        inner = innermost(loops(code))
        found = None if inner is None else work(inner, chip, tiles[2], resident, code)
        given = (variant.name, kernel, target, dtype, width, tiles)
        yield Resources(*given, used.registers, used.spills, shared, resident, found)

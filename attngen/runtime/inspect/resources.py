"""The resources of each kernel of a variant, compiled for a GPU that is not here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from attngen.emit.support.launches import _launched, _Sizes
from attngen.ir.nodes import Variant
from attngen.runtime.cross import RECURRENT, SIZES, Binary, compile_for, starts
from attngen.runtime.cross_types import padded_size
from attngen.runtime.inspect.chips import CHIPS
from attngen.runtime.inspect.loops import loops
from attngen.runtime.inspect.usage import machine_code, usage
from attngen.runtime.inspect.work import Work, innermost, work
from attngen.schedule.configuration import TILED, Chunking, Configuration


@dataclass(frozen=True, slots=True)
class Resources:
    """One kernel. `tiles`: its `Configuration`; or tokens and channels of values, warps and stages.

    `registers` of a thread, bytes of memory that it has for what it `spills`, bytes of `shared` memory of a program,
    and how many programs are `resident` on a processor: 0 where one does not fit. `inner`: the loop that makes most
    products, `None` where there is no loop. `digest`: of all that was compiled.
    """

    variant: str
    kernel: str
    target: str
    dtype: str
    width: int
    tiles: tuple[int, ...]
    registers: int
    spills: int
    shared: int
    resident: int
    inner: Work | None
    digest: str

    @property
    def fits(self) -> bool:
        """Whether it runs, and keeps to its registers."""
        return self.resident > 0 and self.spills == 0

    @property
    def price(self) -> float:
        """Predicted cycles of a processor for 1024 pairs, those that tiles of 4096 tokens have too many included."""
        queries, keys = self.tiles[:2]
        if self.inner is None or not self.resident:
            return float("inf")
        return self.inner.cycles / (queries * keys) * 1024 * (1 + (queries + keys) / 4096)

    @property
    def by_single_warps(self) -> bool:
        """Whether single warps make products of tiles in the inner loop, and hold in registers what comes of them."""
        return self.inner is not None and bool(self.inner.traits.get("by_warps"))

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        queries, keys, warps, stages, *own = self.tiles
        found = {name: getattr(self, name) for name in ("variant", "kernel", "target", "dtype", "width")}
        found |= {"tile": [queries, keys], "warps": warps, "stages": stages, "registers": self.registers}
        found |= {"most_registers": own[0] or None, "key_axis": own[1]} if own else {}
        found |= {"spills": self.spills, "shared": self.shared, "resident": self.resident, "digest": self.digest}
        return {**found, "inner": None if self.inner is None else _of_loop(self.inner)}


def _of_loop(inner: Work) -> dict[str, Any]:
    """Cycles are predicted, for comparing."""
    return {
        "matrix": inner.matrix,
        "instructions": dict(inner.counts),
        "traits": {name: count for name, count in inner.traits.items() if count},
        "products": inner.products,
        "busy": {pipe: round(cycles) for pipe, cycles in inner.busy.items()},
        "cycles": round(inner.cycles),
        "of_peak": round(inner.of_peak, 3),
    }


def resources(
    variant: Variant, target: str, dtype: str = "bfloat16", width: int = 64, only: str = ""
) -> Iterator[Resources]:
    """One row for each kernel, forward kernels first, with the sizes that each starts with.

    Args:
        target: one of `attngen.runtime.cross.TARGETS`.
        dtype: of q, k and v.
        width: channels of keys and values.
        only: of all kernels, this one alone.

    Raises:
        RuntimeError: this process interprets Triton.
    """
    binary = compile_for(variant, target, dtype=dtype, width=width, only=only)
    for kernel in binary.kernels:
        yield _row(binary, kernel, width, starts(variant, kernel, width, dtype, target), asked=True)


def configured(variant: Variant, kernel: str, target: str, dtype: str, width: int, tiles: Configuration) -> Resources:
    """A kernel of pairs with other sizes than those that it starts with."""
    binary = compile_for(
        variant, target, dtype=dtype, width=width, only=kernel, options=_launched(kernel, _Sizes(*tiles))
    )
    return _row(binary, kernel, width, tiles)


def chunked(variant: Variant, kernel: str, target: str, width: int, chunks: Chunking) -> Resources:
    """A kernel of a recurrence, in bfloat16, with other chunks than those that it starts with."""
    values = min(chunks.values if kernel in RECURRENT[:4] else chunks.values_back, padded_size(width))
    sizes = {"CHUNK": chunks.tokens, "VALUE_TILE": values, "num_warps": chunks.warps}
    binary = compile_for(variant, target, width=width, only=kernel, options=sizes)
    return _row(binary, kernel, width, (chunks.tokens, values, chunks.warps, 3))


def _row(binary: Binary, kernel: str, width: int, tiles: tuple[int, ...], asked: bool = False) -> Resources:
    """Machine code is read where it can run, or where a row is `asked` for."""
    stages, chip, warps = binary.kernels[kernel], CHIPS[binary.target], tiles[2]
    used, shared = usage(stages), binary.shared[kernel]
    resident = chip.resident(warps, used.registers, shared)
    fits = resident and not used.spills
    code = machine_code(stages) if fits or asked else ""
    inner = innermost(loops(code))
    moved = (tiles[0] if kernel == "by_keys" else tiles[1]) * 2 * width * SIZES[binary.dtype] if kernel in TILED else 0
    found = None if inner is None else work(inner, chip, warps, resident, code, moved)
    given = (binary.variant, kernel, binary.target, binary.dtype, width, tiles)
    return Resources(*given, used.registers, used.spills, shared, resident, found, binary.digests[kernel])

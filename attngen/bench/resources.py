"""What Triton kernels take of a GPU that is not here: registers, spilled bytes and shared memory, as ptxas reports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from attngen.ir.nodes import Variant
from attngen.runtime.cross import TILED, compile_for, starts
from attngen.runtime.inspect.usage import usage
from attngen.schedule.configuration import GPU_BACKWARD_SPACE, Configuration


@dataclass(frozen=True, slots=True)
class Row:
    """One kernel. `tiles` are queries, keys, warps and stages; `spilled` the bytes of registers that go to memory.

    If the kernel spills with the sizes that it starts with, those of a configuration in which it doesn't are shown, if
    there is one, and `at_first` tells how many bytes it spills at first.
    """

    variant: str
    kernel: str
    dtype: str
    width: int
    tiles: tuple[int, int, int, int]
    registers: int
    spilled: int
    shared: int
    at_first: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measured(variant: Variant, target: str, dtype: str, width: int) -> Iterator[Row]:
    """All kernels of the backward pass, and of recurrences those of the forward pass as well."""
    binary = compile_for(variant, target, dtype=dtype, width=width)
    for kernel in [name for name in binary.kernels if name != "forward"]:
        start = starts(variant, kernel, width, dtype)
        used, shared = usage(binary.kernels[kernel], target), binary.shared[kernel]
        first = Row(variant.name, kernel, dtype, width, start, used.registers, used.spills, shared, used.spills)
        yield first if used.spills == 0 or kernel not in TILED else _without_spills(variant, target, first)


def _without_spills(variant: Variant, target: str, first: Row) -> Row:
    """The first configuration that is searched in which a kernel keeps to its registers."""
    for each in sorted(GPU_BACKWARD_SPACE, key=_size, reverse=True):
        options = dict(zip(("QUERY_TILE", "KEY_TILE", "num_warps", "num_stages"), _tuple(each), strict=True))
        binary = compile_for(variant, target, dtype=first.dtype, width=first.width, only=first.kernel, options=options)
        used = usage(binary.kernels[first.kernel], target)
        if used.spills == 0:
            found = (first.variant, first.kernel, first.dtype, first.width, _tuple(each), used.registers, 0)
            return Row(*found, binary.shared[first.kernel], first.spilled)
    return first


def _size(configuration: Configuration) -> tuple[int, int]:
    """Larger tiles first; of one size, those that fewer warps share."""
    return configuration.query_tile * configuration.key_tile, -configuration.warps


def _tuple(configuration: Configuration) -> tuple[int, int, int, int]:
    return configuration.query_tile, configuration.key_tile, configuration.warps, configuration.stages

"""What Triton kernels take of a GPU that is not here: registers, spilled bytes and shared memory, as ptxas reports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from attngen.ir.nodes import Variant
from attngen.runtime.cross import CHUNKS, RECURRENT, TILED, compile_for, starts
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
        yield first if used.spills == 0 else _without_spills(variant, target, first)


def _without_spills(variant: Variant, target: str, first: Row) -> Row:
    """The first configuration that is searched in which a kernel keeps to its registers."""
    for sizes in _searched(first):
        names = ("CHUNK", "VALUE_TILE") if _is_recurrent(first.kernel) else ("QUERY_TILE", "KEY_TILE")
        options = dict(zip((*names, "num_warps", "num_stages"), sizes, strict=True))
        binary = compile_for(variant, target, dtype=first.dtype, width=first.width, only=first.kernel, options=options)
        used = usage(binary.kernels[first.kernel], target)
        if used.spills == 0:
            found = (first.variant, first.kernel, first.dtype, first.width, sizes, used.registers, 0)
            return Row(*found, binary.shared[first.kernel], first.spilled)
    return first


def _searched(first: Row) -> list[tuple[int, int, int, int]]:
    """Sizes that a kernel may have; those of a recurrence have fewer channels of values."""
    if _is_recurrent(first.kernel):
        tokens, values, warps, stages = first.tiles
        return [(tokens, fewer, warps, stages) for fewer in (64, 32, 16) if fewer < values]
    return [*map(_tuple, sorted(GPU_BACKWARD_SPACE, key=_size, reverse=True))] if first.kernel in TILED else []


def _is_recurrent(kernel: str) -> bool:
    return kernel.removeprefix(CHUNKS) in RECURRENT


def _size(configuration: Configuration) -> tuple[int, int]:
    """Larger tiles first; of one size, those that fewer warps share."""
    return configuration.query_tile * configuration.key_tile, -configuration.warps


def _tuple(configuration: Configuration) -> tuple[int, int, int, int]:
    return configuration.query_tile, configuration.key_tile, configuration.warps, configuration.stages

"""What Triton kernels take of a GPU that is not here: registers, spilled bytes and shared memory, as ptxas reports."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from attngen.ir.nodes import Variant
from attngen.runtime.cross import TILED, Binary, compile_for, starts
from attngen.schedule.configuration import GPU_BACKWARD_SPACE, Configuration

ARCHITECTURES = {"cuda:80": (80, "sm_80"), "cuda:90": (90, "sm_90a"), "cuda:100": (100, "sm_100a")}


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
        registers, spilled = usage(binary, kernel)
        first = Row(variant.name, kernel, dtype, width, start, registers, spilled, binary.shared[kernel], spilled)
        yield first if spilled == 0 or kernel not in TILED else _without_spills(variant, target, first)


def _without_spills(variant: Variant, target: str, first: Row) -> Row:
    """The first configuration that is searched in which a kernel keeps to its registers."""
    for each in sorted(GPU_BACKWARD_SPACE, key=_size, reverse=True):
        options = dict(zip(("QUERY_TILE", "KEY_TILE", "num_warps", "num_stages"), _tuple(each), strict=True))
        binary = compile_for(variant, target, dtype=first.dtype, width=first.width, only=first.kernel, options=options)
        registers, spilled = usage(binary, first.kernel)
        if spilled == 0:
            found = (first.variant, first.kernel, first.dtype, first.width, _tuple(each), registers, 0)
            return Row(*found, binary.shared[first.kernel], first.spilled)
    return first


def _size(configuration: Configuration) -> tuple[int, int]:
    """Larger tiles first; of one size, those that fewer warps share."""
    return configuration.query_tile * configuration.key_tile, -configuration.warps


def _tuple(configuration: Configuration) -> tuple[int, int, int, int]:
    return configuration.query_tile, configuration.key_tile, configuration.warps, configuration.stages


def usage(binary: Binary, kernel: str) -> tuple[int, int]:
    """Registers of a thread, and bytes that it spills."""
    from triton.backends.nvidia.compiler import get_ptxas

    capability, name = ARCHITECTURES[binary.target]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernel.ptx")
        path.write_text(str(binary.kernels[kernel]["ptx"]), encoding="utf-8")
        command = [get_ptxas(capability).path, "-v", f"-arch={name}", str(path), "-o", str(path.with_suffix(".cubin"))]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    registers = re.search(r"Used (\d+) registers", done.stderr)
    spilled = re.search(r"(\d+) bytes spill stores", done.stderr)
    assert registers and spilled, done.stderr
    return int(registers[1]), int(spilled[1])

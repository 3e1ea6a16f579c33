"""Registers and spilled bytes of compiled kernels, and their machine code as text."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Stages = Mapping[str, str | bytes]
"""What a kernel was compiled to, by the names of Triton: `ptx`, `cubin`, `amdgcn`."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Registers of a thread, and bytes of its own memory, in which it keeps what it spills."""

    registers: int
    spills: int


def usage(stages: Stages) -> Usage:
    """As a binary says, by cuobjdump, which comes with Triton; or AMD's assembly in its notes."""
    if "amdgcn" in stages:
        text = str(stages["amdgcn"])
        return Usage(_noted(text, "vgpr_count"), 4 * _noted(text, "vgpr_spill_count"))
    text = _said("cuobjdump", "--dump-resource-usage", stages)
    registers, stack = re.search(r"REG:(\d+)", text), re.search(r"STACK:(\d+)", text)
    assert registers and stack, text
    return Usage(int(registers[1]), int(stack[1]))


def machine_code(stages: Stages) -> str:
    """The instructions of a kernel: SASS, by nvdisasm, which comes with Triton; or AMD's assembly."""
    if "amdgcn" in stages:
        return str(stages["amdgcn"])
    return _said("nvdisasm", "-c", stages)


def _said(tool: str, option: str, stages: Stages) -> str:
    """What a tool says of a binary."""
    import triton

    cubin = stages["cubin"]
    assert isinstance(cubin, bytes)
    path_of_tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / tool
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernel.cubin")
        path.write_bytes(cubin)
        command = [str(path_of_tool), option, str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _noted(text: str, name: str) -> int:
    found = re.search(rf"\.{name}:\s+(\d+)", text)
    return int(found[1]) if found else 0

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
ARCHITECTURES = {"cuda:80": (80, "sm_80"), "cuda:90": (90, "sm_90a"), "cuda:100": (100, "sm_100a")}


@dataclass(frozen=True, slots=True)
class Usage:
    """Registers of a thread, and bytes that it spills."""

    registers: int
    spills: int


def usage(stages: Stages, target: str) -> Usage:
    """As ptxas reports, or as AMD's assembly says in its notes."""
    if "amdgcn" in stages:
        text = str(stages["amdgcn"])
        return Usage(_noted(text, "vgpr_count"), 4 * _noted(text, "vgpr_spill_count"))
    from triton.backends.nvidia.compiler import get_ptxas

    capability, name = ARCHITECTURES[target]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernel.ptx")
        path.write_text(str(stages["ptx"]), encoding="utf-8")
        command = [get_ptxas(capability).path, "-v", f"-arch={name}", str(path), "-o", str(path.with_suffix(".cubin"))]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    registers = re.search(r"Used (\d+) registers", done.stderr)
    spilled = re.search(r"(\d+) bytes spill stores", done.stderr)
    assert registers and spilled, done.stderr
    return Usage(int(registers[1]), int(spilled[1]))


def machine_code(stages: Stages) -> str:
    """The instructions of a kernel: SASS, by nvdisasm, which comes with Triton; or AMD's assembly."""
    if "amdgcn" in stages:
        return str(stages["amdgcn"])
    import triton

    cubin = stages["cubin"]
    assert isinstance(cubin, bytes)
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "nvdisasm"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernel.cubin")
        path.write_bytes(cubin)
        return subprocess.run([str(tool), "-c", str(path)], capture_output=True, text=True, check=True).stdout


def _noted(text: str, name: str) -> int:
    found = re.search(rf"\.{name}:\s+(\d+)", text)
    return int(found[1]) if found else 0

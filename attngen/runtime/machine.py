"""What this machine has: versions, devices, vector instructions, a C++ compiler, and the cache."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from attngen.emit.support import native
from attngen.folders import cache_folder
from attngen.version import __version__

KEPT = ("specs", "kernels", "libraries", "templates")
"""The folders of the cache that hold code, and are ours to remove."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report; `fine` is false where something will not work, and `value` says what to do."""

    name: str
    value: str
    fine: bool = True


@dataclass(frozen=True, slots=True)
class Cache:
    """What attngen keeps for later: how many kernels and libraries, and bytes of all files."""

    folder: Path
    kernels: int
    libraries: int
    bytes: int

    def text(self) -> str:
        counts = f"{self.kernels} kernels, {self.libraries} libraries"
        return f"{self.folder}: {counts}, {self.bytes / 2**20:.1f} MB"


def findings() -> list[Finding]:
    """All of it, in the order of a report."""
    devices = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    return [
        Finding("attngen", __version__),
        Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding("torch", torch.__version__),
        Finding("triton", _installed("triton")),
        Finding("GPUs", ", ".join(devices) or "none; Triton kernels run in its interpreter, or are cross-compiled"),
        Finding("CPU", f"{cpu_name()}, {vectors()}, {torch.get_num_threads()} threads of {os.cpu_count()}"),
        *_compiler(),
        *_cache(),
    ]


def as_json(found: list[Finding]) -> dict[str, Any]:
    """For programs: the findings, and the cache in numbers."""
    cache = asdict(cache_facts())
    return {
        "fine": all(each.fine for each in found),
        "findings": [asdict(each) for each in found],
        "cache": {**cache, "folder": str(cache["folder"])},
    }


def cpu_name() -> str:
    """The model of the CPU."""
    names = (line.split(":")[1].strip() for line in native._cpu().splitlines() if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def vectors() -> str:
    """The vector instructions that kernels are compiled to, the widest that there are."""
    flags = native._cpu().split()
    known = [("amx_bf16", "AVX-512 with tiles of bfloat16 (AMX)")] if sys.platform == "linux" else []
    known += [("avx512_bf16", "AVX-512 with bfloat16"), ("avx512f", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON")]
    return next((name for flag, name in known if flag in flags), "vectors of four floats")


def compiler_version() -> str:
    """The first line of what the C++ compiler says of itself.

    Raises:
        RuntimeError: there is none.
    """
    return (native._version(native._compiler()).splitlines() or ["unknown"])[0]


def cache_facts() -> Cache:
    """What the cache holds."""
    folder = cache_folder()
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
    kernels = len(list((folder / "kernels").glob("*")))
    return Cache(folder, kernels, len(list((folder / "libraries").glob("*.so"))), sum(sizes))


def clear_cache() -> Cache:
    """Remove what attngen keeps; gives what there was."""
    before = cache_facts()
    for name in KEPT:
        shutil.rmtree(before.folder / name, ignore_errors=True)
    return before


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _compiler() -> list[Finding]:
    """The compiler, and whether it makes a library that can be loaded."""
    try:
        found = native._compiler()
        name = Finding("C++ compiler", f"{' '.join(found)}: {compiler_version()}")
        with tempfile.TemporaryDirectory() as folder:
            native._require_working(found, Path(folder) / "tried.so")
        return [name, Finding("OpenMP", "yes" if sys.platform != "darwin" else "no: kernels use one thread")]
    except RuntimeError as error:
        return [Finding("C++ compiler", str(error), fine=False)]


def _cache() -> list[Finding]:
    """Where the cache is, and whether it is only ours."""
    facts = cache_facts()
    found = [Finding("cache", facts.text())]
    for name in KEPT:
        try:
            if (facts.folder / name).exists():
                native._require_own(facts.folder / name)
        except RuntimeError as error:
            found.append(Finding("cache", str(error), fine=False))
    return found

"""What this machine has: versions and their defects, devices, vector instructions, compilers, and the caches."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from attngen import cache
from attngen.emit.support import native
from attngen.runtime import defects
from attngen.version import __version__


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report; `fine` is false where something will not work, and `value` says what to do."""

    name: str
    value: str
    fine: bool = True


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU: its compute capability, such as 9.0, and the bytes of its memory."""

    name: str
    capability: str
    bytes: int


def findings() -> list[Finding]:
    """All of it, in the order of a report."""
    shown = [f"{each.name} ({each.capability}, {each.bytes / 2**30:.0f} GiB)" for each in devices()]
    interpreted = "; TRITON_INTERPRET=1 is set, so its kernels are interpreted" if interprets() else ""
    return [
        Finding("attngen", __version__),
        Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding("torch", torch.__version__),
        Finding("triton", (installed("triton") or "not installed") + interpreted),
        Finding("GPUs", ", ".join(shown) or "none; Triton kernels run in its interpreter, or are cross-compiled"),
        Finding("CPU", f"{cpu_name()}, {vectors()}, {torch.get_num_threads()} threads of {os.cpu_count()}"),
        *_compiler(),
        *_assembler(),
        *(Finding("defect", f"{d.what}: {d.way_out} ({d.source})", not d.breaks) for d in known_defects()),
        *_cache(),
        *_caches_of_triton(),
    ]


def as_json(found: list[Finding]) -> dict[str, Any]:
    """For programs: the findings, the GPUs, and the cache in numbers."""
    return {
        "fine": all(each.fine for each in found),
        "findings": [asdict(each) for each in found],
        "devices": [asdict(each) for each in devices()],
        "cache": cache_facts(),
    }


def devices() -> list[Device]:
    """The GPUs."""
    found = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    return [Device(each.name, f"{each.major}.{each.minor}", each.total_memory) for each in found]


def interprets() -> bool:
    """Whether this process interprets Triton."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def known_defects() -> list[defects.Defect]:
    """Those that this machine has."""
    places = {f"cuda:{each.capability.split('.')[0]}" for each in devices()}
    if interprets() or not places:
        places.add(defects.INTERPRETER)
    return defects.known({name: installed(name) for name in ("triton", "torch", "numpy")}, places)


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


def cache_facts() -> dict[str, Any]:
    """What the cache holds: bytes of all of it, and entries and bytes of each folder."""
    folders = {
        each.name: {"entries": len(each.entries()), "bytes": cache.size(each.path), "most": each.most}
        for each in cache.FOLDERS
    }
    return {
        "folder": str(cache.cache_folder()),
        "kernels": len(cache.KERNELS.entries()),
        "libraries": len(list(cache.LIBRARIES.path.glob("*.so"))),
        "bytes": sum(facts["bytes"] for facts in folders.values()),
        "folders": folders,
    }


def cache_text() -> str:
    """What the cache holds, in words."""
    facts = cache_facts()
    counts = ", ".join(f"{facts['folders'][name]['entries']} {name}" for name in facts["folders"])
    return f"{facts['folder']}: {counts}, {facts['bytes'] / 2**20:.1f} MB"


def installed(package: str) -> str:
    """Its version; nothing if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


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


def _assembler() -> list[Finding]:
    """Triton's ptxas, which makes machine code for GPUs of NVIDIA, also of those that are not here."""
    if not installed("triton") or torch.version.hip:
        return []
    try:
        from triton.backends.nvidia.compiler import get_ptxas

        found = get_ptxas(90)
        return [Finding("ptxas", f"{found.version}: {found.path}")]
    except (ImportError, OSError, RuntimeError) as error:
        return [Finding("ptxas", f"Triton finds none ({error}): install triton anew", fine=False)]


def _cache() -> list[Finding]:
    """Where the cache is, whether it can be written, and whether it is only ours."""
    found = [Finding("cache", cache_text())]
    folder = cache.cache_folder()
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        text = f"{there} can't be written: set ATTNGEN_CACHE to a folder that can"
        found.append(Finding("cache", text, fine=False))
    for each in cache.FOLDERS:
        with suppress(OSError):  # it is not there
            try:
                cache.require_own(each.path)
            except RuntimeError as error:
                found.append(Finding("cache", str(error), fine=False))
    return found


def _caches_of_triton() -> list[Finding]:
    """Where Triton keeps compiled kernels: its own place, which other programs use as well."""
    with suppress(ImportError, AttributeError):
        from triton import knobs

        folder = Path(knobs.cache.dir)
        size = cache.size(folder) / 2**20
        return [
            Finding("Triton's cache", f"{folder}: {size:.1f} MB ($TRITON_CACHE_DIR; attngen removes nothing there)")
        ]
    return []

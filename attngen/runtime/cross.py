"""Compiling Triton kernels for a GPU that is not here.

Triton's interpreter and its compiler don't live in one process: this module refuses to run under TRITON_INTERPRET=1.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from attngen.analysis.separable import NotSeparable
from attngen.emit.support.launches import _launched, _Sizes
from attngen.ir.nodes import Recurrent, Variant
from attngen.runtime.cross_types import Types, is_int, padded_size, types
from attngen.runtime.kept import findings
from attngen.runtime.module import import_files
from attngen.schedule.configuration import GPUS, ROWS, TILED, WIDTHS
from attngen.schedule.linear_time import linear_time

TARGETS = {
    "cuda:80": ("cuda", 80, 32),
    "cuda:90": ("cuda", 90, 32),
    "cuda:100": ("cuda", 100, 32),
    "hip:gfx942": ("hip", "gfx942", 64),
}
ELEMENTS = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
SIZES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, slots=True)
class Binary:
    """A variant compiled for a target: for each of its kernels, `forward` first, texts and binaries by stage.

    Stages are `ttir`, `ptx`, `cubin`, `amdgcn` and so on. `shared` are the bytes of shared memory of each kernel,
    `digests` what tells it from others: its text with all that it calls, its types and constants.
    """

    variant: str
    target: str
    dtype: str
    kernels: dict[str, dict[str, str | bytes]]
    shared: dict[str, int]
    digests: dict[str, str]


def compile_for(
    variant: Variant,
    target: str,
    *,
    dtype: str = "bfloat16",
    width: int = 64,
    only: str = "",
    options: Mapping[str, int] | None = None,
    offsets: bool = False,
) -> Binary:
    """The kernels of a variant compiled for a target.

    Args:
        target: one of `TARGETS`.
        dtype: of q, k and v: float32, bfloat16 or float16.
        width: channels of keys and values.
        only: of all kernels, this one alone.
        options: what kernels that walk along tiles are launched with, `_launched` of a configuration or CHUNK and
            VALUE_TILE; defaults if `None`.
        offsets: batch rows have their own position of query row 0, or of the first token.

    Raises:
        RuntimeError: this process interprets Triton.
        KeyError: there is no such target or dtype.
    """
    if os.environ.get("TRITON_INTERPRET") == "1":
        raise RuntimeError("Triton can't compile in a process with TRITON_INTERPRET=1")
    stages: dict[str, dict[str, str | bytes]] = {}
    shared: dict[str, int] = {}
    digests: dict[str, str] = {}
    for before, each in _with_chunks(variant).items():
        module = import_files(findings(each).files("triton"), each.name)
        given = types(each, ELEMENTS[dtype], width, offsets)
        for name, label in _kernels(module):
            if only not in ("", before + label):
                continue
            chosen = {**_options(module, label, width, dtype, target), **(options or {})}
            compiled = _compiled(getattr(module, name), given, target, chosen)
            stages[before + label], shared[before + label] = dict(compiled.asm), compiled.metadata.shared
            digests[before + label] = _digest(module, name, given, chosen)
    return Binary(variant.name, target, dtype, stages, shared, digests)


def digests_for(variant: Variant, target: str, *, dtype: str = "bfloat16", width: int = 64) -> dict[str, str]:
    """The digests that the kernels of a variant would have, without compiling them."""
    found: dict[str, str] = {}
    for before, each in _with_chunks(variant).items():
        module = import_files(findings(each).files("triton"), each.name)
        given = types(each, ELEMENTS[dtype], width, False)
        for name, label in _kernels(module):
            chosen = _options(module, label, width, dtype, target)
            found[before + label] = _digest(module, name, given, chosen)
    return found


def _digest(module: ModuleType, name: str, given: Types, chosen: Mapping[str, int]) -> str:
    """Of all that a kernel is compiled from: the functions of its file that are, types, constants and sizes."""
    signature = _signature(given, getattr(module, name).arg_names, chosen)
    text = Path(str(module.__file__)).read_text(encoding="utf-8")
    device = [part for part in text.split("\n\n\n") if part.startswith("@triton.jit")]
    facts = ["\n".join(device), name, str(signature), str(sorted(chosen.items()))]
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:12]


def _with_chunks(variant: Variant) -> dict[str, Variant]:
    """A variant, and the recurrence that it also is, if there is one; by what stands before the names of kernels."""
    found = {"": variant}
    with suppress(NotSeparable):
        found |= {} if isinstance(variant.body, Recurrent) else {CHUNKS: linear_time(variant).variant}
    return found


def _compiled(kernel: Any, given: Types, target: str, chosen: Mapping[str, int]) -> Any:
    """A kernel with some sizes."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    signature, constants = _signature(given, kernel.arg_names, chosen)
    attributes = {
        (k,): [["tt.divisibility", 16]]
        for k, argument in enumerate(kernel.arg_names)
        if argument.endswith(("_ptr", "_stride_b", "_stride_h", "_stride_n")) and (k,) not in constants
    }
    source = ASTSource(kernel, signature, constants, attributes)
    options = {name: value for name, value in chosen.items() if not name.isupper()} | {"enable_fp_fusion": True}
    return triton.compile(source, target=GPUTarget(*TARGETS[target]), options=options)


CHUNKS = "chunks_"
RECURRENT = ("give", "carry", "leave", "follow", "carry_back", "follow_back", "return")
"""The kernels of a recurrence."""
KERNELS = ("_make_", "_merge", "_centre", "_by_", "_pairs_", "_return_")
"""How the names of kernels begin."""
SMALL = {"QUERY_TILE": 32, "KEY_TILE": 32, "num_warps": 4, "num_stages": 3}
OF_ROWS = {"QUERY_TILE": ROWS, "KEY_TILE": ROWS, "num_warps": 8, "num_stages": 3}
MERGED = {"QUERY_TILE": 1, "KEY_TILE": 16, "PARTS": 16, "num_warps": 4, "num_stages": 3}
"""Those of kernels of diagonals, of rows, and of the one that merges parts."""


def _kernels(module: ModuleType) -> list[tuple[str, str]]:
    """The kernels of a file and what they are called here, the forward kernel first."""
    if hasattr(module, "_carry"):
        return [(f"_{label}", label) for label in RECURRENT if hasattr(module, f"_{label}")]
    names = [name for name, value in vars(module).items() if name.startswith(KERNELS) and hasattr(value, "arg_names")]
    return [("_forward_kernel", "forward"), *((name, name.strip("_")) for name in names)]


def starts(variant: Variant, kernel: str, width: int, dtype: str, target: str) -> tuple[int, ...]:
    """The configuration that a kernel starts with; that of a recurrence has tokens and values, warps and stages."""
    each = _with_chunks(variant)[CHUNKS if kernel.startswith(CHUNKS) else ""]
    module = import_files(findings(each).files("triton"), each.name)
    found = _options(module, kernel.removeprefix(CHUNKS), width, dtype, target)
    tile = [found[name] for name in ("QUERY_TILE", "CHUNK", "KEY_TILE", "VALUE_TILE") if name in found]
    own = (found.get("maxnreg", 0), found.get("KEY_AXIS", 1)) if "QUERY_TILE" in found else ()
    return *tile, found["num_warps"], found["num_stages"], *own


def _options(module: ModuleType, label: str, width: int, dtype: str, target: str) -> dict[str, int]:
    """Sizes of tiles, warps and stages, as launchers choose them on such a GPU."""
    column = GPUS.index(target)
    if label in RECURRENT:
        found = next((row for most, row in module.DEFAULTS.items() if most >= width), None)
        chunk, *values, warps = (found or [*module.DEFAULTS.values()][-1])[column]
        tile = min(values[label not in RECURRENT[:4]], padded_size(width))
        return {"CHUNK": chunk, "VALUE_TILE": tile, "num_warps": warps, "num_stages": 3}
    kernel = "by_queries" if label.startswith("pairs_") else label
    if kernel == "merge":
        return MERGED
    if kernel not in TILED:
        return OF_ROWS if label.startswith(("make_", "return_")) else SMALL
    cell = (min((each for each in WIDTHS if each >= width), default=WIDTHS[-1]), SIZES[dtype])
    return _launched(kernel, _Sizes(*module.DEFAULTS[kernel][cell][column]))


def _signature(
    given: Types, names: list[str], options: Mapping[str, int]
) -> tuple[dict[str, str], dict[tuple[int, ...], Any]]:
    """Types of a kernel's arguments, and the values of those that are constants; sums are float32."""
    fixed = given.constants | {name: value for name, value in options.items() if name.isupper()}
    signature: dict[str, str] = {}
    constants: dict[tuple[int, ...], Any] = {}
    for k, name in enumerate(names):
        if name in fixed:
            signature[name] = "constexpr"
            constants[(k,)] = fixed[name]
        elif name.endswith("_ptr"):
            signature[name] = "*" + given.pointers.get(name, "fp32")
        else:
            signature[name] = "i32" if name in given.ints or is_int(name) else "fp32"
    return signature, constants

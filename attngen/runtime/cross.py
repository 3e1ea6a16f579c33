"""Compiling Triton kernels for a GPU that is not here.

Triton's interpreter and its compiler don't live in one process: this module refuses to run under TRITON_INTERPRET=1.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from attngen.emit.backends import generate
from attngen.ir.nodes import Variant
from attngen.runtime.cross_types import Types, is_int, padded_size, types
from attngen.runtime.module import import_files

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

    Stages are `ttir`, `ptx`, `cubin`, `amdgcn` and so on. `shared` are the bytes of shared memory of each kernel.
    """

    variant: str
    target: str
    dtype: str
    kernels: dict[str, dict[str, str | bytes]]
    shared: dict[str, int]


def compile_for(
    variant: Variant,
    target: str,
    *,
    dtype: str = "bfloat16",
    width: int = 64,
    only: str = "",
    options: Mapping[str, int] | None = None,
) -> Binary:
    """The kernels of a variant compiled for a target.

    Args:
        target: one of `TARGETS`.
        dtype: of q, k and v: float32, bfloat16 or float16.
        width: channels of keys and values.
        only: of all kernels, this one alone.
        options: QUERY_TILE, KEY_TILE, num_warps and num_stages of kernels that walk along tiles; defaults if `None`.

    Raises:
        RuntimeError: this process interprets Triton.
        KeyError: there is no such target or dtype.
    """
    if os.environ.get("TRITON_INTERPRET") == "1":
        raise RuntimeError("Triton can't compile in a process with TRITON_INTERPRET=1")
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    module = import_files(generate(variant, "triton"), variant.name)
    given = types(variant, ELEMENTS[dtype], width)
    stages: dict[str, dict[str, str | bytes]] = {}
    shared: dict[str, int] = {}
    for name, label in _kernels(module, only):
        chosen = _options(module, label, width, SIZES[dtype], options)
        kernel = getattr(module, name)
        signature, constants = _signature(given, kernel.arg_names, chosen)
        attributes = {
            (k,): [["tt.divisibility", 16]]
            for k, argument in enumerate(kernel.arg_names)
            if argument.endswith(("_ptr", "_stride_b", "_stride_h", "_stride_n")) and (k,) not in constants
        }
        launch = {key: chosen[key] for key in ("num_warps", "num_stages")}
        source = ASTSource(kernel, signature, constants, attributes)
        compiled: Any = triton.compile(
            source, target=GPUTarget(*TARGETS[target]), options={**launch, "enable_fp_fusion": True}
        )
        stages[label], shared[label] = dict(compiled.asm), compiled.metadata.shared
    return Binary(variant.name, target, dtype, stages, shared)


RECURRENT = ("give", "carry", "carry_back", "return")
"""The kernels of a recurrence."""
KERNELS = ("_make_", "_centre", "_by_", "_pairs_", "_return_")
"""How the names of kernels begin."""
TILED = {"forward": "FORWARD", "by_queries": "BY_QUERIES", "by_keys": "BY_KEYS"}
"""Where the sizes stand that kernels start with; those that walk pair by pair have those of `by_queries`."""
SMALL = {"QUERY_TILE": 32, "KEY_TILE": 32, "num_warps": 4, "num_stages": 3}
OF_ROWS = {**SMALL, "num_warps": 8}
"""Those of kernels of diagonals, and of rows."""


def _kernels(module: ModuleType, only: str) -> list[tuple[str, str]]:
    """The kernels of a file and what they are called here, the forward kernel first."""
    if hasattr(module, "_carry"):
        return [(f"_{label}", label) for label in RECURRENT if only in ("", label)]
    names = [name for name, value in vars(module).items() if name.startswith(KERNELS) and hasattr(value, "arg_names")]
    found = [("_forward_kernel", "forward"), *((name, name.strip("_")) for name in names)]
    return [each for each in found if only in ("", each[1])]


def starts(variant: Variant, kernel: str, width: int, dtype: str) -> tuple[int, int, int, int]:
    """Queries, keys, warps and stages that a kernel starts with."""
    found = _options(import_files(generate(variant, "triton"), variant.name), kernel, width, SIZES[dtype], None)
    return found["QUERY_TILE"], found["KEY_TILE"], found["num_warps"], found["num_stages"]


def _options(module: ModuleType, label: str, width: int, size: int, given: Mapping[str, int] | None) -> dict[str, int]:
    """Sizes of tiles, warps and stages, as launchers choose them."""
    if label in RECURRENT:
        values = padded_size(width)
        tile = min(values, module.WIDEST) if label in RECURRENT[:2] else values
        return {
            "CHUNK": module.SEGMENT,
            "VALUE_TILE": tile,
            "num_warps": module.WARPS,
            "num_stages": 3,
            **(given or {}),
        }
    table = TILED.get("by_queries" if label.startswith("pairs_") else label)
    if table is None:
        return OF_ROWS if label.startswith(("make_", "return_")) else SMALL
    found: dict[str, int] = module._default(getattr(module, table), width, width, size)
    if hasattr(module, "_tile_sizes"):  # a list is the same for all kernels
        found["QUERY_TILE"], found["KEY_TILE"] = module._tile_sizes(width, width, size)
    return {**found, **(given or {})}


def _signature(
    given: Types, names: list[str], options: dict[str, int]
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

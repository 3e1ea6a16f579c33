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
from attngen.ir.expr import Kind
from attngen.ir.nodes import Variant
from attngen.runtime.module import import_files
from attngen.schedule.names import kernel_name
from attngen.schedule.plan import plan

TARGETS = {
    "cuda:80": ("cuda", 80, 32),
    "cuda:90": ("cuda", 90, 32),
    "cuda:100": ("cuda", 100, 32),
    "hip:gfx942": ("hip", "gfx942", 64),
}
ELEMENTS = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
SIZES = {"float32": 4, "bfloat16": 2, "float16": 2}
INPUTS = {Kind.FLOAT: "fp32", Kind.INT: "i64", Kind.BOOL: "u8"}


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
    types = _types(variant, ELEMENTS[dtype], width)
    stages: dict[str, dict[str, str | bytes]] = {}
    shared: dict[str, int] = {}
    for name, label in _kernels(module, only):
        chosen = _options(module, label, width, SIZES[dtype], options)
        kernel = getattr(module, name)
        signature, constants = _signature(types, kernel.arg_names, chosen)
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


KERNELS = ("_make_", "_centre", "_by_", "_pairs_", "_return_")
"""How the names of kernels begin."""
TILED = {"forward": "FORWARD", "by_queries": "BY_QUERIES", "by_keys": "BY_KEYS"}
"""Where the sizes stand that kernels start with; those that walk pair by pair have those of `by_queries`."""
SMALL = {"QUERY_TILE": 32, "KEY_TILE": 32, "num_warps": 4, "num_stages": 3}
OF_ROWS = {**SMALL, "num_warps": 8}
"""Those of kernels of diagonals, and of rows."""


def _kernels(module: ModuleType, only: str) -> list[tuple[str, str]]:
    """The kernels of a file and what they are called here, the forward kernel first."""
    names = [name for name, value in vars(module).items() if name.startswith(KERNELS) and hasattr(value, "arg_names")]
    found = [("_forward_kernel", "forward"), *((name, name.strip("_")) for name in names)]
    return [each for each in found if only in ("", each[1])]


def starts(variant: Variant, kernel: str, width: int, dtype: str) -> tuple[int, int, int, int]:
    """Queries, keys, warps and stages that a kernel starts with."""
    found = _options(import_files(generate(variant, "triton"), variant.name), kernel, width, SIZES[dtype], None)
    return found["QUERY_TILE"], found["KEY_TILE"], found["num_warps"], found["num_stages"]


def _options(module: ModuleType, label: str, width: int, size: int, given: Mapping[str, int] | None) -> dict[str, int]:
    """Sizes of tiles, warps and stages, as launchers choose them."""
    table = TILED.get("by_queries" if label.startswith("pairs_") else label)
    if table is None:
        return OF_ROWS if label.startswith(("make_", "return_")) else SMALL
    found: dict[str, int] = module._default(getattr(module, table), width, width, size)
    if hasattr(module, "_tile_sizes"):  # a list is the same for all kernels
        found["QUERY_TILE"], found["KEY_TILE"] = module._tile_sizes(width, width, size)
    return {**found, **(given or {})}


@dataclass(frozen=True, slots=True)
class _Types:
    """Constants by name, what pointers point to, and which other arguments are ints."""

    constants: dict[str, Any]
    pointers: dict[str, str]
    ints: set[str]


def _types(variant: Variant, element: str, width: int) -> _Types:
    """The types of all that kernels take."""
    padded = max(16, 1 << (width - 1).bit_length())
    constants: dict[str, Any] = {
        "offsets_ptr": None,
        **dict.fromkeys(("q_stride_d", "k_stride_d", "v_stride_e", "dy_stride_e"), 1),
        **dict.fromkeys(("D", "E"), width),
        **dict.fromkeys(("D_PADDED", "E_PADDED"), padded),
        **dict.fromkeys(("UPCAST", "WIDE"), False),
    }
    for parameter in variant.parameters:
        value = parameter.default if parameter.default is not None else 64
        constants[kernel_name(parameter.name)] = value
    made, ints = plan(variant), set[str]()
    pointers = {f"{name}_ptr": element for name in ("q", "k", "v", "y", "dy")} | {"fault_ptr": "i32"}
    pointers |= {"tiles_ptr": "i32", "query_tiles_ptr": "i32", "query_order_ptr": "i32", "key_order_ptr": "i32"}
    pointers |= {"starts_ptr": "i64", "query_starts_ptr": "i64", "elements_ptr": "i64"}
    for product in made.products:
        pointers[f"{product.key.name}_ptr"] = element
        pointers[f"{product.query.name}_ptr"] = element if product.bridge is None else "fp32"
    for host in made.host:
        whole = host.value.kind is Kind.INT
        pointers[f"{host.name}_ptr"] = "i64" if whole else "fp64" if host.exact else "fp32"
        ints |= {host.name} if whole else set()
    for given in variant.inputs:
        pointers[f"{kernel_name(given.name)}_ptr"] = INPUTS[given.kind]
    return _Types(constants, pointers, ints)


def _signature(
    types: _Types, names: list[str], options: dict[str, int]
) -> tuple[dict[str, str], dict[tuple[int, ...], Any]]:
    """Types of a kernel's arguments, and the values of those that are constants; sums are float32."""
    fixed = types.constants | {size: options[size] for size in ("QUERY_TILE", "KEY_TILE")}
    signature: dict[str, str] = {}
    constants: dict[tuple[int, ...], Any] = {}
    for k, name in enumerate(names):
        if name in fixed:
            signature[name] = "constexpr"
            constants[(k,)] = fixed[name]
        elif name.endswith("_ptr"):
            signature[name] = "*" + types.pointers.get(name, "fp32")
        else:
            signature[name] = "i32" if name in types.ints or _is_int(name) else "fp32"
    return signature, constants


def _is_int(name: str) -> bool:
    """Strides, shares, sizes and positions; what is left are the host's floats."""
    whole = ("offset", "B", "H", "N", "M", "heads", "bucket", "panel_heads", "head_step", "first_b", "first_h")
    if name in (*whole, "first_row", "tiles"):
        return True
    return "_stride_" in name or name.endswith("_share") or name.startswith("size_")

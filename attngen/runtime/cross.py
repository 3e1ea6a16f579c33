"""Compiling Triton kernels for a GPU that is not here.

Triton's interpreter and its compiler don't live in one process: this module refuses to run under TRITON_INTERPRET=1.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
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
INPUTS = {Kind.FLOAT: "fp32", Kind.INT: "i64", Kind.BOOL: "u8"}


@dataclass(frozen=True, slots=True)
class Binary:
    """A variant compiled for a target: for each of its kernels, `forward` first, texts and binaries by stage.

    Stages are `ttir`, `ptx`, `cubin`, `amdgcn` and so on.
    """

    variant: str
    target: str
    dtype: str
    kernels: dict[str, dict[str, str | bytes]]


def compile_for(variant: Variant, target: str, *, dtype: str = "bfloat16", width: int = 64) -> Binary:
    """The kernels of a variant compiled for a target, with its default tile sizes.

    Args:
        target: one of `TARGETS`.
        dtype: of q, k and v: float32, bfloat16 or float16.
        width: channels of keys and values.

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
    options: dict[str, int] = module._default(width, width, 4 if dtype == "float32" else 2)
    launch = {"num_warps": options["num_warps"], "num_stages": options["num_stages"], "enable_fp_fusion": True}
    kernels = ["_forward", *(name for name in vars(module) if name.startswith("_make_"))]
    stages = {}
    for name in kernels:
        kernel = getattr(module, name)
        signature, constants = _signature(variant, kernel.arg_names, ELEMENTS[dtype], width, options)
        attributes = {
            (k,): [["tt.divisibility", 16]]
            for k, argument in enumerate(kernel.arg_names)
            if argument.endswith(("_ptr", "_stride_b", "_stride_h", "_stride_n")) and (k,) not in constants
        }
        source = ASTSource(kernel, signature, constants, attributes)
        compiled: Any = triton.compile(source, target=GPUTarget(*TARGETS[target]), options=launch)
        stages[name.strip("_")] = dict(compiled.asm)
    return Binary(variant.name, target, dtype, stages)


def _signature(
    variant: Variant, names: list[str], element: str, width: int, options: dict[str, int]
) -> tuple[dict[str, str], dict[tuple[int, ...], Any]]:
    """Types of the kernel's arguments, and the values of those that are constants."""
    padded = max(16, 1 << (width - 1).bit_length())
    fixed: dict[str, Any] = {
        "offsets_ptr": None,
        **dict.fromkeys(("q_stride_d", "k_stride_d", "v_stride_e"), 1),
        **dict.fromkeys(("D", "E"), width),
        **dict.fromkeys(("D_PADDED", "E_PADDED"), padded),
        **dict.fromkeys(("UPCAST", "WIDE"), False),
        "QUERY_TILE": options["QUERY_TILE"],
        "KEY_TILE": options["KEY_TILE"],
    }
    for parameter in variant.parameters:
        value = parameter.default if parameter.default is not None else 64
        fixed[kernel_name(parameter.name)] = value
    pointers = {f"{name}_ptr": element for name in ("q", "k", "v", "y")} | {"lse_ptr": "fp32"}
    pointers |= {"tiles_ptr": "i32", "starts_ptr": "i64", "query_order_ptr": "i32", "key_order_ptr": "i32"}
    ints: set[str] = set()
    made = plan(variant)
    pointers |= {f"{product.key.name}_ptr": element for product in made.products} | {"fault_ptr": "i32"}
    for host in made.host:
        whole = host.value.kind is Kind.INT
        pointers[f"{host.name}_ptr"] = "i64" if whole else "fp64" if host.exact else "fp32"
        ints |= {host.name} if whole else set()
    for given in variant.inputs:
        pointers[f"{kernel_name(given.name)}_ptr"] = INPUTS[given.kind]
    signature: dict[str, str] = {}
    constants: dict[tuple[int, ...], Any] = {}
    for k, name in enumerate(names):
        if name in fixed:
            signature[name] = "constexpr"
            constants[(k,)] = fixed[name]
        elif name.endswith("_ptr"):
            signature[name] = "*" + pointers[name]
        else:
            signature[name] = "i32" if name in ints or _is_int(name) else "fp32"
    return signature, constants


def _is_int(name: str) -> bool:
    """Strides, shares, sizes and positions; what is left are the host's floats."""
    whole = ("offset", "B", "H", "N", "M", "heads", "bucket")
    return name in whole or "_stride_" in name or name.endswith("_share") or name.startswith("size_")

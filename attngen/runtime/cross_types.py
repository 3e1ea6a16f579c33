"""What kernels take of a call, when they are compiled without one: types, and values that are known then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from attngen.emit.tokens import size_of
from attngen.emit.triton.token_lines import own_axes, padded
from attngen.ir.expr import TRUE, Kind
from attngen.ir.nodes import Recurrent, Variant
from attngen.schedule.chunks import chunk_plan
from attngen.schedule.host import HostValue
from attngen.schedule.names import kernel_name
from attngen.schedule.plan import plan

INPUTS = {Kind.FLOAT: "fp32", Kind.INT: "i64", Kind.BOOL: "u8"}
PRECISIONS = {"fp32": "bf16x6", "bf16": "bfloat16", "fp16": "tf32"}
"""What kernels of recurrences multiply."""


@dataclass(frozen=True, slots=True)
class Types:
    """Constants by name, what pointers point to, and which other arguments are ints."""

    constants: dict[str, Any]
    pointers: dict[str, str]
    ints: set[str]


def types(variant: Variant, element: str, width: int, offsets: bool) -> Types:
    """The types of all that the kernels of a variant take."""
    made = (
        _recurrent(variant, element, width)
        if isinstance(variant.body, Recurrent)
        else _pairwise(variant, element, width)
    )
    if offsets:
        made.pointers["offsets_ptr"] = "i64"
        del made.constants["offsets_ptr"]
    for given in variant.inputs:
        made.pointers[f"{kernel_name(given.name)}_ptr"] = INPUTS[given.kind]
    return made


def _constants(variant: Variant, width: int) -> dict[str, Any]:
    """What all kernels know when they are compiled; rows lie close."""
    constants: dict[str, Any] = {
        "offsets_ptr": None,
        **dict.fromkeys(("q_stride_d", "k_stride_d", "v_stride_e", "dy_stride_e"), 1),
        **dict.fromkeys(("D", "E"), width),
        **dict.fromkeys(("D_PADDED", "E_PADDED"), padded_size(width)),
    }
    for parameter in variant.parameters:
        constants[kernel_name(parameter.name)] = parameter.default if parameter.default is not None else 64
    return constants


def padded_size(width: int) -> int:
    """How many channels tiles have."""
    return max(16, 1 << (width - 1).bit_length())


def _of_host(values: tuple[HostValue, ...]) -> tuple[dict[str, str], set[str]]:
    pointers: dict[str, str] = {}
    for host in values:
        pointers[f"{host.name}_ptr"] = "i64" if host.value.kind is Kind.INT else "fp64" if host.exact else "fp32"
    return pointers, {host.name for host in values if host.value.kind is Kind.INT}


def _recurrent(variant: Variant, element: str, width: int) -> Types:
    made = chunk_plan(variant)
    pointers, ints = _of_host(made.host)
    pointers |= {f"{name}_ptr": element for name in ("q", "k", "v", "y", "dy")} | {"order_ptr": "i64"}
    constants = {**_constants(variant, width), "PRECISION": PRECISIONS[element], "EXACT": "bf16x6"}
    for axis in own_axes(made):
        constants |= {size_of(axis): width, padded(axis): padded_size(width)}
    return Types(constants, pointers, ints)


def _pairwise(variant: Variant, element: str, width: int) -> Types:
    made = plan(variant)
    pointers, ints = _of_host(made.host)
    pointers |= {f"{name}_ptr": element for name in ("q", "k", "v", "y", "dy")} | {"fault_ptr": "i32"}
    pointers |= {"tiles_ptr": "i32", "query_tiles_ptr": "i32", "query_order_ptr": "i32", "key_order_ptr": "i32"}
    pointers |= {"starts_ptr": "i64", "query_starts_ptr": "i64", "elements_ptr": "i64"}
    for statement, value in made.by_distance.items():
        pointers[f"{statement.name}_by_distance_ptr"] = "i64" if value.kind is Kind.INT else "fp64"
    for product in made.products:
        pointers[f"{product.key.name}_ptr"] = element
        pointers[f"{product.query.name}_ptr"] = element if product.bridge is None else "fp32"
    constants = {**_constants(variant, width), "UPCAST": False, "WIDE": False, "RISING": True, "PARTS": 1}
    if made.suspected != TRUE:  # then calls look for faults only if their ends leave any possible
        constants["fault_ptr"] = None
    return Types(constants, pointers, ints)


def is_int(name: str) -> bool:
    """Strides, shares, sizes and positions; what is left are the host's floats."""
    whole = ("offset", "B", "H", "N", "M", "heads", "panel_heads", "head_step", "first_b", "first_h")
    if name in (*whole, "first_row", "rows", "tiles", "pieces", "of_piece"):
        return True
    return "_stride_" in name or name.endswith("_share") or name.startswith("size_")

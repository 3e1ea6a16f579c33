"""What a C++ kernel gets beside q, k and v: its fields, and how the launcher packs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from attngen.emit.python import size_name
from attngen.ir.expr import Expr, Kind, Parameter, Read, Size, distinct
from attngen.ir.nodes import AXIS_SIZES, Input, Variant
from attngen.schedule.host import HostValue
from attngen.schedule.names import kernel_name

TYPES = {Kind.INT: "int64_t", Kind.BOOL: "bool", Kind.FLOAT: "float"}
DTYPES = {"int64_t": "int64", "uint8_t": "uint8", "float": "float32", "double": "float64"}


@dataclass(frozen=True, slots=True)
class Argument:
    """A field of `Call`: the C++ lines that fill and read it, and the Python expressions that are passed."""

    field: str
    packed: list[str]
    unpacked: list[str]
    tensors: tuple[str, ...] = ()
    integers: tuple[str, ...] = ()
    reals: tuple[str, ...] = ()
    axes: int = 0


class Computed(Protocol):
    """What a plan says of the values that a kernel computes."""

    @property
    def variant(self) -> Variant:
        """The variant, simplified."""

    @property
    def host(self) -> tuple[HostValue, ...]:
        """What the host computes."""

    @property
    def exprs(self) -> list[Expr]:
        """All that the kernel computes."""

    @property
    def exact(self) -> list[Expr]:
        """What of that is computed in float64."""


def arguments(plan: Computed) -> list[Argument]:
    """Inputs, parameters, host values and sizes of own axes that the kernel uses, in the order of `Call`."""
    read = list(dict.fromkeys(part.input for part in _parts(plan) if isinstance(part, Read)))
    used = {part.name for part in _parts(plan) if isinstance(part, Parameter)}
    found = [_input(plan, plan.variant.input(name)) for name in sorted(read)]
    parameters = [p for p in plan.variant.parameters if p.name in used]
    found += [_scalar(kernel_name(p.name), TYPES[p.kind], p.name, p.kind is Kind.INT) for p in parameters]
    found += [_host(value) for value in plan.host]
    axes = {part.axis for part in _parts(plan) if isinstance(part, Size)}
    axes |= {axis for name in read for axis in plan.variant.input(name).axes if axis not in AXIS_SIZES}
    return found + [_scalar(size_name(axis), "int64_t", size_name(axis)) for axis in sorted(axes - set("BHNMDE"))]


def _parts(plan: Computed) -> list[Expr]:
    return sorted((part for value in plan.exprs for part in distinct(value)), key=repr)


def input_type(plan: Computed, name: str) -> str:
    """The C++ type of an input's elements: double where a mask depends on it."""
    kind = plan.variant.input(name).kind
    if kind is not Kind.FLOAT:
        return "uint8_t" if kind is Kind.BOOL else "int64_t"
    exact = (part for value in plan.exact for part in distinct(value))
    return "double" if any(isinstance(part, Read) and part.input == name for part in exact) else "float"


def _input(plan: Computed, given: Input) -> Argument:
    name, kind, count = kernel_name(given.name), input_type(plan, given.name), len(given.axes)
    share = heads_per_element(given.name, given.axes, without="1")
    return Argument(
        field=f"Input<{kind}> {name}",
        packed=[
            f"call.{name}.data = static_cast<const {kind}*>(*tensors++);",
            f"for (int axis = 0; axis < {count}; ++axis) call.{name}.stride[axis] = *integers++;",
            f"call.{name}.share = *integers++;",
        ],
        unpacked=[],
        tensors=(f"({given.name} := {given.name}.to(torch.{DTYPES[kind]}))",),
        integers=(f"*{given.name}.stride()", share),
        axes=count,
    )


def heads_per_element(name: str, axes: tuple[str, ...], without: str) -> str:
    """Python for how many heads in a row read the same element; `without` an axis of heads."""
    return f"H // {name}.shape[{axes.index('h')}]" if "h" in axes else without


def _scalar(name: str, kind: str, value: str, short: bool = False) -> Argument:
    """A number; `short`: its value is among those that decide whether positions have 64 bits."""
    return Argument(
        field=f"{kind} {name}",
        packed=[f"call.{name} = {_cast(kind, '*integers++')};"],
        unpacked=[f"[[maybe_unused]] const {'Index' if short else kind} {name} = call.{name};"],
        integers=(value,),
    )


def _host(value: HostValue) -> Argument:
    kind = TYPES[value.value.kind]
    if value.exact and kind == "float":
        kind = "double"
    if value.per_head:
        stored = "double" if kind in ("float", "double") else "int64_t"
        return Argument(
            field=f"const {stored}* {value.name}",
            packed=[f"call.{value.name} = static_cast<const {stored}*>(*tensors++);"],
            unpacked=[f"[[maybe_unused]] const {kind} {value.name} = {_cast(kind, f'call.{value.name}[h]', stored)};"],
            tensors=(f"torch.tensor({value.name}, dtype=torch.{DTYPES[stored]}, device=q.device)",),
        )
    if kind in ("float", "double"):
        return Argument(
            field=f"{kind} {value.name}",
            packed=[f"call.{value.name} = {_cast(kind, '*reals++', 'double')};"],
            unpacked=[f"[[maybe_unused]] const {kind} {value.name} = call.{value.name};"],
            reals=(value.name,),
        )
    return _scalar(value.name, kind, value.name)


def _cast(kind: str, text: str, stored: str = "int64_t") -> str:
    if kind == stored:
        return text
    return f"{text} != 0" if kind == "bool" else f"static_cast<{kind}>({text})"

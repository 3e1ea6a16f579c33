"""What launchers show of a kernel as an operator of torch: its schema, and which of its tensors are trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attngen.emit.checks import own_axes
from attngen.emit.layout import laid_out
from attngen.emit.python import size_name
from attngen.emit.render import functions, render
from attngen.ir.expr import Kind
from attngen.ir.nodes import Input, Parameter, Variant
from attngen.schedule.names import kernel_name
from attngen.schedule.plan import Plan

IMPORTS = (
    "import hashlib",
    "from collections.abc import Callable, Iterable",
    "from pathlib import Path",
    "from typing import Any",
)
"""What a launcher imports for it."""
TAKEN = frozenset(
    "q k v y lse dy dlse stats offset offsets position positions scale list_number debug trained wanted self".split()
)
"""What schemas call their own."""
SUPPORT = ("_digest", "_operator", "_autocast", "_is_differentiated", "_shaped_like")
SCHEMA_TYPES = {Kind.INT: "SymInt", Kind.FLOAT: "float", Kind.BOOL: "bool"}


def parts(
    values: Mapping[str, object], names: Iterable[str] = ("attending", "of_calls", "registered")
) -> dict[str, object]:
    """The parts of launchers that are the same for all backends."""
    once = {"gradients_once": render("attngen.emit", "gradients_once.py", values).rstrip()}
    return {name: render("attngen.emit", f"{name}.py", {**values, **once}).rstrip() for name in names}


def values(plan: Plan, options: tuple[str, ...] = ()) -> dict[str, object]:
    """By the names that templates use; `options` are true or false, and come last."""
    inputs, parameters = ordered_inputs(plan.variant), plan.variant.parameters
    trained = trained_inputs(plan.variant)
    tensors = ["q", "k", "v", *(given.name for given in inputs), "offsets"]
    numbers = ["scale", "offset", *(p.name for p in parameters), *(["list_number"] if plan.listed is not None else [])]
    numbers += options
    attend = f"y, {'lse' if plan.softmax else '_'}, _ = _attend({', '.join([*tensors, *numbers])})"
    return {
        "schema": _schema(plan, inputs, parameters, options),
        "attend_lines": laid_out([attend], 4),
        "trained_count": 3 + len(trained),
        "tensor_count": len(tensors),
        "others_count": len(tensors) + len(numbers) - 3 - len(trained),
        "trained_text": "".join(f", {name}" for name in trained),
        "not_differentiable": "stats" if plan.softmax else "lse, stats",
        "sized_parameters": ", ".join(f"{name}: Tensor" for name in tensors[:-1]),
        "sized_arguments": ", ".join(tensors[:-1]),
        "sized_names": ", ".join(["q", "k", "v", *(kernel_name(given.name) for given in inputs)]),
        "trained_names": ", ".join(map(kernel_name, trained)) + ("," if len(trained) == 1 else ""),
        "sized_count": len(tensors) - 1,
        **own_sizes(plan.variant),
        "packed_parameters": [*_parameters(plan, inputs, parameters), *(f"{option}: bool" for option in options)],
        "lse_shape": " [B, H, N]" if plan.softmax else " (none here)",
        "lse_size": "(B, H, N)" if plan.softmax else "0",
        "operators": functions("attngen.emit.support", "operators.py", [*SUPPORT, *(["_landed"] if trained else [])]),
    }


def own_sizes(variant: Variant) -> dict[str, str]:
    """How `_sized` gives the sizes of inputs' own axes, and how they are taken from it."""
    axes = own_axes(variant)
    return {
        "own_sizes": "".join(f', sizes["{axis}"]' for axis in axes),
        "own_sizes_text": " and the sizes of own axes" if axes else "",
        "unpacked_sizes": "".join(f", {size_name(axis)}" for axis in axes),
    }


def ordered_inputs(variant: Variant) -> list[Input]:
    """Those that gradients go to first: operators take them in this order."""
    return sorted(variant.inputs, key=lambda given: given.kind is not Kind.FLOAT)


def trained_inputs(variant: Variant) -> list[str]:
    """The inputs that gradients go to."""
    return [given.name for given in ordered_inputs(variant) if given.kind is Kind.FLOAT]


def _schema(plan: Plan, inputs: list[Input], parameters: tuple[Parameter, ...], options: tuple[str, ...]) -> list[str]:
    """The arguments of the operator, in the language of torch."""
    tensors = ["Tensor q", "Tensor k", "Tensor v", *(f"Tensor {free(given.name)}" for given in inputs)]
    numbers = ["float? scale", "SymInt? offset"]
    numbers += [f"{SCHEMA_TYPES[given.kind]} {free(given.name)}" for given in parameters]
    numbers += ["SymInt? list_number"] if plan.listed is not None else []
    numbers += [f"bool {option}" for option in options]
    lines = [f'TENSORS = "{", ".join([*tensors, "Tensor? offsets"])}"', f'NUMBERS = "{", ".join(numbers)}"']
    return laid_out(lines, 0)


def free(name: str) -> str:
    """The name of an argument that schemas do not use themselves."""
    return f"{name}_" if name.rstrip("_") in TAKEN else name


def _parameters(plan: Plan, inputs: list[Input], parameters: tuple[Parameter, ...]) -> list[str]:
    """The same as arguments of a function of Python."""
    found = ["q: Tensor", "k: Tensor", "v: Tensor", *(f"{given.name}: Tensor" for given in inputs)]
    found += ["offsets: Tensor | None", "scale: float | None", "offset: int | None"]
    found += [f"{given.name}: {given.kind.value}" for given in parameters]
    return [*found, *(["list_number: int | None"] if plan.listed is not None else [])]

"""What the Triton kernels of a recurrence take of a call."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from attngen.emit.tokens import size_of
from attngen.emit.triton import arguments as args
from attngen.emit.triton.token_lines import own_axes, padded
from attngen.ir.expr import Parameter, Read, distinct
from attngen.schedule.chunks import ChunkPlan
from attngen.schedule.names import kernel_name

LOCAL = ("first", "b", "h", "value_tile")
"""What kernels hand to functions beside that."""


@dataclass(frozen=True, slots=True)
class Given:
    """A name in kernels, and the Python that is passed for it; a `constant` is known when they are compiled."""

    name: str
    value: str
    constant: bool = False


def given(plan: ChunkPlan) -> list[Given]:
    """All that kernels take beside states and results."""
    found = [Given(f"{name}_ptr", name) for name in "qkv"]
    for name, axes in (("q", "bhnd"), ("k", "bhnd"), ("v", "bhne")):
        found += [Given(f"{name}_stride_{axis}", f"{name}.stride({k})") for k, axis in enumerate(axes)]
        found.append(Given(f"{name}_share", f"H // {name}.shape[1]"))
    parts = {part for expr in plan.exprs for part in distinct(expr)}
    for name in sorted({part.input for part in parts if isinstance(part, Read)}):
        found += [Given(*each) for each in args.of_input(plan, name, called=name)]
    found += [Given(*each) for each in args.host_arguments(plan, plan.exprs)]
    found += [Given("order_ptr", "order.to(q.device)")] if plan.variant.order is not None else []
    found += [Given("offsets_ptr", "offsets"), *(Given(name, name) for name in ("offset", "H", "N"))]
    used = {part.name for part in parts if isinstance(part, Parameter)}
    constants = [each.name for each in plan.variant.parameters if each.name in used]
    found += [Given(kernel_name(name), name, True) for name in constants]
    found += [Given(name, name, True) for name in sorted({"D", "E", *map(size_of, own_axes(plan))})]
    sizes = [("D_PADDED", "D"), *((padded(axis), size_of(axis)) for axis in own_axes(plan))]
    found += [Given(name, f"_power_of_two({size})", True) for name, size in sizes]
    return [*found, *CONSTANTS]


OF_DY = (Given("dy_ptr", "dy"), *(Given(f"dy_stride_{axis}", f"dy.stride({k})") for k, axis in enumerate("bhne")))
"""What kernels of the backward pass take of the gradient by y."""
CHOSEN = (Given("of_piece", "of_piece"), Given("VALUE_TILE", "value_tile", True), Given("CHUNK", "chunk", True))
"""What passes choose of a call, where no name of the author's is in the way."""
CONSTANTS = (*CHOSEN, Given("PRECISION", "_precision(q)", True), Given("EXACT", "_exact(q)", True))
"""That, and what else is known when kernels are compiled."""


def used(plan: ChunkPlan, lines: Iterable[str]) -> list[Given]:
    """What lines mention of that, and of what kernels have themselves."""
    text = "\n".join(lines)
    local = [Given(name, name) for name in LOCAL]
    return [each for each in (*local, *given(plan)) if re.search(rf"\b{each.name}\b", text)]


def declared(names: Iterable[Given]) -> list[str]:
    """As the arguments of a function."""
    return [f"{each.name}: tl.constexpr" if each.constant else each.name for each in names]

"""`Kernel.tiles`: what the kernel of a variant does with each tile of a call."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import torch
from torch import Tensor

from attngen.analysis.lists import List
from attngen.analysis.picture import TileMap, tile_map
from attngen.analysis.walk import Periodic, Range
from attngen.emit.backends import BACKENDS
from attngen.emit.live import walk_arguments
from attngen.errors import CallError
from attngen.ir.evaluate import Number, Reader, evaluate
from attngen.ir.expr import Expr, Parameter, Read, Size, distinct, size
from attngen.ir.nodes import AXIS_SIZES, Input, Variant
from attngen.runtime.module import ALONE, import_files
from attngen.schedule.host import HostValue
from attngen.schedule.plan import Plan


def tile_classes_of(
    plan: Plan,
    parameters: Mapping[str, Number],
    N: int,
    M: int,
    *,
    head: int,
    H: int | None,
    offset: int | None,
    tile: tuple[int, int],
    inputs: Mapping[str, Tensor],
) -> Tensor:
    """The classes of one head: int8 [query tiles, key tiles].

    Raises:
        CallError: a number makes no sense, or the walk depends on what is not given.
    """
    used = deciding(plan.walk)
    variant = plan.variant
    if H is None and size("H") in used:
        raise CallError(f"{variant.name}: the tiles depend on the number of heads; give H")
    heads = head + 1 if H is None else H
    if not 0 <= head < heads:
        raise CallError(f"{variant.name}: there is no head {head} of {heads}")
    if min(N, M) < 0 or min(tile) < 1:
        raise CallError(f"{variant.name}: {N} queries and {M} keys in tiles of {tile[0]} by {tile[1]} make no map")
    _check_given(variant, used, inputs, parameters.keys())
    batch = [given.shape[0] for name, given in inputs.items() if variant.input(name).axes[0] == "b"]
    if not min(N, M, *batch):  # nothing is read, and an order may divide by M
        return torch.zeros(-(-N // tile[0]), -(-M // tile[1]), dtype=torch.int8)
    if isinstance(plan.walk, List):
        fixed = {"B": 1, "H": heads, "N": N, "M": M, "offset": M - N if offset is None else offset}
        return classes_in_order(plan, {**fixed, **parameters}, tile, inputs)[0][head]
    given: dict[str, Any] = {"read": reader(variant, heads, inputs), "sizes": own_sizes(variant, inputs)}
    found: TileMap = tile_map(plan.walk, parameters, N, M, head=head, H=heads, offset=offset, tile=tile, **given)
    return torch.tensor(found.classes, dtype=torch.int8).reshape(found.shape)


def classes_in_order(
    plan: Plan, numbers: Mapping[str, Number], tile: tuple[int, int], inputs: Mapping[str, Tensor]
) -> tuple[Tensor, tuple[Tensor | None, Tensor | None]]:
    """The classes of all heads by the list that launchers make, and the orders in which it takes queries and keys.

    Returns:
        classes: int8 [H, query tiles, key tiles], in these orders.
        orders: int32 [1, heads, N] and [1, heads, M]; `None` where tokens are taken as they lie.
    """
    heads, key_tiles = int(numbers["H"]), -(-int(numbers["M"]) // tile[1])
    first_rows = {
        name: tensor[:1] if "b" in plan.variant.input(name).axes[:1] else tensor for name, tensor in inputs.items()
    }
    made = live_tiles(plan, numbers, tile, first_rows)
    starts = made.starts[0].expand(heads, -1, 3).cpu()
    classes = torch.zeros(heads, starts.shape[1], key_tiles, dtype=torch.int8)
    for kind, first in ((1, 0), (2, 1)):
        counts = (starts[..., first + 1] - starts[..., first]).flatten()
        places = torch.repeat_interleave(starts[..., first].flatten() - counts.cumsum(0) + counts, counts)
        columns = made.tiles.cpu()[places + torch.arange(len(places))].long()
        rows = torch.repeat_interleave(torch.arange(len(counts)), counts)
        classes.flatten(0, 1)[rows, columns] = kind
    orders = getattr(made, "query_order", None), getattr(made, "key_order", None)
    return classes, orders


def live_tiles(plan: Plan, numbers: Mapping[str, Number], tile: tuple[int, int], inputs: Mapping[str, Tensor]) -> Any:
    """The list that launchers make of the live tiles of a call.

    Args:
        plan: of a walk along a list.
        numbers: parameters, B, H, N, M and the offset.
        tile: queries and keys per tile.
    """
    wanted = walk_arguments(plan)
    host = {value.name: _on_host(plan, value, numbers, inputs) for value in plan.host if value.name in wanted}
    sizes = {f"size_{axis}": length for axis, length in own_sizes(plan.variant, inputs).items()}
    known = {**numbers, **host, **sizes, **inputs}
    device = next((tensor.device for tensor in inputs.values()), torch.device("cpu"))
    with ALONE:  # threads can't generate at once
        launcher = import_files(BACKENDS["cpp"](plan), plan.variant.name)
    return launcher._list_tiles(device, tile, *(known[name] for name in wanted))


def _on_host(
    plan: Plan, value: HostValue, numbers: Mapping[str, Number], inputs: Mapping[str, Tensor]
) -> Number | list[Number]:
    """A value that the host computes before a launch."""
    known = {**own_sizes(plan.variant, inputs), **numbers}
    if value.per_head:
        return [evaluate(value.value, {**known, "h": h}) for h in range(int(numbers["H"]))]
    return evaluate(value.value, known)


def deciding(walk: Range | Periodic | List) -> set[Expr]:
    """What decides the tiles, and all that is in it."""
    if not isinstance(walk, List):
        inner = walk.inner if isinstance(walk, Periodic) else ()
        decides = [step.value for step in (*walk.definitions, *inner)]
    else:
        areas = [area.read for area in walk.test.areas]
        values = [*(spans.value for spans in walk.test.spans), walk.test.possible, walk.test.always]
        decides = [*values, *areas, *walk.orders]
    return set[Expr]().union(*map(distinct, decides))


def inputs_in(variant: Variant, used: Set[Expr]) -> tuple[Input, ...]:
    """The inputs of which these expressions read elements, or ask for the length of an axis."""
    read = {part.input for part in used if isinstance(part, Read)}
    axes = {part.axis for part in used if isinstance(part, Size)}
    return tuple(given for given in variant.inputs if given.name in read or axes & {*given.axes})


def _check_given(variant: Variant, used: Set[Expr], inputs: Mapping[str, Tensor], known: Set[str]) -> None:
    for given in inputs_in(variant, used):
        if given.name not in inputs:
            raise CallError(f"{variant.name}: the tiles depend on the input `{given.name}`; give it ({given.span})")
    axes = {part.axis for part in used if isinstance(part, Size)}
    scaled = {part.name for part in used if isinstance(part, Parameter)} & {"scale"}
    unknown = sorted((axes & {"D", "E"} | scaled) - known)
    if unknown:
        raise CallError(f"{variant.name}: the tiles depend on {unknown[0]}, which calls alone know ({variant.span})")


def own_sizes(variant: Variant, inputs: Mapping[str, Tensor]) -> dict[str, Number]:
    """The lengths of the axes that inputs alone have, by the names of these."""
    sizes: dict[str, Number] = {}
    for name, tensor in inputs.items():
        lengths = zip(variant.input(name).axes, tensor.shape, strict=True)
        sizes |= {axis: length for axis, length in lengths if axis not in AXIS_SIZES}
    return sizes


def reader(variant: Variant, heads: int, inputs: Mapping[str, Tensor]) -> Reader:
    """Elements as kernels read them: heads are shared, and an index is kept inside."""

    def read(name: str, place: tuple[int, ...]) -> Number:
        tensor, at = inputs[name], []
        for axis, index, length in zip(variant.input(name).axes, place, tensor.shape, strict=True):
            at.append(index * length // heads if axis == "h" else min(max(index, 0), length - 1))
        element: Number = tensor[tuple(at)].item()
        return element

    return read

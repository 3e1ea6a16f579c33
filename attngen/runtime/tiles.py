"""`Kernel.tiles`: what the kernel of a variant does with each tile of a call."""

from __future__ import annotations

from collections.abc import Mapping, Set

import torch
from torch import Tensor

from attngen.analysis.picture import TileMap, tile_map
from attngen.errors import CallError
from attngen.ir.evaluate import Number, Reader
from attngen.ir.expr import Expr, Read, Size, distinct, size
from attngen.ir.nodes import AXIS_SIZES, Variant
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
        CallError: a number makes no sense, or the bounds depend on what is not given.
    """
    used = set[Expr]().union(*(distinct(step.value) for step in plan.walk.definitions))
    variant = plan.variant
    if H is None and size("H") in used:
        raise CallError(f"{variant.name}: the tiles depend on the number of heads; give H")
    heads = head + 1 if H is None else H
    if not 0 <= head < heads:
        raise CallError(f"{variant.name}: there is no head {head} of {heads}")
    if min(N, M) < 0 or min(tile) < 1:
        raise CallError(f"{variant.name}: {N} queries and {M} keys in tiles of {tile[0]} by {tile[1]} make no map")
    _check_given(variant, used, inputs)
    names = {**_own_sizes(variant, inputs), **parameters}
    read = _reader(variant, heads, inputs)
    found: TileMap = tile_map(plan.walk, names, N, M, head=head, H=heads, offset=offset, tile=tile, read=read)
    return torch.tensor(found.classes, dtype=torch.int8).reshape(found.shape)


def _check_given(variant: Variant, used: Set[Expr], inputs: Mapping[str, Tensor]) -> None:
    read = {part.input for part in used if isinstance(part, Read)}
    axes = {part.axis for part in used if isinstance(part, Size)}
    for given in variant.inputs:
        if (given.name in read or axes & set(given.axes)) and given.name not in inputs:
            raise CallError(f"{variant.name}: the tiles depend on the input `{given.name}`; give it ({given.span})")


def _own_sizes(variant: Variant, inputs: Mapping[str, Tensor]) -> dict[str, Number]:
    sizes: dict[str, Number] = {}
    for name, tensor in inputs.items():
        lengths = zip(variant.input(name).axes, tensor.shape, strict=True)
        sizes |= {axis: length for axis, length in lengths if axis not in AXIS_SIZES}
    return sizes


def _reader(variant: Variant, heads: int, inputs: Mapping[str, Tensor]) -> Reader:
    """Elements as kernels read them: heads are shared, and an index is kept inside."""

    def read(name: str, place: tuple[int, ...]) -> Number:
        tensor, at = inputs[name], []
        for axis, index, length in zip(variant.input(name).axes, place, tensor.shape, strict=True):
            at.append(index * length // heads if axis == "h" else min(max(index, 0), length - 1))
        element: Number = tensor[tuple(at)].item()
        return element

    return read

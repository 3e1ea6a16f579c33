"""Tensors whose axes have names: what the interpreter computes with.

Axes are aligned by name, so no expression ever has to say how it broadcasts. Values are float64, int64 or bool.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

POSITIONS = ("b", "h", "i", "j", "t")


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor with one axis for each name in `axes` (in `ordered` order).

    `invalid` marks the elements that were made from an index outside of its axis; `None` where there are none.
    """

    tensor: Tensor
    axes: tuple[str, ...] = ()
    invalid: Tensor | None = None


def ordered(axes: set[str]) -> tuple[str, ...]:
    """Positions first, then channels by name."""
    return tuple(name for name in POSITIONS if name in axes) + tuple(sorted(axes - set(POSITIONS)))


def union(values: Sequence[Value]) -> tuple[str, ...]:
    return ordered({axis for value in values for axis in value.axes})


def aligned(tensor: Tensor, axes: tuple[str, ...], wanted: tuple[str, ...]) -> Tensor:
    """The tensor with an axis of length 1 for each wanted axis that it lacks."""
    shape = iter(tensor.shape)
    return tensor.reshape([next(shape) if axis in axes else 1 for axis in wanted])


def elementwise(function: Callable[..., Tensor], values: Sequence[Value]) -> Value:
    """Apply a function of tensors to values, axes aligned; an invalid argument makes an invalid result."""
    axes = union(values)
    tensors = [aligned(value.tensor, value.axes, axes) for value in values]
    return Value(function(*tensors), axes, any_invalid(values, axes))


def any_invalid(values: Sequence[Value], axes: tuple[str, ...]) -> Tensor | None:
    found: Tensor | None = None
    for value in values:
        if value.invalid is not None:
            marks = aligned(value.invalid, value.axes, axes)
            found = marks if found is None else found | marks
    if found is None:
        return None
    for value in values:  # one mark for each element of the result
        found = found | torch.zeros_like(aligned(value.tensor, value.axes, axes), dtype=torch.bool)
    return found


def contract(left: Value, right: Value, over: frozenset[str]) -> Value:
    """The sum of products over some axes that both have."""
    every = union([left, right])
    letter = dict(zip(every, string.ascii_letters, strict=False))
    axes = tuple(axis for axis in every if axis not in over)
    left_axes, right_axes, out = ("".join(letter[axis] for axis in names) for names in (left.axes, right.axes, axes))
    tensor = torch.einsum(f"{left_axes},{right_axes}->{out}", left.tensor, right.tensor)
    marks = any_invalid([left, right], every)
    if marks is not None:
        for axis in sorted(map(every.index, over), reverse=True):
            marks = marks.any(dim=axis)
    return Value(tensor, axes, marks)


def gather(tensor: Tensor, indices: Sequence[Value]) -> Value:
    """`tensor[indices]`, one index per axis; an index outside gives the nearest element, marked invalid."""
    axes = union(indices)
    clamped: list[Tensor] = []
    invalid: Tensor | None = any_invalid(indices, axes)
    for size, index in zip(tensor.shape, indices, strict=True):
        where = aligned(index.tensor, index.axes, axes)
        outside = (where < 0) | (where >= size)
        if bool(outside.any()):
            invalid = outside if invalid is None else invalid | outside
        clamped.append(where.clamp(0, max(size - 1, 0)))
    gathered = tensor[tuple(clamped)] if tensor.numel() else _nothing(tensor, clamped)
    return Value(gathered, axes, None if invalid is None else invalid.expand(gathered.shape))


def _nothing(tensor: Tensor, indices: list[Tensor]) -> Tensor:
    """What stands for the elements of a tensor that has none."""
    shape = reduce(torch.add, indices)
    return torch.zeros_like(shape, dtype=tensor.dtype)


def short_circuit(function: str, values: Sequence[Value], axes: tuple[str, ...]) -> Tensor | None:
    """What is not looked at cannot be invalid: the right of a false `and`, the branch that is not taken."""
    if any_invalid(values, axes) is None:
        return None
    first = aligned(values[0].tensor, values[0].axes, axes)
    nothing = torch.zeros_like(first)
    marks = [nothing if v.invalid is None else aligned(v.invalid, v.axes, axes) for v in values]
    if function == "and":
        return marks[0] | (first & marks[1])
    if function == "or":
        return marks[0] | (~first & marks[1])
    return marks[0] | torch.where(first, marks[1], marks[2])

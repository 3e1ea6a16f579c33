"""Kernels as operators of torch. Copied into generated files: nothing of attngen may be imported here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


def _digest(file: str, *beside: str) -> str:
    """Twelve hexadecimal digits of a generated file and of those beside it, whose names end as `beside` says.

    One that is not there is needed for gradients alone.
    """
    path = Path(file)
    paths = [path, *(path.with_name(path.stem + end) for end in beside)]
    texts = [each.read_bytes() for each in paths if each.exists()]
    return hashlib.sha256(bytes(1).join(texts)).hexdigest()[:12]


def _operator(
    library: torch.library.Library,
    name: str,
    schema: str,
    keys: Iterable[str],
    function: Callable[..., Any],
    shapes: Callable[..., Any] | None = None,
) -> Any:
    """An operator `attngen::<name>`, unless a copy of this file has made it.

    Its name must hold a hash of what it does: of two operators of one name, torch keeps the last.

    Args:
        schema: what follows the name.
        keys: for which tensors it is.
        shapes: what it gives to tensors without numbers; not needed where `function` is made of other operators.
    """
    if not hasattr(torch.ops.attngen, name):
        library.define(f"{name}{schema}", tags=(torch.Tag.pt2_compliant_tag,))  # type: ignore[no-untyped-call]
        for key in keys:
            library.impl(name, function, key)  # type: ignore[no-untyped-call]
        if shapes is not None:
            torch.library.register_fake(f"attngen::{name}", shapes, lib=library)
    return getattr(torch.ops.attngen, name).default


def _is_differentiated(tensors: tuple[Tensor, ...]) -> bool:
    """Whether derivatives by any of them are asked for, also in forward mode, which must not lose them in silence."""
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return True
    return getattr(torch.autograd.forward_ad, "_current_level", -1) >= 0


def _autocast(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The rows in the dtype of `torch.autocast`; float64 stays what it is."""
    dtype = torch.get_autocast_dtype(q.device.type)
    return (q, k, v) if torch.float64 in (q.dtype, k.dtype, v.dtype) else (q.to(dtype), k.to(dtype), v.to(dtype))


def _shaped_like(tensors: tuple[Tensor, ...], wanted: list[bool]) -> tuple[Tensor, ...]:
    """Room for the gradients that are wanted, and nothing for the others."""
    return tuple(
        torch.empty_like(tensor, memory_format=torch.contiguous_format) if asked else tensor.new_empty(0)
        for tensor, asked in zip(tensors, wanted, strict=True)
    )


def _landed(total: Tensor | None, given: Tensor, place: tuple[Tensor | int, ...] | None, sums: Tensor) -> Tensor:
    """The gradient by `given` and what is added to it: the sums, each to the element at its `place`.

    They are added one after the other, in float64, so the result is the same to the last bit. Without a place, there is
    a sum for each element.
    """
    if place is None:
        return sums if total is None else total + sums
    if total is None:
        total = torch.zeros(given.shape, dtype=torch.float64, device=given.device)
    total = total.double()
    if total.numel() and sums.numel():
        indices = (torch.as_tensor(index, device=given.device).expand(sums.shape) for index in place)
        total.index_put_(tuple(indices), sums.double(), accumulate=True)
    return total


def _of_input(total: Tensor | None, given: Tensor, made: str, axes: str) -> Tensor | None:
    """The gradient by an input with some axes, from sums with the axes `made`, of which the first are b and h.

    Heads that read the same element come together, and so does all along axes that the input has not.
    """
    if total is None:
        return None
    wanted, found = axes.split(), made.split()
    if "h" in wanted and given.shape[wanted.index("h")] != total.shape[1]:
        heads = given.shape[wanted.index("h")]
        total = total.reshape(total.shape[0], heads, total.shape[1] // heads, *total.shape[2:]).sum(2)
    gone = tuple(k for k, axis in enumerate(found) if axis not in wanted)
    left = [axis for axis in found if axis in wanted]
    total = total.sum(gone, dtype=torch.float64) if gone else total
    return total.permute([left.index(axis) for axis in wanted]).contiguous()


def _head_rounds(share: int, group: int) -> int:
    """Of how many groups of heads at most one may add to the elements that `share` heads in a row have together."""
    return 1 if group % share == 0 else share // group if share % group == 0 else (share + group - 2) // group + 1

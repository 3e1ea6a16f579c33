"""Tensors as text, and back: numbers and strides, to the bit."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

FEW = 48
"""Numbers that stand in a file as they are; more of them are packed."""


def tensor(given: Tensor) -> str:
    """An expression that makes the same numbers with the same strides."""
    dtype, shape = str(given.dtype), [*given.shape]
    if not given.numel():
        return f"torch.zeros({shape}, dtype={dtype})"
    first = given.flatten()[0]
    if bool((given == first).all()):
        text = f"torch.full({shape}, {first.item()!r}, dtype={dtype})"
    elif given.numel() <= FEW:
        text = f"torch.tensor({given.tolist()!r}, dtype={dtype})"
    else:
        data = given.contiguous().view(torch.uint8 if given.dtype is torch.bool else given.dtype)
        bytes_of = data.flatten().view(torch.uint8).numpy().tobytes()
        text = f'packed("{base64.b85encode(zlib.compress(bytes_of, 9)).decode()}", {shape}, {dtype})'
    return text if given.is_contiguous() else f"strided({text}, {given.stride()})"


def packed(text: str, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """What `tensor` packed."""
    data = bytearray(zlib.decompress(base64.b85decode(text)))
    return torch.frombuffer(data, dtype=torch.uint8).view(dtype).view(*shape)


def strided(given: Tensor, strides: Sequence[int]) -> Tensor:
    """The same numbers with such strides; what lies between them is NaN, or 1."""
    room = 1 + sum((size - 1) * stride for size, stride in zip(given.shape, strides, strict=True))
    between = torch.nan if given.is_floating_point() else 1
    found = torch.full((room,), between, dtype=given.dtype).as_strided([*given.shape], [*strides])
    _first_of(found, strides).copy_(_first_of(given, strides))
    return found


def _first_of(given: Tensor, strides: Sequence[int]) -> Tensor:
    """One of the rows that share their memory."""
    return given[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in strides)]

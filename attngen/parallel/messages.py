"""Several tensors as one message: their bytes one after the other, so that a pair of ranks exchanges one at a hop."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

ALIGNED = 16
"""Bytes: each tensor of a message begins at a multiple of it."""


class Piece(NamedTuple):
    """What a receiver knows of a tensor before it comes."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def room(self) -> int:
        """The bytes that it takes in a message."""
        return -(-math.prod(self.shape) * self.dtype.itemsize // ALIGNED) * ALIGNED


def size_of(pieces: Iterable[Piece]) -> int:
    """Bytes of a message."""
    return sum(piece.room for piece in pieces)


def piece_of(tensor: Tensor) -> Piece:
    """What there is to know of a tensor."""
    return Piece(tuple(tensor.shape), tensor.dtype)


def packed(tensors: Sequence[Tensor]) -> Tensor:
    """A message, uint8."""
    device = tensors[0].device
    message = torch.empty(size_of(map(piece_of, tensors)), dtype=torch.uint8, device=device)
    for tensor, room in zip(tensors, unpacked(message, [piece_of(tensor) for tensor in tensors]), strict=True):
        room.copy_(tensor)
    return message


def unpacked(message: Tensor, pieces: Sequence[Piece]) -> list[Tensor]:
    """The tensors of a message; they share its memory."""
    found, start = [], 0
    for piece in pieces:
        length = math.prod(piece.shape) * piece.dtype.itemsize
        found.append(message[start : start + length].view(piece.dtype).view(piece.shape))
        start += piece.room
    return found

"""What every rank holds: its gradient is the sum over all of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from attngen.parallel.ranks import Ranks


def summed(ranks: Ranks, given: Tensor) -> Tensor:
    """An input that every rank holds, whose gradient is the sum over all ranks."""
    if not given.requires_grad:
        return given
    found: Tensor = _Summed.apply(ranks, given)  # type: ignore[no-untyped-call]
    return found


class _Summed(torch.autograd.Function):
    """The same tensor; its gradient is summed."""

    @staticmethod
    def forward(ctx: Any, ranks: Ranks, given: Tensor) -> Tensor:
        ctx.ranks = ranks
        return given.view_as(given)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        return None, ctx.ranks.total(gradient.contiguous())

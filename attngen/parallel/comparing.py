"""How far two ways to compute a call are apart, forward and backward."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor


def differentiated(attend: Any, given: Mapping[str, Tensor], by: Iterable[str]) -> tuple[Tensor, dict[str, Tensor]]:
    """y, and the gradients of half the sum of its squares.

    Args:
        attend: takes all tensors by name.
        given: the tensors.
        by: names of those with gradients.
    """
    leaves = {name: given[name].detach().clone().requires_grad_() for name in by}
    y = attend(**{**given, **leaves})
    found = torch.autograd.grad(y.float().square().sum() / 2, [*leaves.values()])
    return y.detach(), dict(zip(leaves, found, strict=True))


def apart(found: Tensor, exact: Tensor) -> float:
    """The largest difference, as a part of the largest number."""
    return float((found.double() - exact.double()).abs().max() / exact.double().abs().max().clamp(min=1e-9))

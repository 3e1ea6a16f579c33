"""Gradients through the interpreter."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def gradients_of(value: Tensor, leaves: Sequence[Tensor], by_value: Tensor | None = None) -> tuple[Tensor, ...]:
    """Autograd's, where a pair that is masked hands nothing down, whatever the slope of its score."""
    if not value.requires_grad:  # nothing is summed
        return tuple(torch.zeros_like(leaf) for leaf in leaves)
    waiting, seen = [value.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            node.register_hook(lambda below, _: tuple(g if g is None else g.nan_to_num(nan=0.0) for g in below))
            waiting += [following for following, _ in node.next_functions]
    found = torch.autograd.grad(value, leaves, by_value, allow_unused=True, retain_graph=True)
    return tuple(torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, found, strict=True))

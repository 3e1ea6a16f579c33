"""The arguments of a call, as examples and reproducers hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor


@dataclass(frozen=True, repr=False)
class Call:
    """The arguments of a kernel: of a recurrence, `offset` is its position, and `states` go into the first token."""

    q: Tensor
    k: Tensor
    v: Tensor
    parameters: Mapping[str, int | float | bool] = field(default_factory=dict)
    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    scale: float | None = None
    offset: int | Tensor | None = None
    states: Mapping[str, Tensor] = field(default_factory=dict)

    def __repr__(self) -> str:
        shown = [f"{list(rows.shape)} {rows.stride()}" for rows in (self.q, self.k, self.v)]
        inputs = {name: list(given.shape) for name, given in self.inputs.items()}
        return f"Call({shown}, {self.q.dtype}, {self.parameters}, {inputs}, scale={self.scale}, offset={self.offset})"


def trained_inputs(call: Call) -> list[str]:
    """The inputs that gradients go to, in the order of a call."""
    return [name for name, given in call.inputs.items() if given.is_floating_point()]


def with_leaves(call: Call, dtype: torch.dtype | None = None) -> tuple[Call, tuple[Tensor, ...]]:
    """The call with leaves of its own, in another dtype if one is given; and these: q, k, v and inputs of floats."""

    def leaf(given: Tensor) -> Tensor:
        return given.detach().to(dtype or given.dtype).requires_grad_()

    q, k, v = map(leaf, (call.q, call.k, call.v))
    trained = {name: leaf(call.inputs[name]) for name in trained_inputs(call)}
    return replace(call, q=q, k=k, v=v, inputs={**call.inputs, **trained}), (q, k, v, *trained.values())

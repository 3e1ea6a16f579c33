"""The arguments of a call, as examples and reproducers hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from attngen.ir import nodes
from attngen.reference import Result, Trace, attention, recurrence
from attngen.runtime.checks import check_call

ROWS, ALL, INPUTS, ONE_INPUT = ("q", "k", "v"), "all", "inputs", "an input"


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

    @property
    def heads(self) -> int:
        """H: the most of q, k and v."""
        return max(rows.shape[1] for rows in (self.q, self.k, self.v))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of y: B, H, N, E."""
        return (self.q.shape[0], self.heads, self.q.shape[2], self.v.shape[3])

    @property
    def first(self) -> Any:
        """Where query row 0 stands, of pairs: a number, or int64 of each batch row, so that more may be added."""
        if self.offset is None:
            return self.k.shape[2] - self.q.shape[2]
        return self.offset.long() if isinstance(self.offset, Tensor) else self.offset

    @property
    def named(self) -> dict[str, Any]:
        """What the interpreter, and what looks at calls, take by these names."""
        return {"parameters": self.parameters, "inputs": self.inputs, "scale": self.scale}

    def check(self, variant: nodes.Variant) -> None:
        """See that kernels take it.

        Raises:
            ValueError: they don't.
        """
        check_call(variant, self.q, self.k, self.v, offset=self.offset, **self.named)

    def __repr__(self) -> str:
        shown = [f"{list(rows.shape)} {rows.stride()}" for rows in (self.q, self.k, self.v)]
        inputs = {name: list(given.shape) for name, given in self.inputs.items()}
        return f"Call({shown}, {self.q.dtype}, {self.parameters}, {inputs}, scale={self.scale}, offset={self.offset})"


def interpreted(variant: nodes.Variant, call: Call) -> Result | Trace:
    """What a call means, of either kind.

    Raises:
        CallError: an input is read outside of its axes, or an int divided by zero, where the value counts.
    """
    if isinstance(variant.body, nodes.Pairwise):
        return attention(variant, call.q, call.k, call.v, offset=call.offset, **call.named)
    position = 0 if variant.order is not None or call.offset is None else call.offset
    return recurrence(variant, call.q, call.k, call.v, offset=position, states=call.states, **call.named)


def trained_inputs(call: Call) -> list[str]:
    """The inputs that gradients go to, in the order of a call."""
    return [name for name, given in call.inputs.items() if given.is_floating_point()]


def asked(call: Call, by: str = ALL) -> list[str]:
    """What gradients go to: q, k, v and inputs of floats, some of the rows, or the inputs or one if there are any."""
    inputs = trained_inputs(call)
    everything = ["q", "k", "v", *inputs]
    if by in (INPUTS, ONE_INPUT):
        return inputs[-1:] if inputs and by == ONE_INPUT else inputs or everything
    return everything if by == ALL else by.split()


def with_leaves(call: Call, dtype: torch.dtype | None = None, by: str = ALL) -> tuple[Call, tuple[Tensor, ...]]:
    """The call with leaves of its own, in another dtype if one is given; and these, in the order of `asked`."""
    leaves: dict[str, Tensor] = {}

    def own(name: str, given: Tensor) -> Tensor:
        found = given.detach().to(dtype or given.dtype) if given.is_floating_point() else given
        if name in names:
            leaves[name] = found.requires_grad_()
        return found

    names = asked(call, by)
    q, k, v = (own(name, getattr(call, name)) for name in ROWS)
    inputs = {name: own(name, given) for name, given in call.inputs.items()}
    return replace(call, q=q, k=k, v=v, inputs=inputs), tuple(leaves[name] for name in names)

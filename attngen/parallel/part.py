"""What parts of kernels of all kinds have in common: who holds what, and that all ranks mean the same call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from attngen.errors import CallError
from attngen.ir import nodes
from attngen.parallel.agreement import agreed, facts_of
from attngen.parallel.layouts import Layout
from attngen.parallel.ranks import Ranks
from attngen.parallel.shares import put_together, scattered
from attngen.runtime.kernel import Kernel

TOKEN_AXES = ("i", "j", "n", "t")
FINE = "none"


class Part:
    """A kernel on one of several ranks, each of which holds a share of the tokens.

    Attributes:
        kernel: for whole sequences.
        ranks: those that share them.
        layout: who holds which tokens.
        axes: the axis of tokens of each of the spec's inputs that has one.
    """

    def __init__(self, kernel: Kernel, ranks: Ranks, layout: Layout) -> None:
        self.kernel, self.ranks, self.layout = kernel, ranks, layout
        self.axes = _token_axes(kernel.variant)

    def scatter(self, whole: Tensor, axis: int = 2) -> Tensor:
        """This rank's share of what every rank holds, along its token axis."""
        return scattered(whole, self.layout, self.ranks.size, self.ranks.rank, axis)

    def gather(self, share: Tensor, axis: int = 2) -> Tensor:
        """The whole sequence of all ranks' shares, on each of them; without gradients."""
        counts = [int(count) for count in self.ranks.gather(torch.tensor(share.shape[axis], device=share.device))]
        return self._together(share, sum(counts), axis)

    def _together(self, share: Tensor, tokens: int, axis: int) -> Tensor:
        """Shares are filled up to one length for the way."""
        counts = [self.layout.count(tokens, self.ranks.size, rank) for rank in range(self.ranks.size)]
        room = [*share.shape]
        room[axis] = max(counts)
        filled = share.new_zeros(room)
        filled.narrow(axis, 0, share.shape[axis]).copy_(share.detach())
        parts = [each.narrow(axis, 0, count) for each, count in zip(self.ranks.gather(filled), counts, strict=True)]
        return put_together(parts, self.layout, tokens, axis)

    def _lengths(self, tensors: Mapping[str, Tensor], **said: object) -> tuple[int, int]:
        """N and M, where the ranks agree on all else and no rank has a problem; `said` are arguments but tensors."""
        problem = self._problem(tensors, said.get("scale"))
        facts = {
            "spec": self.kernel.spec,
            "layout": str(self.layout),
            "ranks": str(self.ranks.size),
            "problem": problem,
        }
        facts |= {name: repr(value) for name, value in {**self.kernel.parameters, **said}.items()}
        facts |= facts_of(tensors, {"q": 2, "k": 2, "v": 2, **self.axes})
        counts = [tensors[name].shape[2] if tensors[name].ndim == 4 else 0 for name in "qk"]
        rows = agreed(self.ranks, self.kernel.variant.name, facts, counts, tensors["q"].device)
        if problem != FINE:
            raise CallError(problem)
        lengths = [sum(row[side] for row in rows) for side in (0, 1)]
        for rank, row in enumerate(rows):
            for side, label in enumerate("qk"):
                self._require_share(label, row[side], lengths[side], rank)
        return lengths[0], lengths[1]

    def _problem(self, tensors: Mapping[str, Tensor], scale: Any) -> str:
        """What is wrong with this rank's share by itself."""
        for label in "qkv":
            if not isinstance(tensors[label], Tensor):
                raise CallError(
                    f"{self.kernel.variant.name}: {label} is a {type(tensors[label]).__name__}, not a tensor"
                )
        try:
            self._check(tensors, scale)
        except ValueError as error:
            return str(error)
        return FINE

    def _check(self, tensors: Mapping[str, Tensor], scale: float | None) -> None:
        """Refuse a share that kernels would refuse."""
        raise NotImplementedError

    def _require_share(self, label: str, tokens: int, of: int, rank: int) -> None:
        wanted = self.layout.count(of, self.ranks.size, rank)
        if tokens != wanted:
            raise CallError(
                f"{self.kernel.variant.name}: {label} has {tokens} tokens on rank {rank}, which holds {wanted} of {of}"
                f" in the layout `{self.layout}`; `scatter` cuts a sequence so"
            )


def _token_axes(variant: nodes.Variant) -> dict[str, int]:
    found: dict[str, Any] = {}
    for given in variant.inputs:
        axes = [number for number, axis in enumerate(given.axes) if axis in TOKEN_AXES]
        if axes:
            found[given.name] = axes[0]
    return found

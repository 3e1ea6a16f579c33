"""What parts of kernels of all kinds have in common: who holds what, and that all ranks mean the same call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from attngen.emit.support.operators import _autocast
from attngen.errors import CallError
from attngen.ir import nodes
from attngen.parallel.agreement import agreed, facts_of
from attngen.parallel.blocks import TOKEN_AXES
from attngen.parallel.layouts import Layout
from attngen.parallel.ranks import Ranks
from attngen.parallel.shares import put_together, scattered
from attngen.runtime.checks import check_share, check_whole
from attngen.runtime.kernel import Kernel

FINE = "none"


@dataclass(frozen=True, slots=True)
class Given:
    """The arguments of a call on a rank; `options` are those that are no tensors."""

    q: Tensor
    k: Tensor
    v: Tensor
    inputs: Mapping[str, Tensor]
    options: Mapping[str, Any]

    @property
    def rows(self) -> dict[str, Tensor]:
        return {"q": self.q, "k": self.k, "v": self.v}


class Part:
    """A kernel on one of several ranks, each of which holds a share of the tokens.

    Attributes:
        kernel: for whole sequences.
        ranks: those that share them.
        layout: who holds which tokens.
        axes: the axis of tokens of each of the spec's inputs that has one: of queries, where there are two.
    """

    def __init__(self, kernel: Kernel, ranks: Ranks, layout: Layout) -> None:
        self.kernel, self.ranks, self.layout = kernel, ranks, layout
        self.axes = _token_axes(kernel.variant)

    def scatter(self, whole: Tensor, axis: int = 2) -> Tensor:
        """This rank's share of what every rank holds, along its token axis."""
        return scattered(whole, self.layout, self.ranks.size, self.ranks.rank, axis)

    def gather(self, share: Tensor, axis: int = 2) -> Tensor:
        """The whole sequence of all ranks' shares, on each of them; without gradients.

        Raises:
            CallError: the shares are none of this layout; on all ranks.
        """
        counts = [int(count) for count in self.ranks.gather(torch.tensor(share.shape[axis], device=share.device))]
        self._require_shares("a share", counts)
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

    # ---- what a call is

    def _agreed(self, given: Given) -> tuple[int, int]:
        """N and M, where the ranks agree on all else and no rank has a problem.

        Raises:
            CallError: they don't, or one has; on all ranks.
        """
        problem = self._problem(given)
        facts = {
            "spec": self.kernel.spec,
            "layout": str(self.layout),
            "ranks": str(self.ranks.size),
            "problem": problem,
        }
        facts |= {f"parameter {name}": repr(value) for name, value in self.kernel.parameters.items()}
        facts |= {f"argument {name}": repr(value) for name, value in given.options.items()}
        facts |= facts_of("", given.rows, dict.fromkeys("qkv", 2)) | facts_of("input ", given.inputs, self.axes)
        counts = [rows.shape[2] if rows.ndim == 4 else 0 for rows in (given.q, given.k)]
        found = agreed(self.ranks, self.kernel.variant.name, facts, counts, given.q.device)
        if problem != FINE:
            raise CallError(problem)
        for side, label in enumerate("qk"):
            self._require_shares(label, [row[side] for row in found])
        N, M = (sum(row[side] for row in found) for side in (0, 1))
        return N, M

    def _problem(self, given: Given) -> str:
        """What is wrong with this rank's share by itself."""
        for label, rows in given.rows.items():
            if not isinstance(rows, Tensor):
                raise CallError(f"{self.kernel.variant.name}: {label} is a {type(rows).__name__}, not a tensor")
        try:
            self.kernel._check_names(given.inputs)
            self._check(given)
        except ValueError as error:
            return str(error)
        return FINE

    def _check(self, given: Given) -> None:
        """Refuse a share that kernels would refuse, whatever other ranks have."""
        inputs, variant = dict(given.inputs), self.kernel.variant
        for name, rows in inputs.items():
            axes = variant.input(name).axes
            if isinstance(rows, Tensor) and rows.ndim == len(axes) and {"i", "j"} <= {*axes}:
                place = axes.index("j")  # where all keys of the sequence lie
                inputs[name] = rows.narrow(place, 0, min(given.k.shape[2], rows.shape[place]))
        scale, parameters = given.options.get("scale"), self.kernel.parameters
        check_share(variant, given.q, given.k, given.v, scale=scale, inputs=inputs, parameters=parameters)

    def _check_whole(self, given: Given, N: int, M: int, offset: int) -> None:
        """Refuse what kernels would refuse of the whole call: what it depends on is the same on all ranks."""
        heads = max(rows.shape[1] for rows in given.rows.values())
        sizes = {"B": given.q.shape[0], "H": heads, "N": N, "M": M, "D": given.q.shape[3], "E": given.v.shape[3]}
        sizes["offset"] = offset
        variant = self.kernel.variant
        for name, rows in given.inputs.items():
            axes = variant.input(name).axes
            if {"i", "j"} <= {*axes} and rows.shape[axes.index("j")] != M:
                seen = rows.shape[axes.index("j")]
                where = variant.input(name).span
                raise CallError(f"{variant.name}: {name} has {seen} elements along `j`, not all {M} ({where})")
        check_whole(variant, sizes, given.q, given.inputs, self.kernel.parameters)

    def _require_shares(self, label: str, counts: list[int]) -> None:
        """What all ranks hold is what the layout gives them."""
        for rank, count in enumerate(counts):
            wanted = self.layout.count(sum(counts), len(counts), rank)
            if count != wanted:
                raise CallError(
                    f"{self.kernel.variant.name}: {label} has {count} tokens on rank {rank}, which holds {wanted} of"
                    f" {sum(counts)} in the layout `{self.layout}`; `scatter` cuts a sequence so"
                )


def _token_axes(variant: nodes.Variant) -> dict[str, int]:
    found = {}
    for given in variant.inputs:
        axes = [number for number, axis in enumerate(given.axes) if axis in (*TOKEN_AXES, "t")]
        if axes:
            found[given.name] = given.axes.index("i") if "i" in given.axes else axes[0]
    return found


def in_autocast(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The rows in the dtype of `torch.autocast`, as kernels take them."""
    kind = q.device.type
    return _autocast(q, k, v) if kind in ("cpu", "cuda") and torch.is_autocast_enabled(kind) else (q, k, v)

"""The ways in which a call can be computed: at once, in pieces as decoding does, or on ranks. All mean the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from attngen.fuzz.call import ALL, INPUTS, ONE_INPUT, ROWS, Call, with_leaves
from attngen.fuzz.recurrent_oracle import Given, Run, compiled
from attngen.fuzz.ring import on_ranks
from attngen.ir import nodes
from attngen.parallel.layouts import LAYOUTS
from attngen.parallel.pair_part import SENDS
from attngen.runtime.draws import device_for
from attngen.runtime.kernel import Kernel
from attngen.runtime.recurrent import RecurrentKernel

TILES = ((16, 16), (16, 32), (32, 16), (64, 32))
"""Queries and keys; chunks of recurrences have as many tokens as a tile has queries."""
WAYS = {
    "cpp": ("at once", "in pieces", "prepared", "on ranks"),
    "triton": ("at once", "in pieces", "prepared", "in other tiles"),
}
"""Of each backend: ranks are threads on a CPU, of which Triton knows nothing; C++ has one tile."""
STEPS = 2
"""Tokens that `in pieces` takes one by one, behind the first piece."""
MOST_RANKS = 4
STRIPES = (1, 3, 16, 40)


@dataclass(frozen=True, slots=True)
class Way:
    """How a call is computed.

    Attributes:
        cut: of `in pieces`, which part of the tokens comes first.
        ranks, layout, block, send: of `on ranks`.
        tile: of `in other tiles`, which kernels of Triton alone have.
        by: what gradients are asked for, if any are: all, or some alone, as `asked` says.
    """

    name: str
    cut: float = 0.5
    ranks: int = 2
    layout: str = "contiguous"
    block: int = 16
    send: str = "keys"
    tile: tuple[int, int] = (16, 16)
    by: str = ALL

    def __str__(self) -> str:
        return self._computed() if self.by == ALL else f"{self._computed()}; gradients by {self.by} alone"

    def _computed(self) -> str:
        if self.name == "in pieces":
            return f"in pieces, token by token behind {self.cut:.0%} of them"
        if self.name == "prepared":
            return "with tiles that were found before, and data looked at"
        if self.name == "on ranks":
            return f"on {self.ranks} ranks, {self.layout} (stripes of {self.block}), {self.send} travel back"
        if self.name == "in other tiles":
            return f"in tiles of {self.tile[0]} by {self.tile[1]}"
        return self.name


def ways(names: tuple[str, ...]) -> st.SearchStrategy[Way]:
    """Any of these, with any cut, and any partition."""
    return st.builds(
        Way,
        st.sampled_from(names),
        st.floats(0, 1, width=16),
        st.integers(1, MOST_RANKS),
        st.sampled_from([*LAYOUTS]),
        st.sampled_from(STRIPES),
        st.sampled_from(SENDS),
        st.sampled_from(TILES),
        st.sampled_from((*[ALL] * 4, *ROWS, "q k", "k v", INPUTS, ONE_INPUT)),
    )


class _Always(dict[Any, tuple[int, ...]]):
    """Sizes that hold for all kernels and calls, in place of those that tuning has found."""

    def __init__(self, tile: tuple[int, int]) -> None:
        super().__init__()
        self.tile = tile

    def get(self, key: Any, default: Any = None) -> Any:
        """What launchers ask for."""
        del default
        return (min(self.tile[0], 32), 16, 16, 4) if key[0] == "chunks" else (*self.tile, 4, 1, 0, 1)


@contextmanager
def cut(kernel: Kernel, way: Way) -> Iterator[None]:
    """Triton's kernels launch with other sizes."""
    functions = (
        [kernel._function("triton"), *getattr(kernel, "_chunks", {}).values()] if kernel.backend == "triton" else []
    )
    modules = [function.__globals__ for function in functions if way.name == "in other tiles"]
    before = [names["TUNED"] for names in modules]
    for names in modules:
        names["TUNED"] = _Always(way.tile)
    try:
        yield
    finally:
        for names, tuned in zip(modules, before, strict=True):
            names["TUNED"] = tuned


@dataclass(frozen=True, slots=True)
class Found:
    """y, the log-sum-exp of a softmax, and gradients by what they are asked for.

    Attributes:
        roundings: of gradients that several calls add up, what each number may be off by for that.
    """

    y: Tensor
    lse: Tensor | None
    gradients: tuple[Tensor, ...] | None
    roundings: tuple[Tensor, ...] | None = None


def attended(kernel: Kernel, call: Call, way: Way, by: tuple[Tensor, Tensor | None] | None) -> Found:
    """An attention over pairs.

    Args:
        by: gradients by y and by the log-sum-exp, if those by the arguments are wanted.

    Raises:
        CallError: ranks can't share the call.
    """
    if way.name == "on ranks":
        dy, dlse = (torch.zeros(call.shape).to(call.q.dtype), None) if by is None else by
        options: dict[str, Any] = {"by": way.by, "layout": way.layout, "block": way.block, "send": way.send}
        first = on_ranks(kernel, call, dy, dlse, way.ranks, **options)[0]
        return Found(first.y, first.lse, None if by is None else first.gradients)
    tokens = call.q.shape[2]
    ends = pieces(way.cut, tokens) if way.name == "in pieces" else [(0, tokens)]
    own, leaves = with_leaves(call, by=way.by)
    parts = [_run(kernel, _queries(kernel.variant, own, *each), way.name == "prepared") for each in ends]
    y = torch.cat([part[0] for part in parts], 2).detach()
    lse = None if parts[0][1] is None else torch.cat([part[1] for part in parts if part[1] is not None], 2).detach()
    if by is None:
        return Found(y, lse, None)
    of_rows = [tuple(None if x is None else x[:, :, start:stop] for x in by) for start, stop in ends]
    handed = [_handed_down(*each, leaves) for each in zip(parts, of_rows, strict=True)]
    if len(ends) == 1:
        return Found(y, lse, handed[0])
    of_leaves = [torch.stack(each) for each in zip(*handed, strict=True)]
    return Found(y, lse, tuple(each.double().sum(0) for each in of_leaves), tuple(map(_roundings, of_leaves)))


def _handed_down(
    results: tuple[Tensor, Tensor | None], by: tuple[Tensor | None, ...], leaves: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Gradients by leaves, from those by y and the log-sum-exp that are given."""
    both = [(x, gradient) for x, gradient in zip(results, by, strict=True) if x is not None and gradient is not None]
    return torch.autograd.grad([x for x, _ in both], leaves, [gradient for _, gradient in both])


def _roundings(parts: Tensor) -> Tensor:
    """What numbers are off by that are the sums of several parts along the first axis, each of which was rounded."""
    off = parts.double().abs().sum(0) * (torch.finfo(parts.dtype).eps / 2)
    return torch.where((parts != 0).sum(0) > 1, off, 0.0)


def pieces(cut: float, tokens: int) -> list[tuple[int, int]]:
    """A prefill, some steps, and the rest."""
    first = round(cut * tokens)
    ends = [0, *(min(first + step, tokens) for step in range(STEPS + 1)), tokens]
    return [(start, stop) for start, stop in pairwise(ends) if start < stop] or [(0, tokens)]


def _run(kernel: Kernel, call: Call, is_prepared: bool) -> tuple[Tensor, Tensor | None]:
    there = device_for(kernel.backend)
    q, k, v = (rows.to(there) for rows in (call.q, call.k, call.v))
    offset = call.offset.to(there) if isinstance(call.offset, Tensor) else call.offset
    given: dict[str, Any] = {"scale": call.scale, "offset": offset}
    inputs = {name: x.to(there) for name, x in call.inputs.items()}
    if is_prepared:
        given |= {"prepared": kernel.prepare(q, k, v, scale=call.scale, offset=offset, **inputs), "debug": True}
    given |= inputs
    if kernel.has_lse:
        y, lse = kernel(q, k, v, return_lse=True, **given)
        return y.cpu(), lse.cpu()
    return kernel(q, k, v, **given).cpu(), None


def _queries(variant: nodes.Variant, call: Call, start: int, stop: int) -> Call:
    """The call of some of its queries, where they stand."""
    if (start, stop) == (0, call.q.shape[2]):
        return call
    inputs = {name: _cut(variant, name, given, "i", start, stop) for name, given in call.inputs.items()}
    return replace(call, q=call.q[:, :, start:stop], inputs=inputs, offset=call.first + start)


def _cut(variant: nodes.Variant, name: str, given: Tensor, axis: str, start: int, stop: int) -> Tensor:
    axes = variant.input(name).axes
    return given.narrow(axes.index(axis), start, stop - start) if axis in axes else given


def carried_in_pieces(cut: float, each: Run = compiled) -> Run:
    """A recurrence in several calls, each of which goes on with the states of the one before."""

    def run(kernel: RecurrentKernel, call: Given, position: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        states, found = call.states, []
        for start, stop in pieces(cut, call.qkv[0].shape[2]):
            q, k, v = (rows[:, :, start:stop] for rows in call.qkv)
            inputs = {name: _cut(kernel.variant, name, x, "t", start, stop) for name, x in call.inputs.items()}
            y, after = each(kernel, Given((q, k, v), inputs, states, call.scale), position + start)
            found.append(y)
            states = dict(after)
        return torch.cat(found, 2), states

    return run

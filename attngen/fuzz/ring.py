"""Calls of kernels on ranks that are threads, put together again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from attngen.errors import CallError
from attngen.fuzz.call import ALL, Call, asked, with_leaves
from attngen.parallel import on_threads, partition
from attngen.parallel.pair_part import PairPart
from attngen.parallel.ranks import Traffic
from attngen.parallel.state_part import StatePart
from attngen.parallel.threads import ThreadRanks
from attngen.runtime.kernel import Kernel


def share(part: PairPart | StatePart, call: Call) -> Call:
    """What a rank holds of a call."""
    q, k, v = map(part.scatter, (call.q, call.k, call.v))
    inputs = {
        name: part.scatter(given, part.axes[name]) if name in part.axes else given
        for name, given in call.inputs.items()
    }
    return replace(call, q=q, k=k, v=v, inputs=inputs)


def whole(part: PairPart | StatePart, shares: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gradients by q, k, v and inputs, of all tokens."""
    found = {}
    for name, gradient in shares.items():
        axis = 2 if name in ("q", "k", "v") else part.axes.get(name)
        found[name] = gradient if axis is None else part.gather(gradient, axis)
    return found


class OnRank(NamedTuple):
    """Of one rank: y, log-sum-exp and gradients by q, k, v and inputs of floats, of all tokens; and what it sent."""

    y: Tensor
    lse: Tensor | None
    gradients: tuple[Tensor, ...]
    sent: Traffic


def on_ranks(
    kernel: Kernel, call: Call, dy: Tensor, dlse: Tensor | None, ranks: int, by: str = ALL, **options: Any
) -> list[OnRank]:
    """A call on so many ranks; what each of them found.

    Args:
        by: which gradients, as `asked` says.
        options: those of `partition`.

    Raises:
        CallError: the kernel's tokens, or those of this call, can't be shared.
    """

    def program(own: ThreadRanks) -> OnRank:
        part = partition(kernel, own, **options)
        mine, leaves = with_leaves(share(part, call), by=by)
        given: dict[str, Any] = {"scale": call.scale, **mine.inputs}
        if isinstance(part, PairPart):
            given["offset"] = call.offset
        elif call.offset not in (None, 0):
            raise CallError(f"{kernel.variant.name}: where states travel, tokens stand from position 0 on")
        y, lse = part(mine.q, mine.k, mine.v, **given), None
        if kernel.has_lse and isinstance(part, PairPart):
            y, lse = part(mine.q, mine.k, mine.v, return_lse=True, **given)
        results, given_back = [y], [part.scatter(dy)]
        if dlse is not None:
            results, given_back = [y, lse], [*given_back, part.scatter(dlse)]
        found = torch.autograd.grad(results, leaves, given_back)
        names = asked(mine, by)
        gradients = whole(part, dict(zip(names, found, strict=True)))
        all_lse = None if lse is None else part.gather(lse.detach())
        return OnRank(part.gather(y.detach()), all_lse, tuple(gradients[name] for name in names), own.traffic)

    return on_threads(ranks, program)

"""Calls of kernels on ranks that are threads, put together again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

import attngen
from attngen.fuzz.call import Call, trained_inputs, with_leaves
from attngen.parallel import on_threads, partition
from attngen.parallel.pair_part import PairPart
from attngen.parallel.ranks import Ranks, Traffic
from attngen.parallel.state_part import StatePart


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


def on_ranks(
    kernel: attngen.Kernel, call: Call, dy: Tensor, dlse: Tensor | None, ranks: int, **options: object
) -> list[tuple[Tensor, Tensor | None, tuple[Tensor, ...], Traffic]]:
    """Of each rank: y, log-sum-exp and gradients by q, k, v and inputs of floats, of all tokens; and what it sent."""

    def program(own: Ranks) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...], Traffic]:
        part = partition(kernel, own, **options)  # type: ignore[arg-type]
        mine, leaves = with_leaves(share(part, call))
        given = {"scale": call.scale, **({"offset": call.offset} if isinstance(part, PairPart) else {})}
        y = part(mine.q, mine.k, mine.v, **given, **mine.inputs)
        lse = None
        if kernel.has_lse and isinstance(part, PairPart):
            y, lse = part(mine.q, mine.k, mine.v, return_lse=True, **given, **mine.inputs)
        results, by = [y], [part.scatter(dy)]
        if dlse is not None:
            results, by = [y, lse], [*by, part.scatter(dlse)]
        found = torch.autograd.grad(results, leaves, by)
        names = ["q", "k", "v", *trained_inputs(mine)]
        gradients = whole(part, dict(zip(names, found, strict=True)))
        all_lse = None if lse is None else part.gather(lse.detach())
        return part.gather(y.detach()), all_lse, tuple(gradients[name] for name in names), own.traffic

    return on_threads(ranks, program)

"""Which layout is cheapest for a mask, judged by the rank that has most to do."""

from __future__ import annotations

from dataclasses import dataclass

from attngen.analysis.lists import List
from attngen.ir.evaluate import Number
from attngen.parallel.layouts import LAYOUTS, Layout, Run
from attngen.parallel.needs import Needs, common, mask_inputs, needs_of
from attngen.parallel.ring import Ring
from attngen.runtime.pairwise import PairwiseKernel

TYPICAL = 8192
"""Tokens of a rank, where nobody says how many there will be."""
HEADS = 8
STEPS = 16
"""Into how many parts a run of queries is cut to count its pairs."""
WORTH = 16
"""Pairs that can be computed while a token's key and value travel: bytes over a link of 400 GB/s against 64 channels at
400 TFLOP/s are near a hundred; a sixth of that, as links are shared and kernels wait for them."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a rank does in a call: pairs that may be live, and tokens of keys that it gets from others."""

    pairs: int
    received: int


def load_of(ring: Ring, rank: int) -> Load:
    """What one rank does."""
    pairs = sum(
        _pairs(ring.needs, visit.queries, visit.keys)
        for owner in range(ring.ranks)
        for visit in ring.visits(rank, owner)
    )
    others = (owner for owner in range(ring.ranks) if owner != rank)
    return Load(pairs, sum(run.tokens for owner in others for run in ring.travelling(rank, owner)))


def _pairs(needs: Needs, queries: Run, keys: Run) -> int:
    """Pairs of a block that may be live."""
    step = -(-queries.tokens // STEPS)
    parts = [Run(start, min(start + step, queries.stop)) for start in range(queries.start, queries.stop, step)]
    return sum(part.tokens * sum(run.tokens for run in common(needs.keys_of(part), (keys,))) for part in parts)


def chosen_layout(kernel: PairwiseKernel, ranks: int, block: int) -> Layout:
    """The layout of the least load of the rank that has most; at typical lengths, for they are not known yet.

    Where data decide who needs what, work is shared evenly as far as the rest of the mask tells.
    """
    if mask_inputs(kernel.variant) or ranks == 1:
        return Layout("contiguous" if ranks == 1 else "zigzag", block)
    tokens = TYPICAL * ranks
    numbers: dict[str, Number] = {**kernel.parameters, "B": 1, "H": HEADS, "N": tokens, "M": tokens, "offset": 0}
    needs = needs_of(kernel.plan, numbers, {})
    few = sorted({0, 1, ranks // 2, ranks - 1} & set(range(ranks)))
    names = ("contiguous", "zigzag") if isinstance(kernel.plan.walk, List) else tuple(LAYOUTS)
    prices = {}
    for name in names:
        ring = Ring(Layout(name, block), ranks, tokens, tokens, needs)
        loads = [load_of(ring, rank) for rank in few]
        prices[name] = max(load.pairs + WORTH * load.received for load in loads)
    return Layout(min(prices, key=prices.__getitem__), block)

"""Which layout is cheapest for a mask, judged by the rank that has most to do."""

from __future__ import annotations

from attngen.analysis.lists import List
from attngen.ir.evaluate import Number
from attngen.parallel.layouts import LAYOUTS, Layout, tokens_of
from attngen.parallel.loads import pairs_at
from attngen.parallel.needs import mask_inputs, needs_of
from attngen.parallel.ring import Ring
from attngen.runtime.pairwise import PairwiseKernel

TYPICAL = 8192
"""Tokens of a rank, where nobody says how many there will be."""
HEADS, WIDTH = 8, 128
ENOUGH = 8
"""Ranks that stand for more."""
WORTH = 16
"""Pairs that are computed while the key and value of one token travel, as far as kernels wait for them: over a link of
400 GB/s, beside products at 400 TFLOP/s, it is a hundred; most of it is hidden."""
LAUNCHED = 100_000
"""Pairs that are computed while a kernel is launched: 5 microseconds of products for 32 heads."""


def chosen_layout(kernel: PairwiseKernel, ranks: int, block: int) -> Layout:
    """The layout with the least to do for the rank that has most, for typical lengths: they are not known yet.

    Where data or lists of tiles decide who sees what, `zigzag` shares evenly what a causal mask leaves.
    """
    if ranks == 1:
        return Layout("contiguous", block)
    if mask_inputs(kernel.plan) or isinstance(kernel.plan.walk, List):
        return Layout("zigzag", block)
    ranks = min(ranks, ENOUGH)
    tokens = TYPICAL * ranks
    numbers: dict[str, Number] = {**kernel.parameters, "B": 1, "H": HEADS, "N": tokens, "M": tokens, "offset": 0}
    numbers |= {"D": WIDTH, "E": WIDTH, "scale": WIDTH**-0.5}
    needs = needs_of(kernel.plan, numbers, {})
    prices = {name: _price(Ring(Layout(name, block), ranks, tokens, tokens, needs)) for name in LAYOUTS}
    return Layout(min(prices, key=prices.__getitem__), block)


def _price(ring: Ring) -> int:
    few = {0, 1, ring.ranks // 2, ring.ranks - 1} & set(range(ring.ranks))
    return max(_price_of(ring, rank) for rank in few)


def _price_of(ring: Ring, rank: int) -> int:
    received = [run for owner in range(ring.ranks) if owner != rank for run in ring.travelling(rank, owner)]
    pairs = sum(pairs_at(ring, rank, owner) for owner in range(ring.ranks))
    blocks = sum(len(ring.visits(rank, owner)) for owner in range(ring.ranks))
    return pairs + WORTH * tokens_of(received) + LAUNCHED * blocks

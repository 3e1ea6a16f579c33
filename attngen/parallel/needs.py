"""Which keys the queries of a run need, and which queries need the keys of one: what has to travel.

Both are derived from the mask, as the loops of kernels are: from its bounds in closed form or, where it is decided by
data, from the list of live tiles that launchers make. Every live pair is in what is found; what is found beyond that
costs bytes and never an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Protocol

import torch
from torch import Tensor

from attngen.analysis.bounds import Bounds, query_bounds
from attngen.analysis.lists import List
from attngen.ir.evaluate import Number, Reader, evaluate, named
from attngen.ir.expr import Expr, distinct, variables
from attngen.parallel.layouts import Run
from attngen.runtime.tiles import deciding, inputs_in, live_tiles, own_sizes, reader
from attngen.schedule.plan import Plan

TILES = (16, 256)
"""Tokens of the tiles in which lists are looked at: the least and the most."""
MANY = 4096
"""Tiles of a sequence, from which on they get larger."""
Runs = tuple[Run, ...]


class Needs(Protocol):
    """What a call of a mask needs. Queries are counted from 0 here, as keys are, wherever they stand."""

    def keys_of(self, queries: Run) -> Runs:
        """The keys that a run of queries can see, in order."""

    def queries_of(self, keys: Run) -> Runs:
        """The queries that can see one of a run of keys, in order."""


def needs_of(plan: Plan, numbers: Mapping[str, Number], inputs: Mapping[str, Tensor]) -> Needs:
    """For a call.

    Args:
        plan: of the whole sequence.
        numbers: parameters, B, H, N, M and `offset`, the position of query 0.
        inputs: those that the mask reads, whole.
    """
    if isinstance(plan.walk, List):
        return _Listed.of(plan, numbers, inputs)
    return _Closed(plan, numbers, inputs)


def needs_without_data(plan: Plan, numbers: Mapping[str, Number]) -> Needs:
    """The same where inputs are not known: what the rest of the mask needs, or everything."""
    if not mask_inputs(plan):
        return needs_of(plan, numbers, {})
    closed = _Closed(plan, numbers, {})
    try:
        closed.keys_of(Run(0, 1))
        closed.queries_of(Run(0, 1))
    except KeyError:
        return _Everything(int(numbers["N"]), int(numbers["M"]))
    return closed


@dataclass(frozen=True, slots=True)
class _Everything:
    """Every query may see every key."""

    N: int
    M: int

    def keys_of(self, queries: Run) -> Runs:
        return (Run(0, self.M),) if queries.tokens else ()

    def queries_of(self, keys: Run) -> Runs:
        return (Run(0, self.N),) if keys.tokens else ()


def mask_inputs(plan: Plan) -> tuple[str, ...]:
    """The inputs that decide which pairs are live, by their elements or by the length of an axis, by name; and those
    whose lengths lists of tiles ask for, which hold the tiles that read outside of them."""
    used = {*distinct(plan.variant.pairwise.mask), *deciding(plan.walk)}
    return tuple(given.name for given in inputs_in(plan.variant, used))


@dataclass(slots=True)
class _Closed:
    """By the ends of segments, which are formulas of the first and last position of a tile."""

    plan: Plan
    numbers: Mapping[str, Number]
    inputs: Mapping[str, Tensor]
    by_keys: Bounds = field(init=False)
    fixed: dict[str, Number] = field(init=False)
    read: Reader = field(init=False)
    known: dict[tuple[str, Run], Runs] = field(default_factory=dict)

    def __post_init__(self) -> None:
        variant = self.plan.variant
        self.by_keys = query_bounds(variant, variant.pairwise.mask)
        self.fixed = named(self.numbers, own_sizes(variant, self.inputs))
        self.read = reader(variant, int(self.numbers["H"]), self.inputs)

    def keys_of(self, queries: Run) -> Runs:
        if ("keys", queries) not in self.known:
            first = int(self.numbers["offset"])
            ends = {"q0": queries.start + first, "q1": queries.stop - 1 + first}
            self.known["keys", queries] = joined(self._segments(self.plan.bounds, ends, 0), int(self.numbers["M"]))
        return self.known["keys", queries]

    def queries_of(self, keys: Run) -> Runs:
        if ("queries", keys) not in self.known:
            ends, first = {"k0": keys.start, "k1": keys.stop - 1}, int(self.numbers["offset"])
            self.known["queries", keys] = joined(self._segments(self.by_keys, ends, first), int(self.numbers["N"]))
        return self.known["queries", keys]

    def _segments(self, bounds: Bounds, ends: Mapping[str, int], first: int) -> list[Run]:
        """Those of all batch rows and heads, counted from 0."""
        found = []
        for b, h in product(self._range(bounds, "b", "B"), self._range(bounds, "h", "H")):
            names = {**self.fixed, **ends, "b": b, "h": h}
            for start, stop in _ends(bounds):
                found.append(Run(*(int(evaluate(end, names, self.read)) - first for end in (start, stop))))
        return found

    def _range(self, bounds: Bounds, name: str, size: str) -> range:
        """Batch rows or heads, where the bounds differ between them."""
        differs = any(name in variables(end) for ends in _ends(bounds) for end in ends)
        return range(int(self.numbers[size]) if differs else 1)


def _ends(bounds: Bounds) -> list[tuple[Expr, Expr]]:
    """The first key of each segment of the hull and the one behind it."""
    return [(each.start, each.stop) for each in bounds.hull if each.start is not None and each.stop is not None]


@dataclass(slots=True)
class _Listed:
    """By the tiles that a list holds for any batch row and head: the query tile and the key tile of each, in the order
    of query tiles; and the key tile and the query tile, in the order of key tiles."""

    by_queries: tuple[Tensor, Tensor]
    by_keys: tuple[Tensor, Tensor]
    tile: int
    N: int
    M: int

    @classmethod
    def of(cls, plan: Plan, numbers: Mapping[str, Number], inputs: Mapping[str, Tensor]) -> _Listed:
        assert isinstance(plan.walk, List)
        assert plan.listed is not None
        N, M = int(numbers["N"]), int(numbers["M"])
        tile = min(max(TILES[0], 1 << (max(N, M) // MANY).bit_length()), TILES[1])
        # Tokens lie on ranks in their own order.
        plan = replace(plan, walk=replace(plan.walk, orders=()), listed=replace(plan.listed, orders=()))
        made = live_tiles(plan, numbers, (tile, tile), inputs)
        starts, tiles, across = made.starts.cpu(), made.tiles.cpu().long(), max(1, -(-M // tile))
        counts = (starts[..., 2] - starts[..., 0]).flatten()
        first = starts[..., 0].flatten() - counts.cumsum(0) + counts
        places = torch.repeat_interleave(first, counts) + torch.arange(int(counts.sum()))
        rows = torch.arange(starts.shape[2]).expand(starts.shape[:3]).flatten()
        pairs = torch.unique(torch.repeat_interleave(rows, counts) * across + tiles[places])
        turned = pairs // across + pairs % across * max(1, starts.shape[2])
        by_keys = turned.argsort()
        queries, keys = pairs // across, pairs % across
        return cls((queries, keys), (keys[by_keys], queries[by_keys]), tile, N, M)

    def keys_of(self, queries: Run) -> Runs:
        return _of_tiles(self.tile, *self.by_queries, queries, self.M)

    def queries_of(self, keys: Run) -> Runs:
        return _of_tiles(self.tile, *self.by_keys, keys, self.N)


GAP = 128
"""Tokens between two runs that are rather sent than left out: each run is a launch of its own."""


def _of_tiles(tile: int, along: Tensor, across: Tensor, run: Run, tokens: int) -> Runs:
    """What the tiles that a run touches meet; tiles are in the order of `along`."""
    ends = torch.searchsorted(along, torch.tensor([run.start // tile, (run.stop - 1) // tile + 1]))
    met = torch.unique(across[ends[0] : ends[1]]).tolist()
    found: list[Run] = []
    for each in met:
        start, stop = each * tile, (each + 1) * tile
        if found and start - found[-1].stop <= GAP:
            found[-1] = Run(found[-1].start, stop)
        else:
            found.append(Run(start, stop))
    return joined(found, tokens)


def joined(runs: Iterable[Run], tokens: int) -> Runs:
    """The same tokens as runs in order that don't touch, inside of the sequence."""
    inside = sorted(Run(max(0, start), min(tokens, stop)) for start, stop in runs)
    found: list[Run] = []
    for run in inside:
        if run.start >= run.stop:
            continue
        if found and run.start <= found[-1].stop:
            found[-1] = Run(found[-1].start, max(found[-1].stop, run.stop))
        else:
            found.append(run)
    return tuple(found)


def common(runs: Sequence[Run], others: Sequence[Run]) -> Runs:
    """The tokens that are in both, as runs; each in order."""
    found = []
    for run in runs:
        for other in others:
            start, stop = max(run.start, other.start), min(run.stop, other.stop)
            if start < stop:
                found.append(Run(start, stop))
    return tuple(found)

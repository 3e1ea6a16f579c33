"""How well the structure of masks is found: the tiles that kernels visit against those that hold a live pair.

The truth comes from the interpreter, pair by pair, in the order in which the walk takes tokens.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor

from attngen.analysis.lists import List
from attngen.bench.corpus import Subject
from attngen.reference.scope import Scope
from attngen.reference.values import Value
from attngen.runtime.tiles import classes_in_order, tile_classes_of
from attngen.schedule.plan import Plan, plan

TILES = (32, 64, 128)
ROWS = 512
"""Query rows whose pairs are looked at at a time; a multiple of every tile."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Tiles of one mask at one size, over its heads, and the pairs in them."""

    tile: int
    visited: int
    live: int
    full_found: int
    full: int
    pairs: int
    live_pairs: int


@dataclass(frozen=True, slots=True)
class Row:
    """What was found about a mask; `missed`: tiles of a mask without data are visited in vain."""

    name: str
    outside: bool
    walk: str
    ordered: bool
    analysis_ms: float
    fallbacks: int
    missed: bool
    counts: tuple[Counts, ...]

    @property
    def best(self) -> Counts:
        """At the tile that visits the fewest pairs."""
        return min(self.counts, key=lambda counts: counts.pairs)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measured(subject: Subject, tokens: int, truths: dict[object, Truth] | None = None) -> Row:
    """What is found about one mask; masks that are the same share what is in `truths`."""
    made = plan(subject.variant)
    truth = Truth(subject, tokens)
    if truths is not None and not subject.inputs:
        mask = subject.variant.pairwise.mask
        truth = truths.setdefault((mask, *subject.parameters.items(), subject.heads), truth)
    counts, ordered = [], False
    for tile in TILES:
        classes, orders = _classes(made, subject, tokens, tile)
        ordered = ordered or any(order is not None for order in orders)
        counts.append(_counts(truth, tile, classes, orders))
    visited, live = sum(each.visited for each in counts), sum(each.live for each in counts)
    return Row(
        name=subject.variant.name,
        outside=subject.outside,
        walk="list" if isinstance(made.walk, List) else "closed form",
        ordered=ordered,
        analysis_ms=_analysis_ms(subject),
        fallbacks=len(made.bounds.fallbacks),
        missed=not subject.inputs and visited > MISSED * live,
        counts=tuple(counts),
    )


MISSED = 1.02
"""Tiles visited over live, above which the structure of a mask without data counts as missed."""


def summary(rows: Sequence[Row]) -> dict[str, float]:
    """Over the whole corpus: tiles and full tiles pooled, pairs by their median, the longest analysis."""
    every = [counts for row in rows for counts in row.counts]
    pairs = [row.best.pairs / max(row.best.live_pairs, 1) for row in rows]
    forced = [row.best.pairs / max(row.best.live * row.best.tile**2, 1) for row in rows]
    return {
        "masks": len(rows),
        "tiles visited / live": sum(c.visited for c in every) / max(sum(c.live for c in every), 1),
        "full tiles found / full": sum(c.full_found for c in every) / max(sum(c.full for c in every), 1),
        "pairs visited / live, median": median(pairs),
        "pairs visited / forced, largest": max(forced),
        "masks without data that are missed": sum(row.missed for row in rows),
        "analysis, largest (ms)": max(row.analysis_ms for row in rows),
    }


def _analysis_ms(subject: Subject) -> float:
    """How long it takes to plan, median of five."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        plan(subject.variant)
        times.append(1000 * (time.perf_counter() - start))
    return median(times)


def _classes(made: Plan, subject: Subject, tokens: int, tile: int) -> tuple[Tensor, Orders]:
    """The classes of all tiles, int8 [heads, tiles, tiles], and the orders of queries and keys."""
    if isinstance(made.walk, List):
        fixed = {"B": 1, "H": subject.heads, "N": tokens, "M": tokens, "offset": 0}
        return classes_in_order(made, {**fixed, **subject.parameters}, (tile, tile), subject.inputs)
    numbers, inputs = subject.parameters, subject.inputs
    one = partial(tile_classes_of, made, numbers, tokens, tokens, H=subject.heads, offset=None, inputs=inputs)
    return torch.stack([one(head=h, tile=(tile, tile)) for h in range(subject.heads)]), (None, None)


def _counts(truth: Truth, tile: int, classes: Tensor, orders: Orders) -> Counts:
    """Compare with the truth, head by head."""
    visited, full = classes > 0, classes == 2
    found = Counts(tile, int(visited.sum()), 0, int(full.sum()), 0, int(visited.sum()) * tile * tile, 0)
    for h in range(truth.subject.heads):
        held = truth.live_pairs(tile, h, orders)
        if not bool((visited[h] | (held == 0)).all()):
            raise AssertionError(f"{truth.subject.variant.name}: a tile of {tile} with a live pair is not visited")
        found = replace(
            found,
            live=found.live + int((held > 0).sum()),
            full=found.full + int((held == tile * tile).sum()),
            live_pairs=found.live_pairs + int(held.sum()),
        )
    return found


Orders = tuple[Tensor | None, Tensor | None]
"""The orders of queries and keys, [1, heads, tokens]; `None` where they are taken as they lie."""


@dataclass(slots=True)
class Truth:
    """Which pairs are live, by the interpreter; small tiles are kept, because large ones are made of them."""

    subject: Subject
    tokens: int
    _smallest: dict[int, Tensor] = field(default_factory=dict)

    def live_pairs(self, tile: int, head: int, orders: Orders) -> Tensor:
        """How many pairs of each tile are live: int64 [query tiles, key tiles]."""
        if any(order is not None for order in orders):
            return self._counted(tile, head, orders)
        if head not in self._smallest:
            self._smallest[head] = self._counted(TILES[0], head, orders)
        side, count = tile // TILES[0], self.tokens // tile
        return self._smallest[head].reshape(count, side, count, side).sum((1, 3))

    def _counted(self, tile: int, head: int, orders: Orders) -> Tensor:
        every = torch.arange(self.tokens)
        rows, keys = (every if order is None else order[0, min(head, order.shape[1] - 1)].long() for order in orders)
        return torch.cat([self._block(rows[a : a + ROWS], keys, tile, head) for a in range(0, self.tokens, ROWS)])

    def _block(self, rows: Tensor, keys: Tensor, tile: int, head: int) -> Tensor:
        """The same for some rows."""
        subject, nothing = self.subject, torch.empty(1, 1, 1, 1)
        scope = _Pairs(
            subject.variant,
            *(nothing.expand(1, subject.heads, 1, 1), nothing, nothing),
            parameters=subject.parameters,
            inputs=subject.inputs,
            scale=1.0,
            offset=0,
            head=head,
            tokens=self.tokens,
            rows=rows,
            keys=keys,
        )
        found = scope.evaluate(subject.variant.pairwise.mask)
        live = scope.dense(found.tensor, found.axes)[0, 0]
        columns = live.reshape(len(rows), -1, tile).sum(-1, dtype=torch.int32)
        return columns.reshape(-1, tile, columns.shape[1]).sum(1)


@dataclass(slots=True, kw_only=True)
class _Pairs(Scope):
    """The interpreter for some queries and keys of one head."""

    head: int
    tokens: int
    rows: Tensor
    keys: Tensor

    def size(self, axis: str) -> int:
        return self.tokens if axis in "NM" else Scope.size(self, axis)

    def dense(self, tensor: Tensor, axes: tuple[str, ...]) -> Tensor:
        shape = [tensor.shape[axes.index(axis)] if axis in axes else 1 for axis in ("b", "h", "i", "j")]
        return tensor.reshape(shape).expand(1, 1, len(self.rows), len(self.keys))

    def _variable(self, name: str) -> Value:
        known = {"i": self.rows, "j": self.keys, "h": torch.tensor([self.head])}
        return Value(known[name], (name,)) if name in known else Scope._variable(self, name)

    def _row_index(self, axis: str, size: int) -> Value:
        if axis == "h":
            return Value(torch.tensor([self.head * size // Scope.size(self, "H")]), ("h",))
        return self._variable(axis)

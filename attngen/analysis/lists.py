"""Walks along lists of live tiles, for masks whose structure is known at the call only.

The launcher of a kernel makes the list with tensors; here it is made with numbers, for pictures and for tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from attngen.analysis.rules import Interval
from attngen.analysis.tiletest import Area, Spans, TileTest
from attngen.ir.evaluate import Environment, Number, Reader, evaluate
from attngen.ir.expr import Expr


@dataclass(frozen=True, slots=True)
class List:
    """The tiles that a test finds, listed per query tile: those that need the mask first, then the full ones.

    `orders` are int expressions of the position j: tokens may be walked in the order of one of them as well as in
    their own, whichever makes the fewest live tiles at the call.
    """

    test: TileTest
    orders: tuple[Expr, ...]


def rewritten(walk: List, rule: Callable[[Expr], Expr]) -> List:
    """The same walk with another form of each of its expressions."""
    test = walk.test
    spans = tuple(replace(each, value=rule(each.value)) for each in test.spans)
    areas = tuple(_rewritten(area, rule) for area in test.areas)
    changed = replace(test, spans=spans, areas=areas, possible=rule(test.possible), always=rule(test.always))
    return List(changed, tuple(map(rule, walk.orders)))


def _rewritten(area: Area, rule: Callable[[Expr], Expr]) -> Area:
    read = replace(area.read, indices=tuple(map(rule, area.read.indices)))
    ends = ((end.low, end.high) for end in area.ends)
    return replace(area, read=read, ends=tuple(Interval(rule(a), rule(b)) for a, b in ends if a and b))


@dataclass(slots=True)
class NumberedTest:
    """A test on numbers; `environment` gives sizes, parameters, b and h, `read` elements of inputs."""

    test: TileTest
    environment: Environment
    read: Reader | None
    _spans: dict[tuple[str, Sequence[int]], tuple[Number, Number]] = field(default_factory=dict)

    def tile_class(self, queries: Sequence[int], keys: Sequence[int]) -> int:
        """0: no pair is live, 1: one may be, 2: all are; for positions, at least one each, as the walk takes them."""
        names: dict[str, Number] = {**self.environment, "q0": queries[0], "q1": queries[-1]}
        names |= {"k0": keys[0], "k1": keys[-1]}
        for spans in self.test.spans:
            names[spans.least.name], names[spans.most.name] = self._span(
                spans, queries if spans.position == "i" else keys
            )
        for area in self.test.areas:
            names[area.any.name], names[area.all.name] = self._counted(area, names)
        if evaluate(self.test.always, names, self.read):
            return 2
        return 1 if evaluate(self.test.possible, names, self.read) else 0

    def _span(self, spans: Spans, positions: Sequence[int]) -> tuple[Number, Number]:
        place = spans.name, positions
        if place not in self._spans:
            try:
                values = [evaluate(spans.value, {**self.environment, spans.position: x}, self.read) for x in positions]
                unknown = any(math.isnan(value) for value in values)
            except ZeroDivisionError:  # a position whose value nobody may ask for
                values, unknown = [], True
            self._spans[place] = (-math.inf, math.inf) if unknown else (min(values), max(values))
        return self._spans[place]

    def _counted(self, area: Area, names: Environment) -> tuple[bool, bool]:
        read = self.read
        if read is None:
            raise LookupError(f"the tiles depend on the input {area.read.input}")
        ends = [
            (int(evaluate(end.low, names, read)), int(evaluate(end.high, names, read)))
            for end in area.ends
            if end.low is not None and end.high is not None
        ]
        elements = [bool(read(area.read.input, place)) for place in product(*(range(a, b + 1) for a, b in ends))]
        return any(elements), all(elements)


def listed_classes(
    walk: List, environment: Environment, queries: range, tile: tuple[int, int], M: int, read: Reader | None
) -> Iterator[list[int]]:
    """For each tile of the queries, the class of each key tile, in the order in which tokens are stored.

    Raises:
        LookupError: the test reads an input, and `read` is not given.
    """
    test = NumberedTest(walk.test, environment, read)
    query_tile, key_tile = tile
    keys = [range(start, min(start + key_tile, M)) for start in range(0, M, key_tile)]
    for start in range(0, len(queries), query_tile):
        found = [test.tile_class(queries[start : start + query_tile], part) for part in keys]
        if found and len(keys[-1]) < key_tile:  # kernels take full tiles for complete ones
            found[-1] = min(found[-1], 1)
        yield found

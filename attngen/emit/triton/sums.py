"""What kernels of the backward pass sum, along queries, keys, diagonals and pair by pair, as templates show it."""

from __future__ import annotations

from dataclasses import dataclass

from attngen.analysis.lists import List
from attngen.analysis.walk import Range
from attngen.emit.layout import laid_out
from attngen.emit.triton.heads import Heads
from attngen.emit.triton.pair_lines import PairLines
from attngen.emit.triton.pairs import Pairs
from attngen.emit.triton.walks import Loops
from attngen.schedule.homes import Home, Landing
from attngen.schedule.plan import Plan
from attngen.schedule.products import key_rows, query_rows

TILE_SIZES = ["D", "E", "D_PADDED", "E_PADDED", "QUERY_TILE", "KEY_TILE"]
IN_PAIRS = ["UPCAST", "WIDE"]
BY_ROW = (Home.HEAD, Home.QUERY)
"""Homes whose sums belong to rows of queries."""


def is_apart(plan: Plan, landing: Landing) -> bool:
    """Whether the pairs of a head read elements of their own."""
    return {"i", "j"} <= set(plan.variant.input(landing.read.input).axes)


@dataclass
class Sums:
    """The sums of a plan."""

    pairs: Pairs

    @property
    def plan(self) -> Plan:
        return self.pairs.plan

    @property
    def lines(self) -> PairLines:
        return PairLines(self.pairs)

    @property
    def heads(self) -> Heads:
        return Heads(self.pairs)

    def at(self, *homes: Home) -> list[Landing]:
        """The landings of scores whose sums are made there."""
        return [each for each in self.plan.landings if each.home in homes and not each.of_sink]

    @property
    def for_queries(self) -> bool:
        """Whether anything is summed for queries."""
        sinks = any(landing.of_sink for landing in self.plan.landings)
        return bool(self.plan.products) or bool(self.at(*BY_ROW)) or sinks

    def by_queries(self) -> dict[str, object]:
        rows = query_rows(self.plan.products)
        landed = self.at(*BY_ROW)
        sums = [*(f"d_{row.name}" for row in rows), *(f"{each.name}_sum" for each in landed)]
        lines = self.lines.add_to_queries()
        lines += [f"{each.name}_sum += tl.sum({each.name}, 1)" for each in landed]
        given = [*sums, *self.pairs.query_values, "key_tile", *self.pairs.key_tile_taken]
        taken = self.pairs.taken(given, made=self.pairs.key_values)
        call = f"{', '.join(sums)} = _add_keys({', '.join([*taken, *TILE_SIZES, *IN_PAIRS])}, {{}})"
        stores = [
            *(_stored_rows(row.name, "D", "c") for row in rows),
            *(_stored(each.name, f"{each.name}_sum") for each in landed),
            *self._sink_lines(),
        ]
        sinks = [landing.name for landing in self.plan.landings if landing.of_sink]
        return {
            "query_sums": ", ".join(sums),
            "query_sum_shapes": [
                *((f"d_{row.name}", "[QUERY_TILE, D_PADDED]") for row in rows),
                *((f"{each.name}_sum", "[QUERY_TILE]") for each in landed),
            ],
            "query_outputs": [*(f"d_{row.name}_ptr" for row in rows), *(f"{e.name}_ptr" for e in landed)]
            + [f"{name}_ptr" for name in sinks],
            "add_keys_arguments": self.pairs.typed(taken),
            "add_keys_lines": laid_out(lines, 4),
            "add_keys_loops": self._key_loops(call) if sums else [],
            "key_walk_lines": laid_out(self.heads.walk_lines(), 4),
            "query_stores": [line for each in stores for line in each.split("\n")],
        }

    def _key_loops(self, call: str) -> list[str]:
        per_period = tuple(self.pairs.line(statement) for statement in self.plan.per_period)
        return Loops(self.plan.walk, call.format, per_period).lines()

    def _sink_lines(self) -> list[str]:
        """What the sink of a row takes is lost to its keys."""
        landings = [landing for landing in self.plan.landings if landing.of_sink]
        if not landings or self.plan.once_per_row is None:
            return []
        sink = self.pairs.text(self.plan.once_per_row, 10)
        lines = laid_out([f"by_sink = -tl.exp2({sink} - base) * share * delta"], 4)
        return [*lines, *(_stored(each.name, _times("by_sink", self.pairs.text(each.value, 11))) for each in landings)]

    def by_keys(self) -> dict[str, object]:
        rows = key_rows(self.plan.products)
        landed = self.at(Home.KEY)
        sums = [*(f"d_{row.name}" for row in rows), "dv"]
        of_head = [f"{each.name}_sum" for each in landed]
        lines = self.lines.add_to_keys()
        lines += [f"{each.name}_sum += tl.sum({each.name}, 1 - KEY_AXIS)" for each in landed]
        given = [*sums, *of_head, *self.pairs.key_values, "tile", *self.pairs.query_tile_taken]
        taken = self.pairs.taken(given, made=self.pairs.query_values)
        passed = ", ".join([*taken, *TILE_SIZES, *IN_PAIRS, "KEY_AXIS"])
        call = f"{', '.join([*sums, *of_head])} = _add_queries({passed}, {{}})"
        listed = isinstance(self.plan.walk, List)
        walk = self.plan.walk if listed else self.plan.by_keys
        assert walk is not None
        per_period = tuple(map(self.pairs.line, self.plan.by_keys_period))
        loops = Loops(walk, call.format, per_period, "tile", "query_tiles_ptr", 8)
        stores = [*(_stored_rows(row.name, "D", "c") for row in rows), _stored_rows("v", "E", "e", "dv")]
        of_heads = [_stored(each.name, f"{each.name}_sum", "(b_far * H + h) * M + keys", "keys < M") for each in landed]
        return {
            "key_sums": ", ".join([*sums, *of_head]),
            "key_sum_shapes": [
                *((f"d_{r.name}", "[KEY_TILE, D_PADDED]") for r in rows),
                ("dv", "[KEY_TILE, E_PADDED]"),
            ],
            "key_head_sums": [(name, "[KEY_TILE]") for name in of_head],
            "key_outputs": [*(f"d_{r.name}_ptr" for r in rows), "dv_ptr", *(f"{each.name}_ptr" for each in landed)],
            "key_heads": laid_out(["h_far = tl.cast(first_head, tl.int64)", *self.lines.key_heads()], 4),
            "query_heads": laid_out([*self.heads.head_lines(), *self.lines.query_heads()], 8),
            "query_walk_lines": laid_out(self.heads.query_walk_lines(), 8),
            "add_queries_arguments": self.pairs.typed(taken),
            "add_queries_lines": laid_out(lines, 4),
            "add_queries_loops": loops.lines(),
            "key_head_stores": [line for each in of_heads for line in each.split("\n")],
            "key_stores": [line for each in stores for line in each.split("\n")],
        }

    def by_diagonals(self) -> dict[str, object]:
        landed = self.at(Home.BAND)
        sums = [f"{each.name}_{half}" for each in landed for half in ("higher", "lower")]
        given = [*sums, "tile", "key_tile", *self.pairs.query_tile_taken, *self.pairs.key_tile_taken]
        taken = self.pairs.taken(given, made=[*self.pairs.query_values, *self.pairs.key_values])
        call = f"{', '.join(sums)} = _add_diagonals({', '.join([*taken, *TILE_SIZES, *IN_PAIRS])})"
        lines, stores = [], []
        for each in landed:
            lines += [
                f"{each.name} = tl.gather({each.name}, turned, 1)",
                f"{each.name}_higher += tl.sum(tl.where(before, {each.name}, 0.0), 0)",
                f"{each.name}_lower += tl.sum(tl.where(before, 0.0, {each.name}), 0)",
            ]
            stores += [
                "inside = (first >= 0) & (first < N + M - 1)",
                f"tl.store({each.name}_ptr + halves + first, {each.name}_higher, mask=inside)",
                "inside = (x > 0) & (first + QUERY_TILE >= 0) & (first + QUERY_TILE < N + M - 1)",
                f"tl.store({each.name}_ptr + halves + N + M + first + QUERY_TILE, {each.name}_lower, mask=inside)",
            ]
        return {
            "diagonal_sums": ", ".join(sums),
            "diagonal_sum_names": sums,
            "diagonal_outputs": [f"{each.name}_ptr" for each in landed],
            "add_diagonals_arguments": self.pairs.typed(taken),
            "add_diagonals_lines": laid_out(lines, 4),
            "add_diagonals_call": laid_out([call], 12),
            "diagonal_walk_lines": laid_out(self._diagonal_walk(), 8),
            "visited": self._visited(),
            "diagonal_stores": laid_out(stores, 4),
        }

    def _diagonal_walk(self) -> list[str]:
        """The ends of the walk of a query tile, so that tiles that it leaves out are left out."""
        ends = ["q0 = tile * QUERY_TILE + offset", "q1 = tl.minimum(q0 + QUERY_TILE, N + offset) - 1"]
        return [*ends, *self.heads.walk_lines()] if isinstance(self.plan.walk, Range) else self.heads.pair_lines()

    def _visited(self) -> str:
        if not isinstance(self.plan.walk, Range):
            return "key_tile < key_tiles"
        runs = [f"(key_tile >= {run.start}) & (key_tile < {run.stop})" for run in self.plan.walk.partial]
        return " | ".join(f"({run})" if len(runs) > 1 else run for run in runs) or "tile < 0"

    def by_pairs(self, landing: Landing) -> dict[str, object]:
        """The kernel of one landing."""
        plan = self.plan
        axes = plan.variant.input(landing.read.input).axes
        strides = [f"place_stride_{k}" for k in range(len(axes))]
        apart = is_apart(plan, landing)
        given = ["total_ptr", *([] if apart else ["elements_ptr"]), *strides, "first_row"]
        given = [*given, *self.pairs.query_values, "tile", "key_tile", *self.pairs.key_tile_taken]
        taken = self.pairs.taken(given, made=self.pairs.key_values)
        terms = [f"tl.cast({landing.name}_at_{k}, tl.int64) * {stride}" for k, stride in enumerate(strides)]
        call = f"_add_{landing.name}({', '.join([*taken, *TILE_SIZES, *IN_PAIRS])}, {{}})"
        return {
            "landing": landing.name,
            "input": landing.read.input,
            "apart": apart,
            "place_strides": strides,
            "add_pairs_arguments": self.pairs.typed(taken),
            "place_lines": laid_out([f"place = {' + '.join(terms)}"], 4),
            "add_pairs_loops": self._key_loops(call),
        }


def _times(left: str, right: str) -> str:
    return left if right in ("1.0", "1") else f"{left} * {right}"


def _stored(name: str, value: str, place: str = "place", inside: str = "inside") -> str:
    return f"if {name}_ptr is not None:\n    tl.store({name}_ptr + {place}, {value}, mask={inside})"


def _stored_rows(row: str, width: str, channel: str, name: str = "") -> str:
    name = name or f"d_{row}"
    value = f"{name}.to({name}_ptr.dtype.element_ty)"
    return (
        f"if {name}_ptr is not None:\n"
        f"    {name}_row = {name}_ptr + place[:, None] * {width} + {channel}\n"
        f"    tl.store({name}_row, {value}, mask=inside[:, None] & ({channel} < {width}))"
    )

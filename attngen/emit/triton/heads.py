"""What a program of the backward pass computes once for its batch row and its head, the ends of its walk included."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from attngen.analysis.lists import List
from attngen.emit.triton import arguments as args
from attngen.emit.triton.pairs import Pairs
from attngen.ir.expr import Expr, variable
from attngen.schedule.statements import Statement, needed


@dataclass
class Heads:
    """The lines of a plan."""

    pairs: Pairs

    def batch_lines(self) -> list[str]:
        """What batch rows have of their own; ints that positions are computed from get 64 bits where they need them."""
        return [
            "if offsets_ptr is not None:",
            "    offset = tl.load(offsets_ptr + b)",
            "b_far = tl.cast(b, tl.int64)",
            "if WIDE:",
            *(f"    {name} = tl.cast({name}, tl.int64)" for name in self._widened if name != "h"),
        ]

    def head_lines(self) -> list[str]:
        return ["h_far = tl.cast(h, tl.int64)", *(["if WIDE:", "    h = h_far"] if "h" in self._widened else [])]

    def walk_lines(self) -> list[str]:
        """What pairs need, and the ends of the walk of a query tile."""
        plan = self.pairs.plan
        values = [statement.value for statement in plan.per_period]
        values += [slope.value for slope in plan.extra_slopes]
        values += [] if plan.once_per_row is None else [plan.once_per_row]
        return self._lines(needed(plan.head, *self._values, *values, *map(variable, self._ends)), values)

    def query_walk_lines(self) -> list[str]:
        """What pairs need, and the ends of the walk of a key tile."""
        ends = self.pairs.plan.by_keys_ends
        walked = (*ends, *self.pairs.plan.by_keys_period)
        values = [statement.value for statement in walked]
        return self._lines([*needed(self._of_pairs, *self._values, *values), *ends], values)

    def pair_lines(self) -> list[str]:
        """What pairs need, without a walk."""
        return self._lines(needed(self._of_pairs, *self._values))

    @property
    def _values(self) -> list[Expr]:
        """What is computed for pairs, queries and bridges."""
        bridges = [expr for bridge in self.pairs.plan.bridges for expr in bridge.exprs]
        return [*self.pairs.exprs, *(statement.value for statement in self.pairs.query_statements), *bridges]

    @property
    def _widened(self) -> list[str]:
        return args.widened(self.pairs.plan, args.gradient_exprs(self.pairs.plan))

    @property
    def _ends(self) -> list[str]:
        """The names that the walk of a query tile defines."""
        walk = self.pairs.plan.walk
        return [] if isinstance(walk, List) else [definition.name for definition in walk.definitions]

    @property
    def _of_pairs(self) -> list[Statement]:
        """Values of a head that are no ends of the walk of a query tile."""
        return [statement for statement in self.pairs.plan.head if statement.name not in self._ends]

    def _lines(self, statements: Iterable[Statement], others: Iterable[Expr] = ()) -> list[str]:
        """Statements behind the tables that they, pairs and `others` look into."""
        found = list(statements)
        used = [*self._values, *others, *(statement.value for statement in found)]
        loaded = args.loaded_lines(self.pairs.plan, used)
        return [*loaded, *map(self.pairs.line, found)]

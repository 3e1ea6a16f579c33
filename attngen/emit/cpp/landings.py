"""Gradients by inputs in C++: the sums that a kernel makes where gradients by an input are asked for."""

from __future__ import annotations

from dataclasses import dataclass

from attngen.emit.cpp.pairs import Pairs
from attngen.emit.cpp.printer import FACTOR
from attngen.emit.cpp.reads import KernelPrinter
from attngen.emit.landings import shape
from attngen.emit.layout import deeper, laid_out_cpp
from attngen.ir.expr import Expr, variables
from attngen.schedule.homes import Home, Landing
from attngen.schedule.levels import Level
from attngen.schedule.plan import Plan
from attngen.schedule.statements import needed

BY_ROW = (Home.HEAD, Home.QUERY)
"""Homes whose sums belong to rows of queries."""


@dataclass
class Landings:
    """The landings of a plan as lines of C++; `by_score` is the gradient by a score, as its text."""

    plan: Plan
    pairs: Pairs
    by_score: str

    def values(self) -> dict[str, object]:
        """By the names that templates use."""
        of_rows = [landing.name for landing in self._at(*BY_ROW)]
        keys, bands, pairs = (self._at(home) for home in (Home.KEY, Home.BAND, Home.PAIR))
        return {
            "landing_fields": [self._field(landing) for landing in self.plan.landings],
            "landing_packed": [line for landing in self.plan.landings for line in self._packed(landing)],
            "landing_loops": [self._loop(landing) for landing in self._of_scores()],
            "sink_landings": [
                (landing.name, self.pairs.text(landing.value, exact=False, outer=FACTOR))
                for landing in self.plan.landings
                if landing.of_sink
            ],
            "row_landings": of_rows,
            "key_landings": [landing.name for landing in keys],
            "band_landings": [landing.name for landing in bands],
            "tile_bands": [] if self.plan.ordered else [landing.name for landing in bands],
            "pair_landings": [
                (landing.name, element_type(self.plan, landing), str("i" in self._axes(landing)).lower())
                for landing in pairs
            ],
            "most_landing_axes": max((len(landing.read.indices) for landing in pairs), default=0),
        }

    def _of_scores(self) -> list[Landing]:
        rows = (Home.QUERY_ROWS, Home.KEY_ROWS)
        return [landing for landing in self.plan.landings if landing.home not in rows and not landing.of_sink]

    def _at(self, *homes: Home) -> list[Landing]:
        return [landing for landing in self._of_scores() if landing.home in homes]

    def _field(self, landing: Landing) -> str:
        kind = element_type(self.plan, landing)
        if landing.home is Home.PAIR:
            return f"Elements<{kind}> {landing.name};  // of the gradient by {landing.read.input}"
        return f"{kind}* {landing.name};  // [{shape(landing).strip('()')}], or null"

    def _packed(self, landing: Landing) -> list[str]:
        kind = element_type(self.plan, landing)
        if landing.home is Home.PAIR:
            return [f"call.{landing.name} = take_elements<{kind}>(packed, {len(landing.read.indices)});"]
        return [f"call.{landing.name} = static_cast<{kind}*>(*tensors++);"]

    def _axes(self, landing: Landing) -> tuple[str, ...]:
        return self.plan.variant.input(landing.read.input).axes

    def _loop(self, landing: Landing) -> tuple[str, list[str], list[str]]:
        """The condition, what a loop over keys computes, and what becomes of the gradients of a row."""
        field = f"call.{landing.name}"
        condition = f"{field}.data" if landing.home is Home.PAIR else field
        lines = self._pair_lines(landing.value)
        lines.append(f"of_elements[x] = {_times(self.by_score, self.pairs.text(landing.value, exact=False))};")
        return condition, laid_out_cpp(lines, 10), laid_out_cpp(self._handed_over(landing), 8)

    def _pair_lines(self, *results: Expr) -> list[str]:
        """What values of a pair are computed from."""
        tile = self.pairs.diagonals.score
        found = [s for s in needed(tile.statements, *results) if s.level is Level.PAIR]
        used = {name for expr in (*results, *(s.value for s in found)) for name in variables(expr)}
        lines = ["const Index j = key_at<FULL>(x);"] if "j" in used else []
        products = (product.name for product in self.plan.products)
        lines += [f"const float {name} = {name}_row[x];" for name in products if name in used]
        return [*lines, *map(self.pairs.line, found)]

    def _handed_over(self, landing: Landing) -> list[str]:
        name = landing.name
        head = "(b * H + h) % call.panel_heads"
        each = "for (Index x = first; x < last; ++x)"
        match landing.home:
            case Home.HEAD | Home.QUERY:
                return [f"space.{name}[r0 + r] += total_of(of_elements, first, last);"]
            case Home.KEY:
                return [
                    f"double* of_keys = &sums.{name}[{head} * sums.tokens + first_key];",
                    f"{each} of_keys[x] += of_elements[x];",
                ]
            case Home.BAND if self.plan.ordered:
                return [
                    f"double* of_distances = &sums.{name}[{head} * sums.diagonals + KEY_TILE + M - 1];",
                    f"{each} of_distances[row - key_at<FULL>(x)] += of_elements[x];",
                ]
            case Home.BAND:
                return [
                    f"float* of_diagonals = &space.{name}[QUERY_TILE - 1 - (r0 + r)];",
                    f"{each} of_diagonals[x] += of_elements[x];",
                ]
        printer = KernelPrinter(self.plan, exact=True, kept=self.pairs.kept)
        index = printer.place(landing.read.input, landing.place, share=f"call.{name}.share")
        added = f"sums.{name}[call.{name}.place({index})] += of_elements[x];"
        return [f"{each} {{", *deeper([*self._pair_lines(*landing.place), added]), "}"]


def element_type(plan: Plan, landing: Landing) -> str:
    """The C++ type of sums: double where many pairs come together one by one."""
    few = landing.home is Home.PAIR and {"i", "j"} <= set(plan.variant.input(landing.read.input).axes)
    one_by_one = landing.home in (Home.KEY, Home.BAND, Home.PAIR)
    return "double" if one_by_one and not few else "float"


def _times(by_score: str, slope: str) -> str:
    return by_score if slope == "1.0f" else f"({by_score}) * ({slope})"

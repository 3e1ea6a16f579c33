"""What C++ kernels compute for pairs: masks and scores, and what they need of rows, keys and diagonals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from attngen.emit.cpp import rows
from attngen.emit.cpp.diagonals import Diagonals, diagonals
from attngen.emit.cpp.reads import KernelPrinter
from attngen.emit.cpp.types import long_names, scalar_type
from attngen.emit.layout import deeper, laid_out_cpp
from attngen.ir.expr import Apply, Expr, Variable, variables
from attngen.schedule.distances import DISTANCE
from attngen.schedule.levels import Level
from attngen.schedule.plan import Plan
from attngen.schedule.statements import Statement, needed


@dataclass
class Pairs:
    """The statements of a plan's tiles as lines of C++."""

    plan: Plan

    def values(self) -> dict[str, object]:
        """What the template of a query tile shows of them."""
        return {
            **self._prepared(),
            **self._mask(),
            "dead": "NOTHING" if self.plan.softmax else "0",
            "query_lines": laid_out_cpp(self._query_lines(self.diagonals.score.result, *self._slopes), 6),
            **self._scores(),
        }

    @cached_property
    def long(self) -> frozenset[str]:
        return long_names(self.plan)

    @cached_property
    def diagonals(self) -> Diagonals:
        return diagonals(self.plan)

    @cached_property
    def kept(self) -> dict[str, str]:
        """Where the values are that are computed for keys and diagonals, not for pairs."""
        of_key = {
            statement.name: f"{statement.name}[x]" for tile in self.diagonals.tiles for statement in tile.at(Level.KEY)
        }
        return {**of_key, **{statement.name: f"{statement.name}_row[x]" for statement in self.diagonals.kept}}

    @property
    def _slopes(self) -> list[Expr]:
        return [slope.value for slope in self.plan.slopes]

    def is_kept(self, expr: Expr) -> bool:
        """Whether the value of a name is in an array of keys or diagonals."""
        return isinstance(expr, Variable) and expr.name in self.kept

    def text(self, expr: Expr, exact: bool, outer: int = 0) -> str:
        """In parentheses if it binds looser than `outer`: what it stands beside may bind tighter."""
        return KernelPrinter(self.plan, exact, self.kept).tight(expr, outer)

    def _type(self, statement: Statement) -> str:
        return scalar_type(statement, statement.name in self.long)

    def line(self, statement: Statement) -> str:
        return f"const {self._type(statement)} {statement.name} = {self.text(statement.value, statement.exact)};"

    def _prepared(self) -> dict[str, object]:
        """What is computed once per key tile, for its keys and its diagonals, and the arrays that hold it."""
        of_keys = [s for tile in self.diagonals.tiles for s in tile.at(Level.KEY)]
        arrays = [f"{self._type(s)} {s.name}[KEY_TILE] = {{}};" for s in of_keys]
        arrays += [f"{self._type(s)} {s.name}_diagonals[QUERY_TILE + KEY_TILE] = {{}};" for s in self.diagonals.kept]
        return {
            "key_arrays": arrays,
            "key_lines": self._key_lines(),
            "diagonal_lines": self._diagonal_lines(),
            "prepared": bool(arrays) or bool(self.plan.bridges),
        }

    def _key_lines(self) -> list[str]:
        """Values of keys, kept in arrays for the rows of the tile."""
        lines: list[str] = []
        mask, score, fault = self.diagonals.tiles
        for tile, always in ((score, True), (mask, self.plan.checked), (fault, True)):
            statements = tile.at(Level.KEY)
            if not statements:
                continue
            values = laid_out_cpp((f"{s.name}[x] = {self.text(s.value, s.exact)};" for s in statements), 8)
            loop = [
                "for (Index x = 0; x < KEY_TILE; ++x) {",
                *deeper(["[[maybe_unused]] const Index j = key_at<FULL>(x);", *values]),
                "}",
            ]
            lines += loop if always else ["if (!FULL) {", *deeper(loop), "}"]
        return lines

    def _diagonal_lines(self) -> list[str]:
        """Values of diagonals, kept in arrays for the pairs of the tile."""
        found = self.diagonals
        if not found.kept:
            return []
        values = [
            f"const Index {DISTANCE.name} = static_cast<Index>(first_row + offset - first_key) + QUERY_TILE - 1 - x;"
        ]
        values += [
            f"const {self._type(s)} {s.name} = {KernelPrinter(self.plan, s.exact).text(s.value)};"
            for s in found.statements
        ]
        values += [f"{s.name}_diagonals[x] = {s.name};" for s in found.kept]
        loop = "for (Index x = QUERY_TILE - rows; x < QUERY_TILE + KEY_TILE - 1; ++x) {"
        return [loop, *deeper(laid_out_cpp(values, 6)), "}"]

    def _query_lines(self, *results: Expr) -> list[str]:
        """What is computed once per query row, of all that some results need, and where its diagonals are."""
        statements = self._needed(*results)
        used = {name for expr in (*results, *(s.value for s in statements)) for name in variables(expr)}
        diagonal_rows = [
            f"const {self._type(s)}* {s.name}_row = &{s.name}_diagonals[QUERY_TILE - 1 - (r0 + r)];"
            for s in self.diagonals.kept
            if s.name in used
        ]
        return [*(self.line(s) for s in statements if s.level is Level.QUERY), *diagonal_rows]

    def _needed(self, *results: Expr) -> list[Statement]:
        return needed((s for tile in self.diagonals.tiles for s in tile.statements), *results)

    def _scores(self) -> dict[str, object]:
        """Products, and what makes scores of them; a product that is a score but for a factor is not kept apart."""
        plan, tile = self.plan, self.diagonals.score
        factors = {product.name: "1.0f" for product in plan.products}
        result, direct = tile.result, None
        by_pair = [s for s in plan.slopes if s.level is Level.PAIR and s.of_product and not self.is_kept(s.value)]
        match result:
            case Apply(function="*", arguments=(factor, Variable(name=name))) if name in factors and plan.softmax:
                if variables(factor).isdisjoint(self._of_tile()) and not by_pair and name not in self._landed():
                    direct, factors[name] = name, self.text(factor, exact=False)
        lines = ["[[maybe_unused]] const Index j = key_at<FULL>(x);"]
        lines += [f"[[maybe_unused]] const float {name} = {name}_row[x];" for name in factors if name != direct]
        needed_here = needed(tile.statements, result, *(slope.value for slope in by_pair))
        lines += [self.line(s) for s in needed_here if s.level is Level.PAIR]
        slopes = [f"d_{s.name}_row[x] = {self.text(s.value, exact=False)};" for s in by_pair]
        score = self.text(result, exact=False)
        scores = ("scores", "r0 * KEY_TILE" if plan.slopes else "0")  # a backward pass keeps those of all rows
        if plan.logit and not plan.softmax:
            score = f"exp_of({score} * 0.6931472f)"
        return {
            "products": [
                (*(scores if product.name == direct else (product.name, "0")), factors[product.name], *sides)
                for product, sides in zip(plan.products, rows.sides(plan), strict=True)
            ],
            "separate": [name for name in factors if name != direct],
            "pair_lines": [] if direct else laid_out_cpp([*lines, *slopes, f"scores[x] = {score};"], 8),
        }

    def _landed(self) -> set[str]:
        """The names that gradients by inputs are computed from."""
        results = [expr for landing in self.plan.landings for expr in (landing.value, *landing.place)]
        values = [*results, *(s.value for s in needed(self.diagonals.score.statements, *results))]
        return {name for value in values for name in variables(value)}

    def _of_tile(self) -> frozenset[str]:
        """The names of values that vary within a tile."""
        statements = [s for tile in self.diagonals.tiles for s in tile.statements if s.level is not Level.HEAD]
        return frozenset(
            {"i", "j", *self.kept, *(s.name for s in statements), *(product.name for product in self.plan.products)}
        )

    def _mask(self) -> dict[str, object]:
        """How pairs are tested, and what else than their keys the tests depend on."""
        plan = self.plan
        results = (self.diagonals.mask.result, *([self.diagonals.fault.result] if plan.checked else []))
        query_lines = self._query_lines(*results)
        rows = self._rows_of_mask(*results)
        same = (f"{s.name} == marked_{s.name}" for s in rows or ())
        return {
            "tested": plan.masked or plan.checked,
            "looked_at": "true" if plan.checked else "!FULL",
            "fault_clause": " reduction(| : fault)" if plan.checked else "",
            "mask_query_lines": laid_out_cpp(query_lines, 6),
            "mask_lines": self._mask_lines(*results),
            "alike": plan.masked and rows is not None,
            "again_lines": laid_out_cpp([f"const bool again = {' && '.join(['r0 + r > 0', *same])};"], 6),
            "marked_members": [f"{self._type(s)} marked_{s.name} = 0;" for s in rows or ()],
            "marked_lines": [f"marked_{s.name} = {s.name};" for s in rows or ()],
        }

    def _rows_of_mask(self, *results: Expr) -> tuple[Statement, ...] | None:
        """The values of rows that decide which keys a row sees; `None` if its own position or a diagonal does."""
        statements = self._needed(*results)
        of_pairs = [*results, *(s.value for s in statements if s.level is Level.PAIR)]
        used = {name for expr in of_pairs for name in variables(expr)}
        if not used.isdisjoint({"i", *(s.name for s in self.diagonals.kept)}):
            return None
        of_rows = {s.name: variables(s.value) for s in statements if s.level is Level.QUERY}
        apart = {name for name in used & of_rows.keys() if not of_rows[name] & {"i", *of_rows} <= used - {"i"}}
        return tuple(s for s in statements if s.name in apart)

    def _mask_lines(self, live: Expr, fault: Expr | None = None) -> list[str]:
        """Which pairs of a block are live; faults are looked for in all tiles."""
        results = [live] if fault is None else [live, fault]
        lines = [self.line(s) for s in self._needed(*results) if s.level is Level.PAIR]
        if fault is not None:
            lines.append(f"fault |= x < keys && ({self.text(fault, exact=True)});")
        lines.append(f"live[x] = {self.text(live, exact=True)};")
        return laid_out_cpp(lines, 8)

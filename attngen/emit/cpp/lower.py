"""A plan as the strings that the C++ templates show."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

from attngen.analysis.walk import Periodic, Range
from attngen.emit import live
from attngen.emit.checks import place
from attngen.emit.cpp import rows
from attngen.emit.cpp.arguments import Argument, arguments
from attngen.emit.cpp.diagonals import DISTANCE, Diagonals, diagonals
from attngen.emit.cpp.reads import KernelPrinter
from attngen.emit.cpp.types import long_names, scalar_type
from attngen.emit.face import face, fault_text, host_lines
from attngen.emit.layout import deeper, laid_out, laid_out_cpp
from attngen.emit.render import functions, render
from attngen.emit.wide import wide_test
from attngen.ir import nodes
from attngen.ir.expr import Apply, Expr, Variable, variables
from attngen.schedule.configuration import CPU_TILES
from attngen.schedule.levels import Level
from attngen.schedule.plan import Plan
from attngen.schedule.statements import Statement, needed

MODULES = "ctypes hashlib math os platform shlex shutil subprocess sys tempfile".split()
IMPORTS = (
    *(f"import {module}" for module in MODULES),
    "from contextlib import suppress",
    "from functools import cache",
    "from pathlib import Path",
)
"""What a launcher imports of the standard library."""


def generate(plan: Plan) -> tuple[str, str]:
    """The C++ file of a plan, and the Python launcher beside it."""
    lowering = _Lowering(plan, arguments(plan))
    made = face(plan)
    shown = {**made.values(), **live.values(plan, made, str(CPU_TILES), IMPORTS, *(["_slots"] if plan.ordered else []))}
    values = {**shown, **lowering.source_values()}
    parts = {name: render("attngen.emit.cpp", f"{name}.cpp", values).rstrip() for name in ("query_tile", "whole_call")}
    source = render("attngen.emit.cpp", "streaming.cpp", {**values, **parts})
    native = {"native": functions("attngen.emit.support", "native.py", ["_library"]), "flags": _flags()}
    launcher = render(
        "attngen.emit.cpp", "launcher.py", {**shown, **native, **lowering.launcher_values(), "softmax": plan.softmax}
    )
    return source, launcher


def _flags() -> str:
    text = files("attngen.emit.support").joinpath("native.py").read_text(encoding="utf-8")
    return next(line for line in text.split("\n") if line.startswith("FLAGS ="))


SUPPORT = ("numbers", "vectors", "multiply", "weights", "few_rows")
"""Parts of every C++ file, the same in all."""


@dataclass
class _Lowering:
    plan: Plan
    arguments: list[Argument]

    def source_values(self) -> dict[str, object]:
        plan = self.plan
        unpacked = [line for argument in self.arguments for line in argument.unpacked]
        values: dict[str, object] = {
            "query_tile_rows": CPU_TILES[0],
            "key_tile_rows": CPU_TILES[1],
            "inputs": [argument for argument in self.arguments if argument.axes],
            "most_axes": max((argument.axes for argument in self.arguments), default=0),
            "fields": [argument.field for argument in self.arguments],
            "unpacked": unpacked,
            **rows.values(plan, unpacked),
            "packed": [line for argument in self.arguments for line in argument.packed],
            "head_lines": laid_out_cpp(map(self._line, plan.head), 2),
            **self._normalization(),
            **self._prepared(),
            **self._mask(),
            "dead": "NOTHING" if plan.softmax else "0",
            "query_lines": laid_out_cpp(self._query_lines(self.diagonals.score.result), 6),
            **self._scores(),
            **_runs(plan),
            "periodic_walk": ", full" if isinstance(plan.walk, Periodic) else "",
            "period_lines": laid_out_cpp(map(self._line, plan.per_period), 6),
        }
        listed = [line for lines in values.values() if isinstance(lines, list) for line in map(str, lines)]
        shown = "\n".join([*listed, str(values["row_functions"])])
        return {**values, "functions": _functions(shown), **{name: _support(name) for name in SUPPORT}}

    def _normalization(self) -> dict[str, object]:
        """What the rows start with, and what their sums come to."""
        plan = self.plan
        extra = "" if plan.once_per_row is None else self._text(plan.once_per_row, exact=False)
        share = {
            nodes.Sum: f"some ? 1 / (sums.total + {extra}) : 0",
            nodes.Count: "some ? 1.0f / sums.seen : 0",
        }
        return {
            "softmax": plan.softmax,
            "summed": isinstance(plan.normalization, nodes.Sum),
            "totalled": isinstance(plan.normalization, (nodes.Softmax, nodes.Sum)),
            "counted": plan.counted,
            "sink": extra if plan.softmax else "",
            "share": share.get(type(plan.normalization), "1"),
        }

    def launcher_values(self) -> dict[str, object]:
        return {
            "host_lines": laid_out(host_lines(self.plan.host), 4),
            "tensors": [item for argument in self.arguments for item in argument.tensors],
            "integers": [item for argument in self.arguments for item in argument.integers],
            "reals": [item for argument in self.arguments for item in argument.reals],
            "fault": fault_text(self.plan) if self.plan.checked else "",
            "panel_heads": self._panel_heads(),
            "wide": wide_test(self.plan),
            "spec": json.dumps(place(self.plan.variant, self.plan.variant.span.line), ensure_ascii=False),
        }

    def _panel_heads(self) -> str:
        """How many heads in a row read the same keys and values."""
        if any(product.key.per_head and not product.key.plain for product in self.plan.products):
            return "1"
        shared = "math.gcd(H // k.shape[1], H // v.shape[1])"
        return f"1 if key_order.stride()[1] else {shared}" if self.plan.ordered else shared

    # statements

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

    def _text(self, expr: Expr, exact: bool) -> str:
        return KernelPrinter(self.plan, exact, self.kept).text(expr)

    def _type(self, statement: Statement) -> str:
        return scalar_type(statement, statement.name in self.long)

    def _line(self, statement: Statement) -> str:
        return f"const {self._type(statement)} {statement.name} = {self._text(statement.value, statement.exact)};"

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
            values = laid_out_cpp((f"{s.name}[x] = {self._text(s.value, s.exact)};" for s in statements), 8)
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
        return [*(self._line(s) for s in statements if s.level is Level.QUERY), *diagonal_rows]

    def _needed(self, *results: Expr) -> list[Statement]:
        return needed((s for tile in self.diagonals.tiles for s in tile.statements), *results)

    def _scores(self) -> dict[str, object]:
        """Products, and what makes scores of them; a product that is a score but for a factor is not kept apart."""
        plan, tile = self.plan, self.diagonals.score
        factors = {product.name: "1.0f" for product in plan.products}
        result, direct = tile.result, None
        match result:
            case Apply(function="*", arguments=(factor, Variable(name=name))) if name in factors and plan.softmax:
                if variables(factor).isdisjoint(self._of_tile()):
                    direct, factors[name] = name, self._text(factor, exact=False)
        lines = ["[[maybe_unused]] const Index j = key_at<FULL>(x);"]
        lines += [f"[[maybe_unused]] const float {name} = {name}_row[x];" for name in factors if name != direct]
        lines += [self._line(s) for s in needed(tile.statements, result) if s.level is Level.PAIR]
        score = self._text(result, exact=False)
        if plan.logit and not plan.softmax:
            score = f"exp_of({score} * 0.6931472f)"
        return {
            "products": [
                ("scores" if product.name == direct else product.name, factors[product.name], *sides)
                for product, sides in zip(plan.products, rows.sides(plan), strict=True)
            ],
            "separate": [name for name in factors if name != direct],
            "pair_lines": [] if direct else laid_out_cpp([*lines, f"scores[x] = {score};"], 8),
        }

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
        lines = [self._line(s) for s in self._needed(*results) if s.level is Level.PAIR]
        if fault is not None:
            lines.append(f"fault |= x < keys && ({self._text(fault, exact=True)});")
        lines.append(f"live[x] = {self._text(live, exact=True)};")
        return laid_out_cpp(lines, 8)


def _runs(plan: Plan) -> dict[str, object]:
    """The loops of a walk in closed form."""
    if not isinstance(plan.walk, Range):
        return {"partial_runs": [], "full_runs": [], "periodic": isinstance(plan.walk, Periodic)}
    runs = [(run.start, run.stop, [(hole.start, hole.stop) for hole in run.holes]) for run in plan.walk.partial]
    full = [(run.start, run.stop) for run in plan.walk.full]
    return {"partial_runs": runs, "full_runs": full, "periodic": False}


def _support(name: str) -> str:
    return files("attngen.emit.cpp").joinpath("support", f"{name}.cpp").read_text(encoding="utf-8").strip()


def _functions(text: str) -> str:
    """The helper functions that a text calls, and those that these call."""
    blocks = _support("functions").split("\n\n")
    names = {block: re.findall(r"inline \S+(?: \S+>)? (\w+)\(", block)[0] for block in blocks}
    kept: set[str] = set()
    while True:
        new = {block for block, name in names.items() if re.search(rf"\b{name}\(", text)} - kept
        if not new:
            return "\n".join(f"{block}\n" for block in blocks if block in kept)
        kept |= new
        text = "\n".join(new)

"""A plan as the strings that the C++ templates show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

from attngen.analysis.walk import Periodic, Range
from attngen.emit import live
from attngen.emit.cpp import rows
from attngen.emit.cpp.arguments import Argument, arguments, scalar_type
from attngen.emit.cpp.reads import KernelPrinter
from attngen.emit.face import face, fault_text, host_lines
from attngen.emit.layout import deeper, laid_out, laid_out_cpp
from attngen.emit.render import functions, render
from attngen.ir import nodes
from attngen.ir.expr import Expr
from attngen.schedule.configuration import CPU_TILES
from attngen.schedule.levels import Level
from attngen.schedule.plan import Plan
from attngen.schedule.statements import Statement

MODULES = "ctypes hashlib math os platform shutil subprocess sys tempfile".split()
IMPORTS = (
    *(f"import {module}" for module in MODULES),
    "from functools import cache",
    "from pathlib import Path",
)
"""What a launcher imports of the standard library."""


def generate(plan: Plan) -> tuple[str, str]:
    """The C++ file of a plan, and the Python launcher beside it."""
    lowering = _Lowering(plan, arguments(plan))
    made = face(plan)
    shown = {**made.values(), **live.values(plan, made, str(CPU_TILES), IMPORTS, *(["_slots"] if plan.ordered else []))}
    source = render("attngen.emit.cpp", "streaming.cpp", {**shown, **lowering.source_values()})
    native = {"native": functions("attngen.emit.support", "native.py", ["_library"]), "flags": _flags()}
    launcher = render(
        "attngen.emit.cpp", "launcher.py", {**shown, **native, **lowering.launcher_values(), "softmax": plan.softmax}
    )
    return source, launcher


def _flags() -> str:
    text = files("attngen.emit.support").joinpath("native.py").read_text(encoding="utf-8")
    return next(line for line in text.split("\n") if line.startswith("FLAGS ="))


@dataclass(slots=True)
class _Lowering:
    plan: Plan
    arguments: list[Argument]

    @property
    def key_of_x(self) -> str:
        return "key_at(first_key + x)" if self.plan.ordered else "first_key + x"

    def source_values(self) -> dict[str, object]:
        plan = self.plan
        unpacked = [line for argument in self.arguments for line in argument.unpacked]
        values: dict[str, object] = {
            "query_tile": CPU_TILES[0],
            "key_tile": CPU_TILES[1],
            "inputs": [argument for argument in self.arguments if argument.axes],
            "most_axes": max((argument.axes for argument in self.arguments), default=0),
            "fields": [argument.field for argument in self.arguments],
            "unpacked": unpacked,
            **rows.values(plan, unpacked),
            "packed": [line for argument in self.arguments for line in argument.packed],
            "head_lines": laid_out_cpp(map(self._line, plan.head), 2),
            **self._normalization(),
            "key_lines": self._key_lines(),
            "query_lines": laid_out_cpp(self._query_lines(), 6),
            "score_lines": laid_out_cpp(self._score_lines(), 8),
            "mask_lines": self._mask_lines(),
            **_runs(plan),
            "period_lines": laid_out_cpp(map(self._line, plan.per_period), 4),
            "row_place": rows.row_of_r(plan),
            "key_place": self.key_of_x,
        }
        listed = [line for lines in values.values() if isinstance(lines, list) for line in map(str, lines)]
        shown = "\n".join([*listed, str(values["row_functions"])])
        return {**values, "functions": _functions(shown)}

    def _normalization(self) -> dict[str, object]:
        """What the rows start with, and what their sums come to."""
        plan = self.plan
        extra = "" if plan.once_per_row is None else self._text(plan.once_per_row, exact=False)
        share = {
            nodes.Sum: f"1.0f / (space.total[r] + {extra})",
            nodes.Count: "1.0f / static_cast<float>(space.seen[r])",
        }
        found = share.get(type(plan.normalization))
        return {
            "softmax": plan.softmax,
            "summed": isinstance(plan.normalization, nodes.Sum),
            "counted": plan.counted,
            "initial_top": extra or "NOTHING",
            "initial_total": "1.0f" if plan.softmax and extra else "0.0f",
            "share": f"space.seen[r] == 0 ? 0.0f : {found}" if found else "1.0f",
        }

    def launcher_values(self) -> dict[str, object]:
        return {
            "host_lines": laid_out(host_lines(self.plan.host), 4),
            "tensors": [item for argument in self.arguments for item in argument.tensors],
            "integers": [item for argument in self.arguments for item in argument.integers],
            "reals": [item for argument in self.arguments for item in argument.reals],
            "fault": fault_text(self.plan) if self.plan.checked else "",
        }

    # statements

    def _of_key(self) -> frozenset[str]:
        return frozenset(statement.name for tile in self.plan.tiles for statement in tile.at(Level.KEY))

    def _text(self, expr: Expr, exact: bool) -> str:
        return KernelPrinter(self.plan, exact, self._of_key()).text(expr)

    def _line(self, statement: Statement) -> str:
        return f"const {scalar_type(statement)} {statement.name} = {self._text(statement.value, statement.exact)};"

    def _key_lines(self) -> list[str]:
        """Values of keys, kept in arrays for the rows of the tile."""
        lines: list[str] = []
        for tile, always in ((self.plan.score, True), (self.plan.mask, self.plan.checked), (self.plan.fault, True)):
            statements = tile.at(Level.KEY)
            if not statements:
                continue
            values = laid_out_cpp((f"{s.name}[x] = {self._text(s.value, s.exact)};" for s in statements), 8)
            loop = _loop([f"const int64_t j = {self.key_of_x};", *values])
            lines += [f"{scalar_type(statement)} {statement.name}[KEY_TILE];" for statement in statements]
            lines += loop if always else ["if (!FULL) {", *deeper(loop), "}"]
        return lines

    def _query_lines(self) -> list[str]:
        return [self._line(s) for tile in self.plan.tiles for s in tile.at(Level.QUERY)]

    def _score_lines(self) -> list[str]:
        score = self._text(self.plan.score.result, exact=False)
        if self.plan.logit and not self.plan.softmax:
            score = f"exp2f({score})"
        return [*map(self._line, self.plan.score.at(Level.PAIR)), f"scores[x] = {score};"]

    def _mask_lines(self) -> list[str]:
        """A loop over the pairs of a row that are not known to be live; over all, where reads must be checked."""
        plan = self.plan
        if not plan.masked and not plan.checked:
            return []
        lines = [self._line(s) for tile in (plan.mask, plan.fault) for s in tile.at(Level.PAIR)]
        if self.plan.checked:
            lines.append(f"fault |= {self._text(plan.fault.result, exact=True)};")
        if plan.masked:
            live = self._text(plan.mask.result, exact=True)
            dead = "NOTHING" if plan.softmax else "0.0f"
            lines += [f"const bool live = {live};", f"if (!live) scores[x] = {dead};"]
            if plan.counted:
                lines.append("seen -= !live;")
        loop = _loop([f"[[maybe_unused]] const int64_t j = {self.key_of_x};", *laid_out_cpp(lines, 10)])
        return loop if self.plan.checked else ["if (!FULL) {", *deeper(loop), "}"]


def _runs(plan: Plan) -> dict[str, object]:
    """The loops of a walk in closed form."""
    if not isinstance(plan.walk, Range):
        return {"partial_runs": [], "full_runs": [], "periodic": isinstance(plan.walk, Periodic)}
    runs = [(run.start, run.stop, [(hole.start, hole.stop) for hole in run.holes]) for run in plan.walk.partial]
    full = [(run.start, run.stop) for run in plan.walk.full]
    return {"partial_runs": runs, "full_runs": full, "periodic": False}


def _loop(lines: list[str]) -> list[str]:
    return ["for (int64_t x = 0; x < keys; ++x) {", *deeper(lines), "}"]


def _functions(text: str) -> str:
    """The helper functions that a text calls, and those that these call."""
    blocks = files("attngen.emit.cpp").joinpath("functions.cpp").read_text(encoding="utf-8").strip().split("\n\n")[1:]
    names = {block: re.findall(r"inline \w+ (\w+)\(", block)[0] for block in blocks}
    kept: set[str] = set()
    while True:
        new = {block for block, name in names.items() if re.search(rf"\b{name}\(", text)} - kept
        if not new:
            return "\n".join(f"{block}\n" for block in blocks if block in kept)
        kept |= new
        text = "\n".join(new)

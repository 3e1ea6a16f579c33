"""A plan as the strings that the C++ templates show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

from attngen.analysis.walk import PartialRun
from attngen.emit.cpp.arguments import Argument, arguments, input_type
from attngen.emit.cpp.printer import CppPrinter
from attngen.emit.face import face, host_lines
from attngen.emit.python import size_name
from attngen.emit.render import functions, render
from attngen.ir.expr import FALSE, Expr, Kind, Read
from attngen.schedule.configuration import CPU_TILES
from attngen.schedule.levels import Level
from attngen.schedule.names import kernel_name
from attngen.schedule.plan import Plan
from attngen.schedule.statements import Statement

TYPES = {Kind.INT: "int64_t", Kind.BOOL: "bool"}


def generate(plan: Plan) -> tuple[str, str]:
    """The C++ file of a plan, and the Python launcher beside it."""
    lowering = _Lowering(plan, arguments(plan))
    shown = face(plan)
    common = {
        "variant": shown.variant,
        "header": shown.header,
        "summary": shown.summary,
        "equation": shown.equation,
    }
    source = render("attngen.emit.cpp", "streaming.cpp", {**common, **lowering.source_values()})
    launcher = render(
        "attngen.emit.cpp",
        "launcher.py",
        {
            **common,
            "signature": shown.signature,
            "argument_docs": shown.arguments,
            "checks": shown.checks,
            "support": shown.support,
            "native": functions("attngen.emit.support", "native.py", ["_library"]),
            "flags": _flags(),
            **lowering.launcher_values(),
        },
    )
    return source, launcher


def _flags() -> str:
    text = files("attngen.emit.support").joinpath("native.py").read_text(encoding="utf-8")
    return next(line for line in text.split("\n") if line.startswith("FLAGS ="))


@dataclass(slots=True)
class Printer(CppPrinter):
    """Reads of inputs as elements of their tensors; an index of an own axis is kept inside."""

    plan: Plan
    exact: bool
    of_key: frozenset[str]

    def __post_init__(self) -> None:
        CppPrinter.__init__(self, self.exact, self.of_key)

    def read(self, expr: Read) -> str:
        given = self.plan.variant.input(expr.input)
        tensor = f"call.{kernel_name(expr.input)}"
        terms = [f"{self._index(expr, k, axis)} * {tensor}.stride[{k}]" for k, axis in enumerate(given.axes)]
        element = f"{tensor}.data[{' + '.join(terms)}]"
        if given.kind is Kind.BOOL:
            return f"({element} != 0)"
        if given.kind is Kind.FLOAT and not self.exact and input_type(self.plan, expr.input) == "double":
            return f"static_cast<float>({element})"
        return element

    def _index(self, expr: Read, k: int, axis: str) -> str:
        match axis:
            case "h":
                return f"h / call.{kernel_name(expr.input)}.share"
            case "i":
                return "row"
            case "b" | "j" | "n":
                return self.tight(expr.indices[k], 11)
        return f"larger(0, smaller({self.text(expr.indices[k])}, {size_name(axis)} - 1))"


@dataclass(slots=True)
class _Lowering:
    plan: Plan
    arguments: list[Argument]

    def source_values(self) -> dict[str, object]:
        plan = self.plan
        sink = "NOTHING" if plan.sink is None else self._text(plan.sink, exact=False)
        values: dict[str, object] = {
            "query_tile": CPU_TILES[0],
            "key_tile": CPU_TILES[1],
            "inputs": [argument for argument in self.arguments if argument.axes],
            "most_axes": max((argument.axes for argument in self.arguments), default=0),
            "fields": [argument.field for argument in self.arguments],
            "unpacked": [line for argument in self.arguments for line in argument.unpacked],
            "packed": [line for argument in self.arguments for line in argument.packed],
            "head_lines": [self._line(statement) for statement in plan.head],
            "initial_top": sink,
            "initial_total": "0.0f" if plan.sink is None else "1.0f",
            "key_lines": self._key_lines(),
            "pair_lines": self._pair_lines(),
            "partial_runs": [_partial(run) for run in plan.walk.partial],
            "full_runs": [(run.start, run.stop) for run in plan.walk.full],
        }
        shown = "\n".join(line for lines in values.values() if isinstance(lines, list) for line in map(str, lines))
        return {**values, "functions": _functions(shown)}

    def launcher_values(self) -> dict[str, object]:
        own = {axis for given in self.plan.variant.inputs for axis in given.axes if axis not in "bhijntce"}
        names = ", ".join(given.name for given in self.plan.variant.inputs if own & set(given.axes))
        return {
            "host_lines": host_lines(self.plan.host),
            "tensors": [item for argument in self.arguments for item in argument.tensors],
            "integers": [item for argument in self.arguments for item in argument.integers],
            "reals": [item for argument in self.arguments for item in argument.reals],
            "fault": f"a live pair needs an element outside of an axis of {names}" if names else "the kernel failed",
        }

    # statements

    def _of_key(self) -> frozenset[str]:
        tiles = (self.plan.mask, self.plan.score, self.plan.fault)
        return frozenset(statement.name for tile in tiles for statement in tile.at(Level.KEY))

    def _text(self, expr: Expr, exact: bool) -> str:
        return Printer(self.plan, exact, self._of_key()).text(expr)

    def _line(self, statement: Statement) -> str:
        return f"const {_type(statement)} {statement.name} = {self._text(statement.value, statement.exact)};"

    def _key_lines(self) -> list[str]:
        """Values of keys, kept in arrays for the rows of the tile."""
        lines: list[str] = []
        for tile, always in ((self.plan.score, True), (self.plan.mask, self._checked()), (self.plan.fault, True)):
            statements = tile.at(Level.KEY)
            if not statements:
                continue
            lines += [f"{_type(statement)} {statement.name}[KEY_TILE];" for statement in statements]
            lines.append(f"for (int64_t x = 0; x < {'keys' if always else '(FULL ? 0 : keys)'}; ++x) {{")
            lines.append("  const int64_t j = first_key + x;")
            lines += [f"  {s.name}[x] = {self._text(s.value, s.exact)};" for s in statements]
            lines.append("}")
        return lines

    def _checked(self) -> bool:
        return self.plan.fault.result != FALSE

    def _pair_lines(self) -> list[str]:
        """Values of the query, then the scores of its keys, then the mask."""
        plan = self.plan
        tiles = (plan.mask, plan.score, plan.fault)
        lines = [self._line(s) for tile in tiles for s in tile.at(Level.QUERY)]
        score = self._text(plan.score.result, exact=False)
        lines += ["#pragma omp simd", "for (int64_t x = 0; x < keys; ++x) {"]
        lines += ["  [[maybe_unused]] const int64_t j = first_key + x;"]
        lines += ["  [[maybe_unused]] const float qk = scores[x];"]
        lines += [f"  {self._line(s)}" for s in plan.score.at(Level.PAIR)]
        lines += [f"  scores[x] = {score};", "}"]
        return lines + self._mask_lines()

    def _mask_lines(self) -> list[str]:
        plan = self.plan
        if not plan.masked and not self._checked():
            return []
        pairs = [self._line(s) for tile in (plan.mask, plan.fault) for s in tile.at(Level.PAIR)]
        lines = ["if (!FULL) {"] if not self._checked() else ["{"]
        lines += ["  for (int64_t x = 0; x < keys; ++x) {", "    [[maybe_unused]] const int64_t j = first_key + x;"]
        lines += [f"    {line}" for line in pairs]
        if self._checked():
            lines.append(f"    fault |= {self._text(plan.fault.result, exact=True)};")
        if plan.masked:
            lines.append(f"    if (!({self._text(plan.mask.result, exact=True)})) scores[x] = NOTHING;")
        return [*lines, "  }", "}"]


def _type(statement: Statement) -> str:
    return TYPES.get(statement.value.kind, "double" if statement.exact else "float")


def _partial(run: PartialRun) -> tuple[str, str, list[str]]:
    lengths = [(hole.start, f"{hole.stop} - {hole.start}") for hole in run.holes]
    count = f"{run.stop} - {run.start}" + "".join(f" - ({length})" for _, length in lengths)
    return run.start, count, [f"if (key_tile >= {start}) key_tile += {length};" for start, length in lengths]


def _functions(text: str) -> str:
    """The helper functions that a text calls, and those that these call."""
    blocks = files("attngen.emit.cpp").joinpath("functions.cpp").read_text(encoding="utf-8").strip().split("\n\n")[1:]
    names = {block: re.findall(r"inline \w+ (\w+)\(", block)[0] for block in blocks}
    kept: set[str] = set()
    while True:
        new = {block for block, name in names.items() if re.search(rf"\b{name}\(", text)} - kept
        if not new:
            return "".join(f"{block}\n\n" for block in blocks if block in kept)
        kept |= new
        text = "\n".join(new)

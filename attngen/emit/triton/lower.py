"""A plan as the strings that the Triton template shows."""

from __future__ import annotations

from dataclasses import dataclass

from attngen.analysis.walk import PartialRun
from attngen.emit.face import Face, face, host_lines
from attngen.emit.python import size_name
from attngen.emit.render import functions, render
from attngen.emit.triton.printer import TritonPrinter
from attngen.emit.wide import wide_test
from attngen.ir.expr import Expr, Kind, Parameter, Read, Size, distinct, mentions, variables
from attngen.schedule.configuration import GPU_DEFAULTS, GPU_SPACE, Configuration
from attngen.schedule.levels import PRODUCT, Level
from attngen.schedule.names import kernel_name
from attngen.schedule.plan import Plan, Tile, reads
from attngen.schedule.statements import Statement

ROW_MASKS = {Level.QUERY: "rows[:, None] < N", Level.KEY: "j < M", Level.PAIR: "(rows[:, None] < N) & (j < M)"}


def generate(plan: Plan) -> str:
    """The generated file for a plan."""
    return render("attngen.emit.triton", "streaming.py", _Lowering(plan).values())


@dataclass(slots=True)
class Printer(TritonPrinter):
    """Reads of inputs as loads with the masks of their level."""

    plan: Plan
    exact: bool

    def __post_init__(self) -> None:
        TritonPrinter.__init__(self, self.exact)

    def read(self, expr: Read) -> str:
        given = self.plan.variant.input(expr.input)
        terms = [self._term(expr, k, axis) for k, axis in enumerate(given.axes)]
        address = " + ".join([f"{kernel_name(expr.input)}_ptr", *terms])
        mask = ROW_MASKS.get(_level(expr, self.plan))
        load = f"tl.load({address}, mask={mask}, other=0)" if mask else f"tl.load({address})"
        if given.kind is Kind.BOOL:
            return f"({load} != 0)"
        dtype = "int64" if given.kind is Kind.INT else "float64" if self.exact else "float32"
        return f"tl.cast({load}, tl.{dtype})"

    def _term(self, expr: Read, k: int, axis: str) -> str:
        stride = f"{kernel_name(expr.input)}_stride_{k}"
        match axis:
            case "h":
                index = f"h // {kernel_name(expr.input)}_share"
            case "i":
                index = "rows[:, None]"
            case "b" | "j" | "n":
                index = self.text(expr.indices[k])
            case _:
                index = f"tl.minimum(tl.maximum({self.text(expr.indices[k])}, 0), {size_name(axis)} - 1)"
        return f"tl.cast({index}, tl.int64) * {stride}"


def _level(expr: Expr, plan: Plan) -> Level:
    levels = {s.name: s.level for tile in (plan.mask, plan.score) for s in tile.statements}
    found = 0
    for name in variables(expr):
        found |= levels.get(name, {"i": Level.QUERY, "j": Level.KEY}.get(name, Level.HEAD))
    return Level(found)


@dataclass(slots=True)
class _Lowering:
    plan: Plan

    def values(self) -> dict[str, object]:
        plan = self.plan
        shown = face(plan)
        visit = self._visit_arguments()
        constants = [kernel_name(name) for name in self._constants()]
        return {
            **_face_values(shown),
            "defaults": [f"({d.width}, {d.bytes}, {_values(d.configuration)})" for d in GPU_DEFAULTS],
            "space": [_values(configuration) for configuration in GPU_SPACE],
            "jit_support": self._jit_support(),
            "visit_arguments": [f"{name}: tl.constexpr" if name in constants else name for name in visit],
            "visit_passed": visit,
            "arguments": [name for name, _ in self._arguments()],
            "passed": [value for _, value in self._arguments()],
            "constants": constants,
            "constants_passed": self._constants(),
            "head_lines": [*self._loaded(), *(self._line(statement) for statement in plan.head)],
            "query_lines": self._lines((plan.mask, plan.score), Level.QUERY),
            "score_lines": self._lines((plan.score,), Level.KEY, Level.PAIR),
            "mask_lines": self._lines((plan.mask,), Level.KEY, Level.PAIR),
            "score": self._score(),
            "live": f"{self._text(plan.mask.result, True, 8)} & (j < M)" if plan.masked else "j < M",
            "initial_lines": self._initial_lines(),
            "partial_runs": [self._partial(run) for run in plan.walk.partial],
            "full_runs": [(run.start, run.stop) for run in plan.walk.full],
            "host_lines": host_lines(plan.host) + self._table_lines(),
            "wide": wide_test(plan),
        }

    def _text(self, expr: Expr, exact: bool, outer: int = 0) -> str:
        return Printer(self.plan, exact).tight(expr, outer)

    def _line(self, statement: Statement) -> str:
        return f"{statement.name} = {self._text(statement.value, statement.exact)}"

    def _lines(self, tiles: tuple[Tile, ...], *levels: Level) -> list[str]:
        found = dict.fromkeys(self._line(s) for tile in tiles for s in tile.at(*levels))
        return list(found)

    def _score(self) -> str:
        text = self._text(self.plan.score.result, False, 10)
        tiles = [*(s.value for s in self.plan.score.at(Level.PAIR)), self.plan.score.result]
        used = any(mentions(expr, PRODUCT.name) for expr in tiles)
        return text if used else f"tl.zeros_like(qk) + {text}"

    def _initial_lines(self) -> list[str]:
        if self.plan.sink is None:
            top = 'tl.full([QUERY_TILE], float("-inf"), tl.float32)'
            return [f"top = {top}", "total = tl.zeros([QUERY_TILE], tl.float32)"]
        sink = self._text(self.plan.sink, False, 10)
        return [
            f"top = tl.zeros([QUERY_TILE], tl.float32) + {sink}  # the sink: a key without a value",
            "total = tl.full([QUERY_TILE], 1.0, tl.float32)",
        ]

    def _partial(self, run: PartialRun) -> tuple[str, str, list[str]]:
        holes = [(hole, f"{hole.stop} - {hole.start}") for hole in run.holes]
        count = f"{run.stop} - {run.start}" + "".join(f" - ({length})" for _, length in holes)
        skips = [f"key_tile += tl.where(key_tile >= {hole.start}, {length}, 0)" for hole, length in holes]
        return run.start, count, skips

    # arguments

    def _constants(self) -> list[str]:
        """Int and bool parameters are constants of the kernel: a division by one is a shift or a product."""
        used = {part.name for expr in self._all() for part in distinct(expr) if isinstance(part, Parameter)}
        return [given.name for given in self.plan.variant.parameters if given.name in used]

    def _all(self) -> list[Expr]:
        plan = self.plan
        values = [s.value for s in (*plan.head, *plan.mask.statements, *plan.score.statements)]
        return [*values, plan.mask.result, plan.score.result, *([plan.sink] if plan.sink is not None else [])]

    def _tile_exprs(self) -> list[Expr]:
        plan = self.plan
        tiles = (plan.mask, plan.score)
        return [s.value for t in tiles for s in t.at(Level.KEY, Level.PAIR)] + [t.result for t in tiles]

    def _sizes(self, exprs: list[Expr]) -> list[str]:
        axes = {part.axis for expr in exprs for part in distinct(expr) if isinstance(part, Size)}
        for expr in exprs:
            for part in distinct(expr):
                if isinstance(part, Read):
                    axes |= {axis for axis in self.plan.variant.input(part.input).axes if axis not in "bhijnte"}
        return sorted(size_name(axis) for axis in axes - {"N", "M", "D", "E", "B", "H"})

    def _arguments(self) -> list[tuple[str, str]]:
        """Kernel arguments beyond the fixed ones, each with what the launcher passes."""
        found: list[tuple[str, str]] = []
        for name in dict.fromkeys(read.input for read in reads(self.plan)):
            found += [(argument, value) for argument, value in self._input_arguments(name)]
        for value in self.plan.host:
            is_table = value.per_head or (value.exact and value.value.kind is Kind.FLOAT)
            found.append((f"{value.name}_ptr" if is_table else value.name, value.name))
        return found + [(name, name) for name in self._sizes(self._all())]

    def _input_arguments(self, name: str) -> list[tuple[str, str]]:
        given = self.plan.variant.input(name)
        tensor = f"{name}.view(torch.uint8)" if given.kind is Kind.BOOL else name
        inside = kernel_name(name)
        found = [(f"{inside}_ptr", tensor)]
        found += [(f"{inside}_stride_{k}", f"{name}.stride({k})") for k in range(len(given.axes))]
        if "h" in given.axes:
            found.append((f"{inside}_share", f"H // {name}.shape[{given.axes.index('h')}]"))
        return found

    def _table_lines(self) -> list[str]:
        """Host values that kernels load: one for each head, or one that must keep float64."""
        lines = []
        for value in self.plan.host:
            exact = value.exact and value.value.kind is Kind.FLOAT
            if value.per_head or exact:
                dtype = "int64" if value.value.kind is Kind.INT else "float64" if exact else "float32"
                listed = value.name if value.per_head else f"[{value.name}]"
                lines.append(f"{value.name} = torch.tensor({listed}, dtype=torch.{dtype}, device=q.device)")
        return lines

    def _loaded(self) -> list[str]:
        """The host values that arrive in memory."""
        loads = []
        for value in self.plan.host:
            if value.per_head:
                loads.append(f"{value.name} = tl.load({value.name}_ptr + h)")
            elif value.exact and value.value.kind is Kind.FLOAT:
                loads.append(f"{value.name} = tl.load({value.name}_ptr)")
        return loads

    def _visit_arguments(self) -> list[str]:
        exprs = self._tile_exprs()
        used = set[str]().union(*(variables(expr) for expr in exprs))
        local = [s.name for s in self.plan.head] + [
            s.name for t in (self.plan.mask, self.plan.score) for s in t.at(Level.QUERY)
        ]
        tables = {value.name for value in self.plan.host}
        found = [name for name in ("i", "b", "h") if name in used]
        read = {part.input for expr in exprs for part in distinct(expr) if isinstance(part, Read)}
        if read:
            found = list(dict.fromkeys([*found, "rows", "b", "h"]))
        found += [name for name in dict.fromkeys([*local, *sorted(tables)]) if name in used]
        for name in sorted(read):
            found += [argument for argument, _ in self._input_arguments(name)]
        parameters = {part.name for expr in exprs for part in distinct(expr) if isinstance(part, Parameter)}
        sizes = {part.axis for expr in exprs for part in distinct(expr) if isinstance(part, Size)}
        return [*found, *sorted(sizes & {"B", "H"}), *self._sizes(exprs), *sorted(map(kernel_name, parameters))]

    def _jit_support(self) -> str:
        lines = [*(self._line(s) for s in self.plan.head), *self._lines((self.plan.mask, self.plan.score), *Level)]
        lines += [self._text(self.plan.mask.result, True), self._score()]
        names = ("_floor_div", "_floor_mod", "_tanh", "_softplus", "_elu", "_silu", "_power")
        used = [name for name in names if any(f"{name}(" in line for line in lines)]
        return functions("attngen.emit.triton", "support.py", ["_dot", *used])


def _values(configuration: Configuration) -> str:
    return f"({configuration.query_tile}, {configuration.key_tile}, {configuration.warps}, {configuration.stages})"


def _face_values(shown: Face) -> dict[str, object]:
    return {
        "variant": shown.variant,
        "header": shown.header,
        "summary": shown.summary,
        "equation": shown.equation,
        "signature": shown.signature,
        "argument_docs": shown.arguments,
        "checks": shown.checks,
        "support": shown.support,
    }

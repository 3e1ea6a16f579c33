"""The part of a launcher that lists live tiles, the same for all backends, and what calls need of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from attngen.analysis.facts import FIRST, FIRST_KEY, LAST, LAST_KEY, Facts
from attngen.analysis.lists import List
from attngen.analysis.tiletest import Area
from attngen.emit.face import Face, host_lines
from attngen.emit.layout import laid_out
from attngen.emit.python import size_name
from attngen.emit.render import functions, render
from attngen.emit.tensors import TensorPrinter
from attngen.ir.expr import Expr, Kind, Parameter, Read, Size, distinct, mentions, rewrite, variable, variables
from attngen.schedule.host import HostValue
from attngen.schedule.levels import Level
from attngen.schedule.names import TILE_PLACES, Namer, kernel_name
from attngen.schedule.plan import Plan
from attngen.schedule.statements import Sequence

SUPPORT = (
    "_by_keys_first",
    "_nearest",
    "_not_zero",
    "_spans",
    "_at",
    "_sums",
    "_count",
    "_live_tiles",
    "_closer",
    "_versions",
    "_kept",
    "_same_call",
)
IMPORTS = (
    "import itertools",
    "from collections.abc import Callable",
    "from dataclasses import dataclass, field",
    "from typing import Any",
    "from weakref import WeakValueDictionary",
)
"""What a launcher imports for it."""
ENDS = {
    FIRST: "q0 = tile * query_tile + first",
    LAST: "q1 = tile * query_tile + (N - tile * query_tile).clamp(max=query_tile) - 1 + first",
    FIRST_KEY: "k0 = column * key_tile",
    LAST_KEY: "k1 = column * key_tile + (M - column * key_tile).clamp(max=key_tile) - 1",
}
"""The first and the last positions of tiles."""


def values(
    plan: Plan,
    face: Face,
    tile_sizes: str,
    imports: tuple[str, ...],
    calls: Iterable[str] = (),
    by_keys: bool = False,
) -> dict[str, object]:
    """What launchers show of a walk along a list.

    `tile_sizes` is Python for the queries and keys of a tile, `imports` what a launcher imports anyway, `calls` are
    support functions that it calls itself; `by_keys` tells whether kernels walk along query tiles as well.
    """
    calls = {*calls, *face.tensor_calls}
    if plan.listed is None:
        support = functions("attngen.emit.support", "live.py", calls)
        return {"listed": False, "ordered": False, "imports": sorted_imports(imports), "tensor_support": support}
    lister = _Lister(plan, plan.listed)
    more = ("from functools import cached_property",) if by_keys else ()
    shown: dict[str, object] = {"listed": True, "imports": sorted_imports(imports, IMPORTS, more), "tensor_support": ""}
    shown["by_keys"] = by_keys
    shown |= {**face.values(), **lister.values(face), "tile_sizes": tile_sizes, **lister.calls(tile_sizes, face)}
    text = render("attngen.emit", "live_tiles.py", shown).rstrip()
    used = [name for name in SUPPORT if f"{name}(" in text]
    support = functions("attngen.emit.support", "live.py", [*used, "_same_call", *calls])
    return {"live_tiles": f"{text}\n\n\n{support}", **shown}


def walk_arguments(plan: Plan) -> list[str]:
    """What `_list_tiles` of a generated file takes after the device and the sizes of tiles."""
    assert plan.listed is not None
    return _Lister(plan, plan.listed).given


def sorted_imports(*imports: tuple[str, ...]) -> list[str]:
    """Modules first, then what comes from modules; of a module, all names in one line."""
    modules = {line for each in imports for line in each if line.startswith("import")}
    names: dict[str, set[str]] = {}
    for line in (line for each in imports for line in each if line not in modules):
        module, wanted = line.removeprefix("from ").split(" import ")
        names.setdefault(module, set()).update(wanted.split(", "))
    return [*sorted(modules), *(f"from {module} import {', '.join(sorted(names[module]))}" for module in sorted(names))]


@dataclass(slots=True)
class _Lister:
    plan: Plan
    walk: List

    def values(self, face: Face) -> dict[str, object]:
        return {
            "ordered": bool(self.walk.orders),
            "list_given": ", ".join(self.given),
            "list_scaled": self._is_scaled(),
            "list_arguments": self.given,
            "list_names": ", ".join(self.inside),
            "list_host_lines": laid_out([*face.order_checks, *host_lines(self._host)], 4),
            "orders": [(self._text(_of_query(order)), self._text(order)) for order in self.walk.orders],
            "shared": f"({self._shared()})",
            "value_lines": laid_out(self._value_lines(), 4),
            "span_lines": laid_out(self._span_lines(), 8),
            "test_lines": laid_out(self._test_lines(), 12),
        }

    def calls(self, tile_sizes: str, face: Face) -> dict[str, list[str]]:
        """How launchers make a list, and how they look whether the one that is given is the right one."""
        made = f"prepared = _list_tiles(q.device, {tile_sizes}, {', '.join(self.given)})"
        alike = f"_same_call(prepared.made_for, prepared.versions, ({', '.join(self.given)}))"
        problem = f"{self.plan.variant.name}: prepared was made for another call, or what it was made for has changed"
        check = f'_require({alike}, "{problem}")'
        return {
            "list_call": laid_out([*face.order_checks, made], 8),
            "list_again": laid_out([f"prepared = _made_before(_LATEST, ({', '.join(self.given)}))"], 8),
            "list_check": laid_out([check], 4),
            "deeper_list_check": laid_out([check], 8),
        }

    # what is printed

    @property
    def exprs(self) -> list[Expr]:
        """All that is evaluated for tiles or positions."""
        test = self.walk.test
        ends = [end for area in test.areas for side in area.ends for end in (side.low, side.high) if end is not None]
        return [*(spans.value for spans in test.spans), *ends, test.possible, test.always, *self.walk.orders]

    def _parts(self) -> set[Expr]:
        return set[Expr]().union(*map(distinct, self.exprs))

    def _names(self) -> frozenset[str]:
        return frozenset[str]().union(*map(variables, self.exprs))

    @property
    def _host(self) -> tuple[HostValue, ...]:
        """The values of the host that a test uses."""
        names = self._names()
        return tuple(value for value in self.plan.host if value.name in names)

    def _is_scaled(self) -> bool:
        """Whether a test depends on the scale, itself or through the host."""
        parts = self._parts().union(*(distinct(value.value) for value in self._host))
        return any(isinstance(part, Parameter) and part.name == "scale" for part in parts)

    def _text(self, expr: Expr) -> str:
        return TensorPrinter(self.plan.variant, self.plan.host).text(expr)

    @property
    def given(self) -> list[str]:
        """What a test depends on, by the names outside of kernels: lengths, inputs, parameters, host values, sizes."""
        inputs = {part.input for part in self._parts() if isinstance(part, Read)}
        inputs |= {area.read.input for area in self.walk.test.areas}
        parameters = {part.name for part in self._parts() if isinstance(part, Parameter)}
        sizes = {part.axis for part in self._parts() if isinstance(part, Size)} - set("BHNM")
        host = sorted(value.name for value in self._host)
        fixed = ["B", "H", "N", "M", "offset"]
        return [*fixed, *sorted(inputs), *sorted(parameters), *host, *sorted(map(size_name, sizes))]

    @property
    def inside(self) -> list[str]:
        """The same by the names inside of the functions."""
        own = {given.name for given in self.plan.variant.inputs}
        own |= {given.name for given in self.plan.variant.parameters}
        return [kernel_name(name) if name in own else name for name in self.given]

    def _shared(self) -> str:
        """How many batch rows and heads have lists of their own."""
        names = self._names() | frozenset[str]().union(*(variables(area.read) for area in self.walk.test.areas))
        by_head = "h" in names or any(value.per_head for value in self.plan.host if value.name in names)
        batch = "B" if "b" in names else "B if isinstance(offset, Tensor) else 1"
        return f"{batch}, {'H' if by_head else '1'}"

    # lines

    def _value_lines(self) -> list[str]:
        """Values of all positions, of which tables of tiles are made."""
        values = [f"{spans.name} = {self._text(spans.value)}" for spans in self.walk.test.spans]
        sums = [f"{area.name}_sums = _sums({self._moved(area)})" for area in self.walk.test.areas]
        tables = [
            f"{value.name} = torch.tensor({value.name}, dtype=torch.{_dtype(value.value)}, device=device)"
            for value in self._host
            if value.per_head
        ]
        used = frozenset[str]().union(*(variables(spans.value) for spans in self.walk.test.spans))
        used |= {"h"} if any(value.per_head and value.name in used for value in self.plan.host) else set()
        positions = {
            "b": "b = torch.arange(B, device=device)[:, None, None]",
            "h": "h = torch.arange(H, device=device)[None, :, None]",
            "i": "i = rows + (offset[:, None, None] if isinstance(offset, Tensor) else offset)",
        }
        return [*(line for name, line in positions.items() if name in used), *tables, *values, *sums]

    def _span_lines(self) -> list[str]:
        """The tables for tiles of one size."""
        sizes = {"i": "query_tile", "j": "key_tile"}
        return [f"{s.name}_spans = _spans({s.name}, {sizes[s.position]})" for s in self.walk.test.spans]

    def _test_lines(self) -> list[str]:
        """What is known of a tile."""
        tiles = {"i": "tile", "j": "column"}
        used = self._names()
        lines = [line for end, line in ENDS.items() if end.name in used]
        if any("first" in line for line in lines):
            lines.insert(0, "first = offset[b] if isinstance(offset, Tensor) else offset")
        lines += [
            f"{spans.least.name}, {spans.most.name} = _at({spans.name}_spans, b, h, {tiles[spans.position]})"
            for spans in self.walk.test.spans
        ]
        lines += [line for area in self.walk.test.areas for line in self._count(area)]
        return [*lines, *self._result_lines()]

    def _result_lines(self) -> list[str]:
        """The two results, and what is shared by them, under names."""
        test = self.walk.test
        levels = {FIRST.name: Level.QUERY, LAST.name: Level.QUERY, FIRST_KEY.name: Level.KEY, LAST_KEY.name: Level.KEY}
        levels |= {"h": Level.HEAD, "b": Level.HEAD}
        for spans in test.spans:
            level = Level.QUERY if spans.position == "i" else Level.KEY
            levels |= {spans.least.name: level, spans.most.name: level}
        for area in test.areas:
            levels |= {area.any.name: Level.PAIR, area.all.name: Level.PAIR}
        namer = Namer(taken={*levels, *self.inside})
        sequence = Sequence(namer, exact=True, axes=levels, places=TILE_PLACES)
        roots = [test.possible, test.always]
        possible, always = (sequence.lowered(root, roots) for root in roots)
        facts = Facts.of(self.plan.variant)
        positive = frozenset(
            name.name for expr, name in sequence.known.items() if expr.kind is Kind.INT and facts.at_least(expr, 1)
        )
        printer = TensorPrinter(self.plan.variant, self.plan.host, positive)
        lines = []
        for statement in sequence.statements:
            lines.append(f"{statement.name} = {printer.text(statement.value)}")
            if not printer.is_tensor(statement.value):
                printer.numbers.add(statement.name)
        return [*lines, _result("possible", possible, printer), _result("always", always, printer)]

    # rectangles

    def _moved(self, area: Area) -> str:
        """The input with the axes that positions choose last."""
        name, moving = kernel_name(area.read.input), _moving(area)
        if len(moving) == 1:
            return f"{name}.movedim({moving[0]}, -1)[..., None]"
        return (
            name if moving == [len(area.ends) - 2, len(area.ends) - 1] else f"{name}.movedim({tuple(moving)}, (-2, -1))"
        )

    def _count(self, area: Area) -> list[str]:
        moving = _moving(area)
        axes = self.plan.variant.input(area.read.input).axes
        head = [self._head(area, k, axis) for k, axis in enumerate(axes) if k not in moving]
        sides = [f"({self._clamped(area, k, low=True)}, {self._clamped(area, k, low=False)})" for k in moving] + [
            "(0, 0)"
        ] * (2 - len(moving))
        heads = f"({', '.join(head)}{',' if len(head) == 1 else ''})"
        return [f"{area.any.name}, {area.all.name} = _count({area.name}_sums, {heads}, {', '.join(sides)})"]

    def _head(self, area: Area, k: int, axis: str) -> str:
        name = kernel_name(area.read.input)
        if axis == "h":
            return f"h // (H // {name}.shape[{k}])"
        return "b" if axis == "b" else f"_nearest({self._text(area.read.indices[k])}, {name}.shape[{k}])"

    def _clamped(self, area: Area, k: int, low: bool) -> str:
        end = area.ends[k].low if low else area.ends[k].high
        assert end is not None
        return f"_nearest({self._text(end)}, {kernel_name(area.read.input)}.shape[{k}])"


def _result(name: str, expr: Expr, printer: TensorPrinter) -> str:
    if printer.is_tensor(expr):
        return f"{name} = {printer.text(expr)}"
    return f"{name} = torch.full_like(column, {printer.text(expr)}, dtype=torch.bool)"


def _moving(area: Area) -> list[int]:
    """The axes that positions choose."""
    return [k for k, index in enumerate(area.read.indices) if mentions(index, "i", "j")]


def _of_query(order: Expr) -> Expr:
    """An order of keys at the positions of queries."""
    return rewrite(order, lambda part: variable("i") if part == variable("j") else part)


def _dtype(expr: Expr) -> str:
    return {Kind.INT: "int64", Kind.FLOAT: "float64", Kind.BOOL: "bool"}[expr.kind]

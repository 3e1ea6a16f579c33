"""A plan as the strings that the C++ templates show."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from attngen.analysis.walk import Periodic, Range
from attngen.emit import landings, live, operators
from attngen.emit.checks import place
from attngen.emit.cpp import gradients, rows, workspace
from attngen.emit.cpp.arguments import Argument, arguments
from attngen.emit.cpp.files import MODULES, flags, helper_functions, support
from attngen.emit.cpp.pairs import Pairs
from attngen.emit.face import Face, face, fault_text, host_lines
from attngen.emit.layout import laid_out, laid_out_cpp
from attngen.emit.render import functions, render
from attngen.emit.wide import wide_test
from attngen.ir import nodes
from attngen.schedule.configuration import CPU_BACKWARD_QUERIES, CPU_TILES
from attngen.schedule.plan import Plan

IMPORTS = (
    *(f"import {module}" for module in MODULES),
    "from array import array",
    "from collections.abc import Sequence",
    "from contextlib import suppress",
    "from functools import cache",
    "from typing import NamedTuple",
    *operators.IMPORTS,
)
LIST_IMPORTS = ("from collections import deque", "from collections.abc import Iterable")
"""What a launcher imports of the standard library; and where live tiles are listed."""


def generate(plan: Plan) -> tuple[str, str, str]:
    """The C++ files of a plan that holds slopes, forward and backward, and the Python launcher beside them."""
    forward = replace(plan, slopes=(), extra_slopes=())  # the arguments are those of the backward pass
    lowering = _Lowering(forward, arguments(plan), Pairs(forward))
    made = face(plan)
    called = [*(["_slots"] if plan.ordered else []), *landings.calls(plan)]
    called += ["_made_before"] if plan.listed is not None else []
    imports = (*IMPORTS, *(LIST_IMPORTS if plan.listed is not None else ()))
    shown = {**made.values(), **live.values(plan, made, str(CPU_TILES), imports, called)}
    values = {**shown, **lowering.source_values("few_rows", workspace.forward(forward))}
    source = _rendered("streaming", ("query_tile", "attending", "whole_call"), {**values, "few": True})
    native = {"digested": "__file__, '.cpp', '_backward.cpp'", "devices": '["CPU"]'}
    native |= {"native": functions("attngen.emit.support", "native.py", ["_library", "_texts"]), "flags": flags()}
    own = {**operators.values(plan), **gradients.launcher_values(plan), **lowering.launcher_values(made)}
    shown_by_launcher = {**shown, **native, **own, "softmax": plan.softmax}
    parts = operators.parts(shown_by_launcher)
    launcher = render("attngen.emit.cpp", "launcher.py", {**shown_by_launcher, **parts})
    return source, _backward(plan, shown), launcher


def _backward(plan: Plan, shown: dict[str, object]) -> str:
    """The C++ file of the backward pass."""
    lowering = _Lowering(plan, arguments(plan), Pairs(plan))
    more = {**gradients.values(plan, lowering.pairs), **workspace.backward(plan)}
    values = {**shown, **lowering.source_values("gradients", more), "few": False}
    return _rendered("gradients", ("query_tile", "gradient_tile", "whole_backward"), values)


SUPPORT = ("numbers", "vectors", "memory", "sums", "pairs", "tiles", "multiply", "weights", "few_rows", "gradients")
"""Parts of C++ files that are the same in all."""


def _rendered(template: str, parts: tuple[str, ...], values: dict[str, object]) -> str:
    """A file and the templates whose text stands in it."""
    shown = dict(values)
    for name in ("opening", "given", "frame", *parts):
        shown[name] = render("attngen.emit.cpp", f"{name}.cpp", shown).rstrip()
    return render("attngen.emit.cpp", f"{template}.cpp", shown)


@dataclass
class _Lowering:
    plan: Plan
    arguments: list[Argument]
    pairs: Pairs

    def source_values(self, own_support: str, more: dict[str, object]) -> dict[str, object]:
        """What a C++ file shows: `own_support` names the functions that the other pass does not need."""
        plan = self.plan
        unpacked = [line for argument in self.arguments for line in argument.unpacked]
        values: dict[str, object] = {
            "query_tile_rows": self._query_tile_rows(),
            "key_tile_rows": CPU_TILES[1],
            "inputs": [argument for argument in self.arguments if argument.axes],
            "most_axes": max((argument.axes for argument in self.arguments), default=0),
            "fields": [argument.field for argument in self.arguments],
            "unpacked": unpacked,
            **rows.values(plan, unpacked),
            "packed": [line for argument in self.arguments for line in argument.packed],
            "head_lines": laid_out_cpp(map(self.pairs.line, plan.head), 2),
            **self._normalization(),
            **self.pairs.values(),
            **_runs(plan),
            "periodic_walk": ", full" if isinstance(plan.walk, Periodic) else "",
            "period_lines": laid_out_cpp(map(self.pairs.line, plan.per_period), 6),
            **more,
        }
        listed = [line for lines in values.values() if isinstance(lines, list) for line in map(str, lines)]
        shown = "\n".join([*listed, *(text for text in values.values() if isinstance(text, str))])
        shared = {name: support(name) for name in SUPPORT}
        return {
            **values,
            "functions": helper_functions(shown),
            **shared,
            "own_support": shared[own_support],
        }

    def _query_tile_rows(self) -> str:
        """A list has the size that its launcher knows; sums for keys are read and written once for each query tile."""
        if self.plan.listed is not None:
            return str(CPU_TILES[0])
        return str(CPU_BACKWARD_QUERIES) if self.plan.slopes else f"TILED ? {CPU_BACKWARD_QUERIES} : {CPU_TILES[0]}"

    def _normalization(self) -> dict[str, object]:
        """What the rows start with, and what their sums come to."""
        plan = self.plan
        extra = "" if plan.once_per_row is None else self.pairs.text(plan.once_per_row, exact=False)
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

    def launcher_values(self, made: Face) -> dict[str, object]:
        seen = bool(made.data)
        recalled = not self.plan.variant.inputs and self.plan.listed is None  # then no data are looked at
        return {
            "host_lines": laid_out(host_lines(self.plan.host), 4),
            "tensors": [item for argument in self.arguments for item in argument.tensors],
            "integers": [item for argument in self.arguments for item in argument.integers],
            "reals": [item for argument in self.arguments for item in argument.reals],
            "fault": fault_text(self.plan) if self.plan.checked else "",
            "recalled": recalled,
            "seen_argument": ", seen_before=True" if seen else "",
            "seen_text": "; its data are looked at once" if seen else "",
            "packed_by": "_recalled" if recalled else "_packed",
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


def _runs(plan: Plan) -> dict[str, object]:
    """The loops of a walk in closed form."""
    if not isinstance(plan.walk, Range):
        return {"partial_runs": [], "full_runs": [], "periodic": isinstance(plan.walk, Periodic)}
    runs = [(run.start, run.stop, [(hole.start, hole.stop) for hole in run.holes]) for run in plan.walk.partial]
    full = [(run.start, run.stop) for run in plan.walk.full]
    return {"partial_runs": runs, "full_runs": full, "periodic": False}

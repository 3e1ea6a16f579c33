"""What the launcher of Triton kernels shows: what it fills in for a call, and how it launches the backward pass."""

from __future__ import annotations

from collections.abc import Mapping

from attngen.analysis.calls import ENDS
from attngen.emit import landings
from attngen.emit.face import Face, host_lines
from attngen.emit.layout import laid_out
from attngen.emit.operators import IMPORTS as OF_OPERATORS
from attngen.emit.operators import ordered_inputs
from attngen.emit.python import PythonPrinter
from attngen.emit.render import functions
from attngen.emit.triton import adjoints, distances, rows
from attngen.emit.triton import arguments as args
from attngen.emit.triton.launches import computed_keys, computed_queries, grown, launches, rooms
from attngen.emit.wide import wide_test
from attngen.ir.expr import TRUE, Expr, Parameter, Variable, mentions, rewrite
from attngen.schedule.configuration import TILED
from attngen.schedule.names import kernel_name
from attngen.schedule.plan import Plan

IMPORTS = ("import contextlib", "import math", "from typing import NamedTuple", *OF_OPERATORS)
LIST_IMPORTS = ("from collections import deque", "from collections.abc import Iterable")
"""What a launcher imports of the standard library; and where live tiles are listed."""
SUPPORT = ("_table", "_gathered")


def row_kernels(plan: Plan) -> list[str]:
    """The kernels of rows that the backward pass needs beside those of the forward pass."""
    found = [rows.make_kernel(plan, rows.QUERIES, row, row.name in grown(plan)) for row in computed_queries(plan)]
    return [*found, *(adjoints.kernel(plan, side, row) for side, row in adjoints.sides(plan))]


def values(plan: Plan, made: Face, options: tuple[str, ...]) -> dict[str, object]:
    """By the names that templates use; `options` are what calls give last."""
    filled = ["scale", "offsets", "offset", "long_positions"]
    inputs = [given.name for given in ordered_inputs(plan.variant)]
    rest = [
        *(value.name for value in plan.host),
        *(f"{each.name}_by_distance" for each in plan.by_distance),
        *(["prepared"] if plan.listed is not None else []),
    ]
    inside = ", ".join(dict.fromkeys([*filled, *map(kernel_name, inputs), *rest]))
    shown = {
        **landings.values(plan, options),
        "filled_values": ", ".join(dict.fromkeys([*filled, *inputs, *rest])),
        "filled_call": laid_out([f"{inside} = _filled(*given)"], 4),
        "filled_again": laid_out([f"{inside} = _filled(*given{', seen_before=True' if made.data else ''})"], 4),
        "seen_text": "; its data are looked at once" if made.data else "",
        "host_lines": laid_out(host_lines(plan.host), 4),
        "table_lines": laid_out([*args.table_lines(plan), *distances.made(plan)], 4),
        "distance_tables": distances.makers(plan),
        "wide": laid_out(_wide(plan, inputs), 4),
        "panel_heads": _panel_heads(plan),
        "centred": plan.centred,
        **_choices(plan),
        "fault_lines": laid_out(_fault_lines(plan), 4),
        "made": laid_out(rooms(plan), 4),
        **launches(plan),
    }
    text = "\n".join(line for lines in shown.values() if isinstance(lines, list) for line in map(str, lines))
    called = ["_on", "_far", "_power_of_two", "_launched", "_gpu", *(name for name in SUPPORT if f"{name}(" in text)]
    called += ["_parts"] if plan.softmax else []
    return {**shown, "launching": functions("attngen.emit.support", "launches.py", called)}


def device_check(name: str) -> list[str]:
    """What a launcher says of tensors on a CPU, unless Triton is interpreted."""
    where = "q is on the CPU; this file runs on a GPU, and under TRITON_INTERPRET=1 on a CPU"
    return laid_out([f'_require(runs, "{name}: {where}")'], 4)


def imports(plan: Plan, shown: Mapping[str, object]) -> tuple[str, ...]:
    """What a launcher imports; `shown` is what its template shows."""
    text = f"{shown['table_lines']} {shown['element_launches']}"
    kept = "_table(" in text or plan.by_distance
    more = [f"from functools import cache{', lru_cache' if kept else ''}"]
    more += ["import itertools"] if "itertools." in text else []
    return (*IMPORTS, *more, *(LIST_IMPORTS if plan.listed is not None else ()))


def _wide(plan: Plan, inputs: list[str]) -> list[str]:
    """Whether kernels need 64 bits."""
    given = f", ({', '.join(inputs)}{',' if len(inputs) == 1 else ''})" if inputs else ""
    far = f"_far(max(N, M) * max(D, E, 2), (q, k, v){given})"
    return [f"long_positions = {far} or {wide_test(plan)}"]


def _fault_lines(plan: Plan) -> list[str]:
    """Room for what kernels find, unless the ends of the call leave nothing to be found."""
    room = "torch.zeros(1, dtype=torch.int32, device=q.device)"
    if plan.suspected == TRUE:
        return [f"fault = {room}"]
    ends = dict(zip((end.name for end in ENDS), ("offset", "offset + N - 1", "0", "M - 1"), strict=True))
    used = [name for name in ends if mentions(plan.suspected, name)]
    test = PythonPrinter().tight(rewrite(plan.suspected, _as_called_inside), 3)
    return [
        *(f"{name} = {ends[name]}" for name in used),
        "# Pairs are looked at unless no index can lie outside, by the first and the last query and key.",
        f"fault = {room} if offsets is not None or {test} else None",
    ]


def _as_called_inside(expr: Expr) -> Expr:
    return Variable(expr.kind, name=kernel_name(expr.name)) if isinstance(expr, Parameter) else expr


def _choices(plan: Plan) -> dict[str, object]:
    """How launches choose their sizes; those of a list are the same for all."""
    listed = plan.listed is not None
    given = "q, E, max(N, M), prepared.sizes" if listed else "q, E, max(N, M)"
    return {
        **{f"chosen_{kernel}": f'_chosen("{kernel}", {given})' for kernel in TILED},
        "listed_text": "; a list has `tiles` of its own" if listed else "",
        "sizes": "*(tiles or found[:2]), *found[2:]" if listed else "*found",
    }


def _panel_heads(plan: Plan) -> str:
    """How many heads in a row read the same keys and values."""
    if any(row.per_head for row in computed_keys(plan)):
        return "1"
    shared = "math.gcd(H // k.shape[1], H // v.shape[1])"
    return f"1 if key_order is not None and key_order.stride(1) else {shared}" if plan.ordered else shared

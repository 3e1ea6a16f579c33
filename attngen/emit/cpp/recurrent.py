"""The C++ files of a recurrent plan, and the launcher beside them."""

from __future__ import annotations

import json

from attngen.emit.checks import order_steps, place
from attngen.emit.cpp import chunks
from attngen.emit.cpp.files import MODULES, flags, helper_functions, support
from attngen.emit.cpp.token_lines import SIZES
from attngen.emit.face import host_lines, recurrent_face
from attngen.emit.layout import laid_out
from attngen.emit.render import functions, render
from attngen.ir.expr import Kind
from attngen.ir.nodes import Variant
from attngen.schedule.chunks import ChunkPlan, StatePlan

SUPPORT = ("numbers", "vectors", "memory", "sums", "chunks")
IMPORTS = (
    *(f"import {module}" for module in MODULES),
    "import hashlib",
    "from array import array",
    "from collections.abc import Callable, Mapping",
    "from contextlib import suppress",
    "from functools import cache",
    "from pathlib import Path",
)


def generate(plan: ChunkPlan) -> tuple[str, str]:
    """The C++ file of a plan, and the Python launcher beside it."""
    variant = plan.variant
    made = recurrent_face(variant)
    values = {**made.values(), **chunks.values(plan), **{name: support(name) for name in SUPPORT}}
    shown = [line for lines in values.values() if isinstance(lines, list) for line in map(str, lines)]
    values["functions"] = helper_functions("\n".join(shown))
    for name in ("opening", "given"):
        values[name] = render("attngen.emit.cpp", f"{name}.cpp", values).rstrip()
    source = render("attngen.emit.cpp", "recurrent.cpp", values)
    trained = ["q", "k", "v", *(given.name for given in variant.inputs if given.kind is Kind.FLOAT)]
    states = ", ".join(f"{state.name} [{', '.join(_axes(state))}]" for state in plan.states)
    launcher = {
        **made.values(),
        **chunks.launcher_values(plan),
        "imports": sorted(IMPORTS, key=lambda line: (line.startswith("from"), line)),
        "spec": json.dumps(place(variant, variant.span.line), ensure_ascii=False),
        "flags": flags(),
        "native": functions("attngen.emit.support", "native.py", ["_library"]),
        "host_lines": laid_out(host_lines(plan.host), 4),
        "state_docs": states,
        "order_lines": _order_lines(variant),
        "state_shapes": f"{{{', '.join(_shape(state) for state in plan.states)}}}",
        "gradient_lines": laid_out([f"_no_gradients({', '.join(trained)}, *(state or {{}}).values())"], 4),
        "operators": functions("attngen.emit.support", "operators.py", ["_is_differentiated"]),
    }
    return source, render("attngen.emit.cpp", "recurrent_launcher.py", launcher)


def _order_lines(variant: Variant) -> list[str]:
    """Tokens in the order of time, for every head; positions and heads are there since the order was checked."""
    if variant.order is None:
        return []
    _, steps = order_steps(variant, variant.order)
    return laid_out([f"order = torch.argsort({steps}, dim=-1).expand(H, N).contiguous()"], 4)


def _axes(state: StatePlan) -> list[str]:
    return ["B", "H", *(SIZES[axis] for axis in (state.key_axis, state.value_axis) if axis is not None)]


def _shape(state: StatePlan) -> str:
    return f'"{state.name}": ({", ".join(_axes(state))})'

"""The C++ files of a recurrent plan, forward and backward, and the launcher beside them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Container

from attngen.emit import operators, recurrences
from attngen.emit.checks import place
from attngen.emit.cpp import chunks
from attngen.emit.cpp.files import MODULES, flags, helper_functions, support
from attngen.emit.cpp.token_returns import assigned
from attngen.emit.face import recurrent_face
from attngen.emit.render import functions, render
from attngen.emit.tokens import Landed, landed
from attngen.schedule.chunks import ChunkPlan

SUPPORT = ("numbers", "vectors", "memory", "sums", "chunks", "pieces", "steps", "chunk_gradients")
IMPORTS = (
    *(f"import {module}" for module in MODULES),
    "import hashlib",
    "from array import array",
    "from collections.abc import Callable, Iterable, Mapping, Sequence",
    "from contextlib import suppress",
    "from functools import cache",
    "from pathlib import Path",
    "from typing import Any, NamedTuple",
)
ERRORS = (
    "RuntimeError: there is no working C++ compiler.",
    "MemoryError: there is no room for what threads keep.",
)


def generate(plan: ChunkPlan) -> tuple[str, str, str]:
    """The C++ files of a plan, forward and backward, and the Python launcher beside them."""
    made = recurrent_face(plan.variant)
    launcher = {**made.values(), **chunks.launcher(plan), **recurrences.values(plan, made), **_launcher_values(plan)}
    launcher |= recurrences.parts(launcher)
    return (
        _source("recurrent.cpp", {**made.values(), **chunks.forward(plan)}),
        _source("recurrent_backward.cpp", {**made.values(), **chunks.backward(plan)}),
        render("attngen.emit.cpp", "recurrent_launcher.py", launcher),
    )


def _source(template: str, values: dict[str, object]) -> str:
    """A C++ file, and the templates whose text stands in it."""
    shown = {**values, **{name: support(name) for name in SUPPORT}}
    lists = [line for lines in values.values() if isinstance(lines, list) for line in map(str, lines)]
    shown["functions"] = helper_functions("\n".join(lists))
    for name in ("opening", "given", "tokens"):
        shown[name] = render("attngen.emit.cpp", f"{name}.cpp", shown).rstrip()
    return render("attngen.emit.cpp", template, shown)


def _launcher_values(plan: ChunkPlan) -> dict[str, object]:
    variant = plan.variant
    where = f"{variant.name}: q is on {{q.device}}; this file runs on the CPU"
    trained = operators.trained_inputs(variant)
    made = assigned(plan)
    rows = [Landed(name, of_token=True, axes=(axis,)) for name, axis in (("q", "c"), ("k", "c"), ("v", "e"))]
    by_rows = [_sums(index, each, made) for index, each in enumerate(rows)]
    by_inputs = [_sums(3 + trained.index(each.input), each, made) for each in landed(plan)]
    return {
        "imports": sorted(IMPORTS, key=lambda line: (line.startswith("from"), line)),
        "spec": json.dumps(place(variant, variant.span.line), ensure_ascii=False),
        "flags": "\n".join([flags(), f"SEGMENT = {_segment()}  # tokens between states that are kept for gradients"]),
        "native": functions("attngen.emit.support", "native.py", ["_library", "_texts"]),
        "digested": "__file__, '.cpp', '_backward.cpp'",
        "devices": '["CPU"]',
        "device_check": ["if not (q.is_cpu or q.is_meta):", f"    raise ValueError(f{json.dumps(where)})"],
        "other_errors": ERRORS,
        "ordered": variant.order is not None,
        "by_rows": by_rows,
        "by_inputs": by_inputs,
        "by_inputs_text": ", *inputs" if by_inputs else "",
        "to_inputs": recurrences.to_inputs(plan, of_head="piece"),
        "in_pieces": not plan.hands_back,
    }


def _segment() -> int:
    """How many tokens C++ takes between states that it keeps."""
    found = (re.search(rf"constexpr int64_t {name} = (\d+);", support("chunks")) for name in ("CHUNK", "SEGMENT"))
    return math.prod(int(match[1]) for match in found if match is not None)


def _sums(index: int, made: Landed, assigned: Container[str]) -> str:
    """Room for the gradient by a row or an input, where it is asked for."""
    shape = ["N" if made.of_token else "call.pieces", *made.shape]
    options = [*(["make=torch.empty"] if made.name in assigned else [])]
    options += [] if made.of_token else ["dtype=torch.float64"]
    return f"sums({', '.join([f'wanted[{index}]', *shape, *options])})"

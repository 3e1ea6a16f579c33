"""The Triton file of a recurrent plan: kernels, and the launcher around them."""

from __future__ import annotations

from collections.abc import Iterable

from attngen.emit import operators, recurrences
from attngen.emit.face import recurrent_face, spec_hash
from attngen.emit.layout import laid_out
from attngen.emit.live import sorted_imports
from attngen.emit.operators import IMPORTS as OF_OPERATORS
from attngen.emit.render import called_functions, functions, render
from attngen.emit.tokens import Landed, landed, size_of
from attngen.emit.triton import arguments as args
from attngen.emit.triton.carrying import HEAD
from attngen.emit.triton.carrying_back import CarryingBack
from attngen.emit.triton.chunks import Chunks
from attngen.emit.triton.chunks_back import ChunksBack
from attngen.emit.triton.launcher import device_check
from attngen.emit.triton.pieces import Passing
from attngen.emit.triton.recurrent_arguments import CHOSEN, given
from attngen.emit.triton.token_lines import own_axes, sums_values
from attngen.emit.triton.token_returns import in_parts
from attngen.schedule.chunks import ChunkPlan
from attngen.schedule.configuration import ALL_VALUES
from attngen.schedule.defaults import recurrent

IMPORTS = ("import contextlib", "import math", "from collections.abc import Mapping", *OF_OPERATORS)
SEGMENT = 256
"""Tokens between states that are kept for gradients, which start from there."""


def generate(plan: ChunkPlan) -> str:
    """The generated file."""
    made = recurrent_face(plan.variant, debug=True)
    back = ChunksBack(plan)
    kernels = "\n\n\n".join([*Chunks(plan).kernels(), *back.kernels()])
    shown = {**made.values(), **recurrences.values(plan, made)}
    tables = laid_out(args.table_lines(plan), 4)
    left = [each for each in map(Passing, Chunks(plan).states) if each.is_left]
    shown |= {
        "imports": sorted_imports(IMPORTS, (f"from functools import cache{', lru_cache' if tables else ''}",)),
        "tiles": _tiles(plan),
        "segment": SEGMENT,
        "kernels": kernels,
        "jit_support": _jit_support(kernels),
        "device_check": [
            'runs = q.device.type != "cpu" or not isinstance(_carry, triton.JITFunction)',
            *device_check(plan.variant.name),
        ],
        "other_errors": [],
        "states": [(state.called, number) for number, state in enumerate(plan.states)],
        "left_states": [(each.made.called, number) for number, each in enumerate(left)],
        "left_function": recurrences.shape_function(
            plan.variant, "_left_shapes", "Of what is left of them behind a piece.", [[each.size] for each in left]
        ),
        "key_width": _key_width(plan),
        "state_parts": _tuple(map(_parts, back.states)),
        "by_inputs": [_zeros(plan, each) for each in landed(plan)],
        "erasing": bool(back.erasing),
        "erased_sizes": _tuple(
            f"({_parts(state)}, N, {size_of(state.forward.state.value_axis)})" for state in back.erasing
        ),
        "found_passed": [(f"{s.by_found}_ptr", f"by_found[{k}]") for k, s in enumerate(back.erasing)],
        "found_given": "by_found, " if back.erasing else "",
        "found_text": ", `by_found` by what was found" if back.erasing else "",
        "rooms_passed": _rooms_passed(plan, back),
        "to_inputs": recurrences.to_inputs(plan, of_head="chunk", before=("tile",)),
        "table_lines": tables,
        "passed": [f'"{each.name}": {each.value}' for each in given(plan) if each not in CHOSEN],
        "launching": functions(
            "attngen.emit.support", "launches.py", ["_on", "_power_of_two", "_gpu", *(["_table"] if tables else [])]
        ),
        "digested": "__file__",
        "devices": '["CPU", "CUDA"]',
    }
    return render("attngen.emit.triton", "recurrent_launcher.py", {**shown, **recurrences.parts(shown)})


def _tuple(texts: Iterable[str]) -> str:
    found = [*texts]
    return f"({', '.join(found)}{',' * (len(found) == 1)})"


def skeleton(plan: ChunkPlan) -> str:
    """Which defaults a recurrence has: those where tokens are taken one after the other take more registers."""
    by_channel = any(state.by_channel for state in plan.states)
    erases = any(state.erases is not None for state in plan.states)
    several = (by_channel and erases) or any(row.matrix is not None for row in plan.rows)
    return "of_matrices" if several else "by_token" if by_channel or erases else "plain"


def _tiles(plan: ChunkPlan) -> list[str]:
    """The sizes that kernels start with, by width: for each GPU a column; all values in one where they are summed."""
    most = ALL_VALUES if sums_values(plan) else 0
    lines = []
    for width, columns in recurrent(skeleton(plan), spec_hash(plan.variant)).items():
        found = [(each.tokens, max(each.values, most), max(each.values_back, most), each.warps) for each in columns]
        lines.append(f"{width}: ({', '.join(map(str, found))})")
    return lines


def _parts(state: CarryingBack) -> str:
    """How many parts a gradient by a state has."""
    return "1" if state.of == HEAD else "tiles"


def _key_width(plan: ChunkPlan) -> str:
    """How wide rows of keys are."""
    sizes = ["D", *map(size_of, own_axes(plan))]
    return f"max({', '.join(sizes)})" if len(sizes) > 1 else "D"


def _zeros(plan: ChunkPlan, made: Landed) -> str:
    """Room for the gradient by an input, where it is asked for; where values are summed, for a part of each tile."""
    index = 3 + operators.trained_inputs(plan.variant).index(made.input)
    sizes = ["tiles" if in_parts(made) else "1", "N" if made.of_token else "chunks", *made.shape]
    return f"zeros({', '.join([f'wanted[{index}]', *sizes])})"


def _rooms_passed(plan: ChunkPlan, back: ChunksBack) -> list[tuple[str, str]]:
    """What the kernel of gradients takes of that."""
    rooms = {f"d{name}": f"rows[{k}]" for k, name in enumerate("qkv")}
    rooms |= {made.name: f"inputs[{k}]" for k, made in enumerate(landed(plan))}
    taken = back.rooms()
    return [(f"{name}_ptr", room) for name, room in rooms.items() if name in taken]


def _jit_support(text: str) -> str:
    """The device functions that the kernels call, those first that others call."""
    found: list[str] = []
    for name in ("chunk_gradients", "chunk_support", "support"):
        found.insert(0, called_functions("attngen.emit.triton", f"{name}.py", "\n".join([text, *found])))
    return "\n\n\n".join(filter(None, found))

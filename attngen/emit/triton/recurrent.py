"""The Triton file of a recurrent plan: kernels, and the launcher around them."""

from __future__ import annotations

from collections.abc import Iterable

from attngen.emit import operators, recurrences
from attngen.emit.face import recurrent_face
from attngen.emit.layout import laid_out
from attngen.emit.live import sorted_imports
from attngen.emit.operators import IMPORTS as OF_OPERATORS
from attngen.emit.render import called_functions, functions, render
from attngen.emit.tokens import Landed, distinct_matrices, landed, size_of
from attngen.emit.triton import arguments as args
from attngen.emit.triton.chunks import Chunks
from attngen.emit.triton.chunks_back import ChunksBack
from attngen.emit.triton.launcher import device_check
from attngen.emit.triton.pieces import Passing
from attngen.emit.triton.recurrent_arguments import CHOSEN, given
from attngen.emit.triton.token_lines import sums_values
from attngen.schedule.chunks import ChunkPlan

IMPORTS = ("import contextlib", "import math", "from collections.abc import Mapping", *OF_OPERATORS)
WIDEST = 64
"""Channels of values that a program carries, where values are independent of each other."""
WARPS = 8


def generate(plan: ChunkPlan) -> str:
    """The generated file."""
    made = recurrent_face(plan.variant, debug=True)
    back = ChunksBack(plan)
    kernels = "\n\n\n".join([*Chunks(plan).kernels(), *back.kernels()])
    shown = {**made.values(), **recurrences.values(plan, made)}
    tables = laid_out(args.table_lines(plan), 4)
    left = [each for each in map(Passing, Chunks(plan).states) if each.is_left]
    shown |= {
        "imports": sorted_imports(IMPORTS, ("from functools import lru_cache",) if tables else ()),
        "segment": segment(plan),
        "warps": WARPS,
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
        "widest": "2**30" if sums_values(plan) else str(WIDEST),
        "by_inputs": [_zeros(plan, each) for each in landed(plan)],
        "erasing": bool(back.erasing),
        "erased_widths": _tuple(size_of(state.forward.state.value_axis) for state in back.erasing),
        "found_passed": [(f"{s.by_found}_ptr", f"by_found[{k}]") for k, s in enumerate(back.erasing)],
        "rooms_passed": _rooms_passed(plan, back),
        "to_inputs": recurrences.to_inputs(plan, of_head="chunk"),
        "table_lines": tables,
        "passed": [f'"{each.name}": {each.value}' for each in given(plan) if each not in CHOSEN],
        "launching": functions("attngen.emit.support", "launches.py", ["_on", *(["_table"] if tables else [])]),
        "digested": "__file__",
        "devices": '["CPU", "CUDA"]',
    }
    return render("attngen.emit.triton", "recurrent_launcher.py", {**shown, **recurrences.parts(shown)})


def _tuple(texts: Iterable[str]) -> str:
    found = [*texts]
    return f"({', '.join(found)}{',' * (len(found) == 1)})"


def segment(plan: ChunkPlan) -> int:
    """Tokens of a chunk: few where they are taken one after the other, or where matrices fill the registers."""
    one_by_one = any(state.by_channel or state.erases is not None for state in plan.states)
    return 16 if one_by_one or distinct_matrices(plan) else 32


def _zeros(plan: ChunkPlan, made: Landed) -> str:
    """Room for the gradient by an input, where it is asked for."""
    index = 3 + operators.trained_inputs(plan.variant).index(made.input)
    return f"zeros({', '.join([f'wanted[{index}]', 'N' if made.of_token else 'chunks', *made.shape])})"


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

"""A recurrent plan as the strings that its C++ template shows."""

from __future__ import annotations

from attngen.emit.cpp.arguments import arguments
from attngen.emit.cpp.carrying import Carrying
from attngen.emit.cpp.token_lines import LANES, give_lines, load_lines, taken_rows
from attngen.emit.cpp.workspace import declared
from attngen.emit.layout import laid_out_cpp
from attngen.schedule.chunks import ChunkPlan


def values(plan: ChunkPlan) -> dict[str, object]:
    """By the names that the template uses."""
    given = arguments(plan)
    states = [Carrying(state) for state in plan.states]
    buffers = _buffers(plan, states)
    decays = {f"{s.called}_decays": LANES["c"] if s.by_channel else "1" for s in plan.states}
    return {
        "inputs": [argument for argument in given if argument.axes],
        "most_axes": max((argument.axes for argument in given), default=0),
        "fields": [argument.field for argument in given],
        "packed": [line for argument in given for line in argument.packed],
        "unpacked": [line for argument in given for line in argument.unpacked],
        "key_rows": [],
        "listed": False,
        "ordered": False,
        "in_order": plan.variant.order is not None,
        "states": [(each.state.called, each.shape, laid_out_cpp(each.lines(), 4)) for each in states],
        "buffers": [*declared("Buffer<float>", buffers), *declared("Decays", decays)],
        "members": _members({**buffers, **decays}),
        "rows": [(row.name, load_lines(plan, row)) for row in plan.rows],
        "give_lines": give_lines(plan),
        "start_lines": [line for each in states for line in laid_out_cpp(each.start(), 4)],
        "finish_lines": [line for each in states for line in laid_out_cpp(each.finish(), 4)],
    }


def launcher_values(plan: ChunkPlan) -> dict[str, object]:
    """What the launcher packs."""
    given = arguments(plan)
    return {
        "tensors": [item for argument in given for item in argument.tensors],
        "integers": [item for argument in given for item in argument.integers],
        "reals": ", ".join(item for argument in given for item in argument.reals),
    }


def _buffers(plan: ChunkPlan, states: list[Carrying]) -> dict[str, str]:
    """What a thread keeps, and how many floats that is."""
    kept = {row.name: f"CHUNK * {LANES[row.axis]} + SLACK" for row in plan.rows}
    for each in states:
        kept |= each.buffers
    taken = [each for row in (*plan.rows, plan.y) if not row.plain for each in taken_rows(plan, row)]
    kept |= {f"{name}_at": LANES[axis] for name, _, _, axis in taken}
    widest = "CHUNK * std::max<int64_t>(D_lanes, LANES) + SLACK"
    return {
        **kept,
        **dict.fromkeys(("across", "faded", "decayed", "erased_decayed"), widest),
        "terms": "std::max(D_lanes, E_lanes)",
        "weights": "CHUNK * CHUNK + SLACK",
        "ones": "std::max(D_lanes, CHUNK) + SLACK",
    }


def _members(sizes: dict[str, str]) -> list[str]:
    """What a constructor makes of sizes."""
    made = [f"{name}({size})" for name, size in sizes.items()]
    return [f"{':' if k == 0 else ' '} {each}{',' * (k < len(made) - 1)}" for k, each in enumerate(made)]

"""A recurrent plan as the strings that its C++ templates show."""

from __future__ import annotations

from collections.abc import Iterable

from attngen.emit.cpp import matrices
from attngen.emit.cpp.arguments import arguments
from attngen.emit.cpp.carrying import Carrying
from attngen.emit.cpp.carrying_back import CarryingBack
from attngen.emit.cpp.pieces import Passing, rows_left, rows_written
from attngen.emit.cpp.stepping import is_stepped, step_lines
from attngen.emit.cpp.token_lines import give_lines, load_lines, taken_rows
from attngen.emit.cpp.token_printer import lanes_of
from attngen.emit.cpp.token_returns import read_by_y, return_lines, sums_type
from attngen.emit.cpp.workspace import declared
from attngen.emit.layout import laid_out_blocks, laid_out_cpp
from attngen.emit.tokens import Landed, landed, size_of
from attngen.ir.expr import variables
from attngen.schedule.chunks import ChunkPlan
from attngen.schedule.returns import Return
from attngen.schedule.tokens import TokenRow

WIDEST = "CHUNK * widest + SLACK"
SCRATCH = {
    **dict.fromkeys(("across", "faded", "decayed", "erased_decayed"), WIDEST),
    "terms": "widest",
    "weights": "CHUNK * CHUNK + SLACK",
    "ones": "widest + CHUNK + SLACK",
}
SCRATCH_BACK = {
    **dict.fromkeys(("values_across", "read"), WIDEST),
    "slopes": "CHUNK * CHUNK + SLACK",
    "joined": "(CHUNK + 1) * CHUNK",
    "from_state": "CHUNK + 1",
    "kept": "widest + SLACK",
}
"""What both passes need for a while, and the backward pass alone."""


def forward(plan: ChunkPlan) -> dict[str, object]:
    """By the names that the template of the forward pass uses."""
    states = [Carrying(state) for state in plan.states]
    together = [Carrying(states[0], states[1:]) for states in plan.beside]
    stepped = states if is_stepped(plan.states) else []
    passing = [Passing(states) for states in plan.beside]
    buffers = {row.name: f"CHUNK * {lanes_of(row.axis)} + SLACK" for row in plan.rows}
    for each in states:
        buffers |= each.buffers
    buffers |= _rooms(plan, (*plan.rows, plan.y))
    return {
        **_common(plan, {**buffers, **matrices.buffers(plan), **SCRATCH}, passing),
        "unread": [_of_states(each, each.unread()) for each in together],
        "rows_written": rows_written(plan),
        "matrix_lines": laid_out_blocks(matrices.load_lines(plan, straight=False), 4),
        "carried": [_of_states(each, each.lines()) for each in together],
        "stepped": [(each.state.called, laid_out_cpp(step_lines(each), 4)) for each in stepped],
        "first_state": plan.states[0].called,
        "give_lines": give_lines(plan),
        "keep_lines": _laid_out([each.keep()] for each in states),
        "start_lines": _laid_out(([each.start()] for each in states), 6),
        "finish_lines": _laid_out([each.finish()] for each in states),
    }


def backward(plan: ChunkPlan) -> dict[str, object]:
    """By the names that the template of the backward pass uses."""
    read = frozenset[str]().union(*map(variables, plan.y_return.exprs))
    together = [
        CarryingBack(states[0], any(each.name in read for s in states for each in s.readings), plan.trained, states[1:])
        for states in plan.beside
    ]
    states = [each for group in together for each in group.members]
    buffers = {row.name: f"CHUNK * {lanes_of(row.axis)} + SLACK" for row in plan.rows}
    gradients = {f"d_{row.name}": f"CHUNK * {lanes_of(row.axis)} + SLACK" for row in plan.rows}
    gradients |= {f"d_{each.name}": f"CHUNK * {s.forward.width} + SLACK" for s in states for each in s.state.readings}
    known = {f"d_{name}" for name in read_by_y(plan)}
    buffers |= gradients
    for each in states:
        buffers |= each.buffers
    buffers |= _rooms(plan, (*plan.rows, *plan.returns, plan.y_return))
    returns = [plan.y_return, *plan.returns]
    passing = [Passing(states, back=True) for states in plan.beside]
    return {
        **_common(plan, {**buffers, **matrices.buffers(plan, back=True), **SCRATCH, **SCRATCH_BACK}, passing),
        "passed_back": [_of_states(each, each.passed()) for each in together],
        "turned_lines": _laid_out(each.turned() for each in states),
        "matrix_lines": laid_out_blocks(matrices.load_lines(plan, straight=True), 4),
        "flush_lines": laid_out_blocks(matrices.flush_lines(plan), 6),
        "advanced": [_of_states(each, each.advance()) for each in together],
        "reread": [_of_states(each, each.reread()) for each in together if each.rereads],
        "carried_back": [_of_states(each, each.lines()) for each in together],
        "returned": [(each.name, _return_lines(plan, each)) for each in returns],
        "row_returns": [each.name for each in plan.returns],
        "summed": [(name, size.removesuffix(" + SLACK")) for name, size in gradients.items() if name not in known],
        "start_lines": _laid_out((each.start() for each in states), 6),
        "recall_lines": _laid_out(each.recall() for each in states),
        "finish_lines": _laid_out(each.finish() for each in states),
        "landings": [(sums_type(each), each.name, _of_head(each)) for each in landed(plan)],
    }


def launcher(plan: ChunkPlan) -> dict[str, object]:
    """What the launcher packs."""
    given = arguments(plan)
    return {
        "tensors": [item for argument in given for item in argument.tensors],
        "integers": [item for argument in given for item in argument.integers],
        "reals": [item for argument in given for item in argument.reals],
    }


def _common(plan: ChunkPlan, buffers: dict[str, str], passing: list[Passing]) -> dict[str, object]:
    """What both passes show."""
    given = arguments(plan)
    for each in passing:
        buffers = buffers | each.buffers
    ends = {name: size for each in passing for name, size in each.ends.items()}
    decays = {f"{s.called}_decays": lanes_of(s.key_axis) if s.by_channel else "1" for s, *_ in plan.beside}
    own = sorted({row.axis for row in plan.rows if row.axis not in (None, "c", "e")})
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
        "own_lanes": [(lanes_of(axis), size_of(axis)) for axis in own],
        "lanes_of_own": "".join(f", {lanes_of(axis)}" for axis in own),
        "states": [(state.called, Carrying(state).shape) for state in plan.states],
        "buffers": [*declared("Buffer<float>", buffers), *declared("Decays", decays)],
        "members": _members({**buffers, **decays}),
        "ends": declared("Buffer<float>", ends),
        "end_members": _members(ends),
        "leaving": [(each.states[0].called, laid_out_cpp(each.leaving(), 4)) for each in passing if each.is_left],
        "nothing_left_lines": _laid_out(each.nothing_left() for each in passing),
        "rows_left": rows_left(plan),
        "left_lines": _laid_out(each.left() for each in passing),
        "stored_lines": _laid_out(each.stored() for each in passing),
        "emptied_lines": _laid_out((each.emptied() for each in passing), 6),
        "passed_lines": _laid_out((each.passed() for each in passing), 6),
        "rows": [(row.name, _row_lines(plan, row)) for row in plan.rows],
    }


def _of_head(made: Landed) -> str:
    """The shape of sums of gradients."""
    return ", ".join(["B", "H", "N" if made.of_token else "pieces", *made.shape])


def _row_lines(plan: ChunkPlan, row: TokenRow) -> list[str]:
    return load_lines(plan, row) if row.matrix is None else laid_out_cpp([matrices.product_line(row)], 4)


def _return_lines(plan: ChunkPlan, part: Return) -> list[str]:
    row = next((row for row in plan.rows if row.name == part.name), plan.y)
    return return_lines(plan, part) if row.matrix is None else laid_out_blocks(matrices.return_lines(plan, row), 4)


def _rooms(plan: ChunkPlan, parts: Iterable[TokenRow | Return]) -> dict[str, str]:
    """Room for a row of the call that is read as floats."""
    products = {row.name for row in plan.rows if row.matrix is not None}
    computed = [part for part in parts if not (part.name in products or (isinstance(part, TokenRow) and part.plain))]
    taken = [each for part in computed for each in taken_rows(plan, part)]
    return {f"{name}_at": lanes_of(axis) for name, _, _, axis in taken}


def _of_states(made: Carrying | CarryingBack, lines: list[str]) -> tuple[str, str, list[str]]:
    """A function of states that lie beside each other: the end of its name, those of the states, and its lines."""
    names = " and ".join(state.called for state in (made.state, *made.beside))
    return made.state.called, names, laid_out_cpp(lines, 4)


def _laid_out(blocks: Iterable[list[str]], indent: int = 4) -> list[str]:
    return [line for lines in blocks for line in laid_out_cpp(lines, indent)]


def _members(sizes: dict[str, str]) -> list[str]:
    """What a constructor makes of sizes."""
    made = [f"{name}({size})" for name, size in sizes.items()]
    return [f"{each}{',' * (k < len(made) - 1)}" for k, each in enumerate(made)]

"""A call of one token in C++: from the state that is carried in to the one that is carried out, with no chunk.

Decoding is bound by memory: a state is read once and written once, and all that is computed happens in between. A call
that carries no state in takes a chunk, so that its token is, to the bit, the first of a longer call.
"""

from __future__ import annotations

from collections.abc import Iterable

from attngen.emit.cpp.carrying import ONES, Carrying, at
from attngen.schedule.chunks import ReadingPlan, StatePlan


def step_lines(made: Carrying) -> list[str]:
    """What the token finds and reads of a state, and what it writes; `state` and `next` are the addresses."""
    state, name = made.state, made.state.called
    lines = [f"const float* const state = call.{name}_in + head * {made.size};"]
    lines.append(f"float* const next = call.{name}_out + head * {made.size};")
    back = "nullptr, nullptr"
    if state.erases is not None and state.erased is not None:
        lines.append(f"float* const found = {at(made.found)};")
        lines.append(_read(made, at(state.erases.name), "state", "found"))
        back = f"{at(state.erased.name)}, found"
    lines += _readings(made, (each for each in state.readings if each.before), "state")
    decay = ONES if state.decay is None else at(state.decay.name)
    written = f"{at(state.key.name)}, {at(state.value.name)}, {back}"
    sizes = f"{made.count}, {made.values}"
    lines.append(f"write_state({sizes}, state, {decay}, {int(state.by_channel)}, {written}, next);")
    return [*lines, *_readings(made, (each for each in state.readings if not each.before), "next")]


def is_stepped(states: Iterable[StatePlan]) -> bool:
    """Whether rows of values lie together in memory, in all states."""
    return all(Carrying(state).keys_first for state in states)


def _readings(made: Carrying, readings: Iterable[ReadingPlan], state: str) -> list[str]:
    return [_read(made, at(each.row.name), state, at(each.name)) for each in readings]


def _read(made: Carrying, row: str, state: str, target: str) -> str:
    return f"read_state({made.count}, {made.values}, {row}, {state}, {target});"

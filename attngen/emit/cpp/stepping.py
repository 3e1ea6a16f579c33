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
    lines += [_read(made, at(each.row.name), "state", at(each.name)) for each in state.readings if each.before]
    after = [each for each in state.readings if not each.before]
    lines.append(_write(made, back, after[:1]))
    return [*lines, *(_read(made, at(each.row.name), "next", at(each.name)) for each in after[1:])]


def is_stepped(states: Iterable[StatePlan]) -> bool:
    """Whether rows of values lie together in memory, in all states."""
    return all(Carrying(state).keys_first for state in states)


def _write(made: Carrying, back: str, read: list[ReadingPlan]) -> str:
    """The state behind the token, and what is read of it while its rows pass by."""
    state = made.state
    decay = ONES if state.decay is None else at(state.decay.name)
    rows = f"state, {decay}, {int(state.by_channel)}, {at(state.key.name)}, {at(state.value.name)}, {back}, next"
    reading = f"{at(read[0].row.name)}, {at(read[0].name)}" if read else "nullptr, nullptr"
    line = f"call.B * H * {made.size} > FAR ? {made.place} : nullptr"
    how = f"{str(state.erases is not None).lower()}, {str(bool(read)).lower()}"
    return f"write_state<{how}>({made.count}, {made.values}, {rows}, {reading}, {line});"


def _read(made: Carrying, row: str, state: str, target: str) -> str:
    return f"read_state({made.count}, {made.values}, {row}, {state}, {target});"

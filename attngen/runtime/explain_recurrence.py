"""The canonical form of a recurrence, in words and formulas."""

from __future__ import annotations

from contextlib import suppress

from attngen.analysis.recurrence import Carried, Recurrence, canonical
from attngen.errors import SpecError
from attngen.ir.nodes import Variant
from attngen.ir.show import show_expr
from attngen.schedule.chunks import chunk_plan


def explain_recurrence(variant: Variant) -> str:
    """What is carried from token to token, and what tokens read of it."""
    blocks = [[variant.name, *(f"    {line}" for line in variant.text)], *form_lines(canonical(variant))]
    blocks += _threads(variant)
    return "\n\n".join("\n".join(block) for block in blocks)


def form_lines(form: Recurrence) -> list[list[str]]:
    """The same of a canonical form: its states, then what is read of them."""
    return [*(_state(state) for state in form.states), _readings(form)]


def _threads(variant: Variant) -> list[list[str]]:
    """Why threads of a CPU can't share a head, where they can't."""
    with suppress(SpecError):  # `build` says why it is not compiled
        if chunk_plan(variant).hands_back:
            why = "a gradient by it goes to the token before, which may be another thread's"
            return [["On a CPU one thread takes all tokens of a head: `prev` of an input is read, and", f"    {why}"]]
    return []


def _state(state: Carried) -> list[str]:
    """One state, and what each token does to it."""
    axes = ", ".join(axis for axis in ("b", "h", state.key_axis, state.value_axis) if axis is not None)
    lines = [f"The state {state.name} [{axes}], float32, is 0 at first. Each token"]
    lines.append(f"    scales it by {show_expr(state.decay)}")
    if state.erases is not None and state.erased is not None:
        erased = f"outer({show_expr(state.erased)}, dot({show_expr(state.erases)}, {state.name}))"
        lines.append(f"    adds {erased}, of the state before")
    lines.append(f"    adds outer({show_expr(state.key)}, {show_expr(state.value)})")
    return lines


def _readings(form: Recurrence) -> list[str]:
    lines = ["Each token reads"]
    for reading in form.readings:
        when = "before its own update" if reading.before else "behind its own update"
        lines.append(f"    {reading.name} = dot({show_expr(reading.row)}, {reading.state}), {when}")
    return [*lines, f"and gives {show_expr(form.out)}"]

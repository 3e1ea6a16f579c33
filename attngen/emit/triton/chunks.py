"""The Triton kernels of a recurrence, from its plan: rows of tokens, states from chunk to chunk, and y."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from attngen.emit.layout import laid_out
from attngen.emit.render import render
from attngen.emit.triton.carrying import HEAD, Carrying, of_piece, slot
from attngen.emit.triton.pieces import Passing
from attngen.emit.triton.recurrent_arguments import declared, given, used
from attngen.emit.triton.token_lines import TokenLines
from attngen.schedule.chunks import ChunkPlan

STEP = " " * 4
KERNELS = ("carry", "leave", "follow", "give")
"""Those of the forward pass."""


@dataclass(frozen=True, slots=True)
class Chunks:
    """The kernels of the forward pass, and what those of the backward pass share with them."""

    plan: ChunkPlan

    @property
    def states(self) -> list[Carrying]:
        """Each state."""
        return [Carrying(state) for state in self.plan.states]

    def kernels(self) -> list[str]:
        """Functions and kernels."""
        texts = [self._tokens(), *(text for state in self.states for text in _carried(state))]
        values = self._values() | self.passing_values()
        names = [name for name in KERNELS if name != "leave" or values["left_arguments"]]
        return [*texts, *(render("attngen.emit.triton", f"{name}.py", values).rstrip() for name in names)]

    def _tokens(self) -> str:
        lines, results = self._token_lines(), ", ".join(self._token_names())
        values = {"lines": shown(lines), "results": results, "arguments": declared(used(self.plan, lines))}
        return render("attngen.emit.triton", "tokens.py", values).rstrip()

    def _token_lines(self) -> list[str]:
        lines = TokenLines(self.plan, self.plan.rows)
        body = [line for row in self.plan.rows for line in lines.row(row)]
        return [*lines.opening(["live", *body]), *body]

    def _token_names(self) -> list[str]:
        return ["live", *(row.name for row in self.plan.rows)]

    def tokens_call(self) -> str:
        """The rows of a chunk."""
        names = [each.name for each in used(self.plan, self._token_lines())]
        return f"{', '.join(self._token_names())} = _tokens({', '.join(names)})"

    def _values(self) -> dict[str, object]:
        states = self.states
        lines, y = TokenLines(self.plan, (self.plan.y,)), self.plan.y
        place = self.place_lines()
        kept = [f"{each.called} = {each.loaded(f'{each.called}_kept_ptr', slot())}" for each in states]
        reads = [f"{', '.join(each.readings)} = {call('read', each)}" for each in states if each.readings]
        give = [*kept, self.tokens_call(), *reads, *lines.statements(y), f"y = {lines.text(y.result)}"]
        return {
            "state_arguments": [f"{each.called}_{end}_ptr" for each in states for end in ("in", "out", "kept")],
            "kept_arguments": [f"{each.called}_kept_ptr" for each in states],
            "given": declared(given(self.plan)),
            "place_lines": shown([*lines.opening(place), *place]),
            "start_lines": shown(
                [line for each in states for line in start_lines(each, each.called, "in", of_piece())]
            ),
            "keep_lines": shown(
                [line for each in states for line in given_lines(each, each.called, "kept", slot())], 8
            ),
            "carry_lines": shown([self.tokens_call(), *(f"{s.called} = {call('written', s)}" for s in states)], 8),
            "carried_lines": shown(
                [line for each in states for line in given_lines(each, each.called, "out", of_piece())]
            ),
            "give_lines": shown([*lines.opening([*place, *give, "rows live e"]), *place, *give]),
        }

    def passing_values(self) -> dict[str, object]:
        """What the kernels of pieces show."""
        passing, names = [Passing(state) for state in self.states], [state.called for state in self.states]
        left = [each for each in passing if each.is_left]
        lines, place = TokenLines(self.plan, self.plan.rows), [line for each in left for line in each.place()]
        both = self.passing_place()
        calls = [f"{each.name} = {left_call(each.made)}" for each in left]
        front = [each.stored(each.called, f"{each.called}_front_ptr", of_piece()) for each in self.states]
        arguments = [f"{each.name}_ptr" for each in left]
        ends = [f"{name}_{end}_ptr" for name in names for end in ("in", "made", "front", "out")]
        return {
            "left_arguments": arguments,
            "follow_arguments": [*arguments, *ends],
            "left_place_lines": shown([*lines.opening(place), *place]),
            "follow_place_lines": shown([*lines.opening(both), *both]),
            "nothing_left_lines": shown([each.nothing_left() for each in left]),
            "leave_lines": shown([self.tokens_call(), *calls], 8),
            "left_stored_lines": shown([each.stored() for each in left]),
            "follow_start_lines": shown([x for s in self.states for x in start_lines(s, s.called, "in", HEAD)]),
            "front_lines": shown(front, 8),
            "follow_lines": shown([line for each in passing for line in each.followed()], 8),
            "finish_lines": shown([each.stored(each.called, f"{each.called}_out_ptr", HEAD) for each in self.states]),
        }

    def passing_place(self) -> list[str]:
        """Where states lie, and what pieces leave of them."""
        left = [each for each in map(Passing, self.states) if each.is_left]
        return [*self.place_lines(), *(line for each in left for line in each.place())]

    def place_lines(self) -> list[str]:
        """Where states lie in memory."""
        return [line for each in self.states for line in each.place()]


def _carried(state: Carrying) -> list[str]:
    """The functions that carry a state through a chunk, and read it."""
    values = {
        "state": state.called,
        "arguments": ["live", state.called, *state.rows, *constants(state)],
        "decay_lines": decay_lines(state),
        "erasing_lines": shown(state.erasing()),
        "reading_lines": shown(state.reading()),
        "writing_lines": shown(state.writing()),
        "readings": ", ".join(state.readings),
        "leaving_arguments": ["live", f"{state.called}_left", *left_rows(state), *constants(state)],
        "leaving_lines": shown(Passing(state).leaving()),
    }
    leaves = ["leaving"] if Passing(state).is_left else []
    names = ["written", *leaves, *(["read"] if state.readings else [])]
    return [render("attngen.emit.triton", f"{name}.py", values).rstrip() for name in names]


def decay_lines(state: Carrying) -> list[str]:
    """Where there is no token nothing decays."""
    decay = state.state.decay
    return [] if decay is None else [f"{decay.name} = tl.where(live, {decay.name}, 1.0)"]


def start_lines(state: Carrying, name: str, end: str, slot: str) -> list[str]:
    """A state, or the gradient by it, that is given at an end, or 0."""
    load = f"{name} = {state.loaded(f'{name}_{end}_ptr', slot)}"
    return [f"{name} = tl.zeros({state.shape}, tl.float32)", f"if {name}_{end}_ptr is not None:", f"{STEP}{load}"]


def given_lines(state: Carrying, name: str, end: str, slot: str) -> list[str]:
    """A state, or the gradient by it, goes to memory where somebody asks for it."""
    return [f"if {name}_{end}_ptr is not None:", f"{STEP}{state.stored(name, f'{name}_{end}_ptr', slot)}"]


def left_rows(state: Carrying) -> list[str]:
    """The rows of tokens that say what is left of a state."""
    return list(dict.fromkeys(row.name for row in state.state.leaving))


def left_call(state: Carrying) -> str:
    """What is left of a state behind one more chunk."""
    given = ["live", f"{state.called}_left", *left_rows(state), *state.precisions]
    return f"_{state.called}_leaving({', '.join(given)})"


def constants(state: Carrying) -> list[str]:
    """What functions of a state know when they are compiled."""
    return [f"{name}: tl.constexpr" for name in state.precisions]


def call(what: str, state: Carrying) -> str:
    """A function of a state."""
    return f"_{state.called}_{what}({', '.join(['live', state.called, *state.rows, *state.precisions])})"


def shown(lines: Iterable[str], indent: int = 4) -> list[str]:
    """Lines that fit; those of blocks stand deeper."""
    found: list[str] = []
    for line in lines:
        bare = line.lstrip()
        deeper = " " * (len(line) - len(bare))
        whole = [bare] if bare.endswith(":") else laid_out([bare], indent + len(deeper))
        found += [deeper + short for short in whole]
    return found

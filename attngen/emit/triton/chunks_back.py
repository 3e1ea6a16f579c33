"""The Triton kernels of the backward pass of a recurrence: gradients by states from chunk to chunk, then by tokens."""

from __future__ import annotations

from dataclasses import dataclass

from attngen.emit.render import render
from attngen.emit.tokens import kept_axes
from attngen.emit.triton.carrying import Carrying, of_piece, slot
from attngen.emit.triton.carrying_back import CarryingBack, Sums
from attngen.emit.triton.chunks import Chunks, call, constants, decay_lines, given_lines, shown, start_lines
from attngen.emit.triton.pieces import Passing
from attngen.emit.triton.recurrent_arguments import OF_DY, declared, given
from attngen.emit.triton.token_lines import TokenLines
from attngen.emit.triton.token_returns import TokenReturns
from attngen.ir.expr import Variable, variables
from attngen.schedule.chunks import ChunkPlan


@dataclass(frozen=True, slots=True)
class ChunksBack:
    """The kernels of the backward pass."""

    plan: ChunkPlan

    @property
    def forward(self) -> Chunks:
        """Those of the forward pass."""
        return Chunks(self.plan)

    @property
    def states(self) -> list[CarryingBack]:
        """Each state."""
        read = frozenset(leaf.name for leaf, _ in self.plan.y_return.shares if isinstance(leaf, Variable))
        return [CarryingBack(state, read) for state in self.forward.states]

    @property
    def _rereads(self) -> list[Carrying]:
        """The states whose readings are needed again."""
        needed = frozenset[str]().union(*map(variables, self.plan.y_return.exprs))
        return [state for state in self.forward.states if not needed.isdisjoint(state.readings)]

    @property
    def erasing(self) -> list[CarryingBack]:
        """The states where tokens erase."""
        return [state for state in self.states if state.by_found]

    def kernels(self) -> list[str]:
        """Functions and kernels."""
        texts = [text for state in self.states for text in _functions(state)]
        values = {"gradient_given": declared([*OF_DY, *given(self.plan)]), **self._carry_back(), **self._return()}
        values |= self._follow_back()
        names = ("carry_back", "follow_back", "return")
        return [*texts, *(render("attngen.emit.triton", f"{name}.py", values).rstrip() for name in names)]

    def _carry_back(self) -> dict[str, object]:
        states, forward = self.states, self.forward
        place = forward.place_lines()
        lines = TokenLines(self.plan, (self.plan.y_return,))
        reads = {name for state in states for name in state.forward.readings}
        axes, shares = kept_axes(self.plan), self.plan.y_return.shares
        named = [(leaf.name, share) for leaf, share in shares if isinstance(leaf, Variable) and leaf.name in reads]
        by_y = [f"d_{name} = {lines.there(share, axes[name])}" for name, share in named]
        again = self._again(self._rereads)
        body = [forward.tokens_call(), *again, *lines.statements(self.plan.y_return), *by_y]
        body += [
            f"{', '.join(_behind(state))} = {_call('written_back', state, _write_back_arguments(state))}"
            for state in states
        ]
        for state in self.erasing:
            body += [f"if {state.by_found}_ptr is not None:", f"    {state.found_stored()}"]
        names = [f"{state.forward.called}_kept_ptr" for state in states]
        ends = [f"{state.called}_{end}_ptr" for state in states for end in ("out", "in", "kept")]
        start = [x for s in states for x in start_lines(s.forward, s.called, "out", of_piece(s.of))]
        slots = [line for s in states for line in given_lines(s.forward, s.called, "kept", slot(s.of))]
        around = [*place, *start, *slots]
        return {
            "by_state_arguments": [*names, *ends, *(f"{state.by_found}_ptr" for state in self.erasing)],
            "place_lines": shown([*lines.opening(around), *place]),
            "start_back_lines": shown(start),
            "keep_back_lines": shown(slots, 8),
            "carry_back_lines": shown([*lines.opening(body, but=around), *body], 8),
            "carried_back_lines": shown(
                [x for s in states for x in given_lines(s.forward, s.called, "in", of_piece(s.of))]
            ),
        }

    def _follow_back(self) -> dict[str, object]:
        states = self.states
        followed = [line for state in states for line in Passing(state.forward, back=True).followed(state.of)]
        front = [
            state.forward.stored(state.called, f"{state.called}_front_ptr", of_piece(state.of)) for state in states
        ]
        ends = [f"{state.called}_{end}_ptr" for state in states for end in ("out", "made", "front", "in")]
        left = [f"{each.name}_ptr" for each in map(Passing, self.forward.states) if each.is_left]
        start = [x for s in states for x in start_lines(s.forward, s.called, "out", s.of)]
        place = self.forward.passing_place()
        opening = TokenLines(self.plan, self.plan.rows).opening([*place, *start, *followed, *front])
        return {
            "follow_place_lines": shown([*opening, *place]),
            "follow_back_arguments": [*left, *ends],
            "follow_back_start_lines": shown(start),
            "front_back_lines": shown(front, 8),
            "follow_back_lines": shown(followed, 8),
            "finish_back_lines": shown([x for s in states for x in given_lines(s.forward, s.called, "in", s.of)]),
        }

    def _again(self, states: list[Carrying]) -> list[str]:
        """States in front of a chunk, and, where that is needed, what tokens read of them."""
        lines = [f"{each.called} = {each.loaded(f'{each.called}_kept_ptr', slot())}" for each in states]
        reads = [state for state in self._rereads if state in states]
        return [*lines, *(f"{', '.join(each.readings)} = {call('read', each)}" for each in reads)]

    def _return(self) -> dict[str, object]:
        states, forward = self.states, self.forward
        returns = [self.plan.y_return, *self.plan.returns]
        lines = TokenLines(self.plan, tuple(returns))
        found = TokenReturns(self.plan, lines)
        body = [forward.tokens_call(), *self._again(forward.states)]
        body += [f"{s.called} = {s.forward.loaded(f'{s.called}_kept_ptr', slot(s.of))}" for s in states]
        body += [state.found_loaded() for state in self.erasing]
        body += found.of(self.plan.y_return)
        for state in states:
            body += _returned(state, found.sums)
        for part in self.plan.returns:
            body += found.of(part)
        body += found.stores()
        place = forward.place_lines()
        rooms = [f"{name}_ptr" for name in dict.fromkeys([*found.landed, *sorted(found.moved)])]
        kept = [f"{name}_kept_ptr" for state in states for name in (state.forward.called, state.called)]
        kept += [f"{state.by_found}_ptr" for state in self.erasing]
        return {
            "return_arguments": [*rooms, *kept],
            "return_lines": shown([*lines.opening([*place, *body]), *place, *body]),
        }

    def rooms(self) -> set[str]:
        """The gradients that the last kernel takes room for."""
        arguments = self._return()["return_arguments"]
        assert isinstance(arguments, list)
        return {name.removesuffix("_ptr") for name in arguments}


def _functions(state: CarryingBack) -> list[str]:
    sums = Sums()
    returning = state.returning(sums)
    values = {
        "state": state.forward.called,
        "write_back_arguments": [*_write_back_arguments(state), *constants(state.forward)],
        "return_arguments": [*_return_arguments(state), *constants(state.forward)],
        "decay_lines": decay_lines(state.forward),
        "erasing_lines": shown(state.forward.erasing()),
        "finding_lines": shown(state.finding()),
        "results": ", ".join(_behind(state)),
        "also_found": "; and that by what tokens found" if state.by_found else "",
        "carrying_back_lines": shown(state.carrying()),
        "returning_lines": shown(returning),
        "returned": ", ".join(sums.names),
    }
    return [render("attngen.emit.triton", f"{name}.py", values).rstrip() for name in ("written_back", "returned")]


def _write_back_arguments(state: CarryingBack) -> list[str]:
    return ["live", state.called, *state.forward.rows, *state.gradients]


def _return_arguments(state: CarryingBack) -> list[str]:
    by_found = [state.by_found] if state.by_found else []
    return ["live", state.forward.called, state.called, *state.forward.rows, *state.gradients, *by_found]


def _behind(state: CarryingBack) -> list[str]:
    """What the gradient by the state behind a chunk comes to."""
    return [state.called, *([state.by_found] if state.by_found else [])]


def _call(what: str, state: CarryingBack, arguments: list[str]) -> str:
    return f"_{state.forward.called}_{what}({', '.join([*arguments, *state.forward.precisions])})"


def _returned(state: CarryingBack, sums: Sums) -> list[str]:
    """What rows get by a state; those that have something already get more."""
    own = Sums()
    state.returning(own)
    called = {name: f"{name}_of_{state.forward.called}" if name in sums.names else name for name in own.names}
    line = f"{', '.join(called.values())} = {_call('returned', state, _return_arguments(state))}"
    new = [name for name in called if name not in sums.names]
    more = [sums.add(name, made) for name, made in called.items() if name not in new]
    sums.names.update(dict.fromkeys(new))
    return [line, *more]

"""States in C++ past a piece of a head's tokens, whose front is not known yet.

Behind a piece a state is `left * state + made`: what the piece leaves of the state in front of it, and what it makes of
none. Where tokens erase, what is left is a matrix, the product of all `decay (1 - key key^T)`. Gradients by states go
back past a piece by the same, turned around. So threads share a head: all pieces are passed at once, and each starts
then from what those before it have made.
"""

from __future__ import annotations

from dataclasses import dataclass

from attngen.emit.cpp.carrying import FADED, ONES, WEIGHTS, Carrying, at
from attngen.schedule.chunks import ChunkPlan, StatePlan


@dataclass(frozen=True, slots=True)
class Passing:
    """The lines of states of one pattern, which are left alike; `back`, of the gradients by them."""

    states: tuple[StatePlan, ...]
    back: bool = False

    @property
    def made(self) -> Carrying:
        """The lines of the forward pass."""
        return Carrying(self.states[0], self.states[1:])

    @property
    def name(self) -> str:
        """What is left of the states."""
        return f"{self.states[0].called}_left"

    @property
    def erases(self) -> bool:
        """Whether that is a matrix."""
        return self.states[0].erases is not None

    @property
    def is_left(self) -> bool:
        """Whether it is something else than all."""
        return bool(self.states[0].leaving)

    @property
    def size(self) -> str:
        """How many floats that is."""
        made = self.made
        return f"{made.count} * {made.depth}" if self.erases else made.depth if self.states[0].by_channel else "1"

    @property
    def buffers(self) -> dict[str, str]:
        """What a thread keeps, and how many floats that is."""
        kept = {self.name: f"{self.size} + SLACK"}
        if self.erases:
            kept[f"{self.name}_found"] = f"CHUNK * {self.made.depth} + SLACK"
            kept[f"{self.name}_before"] = f"{self.made.count} * {self.made.width} + SLACK"
        return kept

    @property
    def ends(self) -> dict[str, str]:
        """What all pieces have come to."""
        kept = {
            f"{each.state.called}_made": f"count * {each.count} * {each.width} + SLACK" for each in self.made.members
        }
        return {self.name: f"count * {self.size} + SLACK", **kept}

    def nothing_left(self) -> list[str]:
        """In front of a piece all is left."""
        if self.erases:
            return [f"leave_all({self.made.count}, {self.made.depth}, {at(self.name)});"]
        return [f"std::fill_n({at(self.name)}, {self.size}, 1.0f);"]

    def leaving(self) -> list[str]:
        """What is left behind one more chunk."""
        made, state, left = self.made, self.states[0], at(self.name)
        lines = made.decays()
        if state.erases is None or state.erased is None:
            count = made.depth if state.by_channel else "1"
            return [*lines, f"leave({count}, &decays.since[rows * {count}], {left});"]
        found, depth = at(f"{self.name}_found"), made.depth
        lines += [*made.weighed(state.erases, state.erased, True), made.faded(state.erases, True)]
        lines.append(f"product(rows, {made.count}, {FADED}, {depth}, {left}, {depth}, nullptr, {found});")
        lines.append(f"solve(rows, {WEIGHTS}, {found}, {depth});")
        kept, rescale = made.kept(made.count)
        given = f"{made.count}, rows, {made.decayed(state.erased)}, {depth}, {found}, {depth}, {rescale}, {left}"
        return [*lines, *kept, *made.decay(state.erased), f"product<true>({given});"]

    def stored(self) -> list[str]:
        """What the piece has made of states."""
        return [
            f"std::copy_n({self._state(each)}, {each.count} * {each.width}, {self._of_piece(each)});"
            for each in self.made.members
        ]

    def left(self) -> list[str]:
        """What it leaves of them."""
        return [f"std::copy_n({at(self.name)}, {self.size}, &ends.{self.name}[place * {self.size}]);"]

    def emptied(self) -> list[str]:
        """No state."""
        return [f"std::fill_n({self._state(each)}, {each.count} * {each.width}, 0.0f);" for each in self.made.members]

    def passed(self) -> list[str]:
        """States past another piece."""
        lines, left = [], f"&ends.{self.name}[place * {self.size}]"
        for each in self.made.members:
            sizes, state = f"{each.count}, {each.width}", self._state(each)
            if self.erases:
                given = f"{left}, {each.depth}, {self._of_piece(each)}, {ONES}, {at(f'{self.name}_before')}"
                lines.append(f"pass_through<{str(self.back).lower()}>({sizes}, {given}, {state});")
            else:
                apart = int(self.states[0].by_channel)
                lines.append(f"carry_on({sizes}, {left}, {apart}, {self._of_piece(each)}, {state});")
        return lines

    def _state(self, each: Carrying) -> str:
        return at(f"d_{each.state.called}" if self.back else each.state.called)

    def _of_piece(self, each: Carrying) -> str:
        return f"&ends.{each.state.called}_made[place * {each.count} * {each.width}]"


def rows_left(plan: ChunkPlan) -> list[str]:
    """The rows that say what is left of states."""
    return plan.needed(row.name for state in plan.states for row in state.leaving)


def rows_written(plan: ChunkPlan) -> list[str]:
    """The rows that say what states are behind a chunk."""
    return plan.needed(row.name for state in plan.states for row in (*state.leaving, state.key, state.value))

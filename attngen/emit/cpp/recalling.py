"""A state in C++ on its way through a segment once more, before gradients go back through it.

The state is kept in front of each chunk, with values as rows and keys as columns; also the other way, where tokens
read it again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from attngen.emit.cpp.carrying import ONES, Carrying, at
from attngen.schedule.chunks import StatePlan
from attngen.schedule.tokens import TokenRow

KEPT = at("kept")


@dataclass(frozen=True, slots=True)
class Recalling:
    """The lines of a state and of those `beside` it, whose rows and keys are the same.

    `rereads`: whether what tokens read is needed; `trained`: rows that want gradients.
    """

    state: StatePlan
    rereads: bool
    trained: frozenset[str]
    beside: tuple[StatePlan, ...] = ()

    @property
    def members(self) -> list[Self]:
        """Each state by itself."""
        return [replace(self, state=state, beside=()) for state in (self.state, *self.beside)]

    @property
    def forward(self) -> Carrying:
        """The lines of the forward pass."""
        return Carrying(self.state, self.beside, in_segment=True)

    def across(self, slot: str = "slot") -> str:
        """The address of the state in front of a chunk of the segment, with values as rows."""
        made = self.forward
        return at(f"{self.state.called}_across", f"{slot} * {made.values} * {made.depth}")

    @property
    def is_straight(self) -> bool:
        """Whether the state is also needed with keys as rows."""
        return self.rereads or self.state.erases is not None

    @property
    def buffers(self) -> dict[str, str]:
        """What a thread keeps, and how many floats that is."""
        made, name = self.forward, self.state.called
        across = f"{made.values} * {made.depth}"
        kept = {f"{name}_across": f"SEGMENT * {across} + SLACK", f"d_{name}_across": f"{across} + SLACK"}
        kept |= {f"d_{name}": f"{made.count} * {made.width} + SLACK"}
        if self.is_straight:
            kept[name] = f"SEGMENT * {made.count} * {made.width} + SLACK"
        if self.rereads:
            kept |= {each.name: f"CHUNK * {made.width} + SLACK" for each in self.state.readings}
        if self.state.erases is not None:
            kept |= {made.found: f"SEGMENT * CHUNK * {made.width} + SLACK"}
            kept |= {f"d_{made.found}": f"CHUNK * {made.width} + SLACK"}
        return kept

    def recall(self) -> list[str]:
        """The state in front of a segment."""
        name, made = self.state.called, self.forward
        if not self.is_straight:
            place = f"call.{name}_kept + (head * segments + segment) * {made.size}"
            keys, values = made.steps
            given = f"{made.values}, {made.count}, {values}, {keys}, {made.depth}"
            return [f"take_state({place}, {given}, {at(f'{name}_across')});"]
        taken = made.taken(f"{name}_kept", at(name), "(head * segments + segment)")
        return [taken, self.exchanged(name, f"{name}_across")]

    def exchanged(self, source: str, target: str) -> str:
        """A state with values as rows."""
        made = self.forward
        return f"take_state({at(source)}, {made.values}, {made.count}, 1, {made.width}, {made.depth}, {at(target)});"

    def advance(self) -> list[str]:
        """From the state in front of a chunk of the segment to that behind it, which is the next slot's."""
        lines = [*self.forward.decays(), *self.forward.erasing(), "if (last) return;", *self.kept()]
        lines.append(self.forward.decayed_keys(self.state.key))
        for member in self.members:
            lines += member._taken(self.state.key, at(member.state.value.name), first=True)
        if self.state.erased is None:
            return lines
        taken = self._taken(self.state.erased, self.forward.found_place, first=False)
        return [*lines, self.forward.decayed_keys(self.state.erased), *taken]

    @property
    def _next(self) -> str:
        """The address of the state in front of the next chunk."""
        return at(self.state.called, f"(slot + 1) * {self.forward.count} * {self.forward.width}")

    def kept(self) -> list[str]:
        """How much of states is left behind a chunk, where it is the same for all rows."""
        return [] if self.state.by_channel else [f"std::fill_n({KEPT}, widest, decays.since[rows]);"]

    def added(self, given: str, before: str, target: str, first: bool, across: bool) -> str:
        """The line by which a state takes columns times a matrix; the first of them also what is left of it."""
        if not first:
            return f"product<true>({given}, {ONES}, {target});"
        left = f"&decays.since[rows * {self.forward.depth}]" if self.state.by_channel else KEPT
        by_column = str(self.state.by_channel and across).lower()
        return f"add_product<{by_column}>({given}, {left}, {before}, {target});"

    def _taken(self, keys: TokenRow, values: str, first: bool) -> list[str]:
        made, decayed = self.forward, self.forward.decayed(keys)
        lines = []
        if self.is_straight:
            given = f"{made.count}, rows, {decayed}, {made.depth}, {values}, {made.width}"
            lines.append(self.added(given, made.place, self._next, first, across=False))
        given = f"{made.values}, rows, {values}, {made.width}, {decayed}, {made.depth}"
        return [*lines, self.added(given, self.across(), self.across("(slot + 1)"), first, across=True)]

    def reread(self) -> list[str]:
        """What tokens read, once more."""
        return [*self.forward.decays(), *self.forward.readings()] if self.rereads else []

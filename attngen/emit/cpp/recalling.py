"""A state in C++ on its way through a segment once more, before gradients go back through it.

The state is kept in front of each chunk, with values as rows and keys as columns; also the other way, where tokens
read it again.
"""

from __future__ import annotations

from dataclasses import dataclass

from attngen.emit.cpp.carrying import ONES, Carrying, at
from attngen.schedule.chunks import StatePlan
from attngen.schedule.tokens import TokenRow

KEPT = at("kept")


@dataclass(frozen=True, slots=True)
class Recalling:
    """The lines of one state. `rereads`: whether what tokens read is needed; `trained`: rows that want gradients."""

    state: StatePlan
    rereads: bool
    trained: frozenset[str]

    @property
    def forward(self) -> Carrying:
        """The lines of the forward pass."""
        return Carrying(self.state)

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
        made = self.forward
        lines = [*self.place(), *made.erasing(), "if (last) return;"]
        if self.is_straight:
            size = f"{made.count} * {made.width}"
            lines += [f"std::copy_n(state, {size}, state + {size});", f"state += {size};"]
        size = f"{made.values} * {made.depth}"
        lines += [f"std::copy_n(across, {size}, across + {size});", f"across += {size};", *self.kept("across")]
        lines += self._taken(self.state.key, at(self.state.value.name), first=True)
        return lines if self.state.erased is None else lines + self._taken(self.state.erased, "found", first=False)

    def kept(self, across: str) -> list[str]:
        """What is left of a state: of the rows of one, and of the columns of one with its axes exchanged."""
        made = self.forward
        if self.state.by_channel:
            return [f"scale_columns({made.values}, {across}, {made.depth}, &decays.since[rows * {made.depth}]);"]
        return [f"std::fill_n({KEPT}, widest, decays.since[rows]);"]

    def rescales(self, first: bool) -> tuple[str, str]:
        """The factors of rows when a state takes what is written first, and when what comes behind that."""
        if not first:
            return ONES, ONES
        if self.state.by_channel:
            return f"&decays.since[rows * {self.forward.depth}]", ONES
        return KEPT, KEPT

    def _taken(self, keys: TokenRow, values: str, first: bool) -> list[str]:
        made, decayed = self.forward, self.forward.decayed(keys)
        straight, across = self.rescales(first)
        lines = [self.decayed_keys(keys)]
        if self.is_straight:
            given = f"{made.count}, rows, {decayed}, {made.depth}, {values}, {made.width}, {straight}"
            lines.append(f"product<true>({given}, state);")
        given = f"{made.values}, rows, {values}, {made.width}, {decayed}, {made.depth}, {across}"
        return [*lines, f"product<true>({given}, across);"]

    def decayed_keys(self, keys: TokenRow) -> str:
        """Keys as they are left behind the last token."""
        given, target = f"rows, {at(keys.name)}, {self.forward.depth}", self.forward.decayed(keys)
        if self.state.by_channel and self.state.decay is not None:
            return f"decay_keys_by_channel({given}, {at(self.state.decay.name)}, {target});"
        return f"decay_keys({given}, decays, {target});"

    def place(self) -> list[str]:
        """Where things of a chunk lie."""
        name, made = self.state.called, self.forward
        place = at(f"{name}_across", f"slot * {made.values} * {made.depth}")
        lines = [f"[[maybe_unused]] float* across = {place};"]
        if self.is_straight:
            lines.append(f"[[maybe_unused]] float* state = {at(name, f'slot * {made.count} * {made.width}')};")
        if self.state.erases is not None:
            lines.append(f"[[maybe_unused]] float* found = {at(made.found, f'slot * CHUNK * {made.width}')};")
        return [*lines, *made.decays()]

    def reread(self) -> list[str]:
        """What tokens read, once more."""
        return [*self.place(), *self.forward.readings()] if self.rereads else []

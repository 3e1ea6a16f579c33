"""The gradient by a state in C++ on its way back through a chunk: what it hands to the rows of tokens.

With reads `row . S` (gradients g) and writes `key value^T`, a chunk has for each pair of them two small matrices:
weights row . key and slopes g . value, each times what decays between. Weights hand g to values; slopes hand keys to
rows, and rows to keys. The rest comes from the state in front of the chunk and from the gradient by that behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from attngen.emit.cpp.carrying import ACROSS, FADED, ONES, WEIGHTS, at
from attngen.emit.cpp.recalling import KEPT, Recalling
from attngen.schedule.tokens import TokenRow

SLOPES, JOINED, FROM_STATE, READ = map(at, ("slopes", "joined", "from_state", "read"))
VALUES_ACROSS = at("values_across")


class Reads(NamedTuple):
    """A row that reads the states, and the addresses of the gradients by what it reads of each."""

    row: TokenRow
    before: bool
    gradients: list[str]


class Writes(NamedTuple):
    """A key and the addresses of its values in each state, and of their gradients where these are wanted."""

    key: TokenRow
    values: list[str]
    gradients: list[str | None]


@dataclass(frozen=True, slots=True)
class CarryingBack(Recalling):
    """The lines of a state and of those beside it: what they hand to rows, keys and decays is summed first."""

    @property
    def decays(self) -> bool:
        """Whether gradients by what decays are wanted."""
        return self.state.decay is not None and self.state.decay.name in self.trained

    def start(self) -> list[str]:
        """The gradient by the state behind the last token."""
        return [self.forward.taken(f"d_{self.state.called}_out", self.d_state, "head")]

    def turned(self) -> list[str]:
        """The same with values as rows."""
        name = self.state.called
        return [self.exchanged(f"d_{name}", f"d_{name}_across")]

    def finish(self) -> list[str]:
        """The gradient by the state in front of the first token."""
        name = self.state.called
        return [f"if (call.d_{name}_in) {self.forward.given(self.d_state, f'd_{name}_in', 'head')}"]

    @property
    def d_state(self) -> str:
        """The address of the gradient by the state behind a chunk."""
        return at(f"d_{self.state.called}")

    @property
    def d_across(self) -> str:
        """The same with values as rows."""
        return at(f"d_{self.state.called}_across")

    def lines(self) -> list[str]:
        """One chunk: gradients by rows, and by the states in front of it."""
        state, made = self.state, self.forward
        values = [member.state.value.name for member in self.members]
        by_values = [at(f"d_{value}") if value in self.trained else None for value in values]
        writes = [Writes(state.key, [at(value) for value in values], by_values)]
        lines, reads = self._reached()
        if state.erased is not None:
            writes.append(Writes(state.erased, [made.found_place], [None]))  # known already
        if self.decays and not state.by_channel:
            lines.append(f"std::fill_n({JOINED}, (CHUNK + 1) * CHUNK, 0.0f);")
            lines.append(f"std::fill_n({FROM_STATE}, CHUNK + 1, 0.0f);")
        for number, write in enumerate(writes):
            if not state.by_channel:
                lines.append(f"turn(rows, {at(write.key.name)}, {made.depth}, {ACROSS});")
            for read in reads:
                lines += self._pair(read, write, first=number == 0)
        for number, write in enumerate(writes):
            lines += self._from_end(write, first=number == 0)
        return [*lines, *self._by_decay(), *self._back(reads)]

    def _reached(self) -> tuple[list[str], list[Reads]]:
        """What tokens read and find, with the gradients by it, and the lines behind which all of these are known."""
        lines = self.forward.decays()
        reads = [
            Reads(each.row, each.before, [at(f"d_{member.state.readings[number].name}") for member in self.members])
            for number, each in enumerate(self.state.readings)
        ]
        if self.state.erases is None:
            return lines, reads
        by_found = at(f"d_{self.forward.found}")
        return [*lines, *self._found(reads, by_found)], [Reads(self.state.erases, True, [by_found]), *reads]

    def _found(self, reads: list[Reads], by_found: str) -> list[str]:
        """The gradient by what tokens found where they erased: it is written, and read by who erases later."""
        state, made = self.state, self.forward
        assert state.erases is not None and state.erased is not None
        given = f"{made.count}, {made.decayed(state.erased)}, {made.depth}, {self.d_state}, {made.width}, nullptr"
        lines = [made.decayed_keys(state.erased), f"product(rows, {given}, {by_found});"]
        for read in reads:
            lines += made.weighed(read.row, state.erased, read.before)
            lines += self._to_values(read, [by_found])
        lines += made.weighed(state.erases, state.erased, True)
        return [*lines, f"solve_back(rows, {WEIGHTS}, {by_found}, {made.width});"]

    def _to_values(self, read: Reads, targets: Sequence[str | None]) -> list[str]:
        """The gradients by values, from those by what rows read of each state."""
        return [
            f"product<true>(rows, rows, {WEIGHTS}, CHUNK, {gradient}, {member.forward.width}, {ONES}, {target});"
            for member, gradient, target in zip(self.members, read.gradients, targets, strict=True)
            if target is not None
        ]

    def _pair(self, read: Reads, write: Writes, first: bool) -> list[str]:
        """What a read and a write hand to each other; with the first write, also what states hand to the read."""
        made, row, key = self.forward, read.row, write.key
        flag, d_row, d_key = str(read.before).lower(), at(f"d_{read.row.name}"), at(f"d_{write.key.name}")
        lines = self._read_of_states(read) if first else []
        lines += self._slopes(read, write)
        if self.state.by_channel:
            assert self.state.decay is not None
            decay = self.state.decay.name
            if any(write.gradients):
                lines += [*made.weighed(row, key, read.before), *self._to_values(read, write.gradients)]
            given = f"rows, {at(row.name)}, {at(key.name)}, {at(decay)}, {made.depth}, {flag}, {SLOPES}"
            given += f", {READ if first else 'nullptr'}, {d_row}, {d_key}, {at(f'd_{decay}')}"
            return [*lines, f"return_by_channel({given});"]
        joined, from_state = (JOINED, FROM_STATE) if self.decays else ("nullptr", "nullptr")
        if first:
            given = f"rows, {at(row.name)}, {READ}, {made.depth}, decays, {flag}, {d_row}, {from_state}"
            lines.append(f"return_to_rows({given});")
        given = f"rows, {made.depth}, {at(row.name)}, {made.depth}, {ACROSS}, CHUNK, nullptr, {WEIGHTS}"
        lines += [f"product({given});", f"join(rows, decays, {flag}, {WEIGHTS}, {SLOPES}, {joined});"]
        lines += self._to_values(read, write.gradients)
        given = f"{made.depth}, {ONES}"
        return [
            *lines,
            f"product(rows, rows, {SLOPES}, CHUNK, {at(key.name)}, {given}, {d_row});",
            f"product<true>(rows, rows, {SLOPES}, CHUNK, {at(row.name)}, {given}, {d_key});",
        ]

    def _read_of_states(self, read: Reads) -> list[str]:
        """gradient . state^T, summed over states."""
        lines = []
        for number, (member, gradient) in enumerate(zip(self.members, read.gradients, strict=True)):
            made = member.forward
            given = f"{gradient}, {made.width}, {member.across()}, {made.depth}, {ONES if number else 'nullptr'}"
            lines.append(f"product(rows, {made.values}, {given}, {READ});")
        return lines

    def _slopes(self, read: Reads, write: Writes) -> list[str]:
        """gradient . value, summed over states."""
        lines = []
        for number, (member, value) in enumerate(zip(self.members, write.values, strict=True)):
            width, gradient = member.forward.width, read.gradients[number]
            lines.append(f"turn(rows, {value}, {width}, {VALUES_ACROSS});")
            given = f"{gradient}, {width}, {VALUES_ACROSS}, CHUNK, {ONES if number else 'nullptr'}"
            lines.append(f"product(rows, {width}, {given}, {SLOPES});")
        return lines

    def _from_end(self, write: Writes, first: bool) -> list[str]:
        """What the gradients by the states behind the chunk hand to what tokens have written."""
        made, key = self.forward, write.key
        lines = []
        wanted = [
            (member, each) for member, each in zip(self.members, write.gradients, strict=True) if each is not None
        ]
        if wanted:
            lines.append(made.decayed_keys(key))
        for member, target in wanted:
            given = f"{made.decayed(key)}, {made.depth}, {member.d_state}, {member.forward.width}, {ONES}"
            lines.append(f"product(rows, {made.count}, {given}, {target});")
        for number, (member, value) in enumerate(zip(self.members, write.values, strict=True)):
            given = f"{value}, {member.forward.width}, {member.d_across}, {made.depth}"
            given += f", {ONES if number else 'nullptr'}, {READ}"
            lines.append(f"product(rows, {member.forward.values}, {given});")
        d_key = at(f"d_{key.name}")
        if not self.state.by_channel:
            joined = JOINED if self.decays else "nullptr"
            return [*lines, f"return_to_keys(rows, {at(key.name)}, {READ}, {made.depth}, decays, {d_key}, {joined});"]
        assert self.state.decay is not None
        decay = self.state.decay.name
        if first:
            lines += self._kept_of_states()
        given = f"rows, {at(key.name)}, {at(decay)}, {made.depth}, {READ}, {KEPT if first else 'nullptr'}"
        return [*lines, f"return_from_end({given}, {d_key}, {at(f'd_{decay}')});"]

    def _kept_of_states(self) -> list[str]:
        """For each channel, the sum of state * gradient over values and states."""
        lines = [f"std::fill_n({KEPT}, {self.forward.depth}, 0.0f);"]
        for member in self.members:
            given = f"{member.forward.values}, {member.across()}, {member.d_across}, {member.forward.depth}"
            lines.append(f"sum_columns({given}, {KEPT});")
        return lines

    def _by_decay(self) -> list[str]:
        if not self.decays or self.state.by_channel or self.state.decay is None:
            return []
        given = f"rows, decays, {JOINED}, {FROM_STATE}, {at(f'd_{self.state.decay.name}')}, LANES"
        sums = [
            f"sum_of_products({each.across()}, {each.d_across}, {each.forward.values} * {each.forward.depth})"
            for each in self.members
        ]
        return [*(f"space.from_state[rows] += {each};" for each in sums), f"return_to_decays({given});"]

    def passed(self) -> list[str]:
        """One chunk of a piece whose gradients wait for those behind it: only the gradients by states."""
        lines, reads = self._reached()
        return [*lines, *self._back(reads, across=False)]

    def _back(self, reads: list[Reads], across: bool = True) -> list[str]:
        """The gradients by the states in front of the chunk; `across`, also the other way."""
        made, lines = self.forward, self.kept()
        for number, read in enumerate(reads):
            lines.append(made.faded(read.row, read.before))
            for member, gradient in zip(self.members, read.gradients, strict=True):
                width, first = member.forward.width, number == 0
                given = f"{made.count}, rows, {FADED}, {made.depth}, {gradient}, {width}"
                lines.append(self.added(given, member.d_state, member.d_state, first, across=False))
                if across:
                    given = f"{member.forward.values}, rows, {gradient}, {width}, {FADED}, {made.depth}"
                    lines.append(self.added(given, member.d_across, member.d_across, first, across=True))
        return lines

"""The gradient by a state in C++ on its way back through a chunk: what it hands to the rows of tokens.

With reads `row . S` (gradients g) and writes `key value^T`, a chunk has for each pair of them two small matrices:
weights row . key and slopes g . value, each times what decays between. Weights hand g to values; slopes hand keys to
rows, and rows to keys. The rest comes from the state in front of the chunk and from the gradient by that behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from attngen.emit.cpp.carrying import ACROSS, FADED, ONES, WEIGHTS, at
from attngen.emit.cpp.recalling import KEPT, Recalling
from attngen.schedule.tokens import TokenRow

SLOPES, JOINED, FROM_STATE, READ = map(at, ("slopes", "joined", "from_state", "read"))
VALUES_ACROSS = at("values_across")


class Reads(NamedTuple):
    """A row that reads the state, and the address of the gradient by what it reads."""

    row: TokenRow
    before: bool
    gradient: str


class Writes(NamedTuple):
    """A key and the address of its values; that of their gradient, unless it is known already."""

    key: TokenRow
    value: str
    gradient: str | None


@dataclass(frozen=True, slots=True)
class CarryingBack(Recalling):
    """The lines of one state."""

    @property
    def decays(self) -> bool:
        """Whether gradients by what decays are wanted."""
        return self.state.decay is not None and self.state.decay.name in self.trained

    def start(self) -> list[str]:
        """The gradient by the state behind the last token."""
        name, made = self.state.called, self.forward
        lines = [made.taken(f"d_{name}_out", at(f"d_{name}"), "head")]
        return [*lines, self.exchanged(f"d_{name}", f"d_{name}_across")]

    def finish(self) -> list[str]:
        """The gradient by the state in front of the first token."""
        name = self.state.called
        return [f"if (call.d_{name}_in) {self.forward.given(at(f'd_{name}'), f'd_{name}_in', 'head')}"]

    def lines(self) -> list[str]:
        """One chunk: gradients by rows, and by the state in front of it."""
        state, made = self.state, self.forward
        reads = [Reads(each.row, each.before, at(f"d_{each.name}")) for each in state.readings]
        writes = [Writes(state.key, at(state.value.name), at(f"d_{state.value.name}"))]
        name = state.called
        lines = [*self.place(), f"float *d_state = {at(f'd_{name}')}, *d_across = {at(f'd_{name}_across')};"]
        if state.erases is not None and state.erased is not None:
            by_found = at(f"d_{made.found}")
            lines += self._found(reads, by_found)
            reads.insert(0, Reads(state.erases, True, by_found))
            writes.append(Writes(state.erased, "found", None))
        if self.decays and not state.by_channel:
            lines.append(f"std::fill_n({JOINED}, (CHUNK + 1) * CHUNK, 0.0f);")
            lines.append(f"std::fill_n({FROM_STATE}, CHUNK + 1, 0.0f);")
        for number, write in enumerate(writes):
            lines += self._across(write)
            for read in reads:
                lines += self._pair(read, write, first=number == 0)
        for number, write in enumerate(writes):
            lines += self._from_end(write, first=number == 0)
        return [*lines, *self._by_decay(), *self._back(reads)]

    def _found(self, reads: list[Reads], by_found: str) -> list[str]:
        """The gradient by what tokens found where they erased: it is written, and read by who erases later."""
        state, made = self.state, self.forward
        assert state.erases is not None and state.erased is not None
        given = f"{made.count}, {made.decayed(state.erased)}, {made.depth}, d_state, {made.width}, nullptr"
        lines = [self.decayed_keys(state.erased), f"product(rows, {given}, {by_found});"]
        for read in reads:
            lines += made.weighed(read.row, state.erased, read.before)
            lines.append(self._to_values(read, by_found))
        lines += made.weighed(state.erases, state.erased, True)
        return [*lines, f"solve_back(rows, {WEIGHTS}, {by_found}, {made.width});"]

    def _to_values(self, read: Reads, target: str) -> str:
        width = self.forward.width
        return f"product<true>(rows, rows, {WEIGHTS}, CHUNK, {read.gradient}, {width}, {ONES}, {target});"

    def _across(self, write: Writes) -> list[str]:
        """Keys and values as columns."""
        lines = [f"turn(rows, {write.value}, {self.forward.width}, {VALUES_ACROSS});"]
        if self.state.by_channel:
            return lines
        return [f"turn(rows, {at(write.key.name)}, {self.forward.depth}, {ACROSS});", *lines]

    def _pair(self, read: Reads, write: Writes, first: bool) -> list[str]:
        """What a read and a write hand to each other; with the first write, also what the state hands to the read."""
        made, row, key = self.forward, read.row, write.key
        flag, d_row, d_key = str(read.before).lower(), at(f"d_{read.row.name}"), at(f"d_{write.key.name}")
        given = f"rows, {self.forward.values}, {read.gradient}, {made.width}, across, {made.depth}, nullptr, {READ}"
        lines = [f"product({given});"] if first else []
        given = f"rows, {made.width}, {read.gradient}, {made.width}, {VALUES_ACROSS}, CHUNK, nullptr, {SLOPES}"
        lines.append(f"product({given});")
        if self.state.by_channel:
            assert self.state.decay is not None
            decay = self.state.decay.name
            if write.gradient is not None:
                lines += [*made.weighed(row, key, read.before), self._to_values(read, write.gradient)]
            given = f"rows, {at(row.name)}, {at(key.name)}, {at(decay)}, {made.depth}, {flag}, {SLOPES}"
            given += f", {READ if first else 'nullptr'}, {d_row}, {d_key}, {at(f'd_{decay}')}"
            return [*lines, f"return_by_channel({given});"]
        joined, from_state = (JOINED, FROM_STATE) if self.decays else ("nullptr", "nullptr")
        if first:
            given = f"rows, {at(row.name)}, {READ}, {made.depth}, decays, {flag}, {d_row}, {from_state}"
            lines.append(f"return_to_rows({given});")
        given = f"rows, {made.depth}, {at(row.name)}, {made.depth}, {ACROSS}, CHUNK, nullptr, {WEIGHTS}"
        lines += [f"product({given});", f"join(rows, decays, {flag}, {WEIGHTS}, {SLOPES}, {joined});"]
        lines += [] if write.gradient is None else [self._to_values(read, write.gradient)]
        given = f"{made.depth}, {ONES}"
        return [
            *lines,
            f"product(rows, rows, {SLOPES}, CHUNK, {at(key.name)}, {given}, {d_row});",
            f"product<true>(rows, rows, {SLOPES}, CHUNK, {at(row.name)}, {given}, {d_key});",
        ]

    def _from_end(self, write: Writes, first: bool) -> list[str]:
        """What the gradient by the state behind the chunk hands to what tokens have written."""
        made, key = self.forward, write.key
        lines = []
        if write.gradient is not None:
            given = f"{made.count}, {made.decayed(key)}, {made.depth}, d_state, {made.width}, {ONES}, {write.gradient}"
            lines += [self.decayed_keys(key), f"product(rows, {given});"]
        given = f"rows, {self.forward.values}, {write.value}, {made.width}, d_across, {made.depth}, nullptr, {READ}"
        lines.append(f"product({given});")
        d_key = at(f"d_{key.name}")
        if not self.state.by_channel:
            joined = JOINED if self.decays else "nullptr"
            return [*lines, f"return_to_keys(rows, {at(key.name)}, {READ}, {made.depth}, decays, {d_key}, {joined});"]
        assert self.state.decay is not None
        decay = self.state.decay.name
        if first:
            lines.append(f"sum_columns({self.forward.values}, across, d_across, {made.depth}, {KEPT});")
        given = f"rows, {at(key.name)}, {at(decay)}, {made.depth}, {READ}, {KEPT if first else 'nullptr'}"
        return [*lines, f"return_from_end({given}, {d_key}, {at(f'd_{decay}')});"]

    def _by_decay(self) -> list[str]:
        if not self.decays or self.state.by_channel or self.state.decay is None:
            return []
        size = f"{self.forward.values} * {self.forward.depth}"
        given = f"rows, decays, {JOINED}, {FROM_STATE}, {at(f'd_{self.state.decay.name}')}, LANES"
        return [
            f"space.from_state[rows] += sum_of_products(across, d_across, {size});",
            f"return_to_decays({given});",
        ]

    def _back(self, reads: list[Reads]) -> list[str]:
        """The gradient by the state in front of the chunk."""
        made, lines = self.forward, self.kept("d_across")
        for number, read in enumerate(reads):
            straight, across = self.rescales(first=number == 0)
            lines.append(made.faded(read.row, read.before))
            given = f"{made.count}, rows, {FADED}, {made.depth}, {read.gradient}, {made.width}, {straight}"
            lines.append(f"product<true>({given}, d_state);")
            given = f"{self.forward.values}, rows, {read.gradient}, {made.width}, {FADED}, {made.depth}, {across}"
            lines.append(f"product<true>({given}, d_across);")
        return lines

"""A state in C++ on its way through a chunk: what tokens read of it, and what they make of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from attngen.emit.cpp.token_printer import lanes_of
from attngen.emit.tokens import size_of
from attngen.schedule.chunks import ReadingPlan, StatePlan
from attngen.schedule.tokens import TokenRow


def at(name: str, place: str = "0") -> str:
    """The address of an element that a thread keeps."""
    return f"&space.{name}[{place}]"


ONES, WEIGHTS, FADED, ACROSS = map(at, ("ones", "weights", "faded", "across"))


@dataclass(frozen=True, slots=True)
class Carrying:
    """The lines of a state and of those `beside` it, whose rows and keys are the same.

    `in_segment`: a thread keeps all of a segment, in front of each chunk.
    """

    state: StatePlan
    beside: tuple[StatePlan, ...] = ()
    in_segment: bool = False

    @property
    def members(self) -> list[Carrying]:
        """Each state by itself."""
        return [replace(self, state=state, beside=()) for state in (self.state, *self.beside)]

    @property
    def place(self) -> str:
        """The address of its rows."""
        return at(self.state.called, f"slot * {self.count} * {self.width}" if self.in_segment else "0")

    @property
    def found_place(self) -> str:
        """The address of what tokens find in it where they erase."""
        return at(self.found, f"slot * CHUNK * {self.width}" if self.in_segment else "0")

    @property
    def shape(self) -> str:
        """The sizes of a state of one head."""
        return ", ".join(map(size_of, self.state.axes)) or "1"

    @property
    def size(self) -> str:
        """How many numbers of a state of one head lie in memory."""
        return f"{self.count} * {self.values}"

    @property
    def values(self) -> str:
        """How many channels of values it has."""
        return size_of(self.state.value_axis)

    @property
    def count(self) -> str:
        """How many channels of keys it has."""
        return size_of(self.state.key_axis)

    @property
    def depth(self) -> str:
        """How far apart rows of keys lie."""
        return lanes_of(self.state.key_axis)

    @property
    def width(self) -> str:
        """How far apart rows of values, and those of the state, lie."""
        return lanes_of(self.state.value_axis)

    @property
    def found(self) -> str:
        """The name of what the tokens of a chunk find at the rows that they erase."""
        return f"{self.state.called}_found"

    @property
    def buffers(self) -> dict[str, str]:
        """What a thread keeps, and how many floats that is."""
        kept = {self.state.called: f"{self.depth} * {self.width} + SLACK"}
        kept |= {each.name: f"CHUNK * {self.width} + SLACK" for each in self.state.readings}
        return kept if self.state.erases is None else {**kept, self.found: f"CHUNK * {self.width} + SLACK"}

    def taken(self, source: str, target: str, where: str) -> str:
        """The state of a head from memory, to where a thread keeps it."""
        place = f"call.{source} ? call.{source} + {where} * {self.size} : nullptr"
        keys, values = self.steps
        return f"take_state({place}, {self.count}, {self.values}, {keys}, {values}, {self.width}, {target});"

    def given(self, source: str, target: str, where: str) -> str:
        """And back."""
        place = f"call.{target} + {where} * {self.size}"
        keys, values = self.steps
        return f"give_state({source}, {self.count}, {self.values}, {keys}, {values}, {self.width}, {place});"

    @property
    def steps(self) -> tuple[str, str]:
        """How far apart rows of keys, and values in them, are in memory."""
        return (self.values, "1") if self.keys_first else ("1", self.count)

    @property
    def keys_first(self) -> bool:
        """Whether a row of values lies together in memory."""
        return self.state.axes == tuple(a for a in (self.state.key_axis, self.state.value_axis) if a)

    def start(self) -> str:
        """The state that is carried in."""
        return self.taken(f"{self.state.called}_in", at(self.state.called), "head")

    def keep(self) -> str:
        """That in front of a segment, for gradients."""
        name = self.state.called
        return f"if (call.{name}_kept) {self.given(at(name), f'{name}_kept', '(head * segments + segment)')}"

    def finish(self) -> str:
        """The state that is carried out."""
        return self.given(at(self.state.called), f"{self.state.called}_out", "head")

    def lines(self) -> list[str]:
        """One chunk of the forward pass."""
        return [*self.decays(), *self.erasing(), *self.readings(), *self.written()]

    def decays(self) -> list[str]:
        """What decays from token to token."""
        lines, decay = [f"Decays& decays = space.{self.state.called}_decays;"], self.state.decay
        if self.state.by_channel:
            assert decay is not None
            return [*lines, f"decays.by_channel(rows, {at(decay.name)}, {self.depth});"]
        return [*lines, f"decays.by_token(rows, {'nullptr' if decay is None else at(decay.name)}, LANES);"]

    def erasing(self) -> list[str]:
        """What tokens find at the rows that they erase."""
        state = self.state
        if state.erases is None or state.erased is None:
            return []
        lines = [*self._weighed_and_faded(state.erases, True), *self._sums(self.found_place)]
        lines += self.weighed(state.erases, state.erased, True)
        return [*lines, f"solve(rows, {WEIGHTS}, {self.found_place}, {self.width});"]

    def readings(self) -> list[str]:
        """What tokens read."""
        lines = []
        for number, each in enumerate(self.state.readings):
            lines += self._weighed_and_faded(each.row, each.before)
            for member in self.members:
                lines += member._sums(at(member.state.readings[number].name))
            lines += self._read_found(each)
        return lines

    def weighed(self, row: TokenRow, keys: TokenRow, before: bool) -> list[str]:
        """The products of rows and keys, as keys have decayed when they are read."""
        flag, decay = str(before).lower(), self.state.decay
        if self.state.by_channel:
            assert decay is not None
            given = f"{at(row.name)}, {at(keys.name)}, {self.depth}, {at(decay.name)}"
            return [f"weigh_by_channel<{flag}>(rows, {given}, {WEIGHTS}, {self.decayed(keys)}, {FADED});"]
        return [
            f"turn(rows, {at(keys.name)}, {self.depth}, {ACROSS});",
            f"weigh_by_token(rows, {at(row.name)}, {ACROSS}, {self.depth}, decays, {flag}, {WEIGHTS});",
        ]

    def faded(self, row: TokenRow, before: bool) -> str:
        """Rows, as the state in front of the chunk has decayed when they read it."""
        channels = self.state.by_channel
        since = "&decays.since[0]" if before else f"&decays.since[{self.depth if channels else 1}]"
        return f"fade(rows, {at(row.name)}, {self.depth}, {since}, {str(channels).lower()}, {FADED});"

    def _weighed_and_faded(self, row: TokenRow, before: bool) -> list[str]:
        """Rows by the keys, and as they read the state in front of the chunk."""
        return [*self.weighed(row, self.state.key, before), self.faded(row, before)]

    def _sums(self, target: str) -> list[str]:
        """What rows read: of the state in front of the chunk, and of what tokens have written since."""
        given = f"{FADED}, {self.depth}, {self.place}, {self.width}, nullptr, {target}"
        value = at(self.state.value.name)
        return [
            f"product(rows, {self.count}, {given});",
            f"product(rows, rows, {WEIGHTS}, CHUNK, {value}, {self.width}, {ONES}, {target});",
        ]

    def _read_found(self, each: ReadingPlan) -> list[str]:
        """And of what they have written back where they erased."""
        if self.state.erased is None:
            return []
        line = f"product(rows, rows, {WEIGHTS}, CHUNK, {self.found_place}, {self.width}, {ONES}, {at(each.name)});"
        return [*self.weighed(each.row, self.state.erased, each.before), line]

    def written(self) -> list[str]:
        """The state behind the last token."""
        lines, kept = self.kept(self.count)
        lines += self.decay(self.state.key)
        lines += [member._taken(self.state.key, at(member.state.value.name), kept) for member in self.members]
        if self.state.erased is None:
            return lines
        return [*lines, *self.decay(self.state.erased), self._taken(self.state.erased, self.found_place, ONES)]

    def unread(self) -> list[str]:
        """One chunk of which nobody reads: the state behind it."""
        channels = self.state.by_channel and self.state.erases is None
        decayed = [self.decayed_keys(self.state.key)] if channels else []
        return [*self.decays(), *self.erasing(), *decayed, *self.written()]

    def decayed_keys(self, keys: TokenRow) -> str:
        """The line by which keys decay up to the last token."""
        given, target = f"rows, {at(keys.name)}, {self.depth}", self.decayed(keys)
        if self.state.by_channel and self.state.decay is not None:
            return f"decay_keys_by_channel({given}, {at(self.state.decay.name)}, {target});"
        return f"decay_keys({given}, decays, {target});"

    def kept(self, count: str) -> tuple[list[str], str]:
        """How much of each of `count` rows is left behind the last token; of each channel, or the same for all."""
        if self.state.by_channel:
            return [], f"&decays.since[rows * {self.depth}]"
        return [f"std::fill_n({FADED}, {count}, decays.since[rows]);"], FADED

    def _taken(self, keys: TokenRow, values: str, rescale: str) -> str:
        """The state takes keys and values, as they have decayed behind the last token."""
        given = f"{self.decayed(keys)}, {self.depth}, {values}, {self.width}, {rescale}, {self.place}"
        return f"product<true>({self.count}, rows, {given});"

    def decay(self, keys: TokenRow) -> list[str]:
        """Keys as they are left behind the last token."""
        if self.state.by_channel:  # whoever read them last let them decay
            return []
        return [self.decayed_keys(keys)]

    def decayed(self, keys: TokenRow) -> str:
        """Where they are."""
        return at("erased_decayed" if keys is self.state.erased else "decayed")

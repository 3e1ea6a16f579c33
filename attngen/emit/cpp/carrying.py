"""A state in C++ on its way through a chunk: what tokens read of it, and what they make of it."""

from __future__ import annotations

from dataclasses import dataclass

from attngen.emit.cpp.token_lines import LANES, SIZES
from attngen.schedule.chunks import ReadingPlan, StatePlan
from attngen.schedule.tokens import TokenRow


def at(name: str, place: str = "0") -> str:
    """The address of an element that a thread keeps."""
    return f"&space.{name}[{place}]"


ONES, WEIGHTS, FADED, ACROSS = map(at, ("ones", "weights", "faded", "across"))


@dataclass(frozen=True, slots=True)
class Carrying:
    """The lines of one state."""

    state: StatePlan

    @property
    def shape(self) -> str:
        """The sizes of a state of one head."""
        axes = (axis for axis in (self.state.key_axis, self.state.value_axis) if axis is not None)
        return ", ".join(SIZES[axis] for axis in axes) or "1"

    @property
    def found(self) -> str:
        """What the tokens of a chunk find at the rows that they erase."""
        return f"{self.state.called}_found"

    @property
    def buffers(self) -> dict[str, str]:
        """What a thread keeps, and how many floats that is."""
        depth, width = LANES[self.state.key_axis], LANES[self.state.value_axis]
        kept = {self.state.called: f"{depth} * {width} + SLACK"}
        kept |= {each.name: f"CHUNK * {width}" for each in self.state.readings}
        return kept if self.state.erases is None else {**kept, self.found: f"CHUNK * {width} + SLACK"}

    def start(self) -> list[str]:
        """The state that is carried in."""
        name, width = self.state.called, LANES[self.state.value_axis]
        row = at(name, f"c * {width}")
        return [
            f"std::fill_n({at(name)}, {LANES[self.state.key_axis]} * {width}, 0.0f);",
            f"if (call.{name}_in)",
            f"  for (int64_t c = 0; c < {SIZES[self.state.key_axis]}; ++c)",
            f"    std::copy_n(call.{name}_in + {self._place}, {SIZES[self.state.value_axis]}, {row});",
        ]

    def finish(self) -> list[str]:
        """The state that is carried out."""
        name, row = self.state.called, at(self.state.called, f"c * {LANES[self.state.value_axis]}")
        return [
            f"for (int64_t c = 0; c < {SIZES[self.state.key_axis]}; ++c)",
            f"  std::copy_n({row}, {SIZES[self.state.value_axis]}, call.{name}_out + {self._place});",
        ]

    @property
    def _place(self) -> str:
        """Where row c of the state stands in what is carried in and out."""
        depth, width = SIZES[self.state.key_axis], SIZES[self.state.value_axis]
        return f"((int64_t{{b}} * H + h) * {depth} + c) * {width}"

    def lines(self) -> list[str]:
        """One chunk."""
        state = self.state
        lines = [f"Decays& decays = space.{state.called}_decays;", self._decays()]
        if state.erases is not None and state.erased is not None:
            lines += self._read(state.erases, True, self.found)
            lines += self._weighed(state.erases, state.erased, True)
            lines.append(f"solve(rows, {WEIGHTS}, {at(self.found)}, {LANES[self.state.value_axis]});")
        for each in state.readings:
            lines += [*self._read(each.row, each.before, each.name), *self._read_found(each)]
        return lines + self._written()

    def _decays(self) -> str:
        decay = self.state.decay
        if self.state.by_channel:
            assert decay is not None
            return f"decays.by_channel(rows, {at(decay.name)}, {LANES[self.state.key_axis]});"
        return f"decays.by_token(rows, {'nullptr' if decay is None else at(decay.name)}, LANES);"

    def _weighed(self, row: TokenRow, keys: TokenRow, before: bool) -> list[str]:
        """The products of rows and keys, as keys have decayed when they are read."""
        depth, flag, decay = LANES[self.state.key_axis], str(before).lower(), self.state.decay
        if self.state.by_channel:
            assert decay is not None
            given = f"{at(row.name)}, {at(keys.name)}, {depth}, {at(decay.name)}, {flag}"
            return [f"weigh_by_channel(rows, {given}, {WEIGHTS}, {self._decayed(keys)});"]
        return [
            f"turn(rows, {at(keys.name)}, {depth}, {ACROSS});",
            f"weigh_by_token(rows, {at(row.name)}, {ACROSS}, {depth}, decays, {flag}, {WEIGHTS});",
        ]

    def _read(self, row: TokenRow, before: bool, target: str) -> list[str]:
        """What rows read: of the state in front of the chunk, and of what tokens have written since."""
        depth, width = LANES[self.state.key_axis], LANES[self.state.value_axis]
        channels = self.state.by_channel
        since = "&decays.since[0]" if before else f"&decays.since[{depth if channels else 1}]"
        return [
            *self._weighed(row, self.state.key, before),
            f"fade(rows, {at(row.name)}, {depth}, {since}, {str(channels).lower()}, {FADED});",
            f"product(rows, {SIZES[self.state.key_axis]}, {FADED}, {depth}, {at(self.state.called)}, {width}, nullptr, "
            f"{at(target)});",
            f"product(rows, rows, {WEIGHTS}, CHUNK, {at(self.state.value.name)}, {width}, {ONES}, {at(target)});",
        ]

    def _read_found(self, each: ReadingPlan) -> list[str]:
        """And of what they have written back where they erased."""
        if self.state.erased is None:
            return []
        width = LANES[self.state.value_axis]
        line = f"product(rows, rows, {WEIGHTS}, CHUNK, {at(self.found)}, {width}, {ONES}, {at(each.name)});"
        return [*self._weighed(each.row, self.state.erased, each.before), line]

    def _written(self) -> list[str]:
        """The state behind the last token."""
        state, lines = self.state, []
        kept = f"&decays.since[rows * {LANES[self.state.key_axis]}]"
        if not state.by_channel:
            lines.append(f"std::fill_n({FADED}, {SIZES[self.state.key_axis]}, decays.since[rows]);")
            kept = FADED
        lines += self._taken(state.key, state.value.name, kept)
        return lines if state.erased is None else lines + self._taken(state.erased, self.found, ONES)

    def _taken(self, keys: TokenRow, values: str, rescale: str) -> list[str]:
        """The state takes keys and values, as they have decayed behind the last token."""
        depth, width, decayed = LANES[self.state.key_axis], LANES[self.state.value_axis], self._decayed(keys)
        given = f"{SIZES[self.state.key_axis]}, rows, {decayed}, {depth}, {at(values)}, {width}, {rescale}"
        taken = [f"product<true>({given}, {at(self.state.called)});"]
        if self.state.by_channel:  # whoever read them last let them decay
            return taken
        return [f"decay_keys(rows, {at(keys.name)}, {depth}, decays, {decayed});", *taken]

    def _decayed(self, keys: TokenRow) -> str:
        return at("erased_decayed" if keys is self.state.erased else "decayed")

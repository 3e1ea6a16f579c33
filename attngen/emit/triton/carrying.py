"""A state in Triton on its way through a chunk: what tokens read of it, and what they make of it."""

from __future__ import annotations

from dataclasses import dataclass

from attngen.emit.tokens import index_of, size_of
from attngen.emit.triton.token_lines import padded
from attngen.schedule.chunks import StatePlan
from attngen.schedule.tokens import TokenRow

HEAD, PART = "head", "part"
"""Whose numbers they are: those of a head, or a part of them that one tile of values makes, for a sum over values."""


def slot(of: str = HEAD) -> str:
    """Where kernels keep what belongs to a chunk."""
    return f"({of} * chunks + chunk)"


def of_piece(of: str = HEAD) -> str:
    """Where they keep what belongs to a piece of a head's tokens."""
    return f"({of} * pieces + piece)"


@dataclass(frozen=True, slots=True)
class Carrying:
    """The lines of one state."""

    state: StatePlan

    @property
    def called(self) -> str:
        """Its name in kernels."""
        return self.state.called

    @property
    def decay(self) -> str:
        """The name of its decay."""
        return "None" if self.state.decay is None else self.state.decay.name

    @property
    def rows(self) -> list[str]:
        """The rows of tokens that it takes, each once."""
        state = self.state
        rows = [state.decay, state.key, state.value, state.erases, state.erased, *(each.row for each in state.readings)]
        return list(dict.fromkeys(row.name for row in rows if row is not None))

    @property
    def readings(self) -> list[str]:
        """What tokens read of it."""
        return [each.name for each in self.state.readings]

    @property
    def precisions(self) -> list[str]:
        """What is told to functions of how they multiply; what solves is not rounded."""
        return ["PRECISION"] if self.state.erases is None else ["PRECISION", "EXACT"]

    @property
    def found(self) -> str:
        """What tokens find at the rows that they erase."""
        return f"{self.called}_found"

    def erasing(self) -> list[str]:
        """What they find: of the state before, and of what tokens before them have changed."""
        state = self.state
        if state.erases is None or state.erased is None:
            return []
        weights = self.weighed(state.erases, state.erased, True)
        found = self.read(state.erases, True)
        return [f"{self.found} = {found}", f"{self.found} = _product(_solver({weights}), {self.found}, EXACT)"]

    def reading(self) -> list[str]:
        """What tokens read."""
        lines = []
        for each in self.state.readings:
            lines.append(f"{each.name} = {self.read(each.row, each.before)}")
            if self.state.erased is not None:
                weights = self.weighed(each.row, self.state.erased, each.before)
                lines.append(f"{each.name} += _product({weights}, {self.found}, PRECISION)")
        return lines

    def writing(self) -> list[str]:
        """The state behind the chunk."""
        state, name = self.state, self.called
        lines = [f"{name} = _carried({name}, {self.decay})", self.taken(state.key, state.value.name)]
        return lines if state.erased is None else [*lines, self.taken(state.erased, self.found)]

    def taken(self, key: TokenRow, value: str) -> str:
        """The state takes keys and values."""
        return f"{self.called} += _product(tl.trans(_kept({key.name}, {self.decay})), {value}, PRECISION)"

    def read(self, row: TokenRow, before: bool) -> str:
        """What rows find."""
        given = f"{self.state.key.name}, {self.state.value.name}, {self.called}, {self.decay}"
        return f"_read({row.name}, {given}, {before}, PRECISION)"

    def weighed(self, row: TokenRow, key: TokenRow, before: bool) -> str:
        """The weights of rows for keys."""
        return f"_weigh({row.name}, {key.name}, {self.decay}, {before}, PRECISION)"

    @property
    def shape(self) -> str:
        """Of the tile of a state."""
        return f"[{padded(self.state.key_axis)}, {padded(self.state.value_axis)}]"

    @property
    def size(self) -> str:
        """How many numbers a state of one head has in memory."""
        return " * ".join(map(size_of, self.state.axes)) or "1"

    def place(self) -> list[str]:
        """Where its elements lie in memory, from its start on, and which of them exist."""
        key, value, name = self.state.key_axis, self.state.value_axis, self.called
        index = {key: f"tl.trans({index_of(key)})" if key else "", value: index_of(value) if value else ""}
        axes = self.state.axes
        if not axes:
            return [f"{name}_place = tl.zeros([1, 1], tl.int32)", f"{name}_inside = {name}_place == 0"]
        ends = [f"{index[axis]} < {size_of(axis)}" for axis in axes]
        inside = " & ".join(f"({end})" for end in ends) if len(ends) > 1 else ends[0]
        first = f"{index[axes[0]]} * {size_of(axes[1])} + {index[axes[1]]}" if len(axes) == 2 else index[axes[0]]
        return [f"{name}_place = {first}", f"{name}_inside = {inside}"]

    def loaded(self, source: str, slot: str) -> str:
        """A state from memory."""
        where = f"{source} + {slot} * {self.size} + {self.called}_place"
        return f"tl.load({where}, mask={self.called}_inside, other=0.0)"

    def stored(self, value: str, target: str, slot: str) -> str:
        """A state to memory."""
        where = f"{target} + {slot} * {self.size} + {self.called}_place"
        return f"tl.store({where}, {value}, mask={self.called}_inside)"

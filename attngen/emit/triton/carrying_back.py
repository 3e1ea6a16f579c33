"""The gradient by a state in Triton on its way back through a chunk, and what it hands to the rows of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from attngen.emit.tokens import index_of, size_of
from attngen.emit.triton.carrying import HEAD, PART, Carrying
from attngen.schedule.tokens import TokenRow


class Reads(NamedTuple):
    """A row that reads the state, and the gradient by what it reads."""

    row: TokenRow
    before: bool
    gradient: str


class Sums:
    """Names that grow by terms, each with its first one."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def add(self, name: str, term: str) -> str:
        """The line that adds a term."""
        sign = "+=" if name in self.names else "="
        self.names[name] = None
        return f"{name} {sign} {term}"


@dataclass(frozen=True, slots=True)
class CarryingBack:
    """The lines of one state; `read` are the readings that have a gradient."""

    forward: Carrying
    read: frozenset[str]

    @property
    def called(self) -> str:
        """The name of the gradient by the state."""
        return f"d_{self.forward.called}"

    @property
    def of(self) -> str:
        """Whose it is: where the state has no axis of values, each tile of values makes a part of it."""
        return HEAD if self.forward.state.value_axis == "e" else PART

    @property
    def gradients(self) -> list[str]:
        """Those by what tokens read."""
        return [f"d_{name}" for name in self.forward.readings if name in self.read]

    @property
    def _readings(self) -> list[Reads]:
        readings = self.forward.state.readings
        return [Reads(each.row, each.before, f"d_{each.name}") for each in readings if each.name in self.read]

    @property
    def by_found(self) -> str:
        """The gradient by what tokens found where they erased; empty where nothing erases."""
        return "" if self.forward.state.erases is None else f"d_{self.forward.found}"

    def found_stored(self) -> str:
        """That goes to memory from one kernel to the next."""
        place, inside = self._found_place()
        return f"tl.store({place}, {self.by_found}, mask={inside})"

    def found_loaded(self) -> str:
        """And back."""
        place, inside = self._found_place()
        return f"{self.by_found} = tl.load({place}, mask={inside}, other=0.0)"

    def _found_place(self) -> tuple[str, str]:
        axis = self.forward.state.value_axis
        start = f"({self.of} * N + steps[:, None])"
        if axis is None:
            return f"{self.by_found}_ptr + {start}", "live"
        place = f"{self.by_found}_ptr + {start} * {size_of(axis)} + {index_of(axis)}"
        return place, f"live & ({index_of(axis)} < {size_of(axis)})"

    @property
    def _reads(self) -> list[Reads]:
        erases = self.forward.state.erases
        return [*([Reads(erases, True, self.by_found)] if erases is not None else []), *self._readings]

    def finding(self) -> list[str]:
        """The gradient by what tokens found: that is written back, and read by who erases later."""
        state, made = self.forward.state, self.forward
        if state.erases is None or state.erased is None:
            return []
        name = self.by_found
        lines = [f"{name} = _product(_kept({state.erased.name}, {made.decay}), {self.called}, PRECISION)"]
        for read in self._readings:
            weights = made.weighed(read.row, state.erased, read.before)
            lines.append(f"{name} += _product(tl.trans({weights}), {read.gradient}, PRECISION)")
        weights = made.weighed(state.erases, state.erased, True)
        return [*lines, f"{name} = _product(tl.trans(_solver({weights})), {name}, EXACT)"]

    def carrying(self) -> list[str]:
        """The gradient by the state in front of the chunk."""
        name, decay = self.called, self.forward.decay
        lines = [f"{name} = _carried({name}, {decay})"]
        for read in self._reads:
            faded = f"_faded({read.row.name}, {decay}, {read.before})"
            lines.append(f"{name} += _product(tl.trans({faded}), {read.gradient}, PRECISION)")
        return lines

    def returning(self, sums: Sums) -> list[str]:
        """What the rows of tokens get."""
        state, made = self.forward.state, self.forward
        writes = [(state.key, state.value.name)]
        writes += [] if state.erased is None else [(state.erased, made.found)]
        lines = []
        for read in self._reads:
            lines += self._from_front(sums, read)
            for key, value in writes:
                lines += self._between(sums, read, key, value)
        for number, (key, value) in enumerate(writes):
            lines += self._behind(sums, key, value, made.called if number == 0 else "None")
        return lines

    def _from_front(self, sums: Sums, read: Reads) -> list[str]:
        given = (
            f"{read.row.name}, {read.gradient}, {self.forward.called}, {self.forward.decay}, {read.before}, PRECISION"
        )
        return [f"to_row, to_decay = _return_read({given})", *self._added(sums, row=read.row.name)]

    def _between(self, sums: Sums, read: Reads, key: TokenRow, value: str) -> list[str]:
        given = f"{read.row.name}, {key.name}, {value}, {read.gradient}, {self.forward.decay}, {read.before}, PRECISION"
        line = f"to_row, to_key, to_value, to_decay = _return_pairs({given})"
        return [line, *self._added(sums, row=read.row.name, key=key.name, value=self._value(value))]

    def _behind(self, sums: Sums, key: TokenRow, value: str, state: str) -> list[str]:
        given = f"{key.name}, {value}, {state}, {self.called}, {self.forward.decay}, PRECISION"
        line = f"to_key, to_value, to_decay = _return_write({given})"
        return [line, *self._added(sums, key=key.name, value=self._value(value))]

    def _value(self, value: str) -> str:
        """What is found has got its gradient already."""
        return "" if value == self.forward.found else value

    def _added(self, sums: Sums, row: str = "", key: str = "", value: str = "") -> list[str]:
        decay = self.forward.state.decay
        targets = {"to_row": row, "to_key": key, "to_value": value, "to_decay": decay.name if decay else ""}
        return [sums.add(f"d_{name}", part) for part, name in targets.items() if name]

"""States in Triton past a piece of a head's tokens, whose front is not known yet.

Behind a piece a state is `left * state + made`: what the piece leaves of the state in front of it, and what it makes of
none. Where tokens erase, what is left is a matrix, the product of all `decay (1 - key key^T)`. Gradients by states go
back past a piece by the same, turned around.
"""

from __future__ import annotations

from dataclasses import dataclass

from attngen.emit.tokens import index_of, size_of
from attngen.emit.triton.carrying import HEAD, Carrying, of_piece
from attngen.emit.triton.token_lines import padded


@dataclass(frozen=True, slots=True)
class Passing:
    """The lines of one state; `back`, of the gradient by it."""

    made: Carrying
    back: bool = False

    @property
    def name(self) -> str:
        """What is left of the state."""
        return f"{self.made.called}_left"

    @property
    def erases(self) -> bool:
        """Whether that is a matrix."""
        return self.made.state.erases is not None

    @property
    def is_left(self) -> bool:
        """Whether it is something else than all."""
        return bool(self.made.state.leaving)

    @property
    def size(self) -> str:
        """How many numbers that is."""
        size = size_of(self.made.state.key_axis)
        return f"{size} * {size}" if self.erases else size if self.made.state.by_channel else "1"

    @property
    def state(self) -> str:
        """What passes."""
        return f"d_{self.made.called}" if self.back else self.made.called

    def place(self) -> list[str]:
        """Where its elements lie in memory, and which of them exist."""
        axis = self.made.state.key_axis
        if axis is None or not (self.erases or self.made.state.by_channel):
            return [f"{self.name}_place = tl.zeros([1, 1], tl.int32)", f"{self.name}_inside = {self.name}_place == 0"]
        index, size = index_of(axis), size_of(axis)
        across = f"tl.trans({index})"
        if not self.erases:
            return [f"{self.name}_place = {across}", f"{self.name}_inside = {across} < {size}"]
        inside = f"({across} < {size}) & ({index} < {size})"
        return [f"{self.name}_place = {across} * {size} + {index}", f"{self.name}_inside = {inside}"]

    def nothing_left(self) -> str:
        """In front of a piece all is left."""
        axis = self.made.state.key_axis
        if self.erases and axis is not None:
            return f"{self.name} = tl.where(tl.trans({index_of(axis)}) == {index_of(axis)}, 1.0, 0.0)"
        channels = padded(axis) if self.made.state.by_channel else "1"
        return f"{self.name} = tl.full([{channels}, 1], 1.0, tl.float32)"

    def leaving(self) -> list[str]:
        """What is left behind one more chunk."""
        made, state, name = self.made, self.made.state, self.name
        carried = f"{name} = _carried({name}, {made.decay})"
        if state.erases is None or state.erased is None:
            return [carried]
        weights = made.weighed(state.erases, state.erased, True)
        kept = f"tl.trans(_kept({state.erased.name}, {made.decay}))"
        return [
            f"{made.found} = _product(_faded({state.erases.name}, {made.decay}, True), {name}, PRECISION)",
            f"{made.found} = _product(_solver({weights}), {made.found}, EXACT)",
            carried,
            f"{name} += _product({kept}, {made.found}, PRECISION)",
        ]

    def stored(self) -> str:
        """What is left goes to memory."""
        where = f"{self.name}_ptr + {of_piece()} * {self.size} + {self.name}_place"
        return f"tl.store({where}, {self.name}, mask={self.name}_inside)"

    def followed(self, of: str = HEAD) -> list[str]:
        """The state past another piece; whose it is says `of`."""
        state, name = self.state, self.name
        made = self.made.loaded(f"{state}_made_ptr", of_piece(of))
        if not self.is_left:
            return [f"{state} += {made}"]
        where = f"{name}_ptr + {of_piece()} * {self.size} + {name}_place"
        lines = [f"{name} = tl.load({where}, mask={name}_inside, other=0.0)"]
        left = f"tl.trans({name})" if self.back else name
        kept = f"_product({left}, {state}, EXACT)" if self.erases else f"{name} * {state}"
        return [*lines, f"{state} = {kept} + {made}"]

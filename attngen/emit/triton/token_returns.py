"""What gradients of tokens hand down in Triton: to rows, to q, k, v and to inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from attngen.emit.tokens import Landed, index_of, kept_axes, landed_by, size_of
from attngen.emit.triton.carrying import HEAD, PART, slot
from attngen.emit.triton.carrying_back import Sums
from attngen.emit.triton.matrices import matrix_name
from attngen.emit.triton.token_lines import TokenLines
from attngen.emit.triton.token_printer import inside
from attngen.ir.expr import EARLIER, Expr, Read, Rechannel, Row, Variable
from attngen.schedule.chunks import ChunkPlan
from attngen.schedule.returns import Return, is_own_element


@dataclass
class TokenReturns:
    """The lines of a kernel that sums gradients: each for its tokens, or for its chunk what goes to all tokens."""

    plan: ChunkPlan
    lines: TokenLines
    sums: Sums = field(default_factory=Sums)
    landed: dict[str, Landed] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)

    def of(self, part: Return) -> list[str]:
        """What the gradient by a row hands down, where something has come to it."""
        row = next((row for row in self.plan.rows if row.name == part.name), self.plan.y)
        if row is not self.plan.y and f"d_{row.name}" not in self.sums.names:
            return []
        if row.matrix is not None and row.projected is not None:
            to_row = f"_product(d_{row.name}, {matrix_name(row.matrix)}, PRECISION)"
            to_matrix = f"_product(tl.trans(d_{row.name}), {row.projected.name}, PRECISION)"
            made = landed_by(self.plan, row.matrix.input)
            lacking = made.input in self.plan.lacking
            return [
                self.sums.add(f"d_{row.projected.name}", to_row),
                *([] if lacking else [self._landed(made, to_matrix)]),
            ]
        return [
            *self.lines.statements(part),
            *(line for leaf, share in part.shares for line in self._share(leaf, share)),
        ]

    def _share(self, leaf: Expr, share: Expr) -> Iterator[str]:
        text = self.lines.text(share)
        if isinstance(leaf, Variable):
            yield self.sums.add(f"d_{leaf.name}", self.lines.there(share, kept_axes(self.plan)[leaf.name]))
        elif isinstance(leaf, Row):
            yield self._landed(Landed(leaf.name, True, leaf.channels), text)
        elif isinstance(leaf, Rechannel):
            assert isinstance(leaf.row, Row)
            yield from self._moved(Landed(leaf.row.name, True, leaf.row.channels), self.lines.text(leaf.index), text)
        elif isinstance(leaf, Read) and is_own_element(leaf, self.plan.variant):
            yield from self._to_input(leaf, text)

    def _to_input(self, leaf: Read, text: str) -> Iterator[str]:
        made = landed_by(self.plan, leaf.input)
        axes = self.plan.variant.input(leaf.input).axes
        channel = self.lines.text(leaf.indices[axes.index(made.axes[0])]) if made.axes else "0"
        at_own = not made.axes or channel == index_of(made.axes[0])
        if not (made.of_token or at_own or self.lines.varies_with_tokens(leaf.indices[axes.index(made.axes[0])])):
            yield from self._summed_and_moved(made, channel, text)
        elif EARLIER in leaf.indices or not at_own:
            yield from self._moved(made, channel, text, "earlier" if EARLIER in leaf.indices else "rows")
        else:
            yield self._landed(made, text if made.of_token else _summed(made, text))

    def _landed(self, made: Landed, text: str) -> str:
        """A share of what is stored once."""
        self.landed[made.name] = made
        return self.sums.add(made.name, text)

    def _moved(self, made: Landed, channel: str, text: str, rows: str = "rows") -> Iterator[str]:
        """A share that goes to another channel, or to another token: it is added in memory."""
        self.moved.add(made.name)
        start = (
            f"({_of(made)} * N + {rows}[:, None])"
            if made.of_token
            else f"({_slot(made)} + tl.zeros([CHUNK, 1], tl.int32))"
        )
        place = f"{start} * {size_of(made.axes[0])} + {channel}" if made.axes else start
        yield from _added(made, place, f"tl.where({_inside(made)}, {text}, 0.0)", _inside(made))

    def _summed_and_moved(self, made: Landed, channel: str, text: str) -> Iterator[str]:
        """The same of what is first summed over the tokens of a chunk."""
        self.moved.add(made.name)
        axis = made.axes[0]
        place = f"{_slot(made)} * {size_of(axis)} + {channel}"
        yield from _added(made, place, _summed(made, text), f"{index_of(axis)} < {size_of(axis)}")

    def stores(self) -> Iterator[str]:
        """What is stored in the end."""
        for made in self.landed.values():
            place, there = self._place(made)
            if made.name in self.moved:
                yield from _added(made, place, f"tl.where({there}, {made.name}, 0.0)", there)
            else:
                yield f"if {made.name}_ptr is not None:"
                yield f"    tl.store({made.name}_ptr + {place}, {made.name}, mask={there})"

    def _place(self, made: Landed) -> tuple[str, str]:
        """Where the sums of a program lie, and which of them exist."""
        if made.of_token:
            start = f"({_of(made)} * N + rows[:, None])"
            place = f"{start} * {size_of(made.axes[0])} + {index_of(made.axes[0])}" if made.axes else start
            return place, _inside(made)
        if not made.axes:
            return f"{_slot(made)} + tl.zeros([1, 1], tl.int32)", "tl.full([1, 1], True, tl.int1)"
        *down, across = made.axes
        last = index_of(across)
        if not down:
            return f"{_slot(made)} * {size_of(across)} + {last}", f"{last} < {size_of(across)}"
        first = f"tl.trans({index_of(down[0])})"
        place = f"({_slot(made)} * {size_of(down[0])} + {first}) * {size_of(across)} + {last}"
        return place, f"({first} < {size_of(down[0])}) & ({last} < {size_of(across)})"


def in_parts(made: Landed) -> bool:
    """Whether each tile of values makes a part of a gradient."""
    return "e" not in made.axes


def _of(made: Landed) -> str:
    return PART if in_parts(made) else HEAD


def _slot(made: Landed) -> str:
    return slot(_of(made))


def _inside(made: Landed) -> str:
    return inside(made.axes[0] if made.axes else None)


def _summed(made: Landed, text: str) -> str:
    """Over the tokens of a chunk."""
    return f"tl.sum(tl.where({_inside(made)}, {text}, 0.0), 0, keep_dims=True)"


def _added(made: Landed, place: str, text: str, there: str) -> Iterator[str]:
    """To sums in memory, to which others add as well."""
    yield f"if {made.name}_ptr is not None:"
    yield f'    tl.atomic_add({made.name}_ptr + {place}, {text}, mask={there}, sem="relaxed")'

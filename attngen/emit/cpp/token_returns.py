"""Gradients of rows of tokens in C++: what they hand down to q, k, v, inputs and what was read of states."""

from __future__ import annotations

from attngen.emit.cpp.token_lines import HEAD, PIECE, TokenLines, over
from attngen.emit.cpp.token_printer import place_of
from attngen.emit.layout import deeper
from attngen.emit.tokens import Landed, kept_axes, landed_by, size_of
from attngen.ir.expr import EARLIER, Expr, Kind, Read, Rechannel, Row, Variable
from attngen.schedule.chunks import ChunkPlan
from attngen.schedule.returns import Return, is_own_element


def sums_type(made: Landed) -> str:
    """The C++ type of sums of gradients: those over all tokens are of many terms."""
    return "float" if made.of_token else "double"


def return_lines(plan: ChunkPlan, part: Return) -> list[str]:
    """What the gradients by a row hand down, token by token."""
    lines, made = TokenLines(plan, part), assigned(plan)
    shares = [line for leaf, share in part.shares for line in _share(plan, lines, leaf, share, made)]
    return lines.per_token([*lines.numbers(), *shares], [leaf for leaf, _ in part.shares])


def assigned(plan: ChunkPlan) -> dict[str, tuple[str, Expr]]:
    """The sums that nothing must be in before, by their fields: the part and the leaf whose share comes first.

    It covers the whole row of a token. Where a token hands something to the one before it, which comes after it on the
    way back, sums start from 0.
    """
    products = {row.name for row in plan.rows if row.matrix is not None}
    first: dict[str, tuple[str, Expr]] = {}
    partial: set[str] = set()
    for part in (each for each in (plan.y_return, *plan.returns) if each.name not in products):
        for leaf in (leaf for leaf, _ in part.shares if _is_of_call(plan, leaf)):
            field = _landed_at(plan, leaf).name
            if field not in first:
                first[field] = part.name, leaf
                if not _is_whole_row(plan, leaf):
                    partial.add(field)
            if isinstance(leaf, Read) and EARLIER in leaf.indices:
                partial.add(field)
    return {field: place for field, place in first.items() if field not in partial}


def read_by_y(plan: ChunkPlan) -> frozenset[str]:
    """The readings that y hands its gradient to, which nothing else does."""
    readings = {each.name for state in plan.states for each in state.readings}
    return frozenset(leaf.name for leaf, _ in plan.y_return.shares if isinstance(leaf, Variable)) & readings


def _is_of_call(plan: ChunkPlan, leaf: Expr) -> bool:
    """Whether a share goes to q, k, v or an input."""
    return is_own_element(leaf, plan.variant) if isinstance(leaf, Read) else isinstance(leaf, (Row, Rechannel))


def _is_whole_row(plan: ChunkPlan, leaf: Expr) -> bool:
    """Whether a share goes to each channel of a token's row, at its own place."""
    if not isinstance(leaf, Read):
        return isinstance(leaf, Row)
    made, axes = landed_by(plan, leaf.input), plan.variant.input(leaf.input).axes
    own = [leaf.indices[axes.index(axis)] for axis in made.axes]
    return made.of_token and own == [Variable(Kind.INT, (axis,), name=axis) for axis in made.axes]


def _share(plan: ChunkPlan, lines: TokenLines, leaf: Expr, share: Expr, made: dict[str, tuple[str, Expr]]) -> list[str]:
    """One share, where somebody asks for it; `made` are the sums that nothing must be in before."""
    if isinstance(leaf, (Row, Rechannel, Read)):
        if not _is_of_call(plan, leaf):
            return []
        sums, place, channel = _of_call(plan, lines, leaf)
        axis, sign = next(iter(leaf.channels), None), "=" if made.get(sums.name) == (lines.part.name, leaf) else "+="
        loop = over(axis, [*lines.needed(share), f"to[{channel}] {sign} {lines.text(share)};"])
        return [
            f"if (call.{sums.name}) {{",
            f"  {sums_type(sums)}* to = &call.{sums.name}[{place}];",
            *deeper(loop),
            "}",
        ]
    assert isinstance(leaf, Variable)
    axis, sign = kept_axes(plan)[leaf.name], "=" if leaf.name in read_by_y(plan) else "+="
    return over(axis, [*lines.needed(share), f"space.d_{leaf.name}[{place_of(axis)}] {sign} {lines.text(share)};"])


def _of_call(plan: ChunkPlan, lines: TokenLines, leaf: Row | Rechannel | Read) -> tuple[Landed, str, str]:
    """The field of a call that sums gradients, where the token's start in it, and the channel that a share goes to."""
    made = _landed_at(plan, leaf)
    if isinstance(leaf, Read):
        axes = plan.variant.input(leaf.input).axes
        channel = lines.text(leaf.indices[axes.index(made.axes[0])]) if made.axes else "0"
    else:
        channel = leaf.channels[0] if isinstance(leaf, Row) else lines.text(leaf.index)
    token = "earlier" if isinstance(leaf, Read) and EARLIER in leaf.indices else "row"
    place = f"({HEAD} * N + {token})" if made.of_token else PIECE
    return made, " * ".join([place, *map(size_of, made.axes)]), channel


def _landed_at(plan: ChunkPlan, leaf: Expr) -> Landed:
    """Where shares for a leaf are summed."""
    if isinstance(leaf, Read):
        return landed_by(plan, leaf.input)
    row = leaf.row if isinstance(leaf, Rechannel) else leaf
    assert isinstance(row, Row)
    return Landed(row.name, of_token=True, axes=row.channels)

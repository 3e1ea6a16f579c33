"""Gradients of rows of tokens in C++: what they hand down to q, k, v, inputs and what was read of states."""

from __future__ import annotations

from attngen.emit.cpp.token_lines import HEAD, TokenLines, over
from attngen.emit.cpp.token_printer import place_of
from attngen.emit.layout import deeper
from attngen.emit.tokens import Landed, kept_axes, landed_by, size_of
from attngen.ir.expr import EARLIER, Expr, Read, Rechannel, Row, Variable
from attngen.schedule.chunks import ChunkPlan
from attngen.schedule.returns import Return, is_own_element


def sums_type(made: Landed) -> str:
    """The C++ type of sums of gradients: those over all tokens are of many terms."""
    return "float" if made.of_token else "double"


def return_lines(plan: ChunkPlan, part: Return) -> list[str]:
    """What the gradients by a row hand down, token by token."""
    lines = TokenLines(plan, part)
    shares = [line for leaf, share in part.shares for line in _share(plan, lines, leaf, share)]
    return lines.per_token([*lines.numbers(), *shares], [leaf for leaf, _ in part.shares])


def _share(plan: ChunkPlan, lines: TokenLines, leaf: Expr, share: Expr) -> list[str]:
    """One share, where somebody asks for it."""
    if isinstance(leaf, Read) and not is_own_element(leaf, plan.variant):
        return []
    if isinstance(leaf, (Row, Rechannel, Read)):
        made, place, channel = _of_call(plan, lines, leaf)
        axis = next(iter(leaf.channels), None)
        loop = over(axis, [*lines.needed(share), f"to[{channel}] += {lines.text(share)};"])
        return [
            f"if (call.{made.name}) {{",
            f"  {sums_type(made)}* to = &call.{made.name}[{place}];",
            *deeper(loop),
            "}",
        ]
    assert isinstance(leaf, Variable)
    axis = kept_axes(plan)[leaf.name]
    return over(axis, [*lines.needed(share), f"space.d_{leaf.name}[{place_of(axis)}] += {lines.text(share)};"])


def _of_call(plan: ChunkPlan, lines: TokenLines, leaf: Row | Rechannel | Read) -> tuple[Landed, str, str]:
    """The field of a call that sums gradients, where the token's start in it, and the channel that a share goes to."""
    if isinstance(leaf, Read):
        made = landed_by(plan, leaf.input)
        axes = plan.variant.input(leaf.input).axes
        channel = lines.text(leaf.indices[axes.index(made.axes[0])]) if made.axes else "0"
    else:
        row = leaf if isinstance(leaf, Row) else leaf.row
        assert isinstance(row, Row)
        made = Landed(row.name, of_token=True, axes=row.channels)
        channel = leaf.channels[0] if isinstance(leaf, Row) else lines.text(leaf.index)
    token = "earlier" if isinstance(leaf, Read) and EARLIER in leaf.indices else "row"
    place = f"({HEAD} * N + {token})" if made.of_token else HEAD
    return made, " * ".join([place, *map(size_of, made.axes)]), channel

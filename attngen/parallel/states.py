"""What a rank's tokens make of the states that it is given: `S_out = A S_in + F`, for states of all ranks at once.

`F` is what the rank's own tokens leave behind, and `A` is what they leave of what was there: a factor for each row of a
state, or a matrix where tokens erase (the delta rule). `A` comes from kernels as well: those of the same recurrence
without anything written, started from ones or from the identity. Maps of ranks in a row are one map, so that what each
rank is given is found in ⌈log2 P⌉ steps (Hillis and Steele, "Data parallel algorithms", 1986).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from attngen.analysis.laws import ZERO
from attngen.analysis.recurrence import Carried, Recurrence, canonical, equation
from attngen.errors import CallError
from attngen.ir import nodes
from attngen.ir.expr import Apply, Expr, Kind, Read, Row, Size, distinct
from attngen.parallel.messages import packed, piece_of, size_of, unpacked
from attngen.parallel.ranks import Ranks


@dataclass(frozen=True, slots=True)
class Bare:
    """A recurrence in which nothing is written.

    Attributes:
        variant: its states are matrices over a key axis, or none, and `e`.
        states: those of the recurrence that it comes from.
        inputs: the names of what it reads.
    """

    variant: nodes.Variant
    states: tuple[Carried, ...]
    inputs: tuple[str, ...]


@lru_cache(maxsize=64)
def bare(variant: nodes.Variant) -> Bare:
    """What is left of states, and nothing else.

    Raises:
        CallError: states can't be handed from rank to rank yet.
    """
    form = canonical(variant)
    if any(state.key_axis == "e" for state in form.states):
        raise CallError(
            f"{variant.name}: ranks can't share tokens whose states are read along `e` yet ({variant.span})"
        )
    states = tuple(replace(state, value_axis="e", key=ZERO, value=ZERO) for state in form.states)
    out, *more = (Row(Kind.FLOAT, ("e",), name=reading.name) for reading in form.readings)
    total: Expr = out
    for row in more:
        total = Apply(Kind.FLOAT, ("e",), function="+", arguments=(total, row))
    made = Recurrence(states, form.readings, total)
    kept = [row for state in form.states for row in (state.decay, state.erases, state.erased) if row is not None]
    if any(
        part == Size(Kind.INT, axis="E") or (isinstance(part, Row) and part.name == "v")
        for row in kept
        for part in distinct(row)
    ):
        text = "ranks can't share tokens yet that keep of states what depends on v or E"
        raise CallError(f"{variant.name}: {text} ({variant.span})")
    values = [*(row for state in states for row in state.rows), *(reading.row for reading in form.readings)]
    read = {part.input for value in values for part in distinct(value) if isinstance(part, Read)}
    inputs = tuple(given for given in variant.inputs if given.name in read)
    without = replace(variant, body=equation(made), lets=(), inputs=inputs, assertions=())
    return Bare(without, form.states, tuple(given.name for given in inputs))


def as_matrix(state: Carried, value: Tensor) -> Tensor:
    """A state as [B, H, K, V], where an axis that it does not have is 1."""
    axes = sorted(axis for axis in (state.key_axis, state.value_axis) if axis is not None)
    if state.value_axis is None:
        value, axes = value.unsqueeze(-1), [*axes, "value"]
    if state.key_axis is None:
        return value.unsqueeze(-2)
    return value if axes[0] == state.key_axis else value.transpose(-1, -2)


def as_state(state: Carried, matrix: Tensor) -> Tensor:
    """The other way."""
    if state.key_axis is None:
        matrix = matrix.squeeze(-2)
        return matrix.squeeze(-1) if state.value_axis is None else matrix
    if state.value_axis is None:
        return matrix.squeeze(-1)
    return matrix if state.key_axis < state.value_axis else matrix.transpose(-1, -2).contiguous()


@dataclass(frozen=True, slots=True)
class Passing:
    """What some tokens make of a state [B, H, K, V].

    Attributes:
        kept: A: [B, H, K, K] where tokens erase, else a factor for each row, [B, H, K, 1].
        left: F: [B, H, K, V].
        erases: which of both `kept` is.
    """

    kept: Tensor
    left: Tensor
    erases: bool

    def of(self, given: Tensor) -> Tensor:
        """What they keep of it."""
        return self.kept @ given if self.erases else self.kept * given


def given_by_ranks_before(ranks: Ranks, passings: Sequence[Passing], way: int) -> list[Tensor]:
    """The state that each of some states has where a rank's tokens begin; 0 for the first rank.

    Args:
        way: 1 if ranks hold tokens in their order, -1 if the last rank comes first.
    """
    left, kept = [each.left for each in passings], [each.kept for each in passings]
    for number, (distance, sends_kept) in enumerate(steps(ranks.size)):
        came = _before(ranks, way * distance, [*left, *(kept if sends_kept else ())])
        its_left, its_kept = came[: len(left)], came[len(left) :]
        here = [Passing(kept_, left_, each.erases) for kept_, left_, each in zip(kept, left, passings, strict=True)]
        if number == 0:  # what is given to a rank is what all before leave: its own map doesn't count
            left, kept = its_left, its_kept or kept
        else:
            kept = [each.of(other) for each, other in zip(here, its_kept, strict=False)] or kept
            left = [each.of(other) + each.left for each, other in zip(here, its_left, strict=True)]
    return left if ranks.size > 1 else [torch.zeros_like(each) for each in left]


def steps(ranks: int) -> list[tuple[int, bool]]:
    """Over which distances maps are handed on, and whether what they keep goes with what they leave: in the last step
    nobody needs it."""
    found = [(1, ranks > 2)] if ranks > 1 else []
    distance = 1
    while distance < ranks - 1:
        found.append((distance, distance * 2 < ranks - 1))
        distance *= 2
    return found


def _before(ranks: Ranks, distance: int, mine: Sequence[Tensor]) -> list[Tensor]:
    """What the rank at a distance before this one has; 0 where there is none."""
    return [*_Shifted.apply(ranks, distance, *mine)]  # type: ignore[no-untyped-call]


class _Shifted(torch.autograd.Function):
    """Tensors of the rank at a distance before this one. Gradients go the other way."""

    @staticmethod
    def forward(ctx: Any, ranks: Ranks, distance: int, *mine: Tensor) -> tuple[Tensor, ...]:
        ctx.ranks, ctx.distance = ranks, distance
        return _shifted(ranks, distance, mine)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *_shifted(ctx.ranks, -ctx.distance, gradients)


def _shifted(ranks: Ranks, distance: int, mine: Sequence[Tensor]) -> tuple[Tensor, ...]:
    target, source = ranks.rank + distance, ranks.rank - distance
    pieces = [piece_of(tensor) for tensor in mine]
    room = torch.zeros(size_of(pieces), dtype=torch.uint8, device=mine[0].device)
    sends = [(target, packed(mine))] if 0 <= target < ranks.size else []
    receives = [(source, room)] if 0 <= source < ranks.size else []
    ranks.exchange(sends, receives, 0)()
    return tuple(unpacked(room, pieces))

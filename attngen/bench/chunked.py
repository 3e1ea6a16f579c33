"""Recurrences in eager PyTorch, as one writes them well: products over all chunks at once, states from chunk to chunk.

Rows are [heads, chunks, tokens of a chunk, channels]. What a token reads of its own chunk is a product of rows, weighed
by the decays between them; what it reads of all chunks before is a product with the state in front of its chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - as everyone calls it
from torch import Tensor

EVERY, ONE = torch.baddbmm, torch.addcmul
"""How a state is kept over a chunk: by a matrix [D, D], or by a factor of each channel."""


class Rooms:
    """Where results are put: tensors that every call uses again, and none where gradients are asked for."""

    def __init__(self, trained: bool) -> None:
        self.trained = trained
        self.tensors: dict[str, Tensor] = {}

    def __call__(self, name: str, dtype: torch.dtype) -> Tensor | None:
        """The tensor of that name, which PyTorch makes as large as a result needs."""
        return None if self.trained else self.tensors.setdefault(name, torch.empty(0, dtype=dtype))

    def over(self, x: Tensor) -> Tensor | None:
        """The place of a number that is no longer needed."""
        return None if self.trained else x


class Faded(NamedTuple):
    """Rows as they meet within a chunk, and as they read and write states.

    `left` and `right` give weights by products, times `between` [heads, chunks or 1, C, C] where it is given; `reading`
    are the rows that read the state in front of the chunk, `writing` the keys as they arrive behind it, and `last`
    [heads, chunks or 1, D or 1, 1] is what is left of the state there.
    """

    left: Sequence[Tensor]
    right: Tensor
    between: Tensor | None
    reading: Sequence[Tensor]
    writing: Tensor
    last: Tensor

    def weights(self, which: int, diagonal: int, room: Rooms) -> Tensor:
        """What the tokens of a chunk count for each other, those in front of the diagonal and on it."""
        found = product(self.left[which], self.right.mT, room, f"weights {which}")
        if self.between is not None:
            found = scaled(found, self.between, room.over(found))
        return torch.tril(found, diagonal, out=room.over(found))


def still(rows: Sequence[Tensor], keys: Tensor) -> Faded:
    """Nothing fades."""
    return Faded(rows, keys, None, rows, keys, torch.ones(1, 1, 1, 1))


def by_token(rows: Sequence[Tensor], keys: Tensor, g: Tensor, room: Rooms, scale: float = 1.0) -> Faded:
    """States fade by exp(g), with a g of each token: [heads, chunks, C], or [heads, 1, C] where chunks are alike.

    Right for gates of any size: no power is positive.

    Args:
        scale: of the rows.
    """
    since = g.cumsum(-1)
    between = torch.sub(since[..., :, None], since[..., None, :], out=room("between", torch.float32))
    # Numbers below e^-87 are denormal: they change nothing, and many a CPU takes a hundred times as long for each.
    between = torch.clamp(between, min=-80, max=0, out=room.over(between))
    between = torch.exp(between, out=room.over(between))
    if scale != 1:
        between = between * scale
    since = since.unsqueeze(-1)
    factor = since.exp() * scale
    reading = [scaled(x, factor, room(f"reading {n}", x.dtype)) for n, x in enumerate(rows)]
    last = since[..., -1:, :]
    writing = scaled(keys, (last - since).exp(), room("writing", keys.dtype))
    return Faded(rows, keys, between, reading, writing, last.exp())


def by_channel(rows: Sequence[Tensor], keys: Tensor, g: Tensor, room: Rooms, early: bool = False) -> Faded:
    """Channels of keys fade by exp(g), with a g of each token and channel: [heads, chunks or 1, C, D].

    Weights are products of rows that are faded since the chunk's start and of keys that are grown by as much, so the
    sum of gates over a chunk may not come near -88, the logarithm of the least float32.

    Args:
        early: rows read the state that their own token has not faded or written yet.
    """
    since = torch.cumsum(F.pad(g, (0, 0, 1, 0)) if early else g, -2, out=room("since", torch.float32))
    factor = torch.exp(since, out=room.over(since))
    behind = factor[..., early:, :]
    before = factor[..., :-1, :] if early else factor
    left = [scaled(x, before, room(f"reading {n}", x.dtype)) for n, x in enumerate(rows)]
    right = torch.div(keys, behind, out=room("right", keys.dtype)).to(keys.dtype)
    last = behind[..., -1:, :]
    return Faded(left, right, None, left, scaled(right, last, room("writing", keys.dtype)), last.mT)


def linear(v: Tensor, fade: Faded, room: Rooms, early: bool = False) -> tuple[Tensor, Tensor]:
    """What one reading row of each token finds: y [heads, chunks, C, E], and the weights within chunks."""
    weights = fade.weights(0, -1 if early else 0, room)
    states = carried(product(fade.writing.mT, v, room, "writes"), fade.last, ONE)
    within = product(weights, v, room, "y").flatten(0, 1)
    y = added(within, fade.reading[0], states.to(v.dtype), room.over(within))
    return y.view(v.shape), weights


def delta(v: Tensor, beta: Tensor, fade: Faded, room: Rooms) -> Tensor:
    """The delta rule, by the WY form: y [heads, chunks, C, E] of rows `fade.left`, q and then u.

    What tokens write solves a triangular system: x = beta (v - what rows before in the chunk wrote - what the state
    held), with two right sides, v and the rows that read the state. beta: [heads, chunks, C].
    """
    beta = beta.unsqueeze(-1)
    width = v.shape[-1]
    system = scaled(fade.weights(1, -1, room).float(), beta, None)
    sides = torch.cat([v, fade.reading[1]], -1).float() * beta
    # Transposed, since it is columns that solvers take without a copy.
    solved = torch.linalg.solve_triangular(system.mT, sides.mT, upper=True, left=False, unitriangular=True).mT
    solved = solved.to(v.dtype)
    written = product(fade.writing.mT, solved, room, "writes").float()
    keeping = -written[..., width:]
    keeping.diagonal(0, -2, -1).add_(fade.last.squeeze(-1))
    states = carried(written[..., :width], keeping, EVERY)
    within = product(fade.weights(0, 0, room), solved, room, "within")
    reading = torch.sub(fade.reading[0], within[..., width:], out=room("read", v.dtype))
    return added(within[..., :width].flatten(0, 1), reading, states.to(v.dtype), room("y", v.dtype)).view(v.shape)


def carried(writes: Tensor, keeps: Tensor, step: Callable[..., Tensor]) -> Tensor:
    """The state in front of each chunk, float32 [heads, chunks, D, E]: 0, then what is kept of it and what is written.

    Args:
        writes: [heads, chunks, D, E].
        keeps: [heads, chunks or 1, D or 1, 1] for `ONE`, [heads, chunks, D, D] for `EVERY`.
    """
    found: Tensor = _Carried.apply(writes.float(), keeps.expand(*writes.shape[:2], *keeps.shape[2:]), step)  # type: ignore[no-untyped-call]
    return found


class _Carried(torch.autograd.Function):
    """S_(c+1) = keep_c S_c + write_c, and its gradients by the same loop backwards."""

    @staticmethod
    def forward(ctx: Any, writes: Tensor, keeps: Tensor, step: Callable[..., Tensor]) -> Tensor:
        heads, chunks, *sizes = writes.shape
        states = writes.new_empty(heads, chunks, *sizes)
        if step is EVERY:  # products are written faster where those of a chunk lie together
            states = writes.new_empty(chunks, heads, *sizes).transpose(0, 1)
        states[:, 0] = 0
        _along(step, writes.unbind(1), keeps.unbind(1), states.unbind(1))
        ctx.save_for_backward(states, keeps)
        ctx.step = step
        return states

    @staticmethod
    def backward(ctx: Any, *by_results: Tensor) -> tuple[Tensor, Tensor, None]:
        states, keeps = ctx.saved_tensors
        by_writes = torch.empty_like(states)
        by_writes[:, -1] = 0
        turned = keeps.mT if ctx.step is EVERY else keeps
        _along(ctx.step, *(x.unbind(1)[::-1] for x in (by_results[0], turned, by_writes)))
        if ctx.step is EVERY:
            return by_writes, by_writes @ states.mT, None
        return by_writes, (by_writes * states).sum_to_size(keeps.shape), None


def _along(
    step: Callable[..., Tensor], writes: Sequence[Tensor], keeps: Sequence[Tensor], states: Sequence[Tensor]
) -> None:
    for write, keep, state, after in zip(writes, keeps, states, states[1:], strict=False):
        step(write, keep, state, out=after)


def product(left: Tensor, right: Tensor, room: Rooms, name: str) -> Tensor:
    """The matrix product of each chunk."""
    found = torch.bmm(left.flatten(0, 1), right.flatten(0, 1), out=room(name, left.dtype))
    return found.view(*left.shape[:2], *found.shape[1:])


def added(y: Tensor, left: Tensor, right: Tensor, out: Tensor | None) -> Tensor:
    """y [heads * chunks, C, E] and the matrix product of each chunk."""
    return torch.baddbmm(y, left.flatten(0, 1), right.flatten(0, 1), out=out)


def scaled(x: Tensor, by: Tensor, out: Tensor | None) -> Tensor:
    """A product with numbers of float32, in the dtype of x."""
    return torch.mul(x, by, out=out).to(x.dtype)


def cut(x: Tensor, chunk: int) -> Tensor:
    """[1, heads, tokens, ...] in chunks: [heads, tokens / chunk, chunk, ...]."""
    return x.reshape(x.shape[1], -1, chunk, *x.shape[3:])

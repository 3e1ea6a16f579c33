"""The recurrences that are timed: inputs for each spec, and what it computes by the chunked forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - as everyone calls it
from torch import Tensor

from attngen.bench.chunked import Rooms, by_channel, by_token, cut, delta, linear, product, scaled, still
from attngen.bench.peers import Sizes

Rows = tuple[Tensor, Tensor, Tensor]
Inputs = Mapping[str, Tensor]
Peer = Callable[[Rooms, Rows, Inputs], Tensor]
"""From q, k and v, [heads, chunks, C, channels], and inputs cut alike, to y [heads, chunks, C, E]."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A spec by its name, its axes of inputs, and how PyTorch computes it in chunks.

    `inputs` are names and axes: h, t and c are heads, tokens and channels of keys.
    """

    name: str
    inputs: Mapping[str, str]
    peer: Peer
    erases: bool = False

    def draw(self, sizes: Sizes) -> dict[str, Tensor]:
        """Seeded inputs, float32.

        Gates of channels sum up to -26 at most over 256 tokens, because peers divide by the exponentials of such sums.
        """
        generator = torch.Generator().manual_seed(0)
        lengths = {"h": sizes.heads, "t": sizes.tokens, "c": sizes.width}
        found = {}
        for name, axes in self.inputs.items():
            uniform = torch.rand([lengths[axis] for axis in axes], generator=generator)
            low, high = RANGES[name]
            drawn = low + (high - low) * uniform
            found[name] = drawn[None] if "t" in axes else drawn
        return found

    def chunked(self, q: Tensor, k: Tensor, v: Tensor, inputs: Inputs, chunk: int, room: Rooms) -> Tensor:
        """What PyTorch computes, in chunks of so many tokens, which divide them all.

        Args:
            q, k: [1, heads, tokens, D]; v: [1, heads, tokens, E].
            inputs: as the kernel takes them.

        Returns:
            y: [1, heads, tokens, E] in the dtype of q.
        """
        rows = (cut(q, chunk), cut(k, chunk), cut(v, chunk))
        return self.peer(room, rows, {name: self._cut(name, x, chunk) for name, x in inputs.items()}).reshape(v.shape)

    def _cut(self, name: str, x: Tensor, chunk: int) -> Tensor:
        """[heads, chunks, C, ...]; where tokens are alike, one chunk stands for all."""
        if "t" in self.inputs[name]:
            return cut(x, chunk)
        return x[:, None, None].expand(-1, 1, chunk, *x.shape[1:])


RANGES = {
    "slope": (0.0, 0.5), "gamma": (0.9, 0.999), "dt": (0.0, 0.1), "A": (-16.0, -1.0), "skip": (-1.0, 1.0),
    "g": (-0.1, 0.0), "w": (-0.1, 0.0), "u": (-1.0, 1.0), "beta": (0.0, 1.0),
}  # fmt: skip


def _linear_transformer(room: Rooms, rows: Rows, _: Inputs) -> Tensor:
    q, k, v = (*(F.elu(x).add_(1) for x in rows[:2]), rows[2])
    y, weights = linear(v, still([q], k), room)
    sums = k.sum(2, dtype=torch.float32)
    earlier = (sums.cumsum(1) - sums).to(q.dtype).unsqueeze(-1)
    total = weights.sum(-1, keepdim=True, dtype=torch.float32) + product(q, earlier, room, "total")
    return torch.div(y, total + 1e-6, out=room.over(y)).to(v.dtype)


def _lightning(room: Rooms, rows: Rows, inputs: Inputs) -> Tensor:
    q, k, v = rows
    return linear(v, by_token([q], k, -inputs["slope"], room), room)[0]


def _retention(room: Rooms, rows: Rows, inputs: Inputs) -> Tensor:
    q, k, v = rows
    return linear(v, by_token([q], k, inputs["gamma"].log(), room, q.shape[-1] ** -0.5), room)[0]


def _gla(room: Rooms, rows: Rows, inputs: Inputs) -> Tensor:
    q, k, v = rows
    q = torch.mul(q, q.shape[-1] ** -0.5, out=room("q", q.dtype))
    return linear(v, by_channel([q], k, inputs["g"], room), room)[0]


def _mamba2(room: Rooms, rows: Rows, inputs: Inputs) -> Tensor:
    q, k, v = rows
    dt, skip = inputs["dt"], inputs["skip"].unsqueeze(-1).to(v.dtype)
    x = scaled(v, dt.unsqueeze(-1), room("x", v.dtype))
    y, _ = linear(x, by_token([q], k, dt * inputs["A"], room), room)
    return torch.addcmul(y, skip, v, out=room.over(y))


def _rwkv(room: Rooms, rows: Rows, inputs: Inputs) -> Tensor:
    q, k, v = rows
    y, _ = linear(v, by_channel([q], k, inputs["w"], room, early=True), room, early=True)
    bonus = (q * inputs["u"] * k).sum(-1, keepdim=True).to(v.dtype)
    return torch.addcmul(y, bonus, v, out=room.over(y))


def _deltanet(room: Rooms, rows: Rows, inputs: Inputs) -> Tensor:
    q, u, v = _normed(rows)
    return delta(v, inputs["beta"], still([q, u], u), room)


def _gated_deltanet(room: Rooms, rows: Rows, inputs: Inputs) -> Tensor:
    q, u, v = _normed(rows)
    return delta(v, inputs["beta"], by_token([q, u], u, inputs["g"], room), room)


def _kda(room: Rooms, rows: Rows, inputs: Inputs) -> Tensor:
    q, u, v = _normed(rows)
    return delta(v, inputs["beta"], by_channel([q, u], u, inputs["g"], room), room)


def _normed(rows: Rows) -> Rows:
    return rows[0], F.normalize(rows[1], dim=-1), rows[2]


TOKENS, CHANNELS = "ht", "htc"
SUBJECTS = (
    Subject("linear_transformer", {}, _linear_transformer),
    Subject("lightning", {"slope": "h"}, _lightning),
    Subject("retention_recurrent", {"gamma": "h"}, _retention),
    Subject("gla", {"g": CHANNELS}, _gla),
    Subject("mamba2", {"dt": TOKENS, "A": "h", "skip": "h"}, _mamba2),
    Subject("rwkv5", {"w": "hc", "u": "hc"}, _rwkv),
    Subject("rwkv6", {"w": CHANNELS, "u": "hc"}, _rwkv),
    Subject("deltanet", {"beta": TOKENS}, _deltanet, erases=True),
    Subject("gated_deltanet", {"g": TOKENS, "beta": TOKENS}, _gated_deltanet, erases=True),
    Subject("kda", {"g": CHANNELS, "beta": TOKENS}, _kda, erases=True),
)

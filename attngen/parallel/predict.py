"""What a partition costs on a machine: traffic to the byte, and time by a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from attngen.ir import nodes
from attngen.ir.evaluate import Number
from attngen.parallel.blocks import block_of
from attngen.parallel.counts import PairTraffic, pair_traffic
from attngen.parallel.layouts import Layout, tokens_of
from attngen.parallel.loads import pairs_at, pairs_of_all
from attngen.parallel.machines import BACKWARD, KERNELS_BACKWARD, LAUNCH, REACHED, Mesh
from attngen.parallel.needs import Needs
from attngen.parallel.pairs import rows_of
from attngen.parallel.ring import Ring
from attngen.parallel.shares import Share

SEEN = 9
"""Ranks that are looked at where many hold tokens: the first, the last, and some between."""


@dataclass(frozen=True, slots=True)
class Heads:
    """The rows of a call beside its tokens."""

    batch: int
    queries: int
    keys: int
    width: int
    value_width: int
    dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class Prediction:
    """Of one layout and way to send; the worst of the ranks that were looked at.

    Attributes:
        forward, backward: bytes and messages that a rank sends.
        hops: how many other ranks a rank hears of.
        balance: pairs of the rank that has most, over the mean of all.
        seconds, efficiency: a step, forward and backward, and the part of it that computes.
        hidden: whether no kernel waits for a message.
        memory: bytes on a rank, of what a call holds.
        everything: bytes that a rank sends where all keys and values go to all ranks, and backward once more, and
            gradients by them come back in float32.
    """

    devices: int
    layout: str
    send: str
    forward_bytes: int
    forward_messages: int
    backward_bytes: int
    backward_messages: int
    hops: int
    balance: float
    hidden: bool
    seconds: float
    efficiency: float
    memory: int
    everything: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def predicted(
    variant: nodes.Variant,
    needs: Needs,
    numbers: Mapping[str, Number],
    heads: Heads,
    layout: Layout,
    devices: int,
    mesh: Mesh,
) -> list[Prediction]:
    """For both ways to send."""
    ring = Ring(layout, devices, int(numbers["N"]), int(numbers["M"]), needs)
    holders = [rank for rank in range(devices) if ring.queries(rank) or ring.keys(rank)]
    ranks = [_Rank(ring, rank, variant, heads, mesh) for rank in looked_at(holders)]
    pairs = [sum(rank.pairs) for rank in ranks]
    mean = pairs_of_all(ring) / devices
    found = []
    for send in ("keys", "queries"):
        times = [rank.seconds(send) for rank in ranks]
        seconds, computed = max(times)
        ideal = mean * ranks[0].second_per_pair * (1 + BACKWARD)
        traffic = [rank.traffic.backward[send] for rank in ranks]
        found.append(
            Prediction(
                devices=devices,
                layout=str(layout),
                send=send,
                forward_bytes=max(rank.traffic.forward.bytes for rank in ranks),
                forward_messages=max(rank.traffic.forward.messages for rank in ranks),
                backward_bytes=max(each.bytes for each in traffic),
                backward_messages=max(each.messages for each in traffic),
                hops=max(rank.hops for rank in ranks),
                balance=max(pairs) / mean if mean else 1.0,
                hidden=seconds <= computed * 1.001,
                seconds=seconds,
                efficiency=ideal / seconds if seconds else 1.0,
                memory=max(rank.memory(send) for rank in ranks),
                everything=everything(heads, int(numbers["M"]), devices),
            )
        )
    return found


def everything(heads: Heads, keys: int, devices: int) -> int:
    """Bytes that a rank sends where every key and value goes to every rank, and every gradient comes back."""
    row = heads.batch * heads.keys * (heads.width + heads.value_width)
    return (devices - 1) * -(-keys // devices) * row * (2 * heads.dtype.itemsize + 4)


def looked_at(ranks: Sequence[int]) -> list[int]:
    """Ranks from the first to the last, evenly."""
    count = min(len(ranks), SEEN)
    return sorted({ranks[round(number * (len(ranks) - 1) / max(1, count - 1))] for number in range(count)})


class _Rank:
    """One rank of a call."""

    def __init__(self, ring: Ring, rank: int, variant: nodes.Variant, heads: Heads, mesh: Mesh) -> None:
        self.ring, self.rank, self.heads, self.mesh = ring, rank, heads, mesh
        self.rows, inputs = _examples(ring, rank, variant, heads)
        self.queries, self.keys = rows_of(block_of(variant), ring, rank, self.rows, inputs)
        floats = {
            name for share in (self.queries, self.keys) for name, x in share.rows.items() if x.is_floating_point()
        }
        self.traffic: PairTraffic = pair_traffic(ring, rank, self.queries, self.keys, self.rows["v"], floats)
        self.pairs = [pairs_at(ring, rank, (rank - hop) % ring.ranks) for hop in range(ring.ranks)]
        self.blocks = [len(ring.visits(rank, (rank - hop) % ring.ranks)) for hop in range(ring.ranks)]
        self.hops = sum(1 for blocks in self.blocks[1:] if blocks)

    @property
    def second_per_pair(self) -> float:
        work = 2 * (self.heads.width + self.heads.value_width) * self.heads.batch * self.heads.queries
        return work / (self.mesh.machine.flops * REACHED)

    def seconds(self, send: str) -> tuple[float, float]:
        """Of a step, and what of it is computed: a message travels while the block before it is computed."""
        forward = self._chain(1.0, 1, self.traffic.forward.bytes)
        backward = self._chain(BACKWARD, KERNELS_BACKWARD, self.traffic.backward[send].bytes)
        return forward[0] + backward[0], forward[1] + backward[1]

    def _chain(self, times: float, kernels: int, sent: int) -> tuple[float, float]:
        """What is sent is shared by the hops as what they bring is. No kernel of a block is shorter than its launch."""
        ring = self.ring
        computing = [
            max(pairs * self.second_per_pair * times, blocks * kernels * LAUNCH)
            for pairs, blocks in zip(self.pairs, self.blocks, strict=True)
        ]
        tokens = [0] + [
            tokens_of(ring.travelling(self.rank, (self.rank - hop) % ring.ranks)) for hop in range(1, ring.ranks)
        ]
        every = sum(tokens)
        waiting = [
            self.mesh.seconds(self.rank, (self.rank - hop) % ring.ranks, sent * tokens[hop] // every) if every else 0.0
            for hop in range(ring.ranks)
        ]
        total = sum(max(now, after) for now, after in zip(computing, [*waiting[1:], 0.0], strict=True))
        return total, sum(computing)

    def memory(self, send: str) -> int:
        """Rows, their gradients in float32, and two messages on their way."""
        held = [*self.queries.rows.values(), *self.keys.rows.values()]
        rows = sum(x.numel() * (x.element_size() + 4) for x in held)
        heads = self.heads
        y = heads.batch * heads.queries * self.queries.tokens * heads.value_width
        largest = max((self._message(send, other) for other in range(self.ring.ranks) if other != self.rank), default=0)
        return rows + y * (4 + 2 * heads.dtype.itemsize) + 2 * largest

    def _message(self, send: str, other: int) -> int:
        share: Share = self.keys if send == "keys" else self.queries
        runs = self.ring.travelling(self.rank, other) if send == "keys" else self.ring.asking(other, self.rank)
        tokens = tokens_of(runs)
        return sum(x.numel() // max(1, share.tokens) * tokens * x.element_size() for x in share.rows.values())


def _examples(
    ring: Ring, rank: int, variant: nodes.Variant, heads: Heads
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Tensors of a rank's shapes, without numbers. Inputs have one element along axes of their own."""
    n, m = (tokens_of(runs) for runs in (ring.queries(rank), ring.keys(rank)))

    def empty(*shape: int, dtype: torch.dtype = heads.dtype) -> Tensor:
        return torch.empty(shape, dtype=dtype, device="meta")

    rows = {
        "q": empty(heads.batch, heads.queries, n, heads.width),
        "k": empty(heads.batch, heads.keys, m, heads.width),
        "v": empty(heads.batch, heads.keys, m, heads.value_width),
    }
    dtypes = {"int": torch.int64, "bool": torch.bool, "float": torch.float32}
    sizes = {
        "b": heads.batch,
        "h": heads.queries,
        "i": n,
        "j": m,
        "n": m,
        "t": m,
        "c": heads.width,
        "e": heads.value_width,
    }
    inputs = {}
    for given in variant.inputs:
        both = "i" in given.axes and "j" in given.axes
        shape = [ring.M if both and axis == "j" else sizes.get(axis, 1) for axis in given.axes]
        inputs[given.name] = empty(*shape, dtype=dtypes[given.kind.value])
    return rows, inputs


def best(rows: Sequence[Prediction]) -> Prediction:
    """The fastest; of equals, the one that sends least."""
    return min(rows, key=lambda row: (round(row.seconds, 9), row.forward_bytes + row.backward_bytes))

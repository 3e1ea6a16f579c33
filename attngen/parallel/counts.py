"""What a rank will send in a call, to the byte, before anything is sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from attngen.parallel.layouts import tokens_of
from attngen.parallel.messages import piece_of, size_of
from attngen.parallel.needs import Runs
from attngen.parallel.pairs import CENTRE, DY, STATS
from attngen.parallel.ranks import Traffic
from attngen.parallel.ring import Ring
from attngen.parallel.shares import Share
from attngen.parallel.states import steps


@dataclass(frozen=True, slots=True)
class PairTraffic:
    """What one rank sends: forward, and backward with keys or with queries on their way."""

    forward: Traffic
    backward: Mapping[str, Traffic]


def pair_traffic(
    ring: Ring, rank: int, queries: Share, keys: Share, values: Tensor, wanted: Collection[str]
) -> PairTraffic:
    """For a rank with these rows, which may be on the device `meta`.

    Args:
        values: v, whose width gradients by y have.
        wanted: the rows with gradients.
    """
    others = [rank_ for rank_ in range(ring.ranks) if rank_ != rank]
    to_readers = [ring.travelling(other, rank) for other in others]
    from_owners = [ring.travelling(rank, other) for other in others]
    to_owners = [ring.asking(rank, other) for other in others]
    from_readers = [ring.asking(other, rank) for other in others]
    q = queries.rows["q"]
    heads = max(q.shape[1], keys.rows["k"].shape[1], values.shape[1])
    rows = (q.shape[0], heads, q.shape[2])
    of_rows = {
        DY: torch.empty((*rows, values.shape[3]), dtype=q.dtype, device="meta"),
        STATS: torch.empty((*rows, 2), device="meta"),
        CENTRE: torch.empty(rows, device="meta"),
    }
    asking = Share({**queries.rows, **of_rows}, queries.runs, queries.axes)
    forward = _sent(to_readers, keys)
    return PairTraffic(
        forward,
        {
            "keys": _total([forward, _sent(from_owners, _sums(keys, wanted))]),
            "queries": _total([_sent(to_owners, asking), _sent(from_readers, _sums(queries, wanted))]),
        },
    )


def _sums(rows: Share, wanted: Collection[str]) -> Share:
    held = {name: x.to(device="meta", dtype=torch.float32) for name, x in rows.rows.items() if name in wanted}
    return Share(held, rows.runs, rows.axes)


def _sent(messages: Iterable[Runs], rows: Share) -> Traffic:
    sizes = [size_of(rows.pieces(tokens_of(runs))) for runs in messages if runs and rows.rows]
    return Traffic(len(sizes), sum(sizes))


def _total(parts: Iterable[Traffic]) -> Traffic:
    found = Traffic()
    for part in parts:
        found.messages += part.messages
        found.bytes += part.bytes
    return found


def state_traffic(ranks: int, rank: int, way: int, left: Iterable[Tensor], kept: Iterable[Tensor]) -> Traffic:
    """What a rank sends forward to hand on what is left of states and what they keep, of which these are examples.

    Backward it sends that in the other direction: what it sends forward for the other `way`.
    """
    sizes = [size_of(map(piece_of, each)) for each in (left, kept)]
    sent = [
        sizes[0] + (sizes[1] if sends_kept else 0)
        for distance, sends_kept in steps(ranks)
        if 0 <= rank + way * distance < ranks
    ]
    return Traffic(len(sent), sum(sent))

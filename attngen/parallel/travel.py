"""Rows on their way around the ring, and what goes back for them. A message travels while the one before it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attngen.parallel.layouts import Run, tokens_of
from attngen.parallel.messages import packed, size_of, unpacked
from attngen.parallel.ranks import Message, Ranks
from attngen.parallel.shares import Share

Runs = Sequence[Run]


@dataclass(frozen=True, slots=True)
class Hop:
    """What a rank sends and gets at once.

    Attributes:
        number: how far around the ring.
        target, source: the ranks that it goes to and comes from.
        went: which tokens were sent.
        came: what was received, if anything.
    """

    number: int
    target: int
    source: int
    went: Runs
    came: Share | None


def on_their_way(
    ranks: Ranks,
    way: int,
    rows: Share,
    sent: Callable[[int], Runs],
    expected: Callable[[int], Runs],
) -> Iterator[Hop]:
    """Send rows to ranks that need them, and get theirs; the first hop begins at once.

    All ranks go through all hops, those at which nothing travels too: where messages have no tags, what two ranks send
    each other, here and in `returned`, must come in one order.

    Args:
        way: 1 if rows go to ranks behind this one, and come from those before; -1 the other way.
        rows: what this rank holds.
        sent, expected: the tokens that go to a rank, and those that come from one.
    """

    def begin(number: int) -> tuple[Callable[[], None], Hop]:
        target, source = (ranks.rank + way * number) % ranks.size, (ranks.rank - way * number) % ranks.size
        went = sent(target)
        came, receives = _room(rows, expected(source), source)
        sends = [(target, packed([*rows.taken(went).rows.values()]))] if went else []
        return ranks.exchange(sends, receives, 2 * number), Hop(number, target, source, went, came)

    def follow(first: tuple[Callable[[], None], Hop] | None) -> Iterator[Hop]:
        ahead = first
        for number in range(1, ranks.size):
            assert ahead is not None
            wait, hop = ahead
            ahead = begin(number + 1) if number + 1 < ranks.size else None
            wait()
            yield hop

    return follow(begin(1) if ranks.size > 1 else None)


def returned(ranks: Ranks, hop: Hop, answer: Share | None, sums: Share) -> Callable[[], None]:
    """Give back the sums for what came at a hop, and begin to get those for what went; they are added in the end."""
    mine, receives = _room(sums, hop.went, hop.target)
    sends = [(hop.source, packed([*answer.rows.values()]))] if answer is not None and answer.rows else []
    wait = ranks.exchange(sends, receives, 2 * hop.number + 1)

    def add() -> None:
        wait()
        if mine is not None:
            sums.add(mine)

    return add


def _room(rows: Share, runs: Runs, source: int) -> tuple[Share | None, list[Message]]:
    """Where to put what comes: rows like some others, of other tokens."""
    if not runs or not rows.rows:
        return None, []
    pieces = rows.pieces(tokens_of(runs))
    device = next(iter(rows.rows.values())).device
    message = torch.empty(size_of(pieces), dtype=torch.uint8, device=device)
    tensors: list[Tensor] = unpacked(message, pieces)
    return Share(dict(zip(rows.rows, tensors, strict=True)), runs, rows.axes), [(source, message)]

"""What a rank sends is known beforehand: on process groups of thousands that send nothing, and on threads that do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.testing._internal.distributed.fake_pg import FakeStore

import attngen
from attngen.parallel import on_threads, partition
from attngen.parallel.blocks import block_of
from attngen.parallel.counts import pair_traffic, state_traffic
from attngen.parallel.pair_part import PairPart
from attngen.parallel.pairs import rows_of
from attngen.parallel.ranks import Ranks

WINDOW = "attention a(window: int = 100 in [1, inf)) { mask 0 <= i - j < window }"
CAUSAL = "attention a { mask j <= i }"
SINKS = "attention a { mask j <= i and (j < 4 or i - j < 20) }"
BIASED = "attention a { input bias[b, j]: float score scale * dot(q, k) + bias[b, j] mask abs(i - j) < 40 }"


@contextmanager
def fake_group(rank: int, ranks: int) -> Iterator[None]:
    dist.init_process_group("fake", rank=rank, world_size=ranks, store=FakeStore())
    try:
        yield
    finally:
        dist.destroy_process_group()


def sent_and_foreseen(
    part: PairPart, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, **inputs: torch.Tensor
) -> None:
    """Both, forward and with gradients."""
    leaves = [x.detach().clone().requires_grad_() for x in (q, k, v)]
    given = {name: x.detach().clone().requires_grad_() for name, x in inputs.items()}
    y = part(*leaves, **given)
    forward = part.ranks.traffic.messages, part.ranks.traffic.bytes
    y.sum().backward()
    total = part.ranks.traffic.messages, part.ranks.traffic.bytes
    (ring,) = part._rings.values()
    queries, keys = rows_of(block_of(part.kernel.variant), ring, part.ranks.rank, {"q": q, "k": k, "v": v}, inputs)
    floats = {*queries.rows, *keys.rows}
    foreseen = pair_traffic(ring, part.ranks.rank, queries, keys, v, floats)
    back = foreseen.backward[part.send]
    assert forward == (foreseen.forward.messages, foreseen.forward.bytes)
    assert total == (forward[0] + back.messages, forward[1] + back.bytes)


@pytest.mark.parametrize("send", ["keys", "queries"])
@pytest.mark.parametrize(
    ("text", "layout", "ranks"),
    [(WINDOW, "contiguous", 4096), (SINKS, "contiguous", 4096), (CAUSAL, "zigzag", 64), (CAUSAL, "striped", 16)],
)
def test_groups_that_send_nothing_count(text: str, layout: str, ranks: int, send: str) -> None:
    """Sixteen tokens a rank, of ranks at both ends and between."""
    kernel = attngen.build(text)
    for rank in (0, 1, ranks // 2, ranks - 1):
        with fake_group(rank, ranks):
            part = kernel.on(layout=layout, send=send, block=8)
            rows = [torch.randn(1, heads, 16, 8) for heads in (4, 2, 2)]
            sent_and_foreseen(part, *rows)


@pytest.mark.parametrize("send", ["keys", "queries"])
@pytest.mark.parametrize(("text", "layout"), [(CAUSAL, "zigzag"), (WINDOW, "contiguous"), (BIASED, "striped")])
def test_ranks_that_send_count(text: str, layout: str, send: str) -> None:
    kernel = attngen.build(text)

    def program(own: Ranks) -> None:
        part = partition(kernel, own, layout=layout, send=send, block=8)
        assert isinstance(part, PairPart)
        whole = [torch.randn(1, heads, 101, 8) for heads in (4, 2, 2)]
        inputs = {"bias": part.scatter(torch.randn(1, 101), 1)} if "bias" in text else {}
        sent_and_foreseen(part, *map(part.scatter, whole), **inputs)

    on_threads(5, program)


@pytest.mark.parametrize("send", ["keys", "queries"])
@pytest.mark.parametrize("layout", ["contiguous", "zigzag", "striped"])
@pytest.mark.parametrize(
    "mask", ["abs(i - j) < 4 or j < 4", "j <= i and (j < 4 or i - j < 20)", "i div 16 == j div 16"]
)
def test_two_ranks_send_each_other_in_one_order(mask: str, layout: str, send: str) -> None:
    """NCCL has no tags: what one sends first to the other, this one must wait for first."""
    kernel = attngen.build(f"attention a {{ mask {mask} }}")

    def program(own: Ranks) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        sent: list[tuple[int, int, int]] = []
        awaited: list[tuple[int, int, int]] = []
        exchange = own.exchange

        def noted(sends: Any, receives: Any, tag: int) -> Any:
            sent.extend((peer, tag, rows.numel()) for peer, rows in sends)
            awaited.extend((peer, tag, rows.numel()) for peer, rows in receives)
            return exchange(sends, receives, tag)

        own.exchange = noted  # type: ignore[method-assign]
        part = partition(kernel, own, layout=layout, send=send, block=8)
        rows = [part.scatter(torch.randn(1, 2, 80, 8)).requires_grad_() for _ in range(3)]
        part(*rows).sum().backward()
        return sent, awaited

    found = on_threads(5, program)
    for one in range(5):
        for other in range(5):
            sends = [message[1:] for message in found[one][0] if message[0] == other]
            waits = [message[1:] for message in found[other][1] if message[0] == one]
            assert sends == waits


@pytest.mark.parametrize("ranks", [2, 3, 4, 7])
def test_states_count(ranks: int) -> None:
    kernel = attngen.build("attention a { state S = 0.9 * S + outer(k, v) out dot(q, S) }")

    def program(own: Ranks) -> None:
        part = partition(kernel, own)
        q, k, v = (part.scatter(torch.randn(1, 2, 40, 8)).requires_grad_() for _ in range(3))
        y = part(q, k, v)
        left, kept = torch.empty(1, 2, 8, 8), torch.empty(1, 2, 8, 1)
        one_way, back = (state_traffic(ranks, own.rank, way, [left], [kept]) for way in (1, -1))
        assert own.traffic == one_way
        y.sum().backward()
        assert (own.traffic.messages, own.traffic.bytes) == (
            one_way.messages + back.messages,
            one_way.bytes + back.bytes,
        )

    on_threads(ranks, program)

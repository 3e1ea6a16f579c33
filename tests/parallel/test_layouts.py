"""Every token lies on one rank, whatever the lengths."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attngen.parallel.layouts import LAYOUTS, Layout, Run
from attngen.parallel.shares import Share, positions, put_together, scattered

SIZES = {"tokens": st.integers(0, 200), "ranks": st.integers(1, 9), "block": st.integers(1, 40)}


@pytest.mark.parametrize("name", LAYOUTS)
@given(**SIZES)
def test_every_token_lies_on_one_rank(name: str, tokens: int, ranks: int, block: int) -> None:
    layout = Layout(name, block)
    held = [positions(layout.runs(tokens, ranks, rank)).tolist() for rank in range(ranks)]
    assert sorted(token for mine in held for token in mine) == [*range(tokens)]
    assert all(mine == sorted(mine) for mine in held)
    assert [len(mine) for mine in held] == [layout.count(tokens, ranks, rank) for rank in range(ranks)]
    most = max(map(len, held)) - min(map(len, held))
    assert most <= (block if name == "striped" else 2 if name == "zigzag" else 1)


@pytest.mark.parametrize("name", LAYOUTS)
@given(**SIZES, axis=st.integers(0, 1))
def test_shares_are_put_together_again(name: str, tokens: int, ranks: int, block: int, axis: int) -> None:
    layout = Layout(name, block)
    whole = torch.arange(3 * tokens).view((3, tokens) if axis else (tokens, 3))
    shares = [scattered(whole, layout, ranks, rank, axis) for rank in range(ranks)]
    assert torch.equal(put_together(shares, layout, tokens, axis), whole)


def test_where_tokens_lie() -> None:
    assert [Layout("contiguous").runs(10, 3, rank) for rank in range(3)] == [((0, 3),), ((3, 6),), ((6, 10),)]
    assert [Layout("zigzag").runs(12, 3, rank) for rank in range(3)] == [
        ((0, 2), (10, 12)),
        ((2, 4), (8, 10)),
        ((4, 8),),
    ]
    assert [Layout("striped", 2).runs(9, 2, rank) for rank in range(2)] == [((0, 2), (4, 6), (8, 9)), ((2, 4), (6, 8))]


def test_a_layout_that_is_none() -> None:
    with pytest.raises(ValueError, match="there is no layout `ring`; choose one of contiguous, zigzag, striped"):
        Layout("ring")
    with pytest.raises(ValueError, match="a stripe of 0 tokens makes no layout"):
        Layout("striped", 0)


def test_rows_of_other_ranks_are_refused() -> None:
    share = Share({"k": torch.arange(6.0).view(1, 1, 6, 1)}, [Run(2, 4), Run(8, 12)], {})
    assert share.at(Run(9, 11))["k"].flatten().tolist() == [3, 4]
    assert share.taken([Run(3, 4), Run(10, 12)]).rows["k"].flatten().tolist() == [1, 4, 5]
    with pytest.raises(LookupError, match="tokens 3 to 9 lie elsewhere"):
        share.at(Run(3, 9))

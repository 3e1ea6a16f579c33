"""What is said of a partition: in the spec, at `kernel.on`, and where it makes no sense."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import attngen
from attngen.parallel import on_threads, partition
from attngen.parallel.ranks import MissingRankError, Ranks
from attngen.parallel.state_part import StatePart


def layouts(text: str, ranks: int = 4, **options: Any) -> list[str]:
    kernel = attngen.build(text)
    return on_threads(ranks, lambda own: f"{partition(kernel, own, **options).layout}")


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("mask j <= i", "zigzag"),
        ("", "contiguous"),
        ("mask 0 <= i - j < 1024", "contiguous"),
        ("mask abs(i - j) < 64", "contiguous"),
        ("input doc[b, n]: int sorted mask j <= i and doc[b, i] == doc[b, j]", "zigzag"),
        ("mask j <= i partition ring(layout = contiguous)", "contiguous"),
        ("mask j <= i partition ring(layout = striped, block = 32)", "striped(32)"),
        ("weight dot(elu(q) + 1, elu(k) + 1) mask j <= i normalize sum(1e-6)", "contiguous"),
        ("state S = S + outer(k, v) out dot(q, S)", "contiguous"),
    ],
)
def test_the_layout_follows_the_mask(text: str, layout: str) -> None:
    assert layouts(f"attention a {{ {text} }}") == [layout] * 4


def test_a_call_overrides_the_spec() -> None:
    text = "attention a { mask j <= i partition ring(layout = striped, send = queries) }"
    assert layouts(text, layout="zigzag") == ["zigzag"] * 4
    kernel = attngen.build(text)
    sends = on_threads(2, lambda own: (partition(kernel, own).send, partition(kernel, own, send="keys").send))
    assert sends == [("queries", "keys")] * 2


def test_a_carried_attention_may_go_by_pairs() -> None:
    kernel = attngen.build("attention a { weight dot(elu(q) + 1, elu(k) + 1) mask j <= i normalize none }")
    kinds = on_threads(
        2, lambda own: [isinstance(partition(kernel, own, layout=each), StatePart) for each in ("auto", "zigzag")]
    )
    assert kinds == [[True, False]] * 2


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (
            "mask j <= i",
            {"layout": "ring"},
            "there is no layout `ring`; choose one of auto, contiguous, zigzag, striped",
        ),
        ("mask j <= i", {"send": "values"}, "`values` can't travel; choose one of keys, queries"),
        ("mask j <= i", {"block": -1}, "a stripe has -1 tokens"),
        ("state S = S + outer(k, v) out dot(q, S)", {"layout": "zigzag"}, "its layout is `contiguous`"),
    ],
)
def test_what_makes_no_sense(text: str, options: dict[str, Any], words: str) -> None:
    kernel = attngen.build(f"attention a {{ {text} }}")
    with pytest.raises(attngen.CallError, match=words):
        on_threads(2, lambda own: partition(kernel, own, **options))


def refused(text: str, call: Any, ranks: int = 3) -> str:
    """What all ranks say of a call."""
    kernel = attngen.build(text)

    def program(own: Ranks) -> str:
        try:
            call(partition(kernel, own, layout="contiguous"), own.rank)
        except ValueError as error:
            return str(error)
        return "nothing"

    said = on_threads(ranks, program)
    assert len({*said}) == 1, said
    return said[0]


def rows(tokens: int, heads: int = 2, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    return [torch.zeros(1, heads, tokens, 8, dtype=dtype) for _ in range(3)]


CAUSAL = "attention a { mask j <= i }"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda part, rank: part(*rows(8, dtype=[torch.float32, torch.float16][rank == 2])), "float16 on rank 2"),
        (lambda part, rank: part(*rows(8), scale=0.5 + rank // 2), "scale is 0.5 on ranks 0, 1, 1.5 on rank 2"),
        (lambda part, rank: part(*(x.requires_grad_(rank == 0) for x in rows(8))), "trained on rank 0"),
        (lambda part, rank: part(*rows(8 + (rank == 1))), "q has 9 tokens on rank 1, which holds 8 of 25"),
    ],
)
def test_calls_on_which_ranks_do_not_agree(call: Any, words: str) -> None:
    assert words in refused(CAUSAL, call)


def test_calls_that_cannot_be_shared() -> None:
    text = "attention a { input doc[b, n]: int sorted mask j <= i and doc[b, i] == doc[b, j] }"
    given = {"doc": torch.zeros(1, 8, dtype=torch.int64)}
    said = refused(text, lambda part, _: part(rows(4)[0], *rows(8)[1:], **given))
    assert "queries read `doc` at their positions" in said
    assert "here are 12 and 24, from 12 (<text>:1:21)" in said
    assert "the offset is one number" in refused(CAUSAL, lambda part, _: part(*rows(8), offset=torch.zeros(1)))
    assert "only a softmax has a log-sum-exp" in refused(
        "attention a { weight sigmoid(dot(q, k)) normalize none }", lambda part, _: part(*rows(8), return_lse=True)
    )
    assert "the input `doc` [b, n] is missing" in refused(text, lambda part, _: part(*rows(8)))


def test_what_is_wrong_on_one_rank_is_said_on_all() -> None:
    text = "attention a { input doc[b, n]: int sorted mask j <= i and doc[b, i] == doc[b, j] }"
    falling = [torch.arange(8).unsqueeze(0) * (-1 if rank == 2 else 1) for rank in range(3)]
    said = refused(text, lambda part, rank: part(*rows(8), doc=falling[rank]))
    assert "problem is none on ranks 0, 1, a: doc is declared sorted and falls somewhere (<text>:1) on rank 2" in said
    assert "which does not divide H" in refused(CAUSAL, lambda part, _: part(rows(8, 3)[0], *rows(8)[1:]))
    asserted = "attention a { assert N mod 5 == 0 mask j <= i }"
    assert "a: `N mod 5 == 0` does not hold" in refused(asserted, lambda part, _: part(*rows(8)))
    counted = "attention a { assert N mod 5 == 0 state S = S + outer(k, v) out dot(q, S) }"
    assert "a: `N mod 5 == 0` does not hold" in refused(counted, lambda part, _: part(*rows(8)))


def test_the_interpreter_knows_no_ranks() -> None:
    kernel = attngen.build(CAUSAL, backend="reference")
    with pytest.raises(attngen.CallError, match="the interpreter knows no ranks"):
        on_threads(2, lambda own: partition(kernel, own))


def test_a_thread_that_fails_is_no_riddle_to_others() -> None:
    kernel = attngen.build(CAUSAL)

    def program(own: Ranks) -> None:
        part = partition(kernel, own)
        if own.rank == 1:
            raise OSError("rank 1 is ill")
        part(*rows(8))

    with pytest.raises((OSError, MissingRankError)):
        on_threads(3, program)

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


def test_a_mask_may_know_widths_and_the_scale() -> None:
    kernel = attngen.build("attention a { mask i - j < D + E and j <= i and scale < 2.0 }")
    q, k, v = torch.randn(1, 1, 40, 4), torch.randn(1, 1, 40, 4), torch.randn(1, 1, 40, 6)
    part = on_threads(3, lambda own: _attended(kernel, own, q, k, v))
    assert (part[0].double() - kernel.reference(q, k, v)).abs().max() < 1e-5


@pytest.mark.parametrize("name", ["q0", "q1", "k0", "k1", "start", "stop", "KEY_TILE", "live_start", "span"])
def test_a_parameter_may_be_called_as_the_ends_of_tiles(name: str) -> None:
    kernel = attngen.build(f"attention a({name}: int = 3) {{ mask 0 <= i - j < {name} }}")
    q, k, v = torch.randn(3, 1, 1, 40, 4).unbind()
    y = on_threads(3, lambda own: _attended(kernel, own, q, k, v))[0]
    assert (y.double() - kernel.reference(q, k, v)).abs().max() < 1e-5
    other = attngen.build("attention a(other: int = 3) { mask 0 <= i - j < other }")
    assert torch.equal(kernel.tiles(40, 40, tile=(8, 8)), other.tiles(40, 40, tile=(8, 8)))


def _attended(kernel: attngen.Kernel, own: Ranks, *rows: torch.Tensor) -> torch.Tensor:
    part = partition(kernel, own)
    return part.gather(part(*map(part.scatter, rows)))


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
        (
            lambda part, rank: part(*rows(8), scale=0.5 + rank // 2),
            "argument scale is 0.5 on ranks 0, 1, 1.5 on rank 2",
        ),
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
    assert "the offset is one int" in refused(CAUSAL, lambda part, _: part(*rows(8), offset=torch.zeros(1)))
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


def test_what_one_rank_alone_could_say_is_said_by_all() -> None:
    """Names, options, assertions and lengths, whatever blocks a rank has; and what no input can hide."""
    far = "attention a { assert N mod 5 == 0 mask i - j >= 9 }"
    assert "a: `N mod 5 == 0` does not hold" in refused(far, lambda part, _: part(*rows(8)))
    unknown = refused(CAUSAL, lambda part, rank: part(*rows(8), **({"x": rows(8)[0]} if rank == 1 else {})))
    assert "there is no input `x`" in unknown
    assert "argument return_lse is False on ranks 0, 2, True on rank 1" in refused(
        CAUSAL, lambda part, rank: part(*rows(8), return_lse=rank == 1)
    )
    pairs = "attention a { input x[h, i, j]: float score dot(q, k) + x[h, i, j] }"
    said = refused(pairs, lambda part, _: part(*rows(8), x=torch.zeros(2, 8, 8)))
    assert "x has 8 elements along `j`, not all 24" in said
    assert "a share has 9 tokens on rank 1" in refused(CAUSAL, lambda part, rank: part.gather(rows(8 + (rank == 1))[0]))
    hidden = "attention a { input layout[h]: float score dot(q, k) * layout[h] }"
    kernel = attngen.build(hidden)

    def program(own: Ranks) -> str:
        part = partition(kernel, own, layout=["contiguous", "zigzag"][own.rank == 1])
        try:
            part(*rows(8), layout=torch.ones(2))
        except ValueError as error:
            return str(error)
        return "nothing"

    assert all("layout is contiguous on ranks 0, 2, zigzag on rank 1" in said for said in on_threads(3, program))


def test_a_whole_that_falls_between_ranks_is_not_sorted() -> None:
    text = "attention a { input doc[b, n]: int sorted mask j <= i and doc[b, i] == doc[b, j] }"
    said = refused(text, lambda part, rank: part(*rows(8), doc=torch.full((1, 8), [3, 1, 3][rank])))
    assert "doc is declared sorted and falls somewhere" in said


def test_an_order_is_looked_at_as_a_whole() -> None:
    text = "attention a { order p(x) = x div 2 mask j <= i }"
    assert "the order p is no bijection" in refused(text, lambda part, _: part(*rows(8)))


def test_arguments_of_wrong_shapes_and_kinds() -> None:
    text = "attention a { input w[h]: float score dot(q, k) * w[h] }"
    assert "w has" in refused(text, lambda part, _: part(*rows(8), w=torch.ones(2, 2)))
    assert "w is a list" in refused(text, lambda part, _: part(*rows(8), w=[1.0, 2.0]))
    assert "q has the shape" in refused(CAUSAL, lambda part, _: part(torch.zeros(8, 8), *rows(8)[1:]))
    assert "the offset is one int, not 2.5" in refused(CAUSAL, lambda part, _: part(*rows(8), offset=2.5))


def test_an_input_with_a_position_beside_another_axis_of_tokens_is_refused() -> None:
    kernel = attngen.build("attention a { input x[i, n]: float score dot(q, k) + x[i, j] }")
    with pytest.raises(attngen.CallError, match="ranks can't share `x`"):
        on_threads(2, lambda own: partition(kernel, own)(*rows(8), x=torch.zeros(8, 16)))


def test_autocast_is_kept() -> None:
    kernel = attngen.build(CAUSAL)

    def program(own: Ranks) -> torch.dtype:
        with torch.autocast("cpu", torch.bfloat16):
            y: torch.Tensor = partition(kernel, own)(*rows(8))
        return y.dtype

    assert on_threads(2, program) == [torch.bfloat16] * 2


def test_linear_attention_that_states_cannot_carry_goes_by_pairs() -> None:
    text = "input doc[b, n]: int sorted weight dot(q, k) mask j <= i and doc[b, i] == doc[b, j] normalize none"
    kernel = attngen.build(f"attention a {{ {text} }}")
    assert on_threads(2, lambda own: type(partition(kernel, own)).__name__) == ["PairPart"] * 2


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

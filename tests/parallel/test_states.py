"""Recurrences whose tokens are shared by ranks: only states travel, and y and gradients are those of the whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import attngen
from attngen.ir.nodes import Recurrent
from attngen.parallel import on_threads, partition
from attngen.parallel.ranks import Ranks, Traffic
from attngen.parallel.state_part import StatePart
from attngen.parallel.states import steps
from attngen.reference.gradients import gradients_of
from attngen.runtime.draws import dtype_of, tensors

DEEP = settings.default.max_examples >= 1000
FOLDER = Path(__file__).parents[2] / "specs"
EVERY = "deltanet gated_deltanet gla kda lightning linear_transformer mamba2 performer retention retention_recurrent"
EVERY += " retention_reverse rwkv5 rwkv6"
SOME = ["linear_transformer", "retention_reverse", "kda", "mamba2"]
"""Between them: two states, time that goes back, erasing beside decays of channels, inputs of tokens and of heads."""
SIZED = """attention a { input w[h]: float  let x = k / (1 + t / N)  state S = exp(-abs(w[h])) * S + outer(x, v)
  out dot(q, S) * (M - t) }"""
"""A recurrence that knows how many tokens there are, and where each stands."""


def results(spec: str, tokens: int, ranks: int, seed: int) -> list[tuple[dict[str, torch.Tensor], Traffic]]:
    """y and gradients as parts of the interpreter's largest number that they are off, and what each rank sent."""
    variant = attngen.load(FOLDER / f"{spec}.attn" if " " not in spec else spec)
    torch.manual_seed(seed)
    q, k, v, inputs = tensors(variant, [2, 2, tokens, 8], dtype_of("float32"), torch.device("cpu"), {})
    kernel = attngen.build(variant)
    rows = {"q": q, "k": k, "v": v, **{name: x for name, x in inputs.items() if x.is_floating_point()}}
    exact = {name: x.double().requires_grad_() for name, x in rows.items()}
    y = kernel.reference(**{**inputs, **exact})
    dy = torch.randn_like(y)
    wanted = {"y": y.detach(), **dict(zip(rows, gradients_of((y * dy).sum(), [*exact.values()]), strict=True))}

    def program(own: Ranks) -> tuple[dict[str, torch.Tensor], Traffic]:
        part = partition(kernel, own)
        assert isinstance(part, StatePart)
        axes = {"q": 2, "k": 2, "v": 2, **part.axes}
        mine = {name: part.scatter(x, axes[name]) if name in axes else x for name, x in {**inputs, **rows}.items()}
        leaves = {name: mine[name].detach().clone().requires_grad_() for name in rows}
        found = part(**{**mine, **leaves})
        by = torch.autograd.grad(found, [*leaves.values()], part.scatter(dy.float()))
        whole = {"y": part.gather(found.detach())}
        for name, gradient in zip(rows, by, strict=True):
            whole[name] = part.gather(gradient, axes[name]) if name in axes else gradient
        return {name: _off(x, wanted[name]) for name, x in whole.items()}, own.traffic

    return on_threads(ranks, program)


def _off(found: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
    return (found.double() - exact).abs().max() / exact.abs().max().clamp(min=1e-9)


@pytest.mark.parametrize("spec", EVERY.split() if DEEP else SOME)
@settings(max_examples=4)
@given(tokens=st.integers(5, 70), ranks=st.integers(1, 5), seed=st.integers(0, 9))
def test_ranks_agree_with_the_interpreter(spec: str, tokens: int, ranks: int, seed: int) -> None:
    for off, _ in results(spec, tokens, ranks, seed):
        assert all(part < 5e-6 for part in off.values()), off


def test_tokens_know_the_whole_sequence() -> None:
    for off, _ in results(SIZED, 37, 4, 0):
        assert all(part < 5e-6 for part in off.values()), off


def test_fewer_tokens_than_ranks() -> None:
    for off, _ in results("kda", 3, 5, 0):
        assert all(part < 5e-6 for part in off.values()), off


@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 5, 8, 9, 64])
def test_states_are_handed_on_in_few_steps(ranks: int) -> None:
    """One to the next rank, and then as many as double to all ranks before."""
    assert len(steps(ranks)) == (0 if ranks == 1 else 1 + (ranks - 2).bit_length())


def test_what_is_sent() -> None:
    """Two heads of 8 by 8 numbers, with 8 factors each, two batch rows; forward and backward."""
    state, factors = 4 * 2 * 2 * 8 * 8, 4 * 2 * 2 * 8
    two, four = ([traffic for _, traffic in results("retention_recurrent", 40, ranks, 0)] for ranks in (2, 4))
    assert [(each.messages, each.bytes) for each in two] == [(1, state), (1, state)]
    # To the next, and there and back over two ranks; both go in the first step and the second, not in the last.
    assert sum(each.messages for each in four) == 2 * (3 + 3 + 2)
    assert sum(each.bytes for each in four) == 2 * (3 * (state + factors) + 3 * (state + factors) + 2 * state)


def test_what_a_remainder_by_all_tokens_is() -> None:
    for off, _ in results(
        "attention a { state S = (if t mod N == 3 then 0.1 else 0.9) * S + outer(k, v) out dot(q, S) }", 21, 3, 0
    ):
        assert all(part < 5e-6 for part in off.values()), off


def test_recurrences_that_ranks_cannot_share() -> None:
    for text, words in (
        ("state S = (1 - 1 / (E + 1)) * S + outer(k, v) out dot(q, S)", "what depends on v or E"),
        ("state S = exp(-dot(v, v)) * S + outer(k, v) out dot(q, S)", "what depends on v or E"),
        ("order p(y) = (y + 5) mod N state S = S + outer(k, v) out dot(q, S)", "only if it is `N - 1 - x`"),
        (
            "input g[b, h, t]: float state S = exp(-abs(prev(g[b, h, t]))) * S + outer(k, v) out dot(q, S)",
            "`prev` of an input reads at a token that another rank may hold",
        ),
    ):
        kernel = attngen.build(f"attention a {{ {text} }}")
        assert isinstance(kernel.variant.body, Recurrent)
        with pytest.raises(attngen.CallError, match=words.replace("(", r"\(")):
            on_threads(2, lambda own, kernel=kernel: partition(kernel, own)(*torch.zeros(3, 1, 1, 4, 8)))

"""The interpreter of recurrences against formulas that are written for one variant each."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from marked import checked
from torch import Tensor

from attngen.errors import CallError
from attngen.reference import Trace, attention, recurrence

BATCH, TOKENS, WIDTH, VALUES = 2, 6, 4, 3


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rows(heads: tuple[int, int, int] = (2, 2, 2), tokens: int = TOKENS) -> tuple[Tensor, ...]:
    widths = (WIDTH, WIDTH, VALUES)
    return tuple(
        random(BATCH, h, tokens, width, seed=n) for n, (h, width) in enumerate(zip(heads, widths, strict=True))
    )


def run(text: str, qkv: tuple[Tensor, ...] | None = None, **given: Any) -> Trace:
    return recurrence(checked(text), *(qkv or rows()), parameters=given.pop("parameters", {}), **given)


def causal(text: str, qkv: tuple[Tensor, ...], **inputs: Tensor) -> Tensor:
    return attention(checked(text), *qkv, parameters={}, inputs=inputs).y


def test_linear_attention_is_a_sum_over_pairs() -> None:
    qkv = rows()
    found = run("attention a { state S = S + outer(k, v)  out dot(q, S) }", qkv)
    pairs = causal("attention a { weight dot(q, k) mask j <= i normalize none }", qkv)
    torch.testing.assert_close(found.y, pairs)
    torch.testing.assert_close(found.states["S"], qkv[1].mT @ qkv[2])
    assert found.y.dtype == torch.float64 and found.y.shape == (BATCH, 2, TOKENS, VALUES)


def test_several_states_are_updated_together() -> None:
    """From their old values, and `out` reads the new ones; `prev` the old ones."""
    text = "attention a { state x = x + 1  state m = m + x  out (100 * m + 10 * x + prev(x)) * v }"
    ones = tuple(torch.ones_like(each) for each in rows())
    expected = [100 * sum(range(t + 1)) + 10 * (t + 1) + t for t in range(TOKENS)]
    assert run(text, ones).y[1, 1, :, 2].tolist() == expected


def test_prev_reads_what_was_before_the_token() -> None:
    qkv = rows()
    found = run("attention a { state S = S + outer(k, v)  out dot(q, prev(S)) }", qkv)
    pairs = causal("attention a { weight dot(q, k) mask j < i normalize none }", qkv)
    torch.testing.assert_close(found.y, pairs)


def test_gates_are_read_at_the_token() -> None:
    qkv = rows((2, 1, 2))
    gate = -random(BATCH, 2, TOKENS, WIDTH, seed=7).abs()
    found = run(
        "attention a { input g[b, h, t, c]: float state S = exp(g[b, h, t, c]) * S + outer(k, v) out dot(q, S) }",
        qkv,
        inputs={"g": gate},
    )
    state = torch.zeros(BATCH, 2, WIDTH, VALUES, dtype=torch.float64)
    for t in range(TOKENS):
        state = gate[:, :, t].exp().unsqueeze(-1) * state + qkv[1][:, :, t].unsqueeze(-1) * qkv[2][:, :, t].unsqueeze(
            -2
        )
        torch.testing.assert_close(found.y[:, :, t], (qkv[0][:, :, t].unsqueeze(-2) @ state).squeeze(-2))


def test_the_delta_rule_replaces_what_a_key_holds() -> None:
    """With beta = 1 and a unit key, reading with the key gives its value back."""
    q, k, v = rows()
    text = """attention a { let u = l2norm(k)
      state S = S - outer(u, dot(u, S)) + outer(u, v)  out dot(l2norm(q), S) }"""
    torch.testing.assert_close(run(text, (k, k, v)).y, v)
    assert not torch.allclose(run(text, (q, k, v)).y, v)


def test_heads_are_shared_evenly() -> None:
    text = "attention a { state S = S + outer(k, v)  out dot(q, S) }"
    few = rows((4, 1, 2))
    wide = tuple(each.repeat_interleave(4 // each.shape[1], 1) for each in few)
    torch.testing.assert_close(run(text, few).y, run(text, wide).y)


def test_split_and_carried_on_equals_the_whole() -> None:
    """`t` and inputs go on where the first part ended."""
    text = """attention a { input g[b, h, t]: float
      state S = exp(g[b, h, t]) * S + float_t * outer(k, v)  let float_t = t * 1.0  out dot(q, S) }"""
    qkv, gate = rows(), random(BATCH, 2, TOKENS, seed=5)
    whole = run(text, qkv, inputs={"g": gate})
    head = run(text, tuple(each[:, :, :4] for each in qkv), inputs={"g": gate[:, :, :4]})
    tail = run(text, tuple(each[:, :, 4:] for each in qkv), inputs={"g": gate[:, :, 4:]}, states=head.states, offset=4)
    torch.testing.assert_close(torch.cat([head.y, tail.y], 2), whole.y)
    torch.testing.assert_close(tail.states["S"], whole.states["S"])
    rows_apart = run(text, qkv, inputs={"g": gate}, offset=torch.tensor([0, 3]))
    torch.testing.assert_close(rows_apart.y[0], whole.y[0])
    assert not torch.allclose(rows_apart.y[1], whole.y[1])


def test_an_order_is_the_order_of_time() -> None:
    reverse = "attention a { order p(x) = N - 1 - x  state S = 0.5 * S + outer(k, v)  out dot(q, S) + t * v }"
    forward = "attention a { state S = 0.5 * S + outer(k, v)  out dot(q, S) + (N - 1 - t) * v }"
    qkv = rows()
    flipped = tuple(each.flip(2) for each in qkv)
    torch.testing.assert_close(run(reverse, qkv).y, run(forward, flipped).y.flip(2))


def test_an_order_may_differ_between_heads() -> None:
    text = (
        "attention a { order p(x) = if h == 0 then x else N - 1 - x  state S = 0.5 * S + outer(k, v)  out dot(q, S) }"
    )
    plain = "attention a { state S = 0.5 * S + outer(k, v)  out dot(q, S) }"
    qkv = rows()
    found, expected = run(text, qkv), run(plain, qkv)
    torch.testing.assert_close(found.y[:, 0], expected.y[:, 0])
    turned = run(plain, tuple(each.flip(2) for each in qkv))
    torch.testing.assert_close(found.y[:, 1], turned.y[:, 1].flip(1))


def test_an_order_that_is_no_bijection() -> None:
    with pytest.raises(CallError, match="a: the order is no bijection of the 6 positions"):
        run("attention a { order p(x) = x div 2  state S = S + outer(k, v)  out dot(q, S) }")


def test_an_input_read_outside_of_an_axis() -> None:
    text = "attention a { input table[m]: float  state S = table[t div 2] * S + outer(k, v)  out dot(q, S) }"
    with pytest.raises(CallError, match="a: `table` is read outside of an axis at token 4"):
        run(text, inputs={"table": random(2)})
    assert run(text, inputs={"table": random(3)}).y.isfinite().all()


@pytest.mark.parametrize("order", ["", "order p(x) = N - 1 - x "])
def test_prev_of_an_input_is_read_by_the_token_before(order: str) -> None:
    """In the order of time; before the first token there is none, and it reads its own."""
    text = (
        f"attention a {{ input x[b, t, c]: float  {order} state S = 0 * S + outer(prev(x[b, t]), v)  out dot(q, S) }}"
    )
    qkv, x = rows(), random(BATCH, TOKENS, WIDTH, seed=3)
    before = [1, 2, 3, 4, 5, 5] if order else [0, 0, 1, 2, 3, 4]
    expected = (qkv[0] * x[:, None, before]).sum(-1, keepdim=True) * qkv[2]
    torch.testing.assert_close(run(text, qkv, inputs={"x": x}).y, expected)


def test_documents_that_are_packed_are_kept_apart() -> None:
    text = """attention a { input doc[b, t]: int
      state S = (if doc[b, t] == prev(doc[b, t]) then 0.9 * S else 0 * S) + outer(k, v)  out dot(q, S) }"""
    apart = "attention a { state S = 0.9 * S + outer(k, v)  out dot(q, S) }"
    qkv, doc = rows(), torch.tensor([[0, 0, 0, 4, 4, 5]] * BATCH)
    parts = [run(apart, tuple(each[:, :, part] for each in qkv)).y for part in (slice(3), slice(3, 5), slice(5, 6))]
    torch.testing.assert_close(run(text, qkv, inputs={"doc": doc}).y, torch.cat(parts, 2))


def test_states_over_an_axis_of_an_input() -> None:
    text = """attention a { input omega[m, c]: float  def phi(x) = exp(dot(omega[m, c], x))
      state S = S + outer(phi(k), v)  state z = z + phi(k)  out dot(phi(q), S) / dot(phi(q), z) }"""
    qkv, omega = rows(), random(5, WIDTH, seed=9)
    found = run(text, qkv, inputs={"omega": omega})
    features = [torch.exp(each @ omega.mT) for each in qkv[:2]]
    weights = torch.tril(features[0] @ features[1].mT)
    torch.testing.assert_close(found.y, weights @ qkv[2] / weights.sum(-1, keepdim=True))
    assert found.states["S"].shape == (BATCH, 2, VALUES, 5) and found.states["z"].shape == (BATCH, 2, 5)


def test_no_tokens() -> None:
    start = random(BATCH, 2, WIDTH, VALUES)
    found = run("attention a { state S = S + outer(k, v)  out dot(q, S) }", rows(tokens=0), states={"S": start})
    assert found.y.shape == (BATCH, 2, 0, VALUES) and torch.equal(found.states["S"], start)


def test_gradients_go_through_all_tokens() -> None:
    qkv = tuple(each.requires_grad_() for each in rows(tokens=3))
    text = "attention a { state S = 0.9 * S + outer(k, v)  out tanh(dot(q, S)) }"
    assert torch.autograd.gradcheck(lambda *given: run(text, given).y, qkv)

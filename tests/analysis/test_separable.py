"""Weights over pairs that are recurrences: both ways to write a variant are one program."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from recurrences import random_call, spec

from attngen.analysis.recurrence import canonical, equation
from attngen.analysis.separable import NotSeparable, recurrence_of
from attngen.ir import nodes
from attngen.ir.show import show_expr
from attngen.reference import attention, recurrence

FEATURES = "def phi(x) = elu(x) + 1 "
OMEGA = "input omega[m, c]: float  def phi(x) = exp(D ^ -0.25 * dot(omega[m, c], x) - D ^ -0.5 * dot(x, x) / 2) "
TWINS = {
    "linear_transformer": (
        FEATURES + "weight dot(phi(q), phi(k))  mask j <= i  normalize sum(1e-6)",
        FEATURES + "state S = S + outer(phi(k), v)  state z = z + phi(k)  out dot(phi(q), S) / (dot(phi(q), z) + 1e-6)",
    ),
    "performer": (
        OMEGA + "weight dot(phi(q), phi(k))  mask j <= i  normalize sum(1e-6)",
        OMEGA + "state S = S + outer(phi(k), v)  state z = z + phi(k)  out dot(phi(q), S) / (dot(phi(q), z) + 1e-6)",
    ),
    "lightning": (
        "input slope[h]: float >= 0  weight dot(q, k) * exp(-slope[h] * (i - j))  mask j <= i  normalize none",
        "input slope[h]: float >= 0  state S = exp(-slope[h]) * S + outer(k, v)  out dot(q, S)",
    ),
    "retention": (
        "input gamma[h]: float in (0, 1]  weight scale * dot(q, k) * gamma[h] ^ (i - j)  mask j <= i  normalize none",
        "input gamma[h]: float in (0, 1]  state S = gamma[h] * S + outer(k, v)  out scale * dot(q, S)",
    ),
}


def compared(variant: nodes.Variant, seed: int = 0) -> None:
    """The recurrence of a pairwise variant computes the same rows."""
    call = random_call(variant, seed)
    inputs = {name: tensor.abs() if name == "gamma" else tensor for name, tensor in call.inputs.items()}
    expected = attention(variant, *call.qkv, parameters={}, inputs=inputs)
    found = recurrence_of(variant)
    form = replace(variant, body=equation(found))
    torch.testing.assert_close(recurrence(form, *call.qkv, parameters={}, inputs=inputs).y, expected.y)


@pytest.mark.parametrize(("pairs", "steps"), TWINS.values(), ids=TWINS.keys())
def test_both_forms_are_one_program(pairs: str, steps: str) -> None:
    assert recurrence_of(spec(pairs)) == canonical(spec(steps))
    compared(spec(pairs))


FACTORS = st.sampled_from(
    [
        "scale",
        "a[b, h, i]",
        "a[b, h, j]",
        "(1 + a[b, h, i] ^ 2)",
        "1 / (1 + a[b, h, j] ^ 2)",
        "exp(-s[h] * (i - j))",
        "exp(s[h] * (2 * j - 2 * i) - a[b, h, j] + a[b, h, i])",
        "0.9 ^ (i - j)",
        "0.9 ^ (i - j + 2)",
        "0.8 ^ abs(i - j)",
        "exp(-0.1 * max(i - j, 0))",
        "(0.5 * i)",
        "-1",
    ]
)
PRODUCTS = st.sampled_from(
    [
        "dot(q, k)",
        "dot(tanh(q), exp(k))",
        "dot(k, x[b, h, i])",
        "(1 + dot(q, k))",
        "(dot(q, k) - 2 * dot(k, q) / 3)",
        "1",
    ]
)
NORMALIZE = st.sampled_from(["none", "sum(1e-3)", "count"])


@given(st.lists(FACTORS, max_size=3), PRODUCTS, NORMALIZE, st.integers(0, 99))
def test_random_weights(factors: list[str], products: str, normalize: str, seed: int) -> None:
    weight = " * ".join([*factors, products])
    compared(
        spec(
            "input a[b, h, n]: float  input s[h]: float  input x[b, h, i, c]: float "
            f"weight ({weight}) * 1.0  mask j <= i  normalize {normalize}"
        ),
        seed,
    )


BEHIND = "a query sees keys behind it: only `mask j <= i` can be carried along"
MASKS = "only `j <= i` and equal `sorted` inputs can be carried along"
JOINED = "a factor is no function of i times one of j"
REFUSED = [
    ("weight dot(q, k)  normalize none", "a", BEHIND),
    ("weight dot(q, k)  mask i - 3 <= j <= i", "i - 3 <= j", MASKS),
    ("weight relu(dot(q, k))  mask j <= i", "relu(dot(q, k))", JOINED),
    ("weight dot(q, k) * exp(-(i - j) ^ 2 / 9)  mask j <= i", "exp(-(i - j) ^ 2 / 9)", JOINED),
    ("weight dot(q, k) / (1 + i - j)  mask j <= i", "dot(q, k) / (1 + i - j)", JOINED),
    ("weight dot(q, k) * 0.8 ^ abs(i - j - 3)  mask j <= i", "0.8 ^ abs(i - j - 3)", JOINED),
    ("weight dot(q, k) * 0.9 ^ (i - 2 * j)  mask j <= i", "0.9 ^ (i - 2 * j)", JOINED),
    (
        "weight dot(q, k) * dot(k, q)  mask j <= i",
        "dot(k, q)",
        "two products of q and k are multiplied with each other",
    ),
    ("score dot(q, k)  mask j <= i", "a", "softmax joins all keys of a row"),
]


@pytest.mark.parametrize(("clauses", "term", "reason"), REFUSED)
def test_what_stays_pairwise(clauses: str, term: str, reason: str) -> None:
    """And which factor is in the way."""
    with pytest.raises(NotSeparable) as caught:
        recurrence_of(spec(clauses if "normalize" in clauses or "score" in clauses else clauses + "  normalize none"))
    assert (caught.value.reason, caught.value.span.text) == (reason, term)


def test_documents_are_segments() -> None:
    """A mask that keeps documents apart forgets the state where one ends."""
    text = "input doc[b, n]: int{}  weight dot(q, k)  mask j <= i and doc[b, i] == doc[b, j]  normalize none"
    (state,) = recurrence_of(spec(text.format(" sorted"))).states
    assert list(map(show_expr, state.within)) == ["doc[b, t]"]
    with pytest.raises(NotSeparable, match="equal `sorted` inputs"):
        recurrence_of(spec(text.format("")))

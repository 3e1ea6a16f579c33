"""Weights over pairs that go in linear time: the recurrence that they are, its kernel, and when it is called."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from recurrent_cases import HEAD, calls
from torch import Tensor

import attngen
from attngen.analysis.separable import NotSeparable
from attngen.fuzz.recurrent_oracle import Given, agrees, gradients_agree
from attngen.reference import attention, recurrence
from attngen.schedule.linear_time import linear_time

PAIRS = HEAD.replace(" t]", " n]").replace(" t,", " n,").replace("let u = l2norm(k)", "def phi(x) = elu(x) + 1")
WEIGHTS = [
    "weight dot(phi(q), phi(k)) * beta[b, h, j]  mask j <= i  normalize sum(0.1)",
    "weight dot(q, k) * exp(w[h] * (i - j)) * keep[b, h, i]  mask j <= i  normalize none",
    "weight dot(tanh(q), l2norm(k)) * 0.9 ^ (i - j) + scale * 0.5 ^ (i - j)  mask j <= i  normalize count",
    "weight dot(q, k * gc[b, h, j]) / (1 + beta[b, h, i])  mask j <= i  normalize none",
]


def spec(weight: str) -> attngen.Variant:
    return attngen.load(f"attention a {{ {PAIRS} {weight} }}")


@pytest.mark.parametrize("weight", WEIGHTS)
@settings(max_examples=5)
@given(calls())
def test_kernels_agree_with_the_interpreter(weight: str, call: Given) -> None:
    """The interpreter goes over pairs, then from token to token; the kernel does the latter."""
    variant = spec(weight)
    form = linear_time(variant).variant
    call = call._replace(states={}, inputs={one.name: call.inputs[one.name] for one in variant.inputs})
    if call.qkv[0].numel():
        pairs = attention(variant, *call.qkv, parameters={}, inputs=call.inputs)
        steps = recurrence(form, *call.qkv, parameters={}, inputs=call.inputs)
        torch.testing.assert_close(steps.y, pairs.y, rtol=1e-9, atol=1e-9)
    agrees(form, call, 0)
    gradients_agree(form, call, 0)


PACKED = """attention packed {
  input  doc[b, n]: int sorted
  input  w[h, n]: float
  weight dot(q, k) * w[h, j]
  mask   j <= i and doc[b, i] == doc[b, j]
  normalize none
}"""


def rows(tokens: int = 50) -> tuple[list[Tensor], dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, heads, tokens, 8, generator=generator) for heads in (4, 2, 1))
    doc = torch.tensor([[0] * 20 + [1] * 5 + [3] * 25, [0] * 16 + [1] * 34])
    return [q, k, v], {"doc": doc, "w": torch.rand(4, tokens, generator=generator)}


@pytest.mark.parametrize("backend", ["cpp", "triton"])
def test_documents_are_forgotten(backend: str) -> None:
    """Forward and backward; the first of them ends where a chunk does."""
    kernel = attngen.build(PACKED, backend=backend)
    qkv, inputs = rows()
    leaves = [x.requires_grad_() for x in (*qkv, inputs["w"])]
    y, expected = kernel(*qkv, **inputs), kernel.reference(*qkv, **inputs)
    torch.testing.assert_close(y.double(), expected, rtol=1e-4, atol=1e-4)
    found = torch.autograd.grad(y.square().sum(), leaves)
    wanted = torch.autograd.grad(expected.square().sum(), leaves)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("backend", ["cpp", "triton"])
def test_when_it_is_called(backend: str) -> None:
    """Where each query is a key's token, from position 0 on; elsewhere pairs are walked."""
    kernel = attngen.build(PACKED, backend=backend)
    qkv, inputs = rows()
    in_chunks, _ = kernel._chunks[backend](*qkv, **inputs)
    by_pairs = kernel._function(backend)(*qkv, **inputs)
    assert not torch.equal(in_chunks, by_pairs)
    assert torch.equal(kernel(*qkv, **inputs), in_chunks) and torch.equal(kernel(*qkv, offset=0, **inputs), in_chunks)
    assert torch.equal(kernel(*qkv, offset=torch.tensor(0), **inputs), by_pairs)
    prepared = kernel.prepare(*qkv[:2], doc=inputs["doc"], w=inputs["w"])
    assert torch.equal(kernel(*qkv, prepared=prepared, **inputs), in_chunks)
    with pytest.raises(ValueError, match="packed: prepared was made by another kernel"):
        kernel(*qkv, prepared=replace(prepared, backend="reference"), **inputs)
    q, *others = qkv
    fewer = kernel(q[:, :, 10:], *others, **inputs)
    assert torch.equal(fewer, kernel._function(backend)(q[:, :, 10:], *others, **inputs))


@pytest.mark.parametrize(
    ("weight", "reason"),
    [
        ("score scale * dot(q, k)  mask j <= i", "softmax joins all keys of a row"),
        (
            "weight dot(q, k)  mask j <= i + 1  normalize none",
            "only `j <= i` and equal `sorted` inputs can be carried along",
        ),
        ("weight relu(dot(q, k))  mask j <= i  normalize none", "a factor is no function of i times one of j"),
        ("weight dot(q, k)  normalize none", "a query sees keys behind it: only `mask j <= i` can be carried along"),
    ],
)
def test_what_is_in_the_way(weight: str, reason: str) -> None:
    with pytest.raises(NotSeparable, match=f"^{reason}"):
        linear_time(spec(weight))
    kernel = attngen.build(f"attention a {{ {weight} }}", backend="cpp")
    assert not kernel._chunks
    explained = f"No state can carry this along: {reason} (<text>:1" in kernel.explain()
    assert explained is ("softmax" not in reason)


def test_explanations_show_the_recurrence() -> None:
    explained = attngen.build(PACKED, backend="cpp").explain()
    assert "Where each query is a key's token, from position 0 on, it goes in linear time." in explained
    assert "    adds outer(k, w[h, t] * v)" in explained

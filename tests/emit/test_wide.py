"""Positions that do not fit into 32 bits: the launcher's test is sound, and the kernels are exact."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import attngen
from attngen.emit.wide import REACH, magnitude
from attngen.ir.evaluate import evaluate
from attngen.ir.expr import Apply, Expr, Kind, Parameter, Size, distinct, integer, variable

FEW = settings(max_examples=max(2, settings().max_examples // 8))
LEAVES = [variable("i"), variable("j"), variable("h"), Size(Kind.INT, axis="M"), Size(Kind.INT, axis="H")]
LEAVES += [Parameter(Kind.INT, name=name) for name in ("g", "w")]


def apply(function: str, *arguments: Expr) -> Expr:
    return Apply(Kind.INT, function=function, arguments=arguments)


def grown(parts: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    pair = st.tuples(st.sampled_from(["+", "-", "*", "min", "max", "div", "mod"]), parts, parts)
    quotient = st.tuples(parts, parts).map(lambda two: apply("*", apply("div", *two), two[1]))
    condition = st.tuples(parts, parts).map(lambda two: Apply(Kind.BOOL, function="<", arguments=two))
    return st.one_of(
        pair.map(lambda given: apply(*given)),
        st.tuples(st.sampled_from(["neg", "abs"]), parts).map(lambda given: apply(*given)),
        st.tuples(condition, parts, parts).map(lambda given: apply("if", *given)),
        st.tuples(parts, parts, parts).map(lambda given: apply("clamp", *given)),
        quotient,
    )


EXPRESSIONS = st.recursive(st.sampled_from(LEAVES) | st.integers(-9, 9).map(integer), grown, max_leaves=8)
LARGE = st.one_of(st.integers(-9, 9), st.integers(-(2**40), 2**40))


@given(EXPRESSIONS, LARGE, st.integers(1, 2**33), st.integers(1, 64), LARGE, LARGE, st.data())
def test_no_part_is_larger_than_its_magnitude(
    expr: Expr, i: int, keys: int, heads: int, g: int, w: int, data: st.DataObject
) -> None:
    j, h = data.draw(st.integers(0, keys - 1)), data.draw(st.integers(0, heads - 1))
    names = {"i": i, "j": j, "h": h, "M": keys, "H": heads, "g": g, "w": w}
    sizes = {"reach": max(abs(i), keys), "H": heads, "abs(g)": abs(g), "abs(w)": abs(w)}
    for part in distinct(expr):
        try:
            value = abs(int(evaluate(part, names)))
        except ZeroDivisionError:
            continue
        if part.kind is Kind.INT:
            bound = sum(count * math.prod(sizes[name] for name in key) for key, count in magnitude(part).items())
            assert value <= bound, part


def test_a_position_is_as_large_as_the_reach() -> None:
    assert magnitude(variable("i")) == {REACH: 1}


SPECS = {
    "blocks": (
        "attention far_blocks(far: int, s: int, g: int in [1, inf)) {"
        " mask (i + s) div g == (j + s + far) div g and j >= 0 }"
    ),
    "window": "attention far_window(far: int, s: int, g: int) { mask i - j - far <= g and (i - s) mod 5 != j mod 3 }",
    "heads": (
        "attention far_heads(far: int, s: int, g: int) {"
        " mask (i - far) * (h + 1) >= j * (h + 1) - g and (s + h) * i != 1 }"
    ),
    "product": "attention far_product(far: int, s: int, g: int) { mask ((i - far) * g + s) mod 7 <= (j * g) mod 5 }",
}
OFFSETS = [2**30 - 3, 2**31 - 4, 2**31 + 1, 2**32 + 5, -(2**31) - 2, 2**40]


def check(name: str, backend: str, data: st.DataObject) -> None:
    offset = data.draw(st.sampled_from(OFFSETS))
    parameters = {"s": data.draw(st.sampled_from([0, 7, 2**31 - 2, -(2**33)])), "g": data.draw(st.integers(1, 40))}
    if name == "product":
        parameters["g"] = data.draw(st.sampled_from([3, 2**20 + 1, 2**31 + 3]))
    kernel = attngen.build(SPECS[name], backend=backend, far=offset, **parameters)
    queries, keys = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 30))
    q, k, v = torch.zeros(1, 3, queries, 1), torch.zeros(1, 1, keys, 1), torch.eye(keys)[None, None]
    where = offset if data.draw(st.booleans()) else torch.tensor([offset])
    seen = kernel(q, k, v, offset=where)
    assert torch.equal(seen > 0, kernel.reference(q, k, v, offset=offset) > 0)


@pytest.mark.parametrize("name", SPECS)
@FEW
@given(data=st.data())
def test_triton_is_exact_far_out(name: str, data: st.DataObject) -> None:
    check(name, "triton", data)


@pytest.mark.parametrize("name", SPECS)
@given(data=st.data())
def test_cpp_is_exact_far_out(name: str, data: st.DataObject) -> None:
    check(name, "cpp", data)


LARGE_SUMS = [
    *(
        f"mask {total} and j <= i + 3"
        for total in (
            "i < a + (if causal then g else a)", "i < 2 * min(g, a + g)", "i < max(g, a) + g", "i < clamp(g, a, g) + g",
            "i < abs(g) - (-g - a)", "i < g div a + g", "i < g mod (g - a) + g + max(a, g)", "i > (-max(g, a)) - g + 5",
            "i < (if a < 2 then g else a) * a + g", "i > -abs(g + a) - g", "i < max(D, g) + g", "i < max(g + 1, a)",
            "i > min(g + g, a)", "i < (if h < 1 then g + g else a) + 4", "i < (g + g) div a", "i < -min(-g, a)",
        )
    ),
    "mask i - j < max(g, D) + g",
    "input x[b]: float  mask causal  sink if b < max(g, a) + g then x[b] else 3.0",
    "score scale * dot(q * (if c + g < 4 then 1.0 else 2.0), k)  mask causal",
    "score scale * dot(q * cos(1e-9 * (c * g)), k)  mask causal",
    "score scale * dot(q, tanh(k) * (if j < h * g + g then 1.0 else 2.0))  mask causal",
    "score scale * dot(q, tanh(k) * (if j + g > g + 3 then 1.0 else 2.0))  mask causal",
    *(
        f"state S = (if {total} then 0.9 else 0.3) * S + outer(k, v)  out dot(q, S)"
        for total in ("t > -max(g, a) - g", "max(h, g) + h > t", "(h + 1) * (g - 1) * 2 > t", "max(g, D) + g < 5 + t")
    ),
    "state S = 0.9 * S + outer(k * (if c + g < 5 then 1.0 else 2.0), v)  out dot(q, S)",
]  # fmt: skip
"""Each parameter fits into 32 bits, and what is computed from them doesn't."""


@pytest.mark.parametrize("body", LARGE_SUMS)
def test_large_sums_are_exact_in_triton(body: str) -> None:
    """Triton makes tensors of parameters, heads, channels and positions that have 32 bits unless they are told."""
    assert_large_sums_are_exact(body, "triton")


@pytest.mark.parametrize("body", [each for each in LARGE_SUMS if "mask i" not in each])
def test_large_sums_are_exact_in_cpp(body: str) -> None:
    assert_large_sums_are_exact(body, "cpp")


def assert_large_sums_are_exact(body: str, backend: str) -> None:
    kernel = attngen.build(f"attention sums(a: int = 1, g: int = 4) {{ {body} }}", backend=backend, g=2**31 - 1)
    q = torch.randn(1, 2, 5, 16)
    inputs = {given.name: torch.ones(1) for given in kernel.variant.inputs}
    right = kernel.reference(q, q, q, **inputs)
    assert torch.allclose(kernel(q, q, q, **inputs).double(), right, atol=1e-5)


def test_rows_of_keys_know_products_of_positions() -> None:
    """Neither a position nor the number of keys needs more than 32 bits, and their product does."""
    text = "attention far { score scale * dot(q, tanh(k) * (if j * M < 2147000000 then 1.0 else 2.0))  mask j > M - 9 }"
    kernel = attngen.build(text, backend="triton")
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 1, rows, 16, generator=generator) for rows in (1, 46400, 46400))
    assert torch.allclose(kernel(q, k, v).double(), kernel.reference(q, k, v), atol=1e-5)


def test_long_sums_take_no_longer_than_they_are_long() -> None:
    """What is found of a part is found once: else this would not end."""
    total = "j"
    for divisor in range(2, 22):
        total = f"(max({total}, j div {divisor}) + a)"
    text = f"attention long(a: int = 1) {{ score scale * dot(q, k * cos(0.1 * {total}))  mask causal }}"
    files = attngen.compile(attngen.load(text), "triton")
    assert "tl.int64" in files["long.py"]


@pytest.mark.parametrize("backend", ["cpp", "triton"])
def test_rows_of_keys_know_sums_of_parameters(backend: str) -> None:
    """Their kernels have no flag for far positions: what grows is computed in 64 bits."""
    text = "attention rows(w: int = 2, g: int = 3) {"
    text += " score scale * dot(q, tanh(k) * (if j < max(g, w) + w then 1.0 else 2.0))  mask causal }"
    kernel = attngen.build(text, backend=backend)
    q, k = torch.randn(1, 1, 9, 16), torch.randn(1, 1, 9, 16, requires_grad=True)
    y = kernel(q, k, q)
    assert torch.allclose(y.double(), kernel.reference(q, k, q), atol=1e-5)
    (found,) = torch.autograd.grad(y.sum(), k)
    (right,) = torch.autograd.grad(kernel.reference(q, k, q).sum(), k)
    assert torch.allclose(found, right, atol=1e-5)

"""Rows that grow or shrink with the position: what is found, and that kernels anchor them where powers overflow."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from marked import checked
from oracle import Call, assert_close, expected

import attngen
from attngen.errors import SpecError
from attngen.ir.show import show_expr
from attngen.reference import attention
from attngen.schedule.plan import plan
from attngen.schedule.rows import Split, products, split

FEW = settings(max_examples=max(4, settings().max_examples // 6))
BACKENDS = ("cpp", "triton")
ROWS = (
    "{row} * 0.99 ^ {at}",
    "{row} / (x + 0.1 * c) ^ ({at} / 100)",
    "-{row} * exp(-{at} / 200 + x)",
    "rotate({row}, {at} * f) * zeta ^ (({at} - 3) / 512)",
    "(1 + 0.01 * h) ^ (2 * {at} / 4) * {row}",
    "({row} * 1.02 ^ {at} + mate({row}) * 1.02 ^ {at}) * 2",
    "{row} * f",
)
HEADER = """attention growing(x: float = 1.05) {
  let f = theta(100.0)
  let zeta = (2 * (c mod (D div 2)) / D + 0.4) / 1.4
"""


def spec(query: str, key: str) -> str:
    rows = query.format(row="q", at="i"), key.format(row="k", at="j")
    return f"{HEADER}  score scale * dot({rows[0]}, {rows[1]})\n  mask j <= i and i - j < 300\n}}"


@pytest.mark.parametrize(
    ("score", "query", "rates"),
    [
        ("dot(q * 0.5 ^ i, k)", "q", "-0.6931471805599453, 0"),
        ("dot(k * exp(j / 8), q * exp(-i / 4))", "q", "-0.25, 0.125"),
        ("dot(q * g ^ (2 * i + 3), k / g ^ j)", "q * g ^ 3", "2 * log(g), -log(g)"),
        ("dot((q + q * c) * exp(i * 0.1) + q * exp(i * 0.1), k)", "q + q * c + q", "0.1, 0"),
    ],
)
def test_what_grows_is_found(score: str, query: str, rates: str) -> None:
    (product,) = products(checked(f"attention a(g: float = 0.9) {{ score {score} + 1.0 }}").pairwise.score)
    sides = split(product)
    assert isinstance(sides, Split)
    assert sides.rates is not None
    assert (show_expr(sides.query), ", ".join(map(show_expr, sides.rates))) == (query, rates)


@pytest.mark.parametrize(
    "score",
    [
        "dot(q + q * 0.5 ^ i, k)",  # in a part of the row
        "dot(q * exp(0.1 * i) + q * exp(0.2 * i), k)",  # at two rates
        "dot(q * exp(i * i / 64), k)",  # faster and faster
        "dot(q * (1 + i) ^ (i / 64), k)",
        "dot(q * decay[h] ^ i, k)",  # by what data say
        "dot(rotate(q * (0.9 + 0.001 * c) ^ i, i * 1.0), k)",  # other channels at other rates
    ],
)
def test_what_has_no_rate_is_refused(score: str) -> None:
    with pytest.raises(SpecError, match="E0402") as error:
        plan(checked(f"attention a {{ input decay[h]: float score {score} }}"))
    assert "a row that grows with the position must do so as a whole" in error.value.diagnostics[0].message


@pytest.mark.parametrize("backend", BACKENDS)
@FEW
@given(data=st.data())
def test_the_kernels(backend: str, data: st.DataObject) -> None:
    forms = st.sampled_from(ROWS)
    x = data.draw(st.sampled_from([0.95, 1.05]))
    kernel = attngen.build(spec(data.draw(forms), data.draw(forms)), backend=backend, x=x)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**32)))
    N, M, D = data.draw(st.integers(6, 90)), data.draw(st.integers(6, 170)), data.draw(st.sampled_from([6, 16, 20]))
    # Triton's interpreter cuts bfloat16 off instead of rounding it, and here one more value is rounded than elsewhere.
    half = torch.bfloat16 if backend == "cpp" else torch.float16
    dtype = data.draw(st.sampled_from([torch.float32, half]))
    q, k, v = (torch.randn(1, 2, rows, D, generator=generator).to(dtype) for rows in (N, M, M))
    call = Call(q, k, v, {"x": x}, offset=data.draw(st.integers(0, M)))
    y, lse = kernel(q, k, v, offset=call.offset, return_lse=True)
    assert_close(expected(kernel.variant, call), y, lse)


@pytest.mark.parametrize(("backend", "M"), [("cpp", 40000), ("triton", 2500)])
def test_far_out_where_powers_overflow(backend: str, M: int) -> None:
    """0.95^-M is beyond float32, and the growth is not where rows cancel: float32 does it as well as near 0."""
    kernel = attngen.build(spec("{row} * 0.95 ^ {at}", "{row} * 0.95 ^ (-{at})"), backend=backend)
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 1, rows, 16, generator=generator) for rows in (150, M, M))
    y, lse = kernel(q, k, v, return_lse=True)
    near = [row[:, :, -450:] for row in (k, v)]  # the window of all queries, at positions that float64 holds
    wanted = attention(
        kernel.variant, q.double(), *(row.double() for row in near), parameters=kernel.parameters, offset=300
    )
    assert torch.isfinite(y).all()
    torch.testing.assert_close(y, wanted.y.float(), rtol=1e-4, atol=1e-5)
    assert wanted.lse is not None
    torch.testing.assert_close(lse, wanted.lse.float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("base", "problem"),
    [
        (0.5, "a row grows or shrinks by more than e^0.1 per token"),
        (2.0, "a row grows or shrinks by more than e^0.1 per token"),
        (0.0, "a row is a power of what is not above 0"),
        (-1.0, "a row is a power of what is not above 0"),
    ],
)
def test_a_growth_that_float16_may_not_hold_is_refused(backend: str, base: float, problem: str) -> None:
    text = "attention steep(g: float) {\n  score dot(q * g ^ i, k)\n}"
    rows = torch.randn(1, 1, 8, 16)
    with pytest.raises(ValueError, match=re.escape(f"steep: {problem} (<text>:2)")):
        attngen.build(text, backend=backend, g=base)(rows, rows, rows)


def test_tokens_of_a_tile_stay_together() -> None:
    """In another order the tokens of a tile are far from each other, and have no anchor."""
    rows = "dot(q * 0.99 ^ i, k)"
    text = "attention a(d: int = 8) {{ score {} mask (i - j) mod d == 0 }}"
    assert plan(checked(text.format("dot(q, k)"))).ordered
    assert not plan(checked(text.format(rows))).ordered


def test_rates_that_do_not_cancel_are_bridged_far_out() -> None:
    """Query rows shrink, keys do not: at position 100 the rows are those near 0 times the power."""
    kernel = attngen.build("attention a { score dot(q * 0.99 ^ i, k) }", backend="cpp")
    rows = torch.randn(1, 1, 30, 16, generator=torch.Generator().manual_seed(1))
    y = kernel(rows, rows, rows, offset=100)
    torch.testing.assert_close(y, attention(kernel.variant, *[rows.double()] * 3, parameters={}, offset=100).y.float())

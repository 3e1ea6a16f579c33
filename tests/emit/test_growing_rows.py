"""Rows that grow or shrink with the position: what is found, and that kernels anchor them where powers overflow."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from marked import checked

import attngen
from attngen.errors import SpecError
from attngen.fuzz.call import Call
from attngen.fuzz.oracle import assert_close, expected
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
        ("dot(q * g ^ (2 * i + 3), k / g ^ j)", "q", "2 * log(g), -log(g)"),
        ("dot((q + q * c) * exp(i * 0.1) + q * exp(i * 0.1), k)", "q + q * c + q", "0.1, 0"),
    ],
)
def test_what_grows_is_found(score: str, query: str, rates: str) -> None:
    (product,) = products(checked(f"attention a(g: float = 0.9) {{ score {score} + 1.0 }}").pairwise.score)
    sides = split(product)
    assert isinstance(sides, Split)
    assert sides.grown is not None
    assert (show_expr(sides.query), ", ".join(show_expr(grown.rate) for grown in sides.grown)) == (query, rates)


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


def compared(backend: str, text: str, sizes: tuple[int, int, int, int], dtype: torch.dtype, offset: int) -> None:
    """A kernel against the interpreter; `sizes` are heads of q and k, N and M."""
    kernel = attngen.build(text, backend=backend)
    generator = torch.Generator().manual_seed(0)
    heads, key_heads, N, M = sizes
    shapes = [(1, heads, N, 16), (1, key_heads, M, 16), (1, key_heads, M, 16)]
    q, k, v = (torch.randn(shape, generator=generator).to(dtype) for shape in shapes)
    y = kernel(q, k, v, offset=offset)
    wanted = kernel.reference(q, k, v, offset=offset)
    assert torch.isfinite(wanted).all()
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-2, "atol": 2e-2}
    torch.testing.assert_close(y.double(), wanted, **tolerance)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "rows",
    [
        ("q", "k * (1 + h)"),
        ("rotate(q, i * theta(100.0) * (1 + h))", "rotate(k, j * theta(100.0) * (1 + h))"),
        ("q", "k * (1 + 0.01 * h) ^ (j / 4)"),
        ("q * (h + 1) ^ (i / 64)", "k * (h + 1) ^ (-j / 64)"),
    ],
)
def test_rows_of_keys_by_head_where_heads_share_keys(backend: str, rows: tuple[str, str]) -> None:
    text = f"attention a {{ score scale * dot({rows[0]}, {rows[1]}) mask j <= i }}"
    compared(backend, text, (4, 2, 60, 60), torch.float32, 0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("query", "key", "offset"),
    [
        ("exp(0.1 * (i - 1000))", "exp(0.1 * (1000 - j))", 0),
        ("exp(0.1 * (i - 1000))", "exp(0.1 * (950 - j))", 50),
        ("exp(-0.08 * (i - 1200))", "exp(0.08 * (j - 1200))", 230),
        ("0.5 ^ ((i - M div 2) / 10)", "2.0 ^ ((j - M div 2) / 10)", 100),
        ("exp(0.01 * (i - 9000))", "exp(0.02 * (j + 20))", 8900),
    ],
)
def test_what_is_added_to_a_position_cancels_as_well(backend: str, query: str, key: str, offset: int) -> None:
    """Each side alone is beyond float32."""
    text = f"attention a {{ score 0.01 * dot(q * {query}, k * {key}) mask j <= i }}"
    for dtype in (torch.float32, torch.float16) if offset < 500 else (torch.float32,):
        compared(backend, text, (1, 1, 20, 100), dtype, offset)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_score_that_grows_with_the_distance_in_float16(backend: str) -> None:
    """A query row, relative to the anchor of its keys, is larger than what float16 holds; the score is not."""
    text = "attention a { score 0.01 * dot(q * exp(0.1 * i), k * exp(-0.1 * j)) mask j <= i and i - j < 60 }"
    compared(backend, text, (2, 2, 256, 256), torch.float16, 0)


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

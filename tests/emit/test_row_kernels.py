"""Random changes of q and k before their product, in kernels of both backends against the interpreter."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import attngen
from attngen.fuzz.call import Call
from attngen.fuzz.making import laid_out
from attngen.fuzz.oracle import assert_close, expected

FEW = settings(max_examples=max(4, settings().max_examples // 6))
LAYOUTS = ("contiguous", "token first", "channel first", "sliced")
HEADER = """attention rows(w: int = 3, x: float = 0.7) {
  input u[h, c]: float
  input g[h]: float
  input table[m]: float
  input shift[b, n]: float
  let   f = theta(50.0 + w)
  def   twice(x) = x[(2 * c) mod D]
"""


@st.composite
def rows(draw: st.DrawFn, row: str, position: str, depth: int = 2) -> str:
    """An expression over the channels of q or k."""
    if depth == 0:
        return draw(st.sampled_from([row, row, f"{row}[(c + w) mod D]", f"{row}[(D - 1 - c) mod D]", f"mate({row})"]))
    inner = draw(rows(row, position, depth - 1))
    other = draw(rows(row, position, depth - 1))
    factor = draw(
        st.sampled_from(
            [
                *("x", "g[h]", "u[h]", "table[c mod 5]", "(if c < D div 2 then x else 2)", "f", "(h + 1) / H"),
                *(f"cos({position} * f)", f"(1 + 0.01 * {position})", f"shift[b, {position}]", "sigmoid(0.1 * c)"),
            ]
        )
    )
    form = draw(st.integers(0, 9))
    return [
        f"rotate({inner}, {position} * f)",
        f"({inner}) * {factor}",
        f"({inner} + {factor} * {other})",
        f"rotate({inner}, ({position} - w) / 3 * f)",
        f"(elu({inner}) + 1)",
        f"min({inner}, {factor})",
        f"l2norm({inner})",
        f"({inner}) * rsqrt(dot({other}, {other}) / D + 0.01) * {factor}",
        f"mate(l2norm({inner}) + {other})",
        f"twice(l2norm({inner}) * {factor})",
    ][form]


@st.composite
def scores(draw: st.DrawFn) -> str:
    products = [f"dot({draw(rows('q', 'i'))}, {draw(rows('k', 'j'))})" for _ in range(draw(st.integers(1, 2)))]
    if len(products) == 1:
        return f"scale * {products[0]}"
    return f"0.3 * (if i - j < w then {products[0]} else {products[1]} - dot(q, k))"


def check(backend: str, data: st.DataObject) -> None:
    text = HEADER + f"  score {data.draw(scores())}\n  mask  j <= i\n}}"
    kernel = attngen.build(text, backend=backend)
    B, H, D, M = data.draw(st.integers(1, 2)), data.draw(st.sampled_from([1, 2, 4])), data.draw(st.integers(2, 18)), 11
    N = data.draw(st.integers(5, M))  # the errors of a row or two say little about what they may be
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**32)))
    heads = data.draw(st.sampled_from([heads for heads in (1, 2, 4) if H % heads == 0]))
    q, k, v = (
        laid_out(torch.randn(shape, generator=generator), data.draw(st.sampled_from(LAYOUTS)))
        for shape in ((B, H, N, D), (B, heads, M, D), (B, H, M, 5))
    )
    inputs = {
        "u": torch.randn(H, D, generator=generator),
        "g": torch.randn(heads, generator=generator),
        "table": torch.randn(5, generator=generator),
        "shift": torch.randn(B, M, generator=generator),
    }
    call = Call(q, k, v, {"w": 3, "x": 0.7}, inputs, offset=data.draw(st.integers(0, M - N)))
    y, lse = kernel(q, k, v, offset=call.offset, return_lse=True, **inputs)
    wanted = expected(kernel.variant, call)
    assert wanted.lse is not None
    assume(bool(wanted.lse.abs().max() < 1e4))  # which is false for a NaN as well
    assert_close(wanted, y, lse)


@FEW
@given(data=st.data())
def test_cpp(data: st.DataObject) -> None:
    check("cpp", data)


@FEW
@given(data=st.data())
def test_triton(data: st.DataObject) -> None:
    check("triton", data)


@pytest.mark.parametrize("backend", ["cpp", "triton"])
def test_a_norm_is_that_of_the_row_wherever_a_channel_is_read(backend: str) -> None:
    """Half of the channels twice: their own norm would be another."""
    text = HEADER.replace("attention rows", "attention norms") + "  score dot(twice(l2norm(q)), twice(l2norm(k)))\n}"
    text = "\n".join(line for line in text.split("\n") if "input" not in line)
    kernel = attngen.build(text, backend=backend)
    q = torch.randn(1, 2, 9, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(kernel(q, q, q).double(), kernel.reference(q, q, q), rtol=1e-4, atol=1e-5)

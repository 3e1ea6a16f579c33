"""A pair whose value needs an element that is not there, or a division by 0, is an error wherever it counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import attngen

BACKENDS = ["cpp", "triton"]
RELATIVE = """attention relative(w: int = 3) {
  input bias[m]: float
  input table[r]: int
  mask  j <= i and i - j < table[w]
  score scale * dot(q, k) + bias[i - j]
}"""


def rows(tokens: int = 6) -> Tensor:
    return torch.linspace(-1, 1, 2 * tokens * 8).reshape(1, 2, tokens, 8)


def call(backend: str, spec: str = RELATIVE, tokens: int = 6, w: int | None = None, **inputs: Tensor) -> Any:
    kernel = attngen.build(spec, backend=backend, **({} if w is None else {"w": w}))
    return kernel(rows(tokens), rows(tokens), rows(tokens), **inputs)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_index_beyond_its_axis(backend: str) -> None:
    table = torch.tensor([9, 9, 9, 4])
    assert call(backend, table=table, bias=torch.zeros(4)).shape == (1, 2, 6, 8)
    with pytest.raises(ValueError, match="relative: a pair reads bias outside of an axis"):
        call(backend, table=table, bias=torch.zeros(3))
    with pytest.raises(ValueError, match="relative: a pair reads bias outside of an axis"):
        call(backend, table=table, bias=torch.zeros(0))


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_index_beyond_its_axis_in_a_full_tile(backend: str) -> None:
    spec = "attention a { input table[m]: float  score dot(q, k) + table[i - j]  mask j < i }"
    tiles = attngen.build(spec, backend=backend).tiles(200, 200, tile=(64, 64))
    assert 2 in tiles  # tokens 192 and 8 are in one of them
    call(backend, spec, tokens=200, table=torch.zeros(200))
    with pytest.raises(ValueError, match="a: a pair reads table outside of an axis"):
        call(backend, spec, tokens=200, table=torch.zeros(150))


@pytest.mark.parametrize("backend", [*BACKENDS, "reference"])
@pytest.mark.parametrize("w", [-1, 4])
def test_an_index_that_the_host_knows(backend: str, w: int) -> None:
    with pytest.raises(ValueError, match=r"relative: `table\[w\]` is outside of the input \(<text>:4\)"):
        call(backend, w=w, table=torch.tensor([0, 0, 0, 0]), bias=torch.zeros(6))


@pytest.mark.parametrize("backend", BACKENDS)
def test_dividing_by_zero(backend: str) -> None:
    with pytest.raises(ValueError, match="a: a pair divides an int by 0"):
        call(backend, "attention a { mask i div j == 1 }")
    with pytest.raises(ValueError, match="b: a pair divides an int by 0"):
        call(
            backend,
            "attention b { input width[b, n]: int  mask i mod width[b, j] == 1 }",
            width=torch.zeros(1, 6).long(),
        )


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_not_looked_at_is_no_fault(backend: str) -> None:
    guarded = attngen.build("attention a { mask j > 0 and i div j == 1 }", backend=backend)
    y = guarded(rows(), rows(), rows())
    assert torch.allclose(y.double(), guarded.reference(rows(), rows(), rows()), atol=1e-6)
    dead = attngen.build("attention a { input bias[m]: float  score dot(q, k) + bias[j]  mask j < 3 }", backend=backend)
    assert dead(rows(), rows(), rows(), bias=torch.zeros(3)).shape == (1, 2, 6, 8)


@pytest.mark.parametrize("backend", ["cpp", "triton"])
def test_a_period_beyond_all_positions(backend: str) -> None:
    text = "attention a(g: int = 4 in [1, inf)) {\n  mask (i div g - j div g) mod 2 == 0\n}"
    rows = torch.randn(1, 1, 20, 16)
    with pytest.raises(ValueError, match=r"the mask repeats after 2\^60 positions or more \(<text>:2\)"):
        attngen.build(text, g=2**62, backend=backend)(rows, rows, rows)
    kernel = attngen.build(text, g=2**58, backend=backend)
    torch.testing.assert_close(
        kernel(rows, rows, rows).double(), kernel.reference(rows, rows, rows), rtol=1e-4, atol=1e-5
    )

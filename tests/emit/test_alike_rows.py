"""Rows of a tile that are alike to the mask share what was found for the first of them; others never do."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import attngen
from attngen.fuzz.call import Call
from attngen.fuzz.oracle import assert_close, expected

ALIKE = {
    "keys alone": "input open[b, j]: bool mask open[b, j]",
    "blocks": "mask (i div 5 + j div 3) mod 3 != 1",
    "a table of blocks": "input table[h, qb, kb]: bool mask table[h, i div 7, j div 4]",
    "levels": "input level[i]: float input height[j]: float mask level[i] > height[j]",
    "blocks and classes": "input sort[i]: int mask abs(i div 6 - j div 6) <= 1 or sort[i] == j mod 4",
}
APART = {
    "causal": "mask j <= i",
    "blocks and diagonals": "mask i div 5 == j div 5 or (i - j) mod 7 == 3",
}


def inputs(N: int, M: int, some: torch.Generator) -> dict[str, torch.Tensor]:
    return {
        "open": torch.rand(1, M, generator=some) < 0.5,
        "table": torch.rand(2, N // 7 + 1, M // 4 + 1, generator=some) < 0.5,
        "level": torch.randint(0, 3, (N,), generator=some) / 3,
        "height": torch.randint(-1, 3, (M,), generator=some) / 3,
        "sort": torch.randint(0, 4, (N,), generator=some).sort().values,
    }


@pytest.mark.parametrize("mask", [*ALIKE, *APART])
@given(N=st.sampled_from([1, 5, 64, 65, 150]), M=st.sampled_from([3, 128, 129, 300]), seed=st.integers(0, 9))
def test_values(mask: str, N: int, M: int, seed: int) -> None:
    text = {**ALIKE, **APART}[mask]
    some = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(1, 2, rows, 9, generator=some) for rows in (N, M, M))
    used = {name: given for name, given in inputs(N, M, some).items() if f"input {name}[" in text}
    kernel = attngen.build(f"attention {mask.replace(' ', '_')} {{ {text} }}", backend="cpp")
    y, lse = kernel(q, k, v, offset=0, return_lse=True, **used)
    assert_close(expected(kernel.variant, Call(q, k, v, inputs=used, offset=0)), y, lse)


@pytest.mark.parametrize("mask", [*ALIKE, *APART])
def test_which_masks_have_alike_rows(mask: str) -> None:
    source = attngen.build(f"attention a {{ {({**ALIKE, **APART})[mask]} }}", backend="cpp").source
    assert ("if (again)" in source) == (mask in ALIKE)

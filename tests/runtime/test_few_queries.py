"""Calls with few queries on the CPU: keys as they lie, and walks that several tasks share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import attngen
from attngen.fuzz.call import Call
from attngen.fuzz.oracle import assert_close, expected

MASKS = {
    "everything": "",
    "windows": "mask 0 <= i - j < 200",
    "holes": "mask (i + j) mod 3 != 0",
    "sinks": "input sink[h]: float mask j <= i sink sink[h]",
    "averages": "mask i - j < 300 and j mod 2 == 0 normalize count",
    "sums": "normalize sum(0.5)",
}


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)  # more than this machine may have: walks are cut into more parts
    yield
    torch.set_num_threads(before)


def compare(mask: str, dtype: torch.dtype, heads: int, N: int, M: int, D: int, E: int, strided: bool) -> None:
    generator = torch.Generator().manual_seed(N + M + D)
    scale = 3.0 if "normalize" not in MASKS[mask] else 0.3
    q = torch.randn(1, heads, N, D, generator=generator).mul(scale).to(dtype)
    k, v = (torch.randn(1, heads, M, width, generator=generator).to(dtype) for width in (D, E))
    if strided:
        k, v = (rows.mT.contiguous().mT for rows in (k, v))
    inputs = {"sink": torch.randn(heads, generator=generator)} if mask == "sinks" else {}
    weight = "weight exp(scale * dot(q, k))" if "normalize" in MASKS[mask] else ""
    kernel = attngen.build(f"attention few_{mask} {{ {weight} {MASKS[mask]} }}", backend="cpp")
    y, lse = kernel(q, k, v, return_lse=True, **inputs) if kernel.has_lse else (kernel(q, k, v, **inputs), None)
    assert_close(expected(kernel.variant, Call(q, k, v, inputs=inputs)), y, lse)


@pytest.mark.parametrize("mask", MASKS)
@given(
    dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float16]),
    heads=st.integers(1, 3),
    N=st.integers(1, 6),
    M=st.sampled_from([1, 5, 127, 128, 129, 700, 1500]),
    D=st.sampled_from([1, 7, 16, 33, 64]),
    E=st.sampled_from([1, 8, 24, 65, 130]),
    strided=st.booleans(),
)
@settings(max_examples=settings().max_examples * 3 // 2)
def test_few_queries(mask: str, dtype: torch.dtype, heads: int, N: int, M: int, D: int, E: int, strided: bool) -> None:
    compare(mask, dtype, heads, N, M, D, E, strided)

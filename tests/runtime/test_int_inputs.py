"""Ints of any number of bits mean what they are: nothing of them is computed in fewer bits than 64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import attngen

DOCUMENTS = "attention documents { input d[b, n]: int  mask j <= i and d[b, i] == d[b, j] }"
SPECS = {
    "documents": DOCUMENTS,
    "products": "attention products { input d[b, n]: int  mask d[b, j] * 3 > d[b, i] }",
    "lengths": "attention lengths { input d[b, m]: int  mask j <= i and j - 2 < d[b, 3] and d[b, 1] - 3 < j }",
    "order": "attention turned { input d[b, n]: int  order back(x) = M - 1 - x  mask d[b, j] < d[b, i] + 100 }",
    "score": "attention scored { input d[b, n]: int  score dot(q, k) - 0.01 * abs(d[b, i] - d[b, j])  mask causal }",
    "row": "attention row { input d[b, n]: int  score dot(q, k * (if d[b, j] * 3 > 100 then 1.0 else 2.0)) }",
    "recurrence": (
        "attention recurrence { input d[b, n]: int"
        "  state S = (if d[b, t] * 3 > 100 then 0.9 else 0.1) * S + outer(k, v)  out dot(q, S) }"
    ),
}
VALUES = {
    torch.uint8: [0, 0, 0, 100, 200, 255, 255, 34],
    torch.int8: [-128, -128, 0, 50, 127, 127, 1, 34],
    torch.int16: [-(2**15), 0, 0, 50, 2**15 - 1, 12000, 1, 34],
    torch.int32: [-2_000_000_000, 0, 0, 2_000_000_000, 2**31 - 1, 800_000_000, 1, 34],
    torch.int64: [-(2**40), 0, 0, 2**40, 2**31, -(2**31) - 1, 1, 34],
}


def rows() -> Tensor:
    return torch.randn(1, 2, 8, 4, generator=torch.Generator().manual_seed(0))


def assert_right(text: str, backend: str, given: Tensor) -> None:
    kernel = attngen.build(text, backend=backend)
    q = rows()
    assert torch.allclose(kernel(q, q, q, d=given).double(), kernel.reference(q, q, q, d=given), atol=1e-5)


@pytest.mark.parametrize("backend", ["cpp", "triton"])
@pytest.mark.parametrize("dtype", VALUES)
@pytest.mark.parametrize("name", SPECS)
def test_every_dtype(name: str, dtype: torch.dtype, backend: str) -> None:
    assert_right(SPECS[name], backend, torch.tensor([VALUES[dtype]], dtype=dtype))


@pytest.mark.parametrize("backend", ["cpp", "triton"])
def test_hashes_of_documents(backend: str) -> None:
    """Differences of numbers this large have no 64 bits."""
    large = 2**63 - 1
    assert_right(DOCUMENTS, backend, torch.tensor([[-large, -large, large, large, -large, 0, 0, large]]))


@pytest.mark.parametrize("tile", [(1, 1), (2, 4), (8, 8)])
@pytest.mark.parametrize("dtype", VALUES)
def test_tiles(dtype: torch.dtype, tile: tuple[int, int]) -> None:
    given = torch.tensor([VALUES[dtype]], dtype=dtype)
    kernel = attngen.build(DOCUMENTS, backend="cpp")
    found = kernel.tiles(8, 8, tile=tile, d=given)
    wide = kernel.tiles(8, 8, tile=tile, d=given.long())
    assert torch.equal(found, wide)


@pytest.mark.parametrize("way", ["cpp", "triton", "reference"])
def test_ranges_have_more_bits_than_what_is_in_them(way: str) -> None:
    kernel = attngen.build("attention a { input d[b, n]: int in [-200, 3000000000)  mask d[b, j] > 1 }", backend=way)
    for dtype in (torch.int8, torch.int32):
        kernel(rows(), rows(), rows(), d=torch.full((1, 8), 3, dtype=dtype))


@pytest.mark.parametrize("way", ["cpp", "triton", "reference"])
def test_ints_that_torch_does_not_compute_with_are_refused(way: str) -> None:
    kernel = attngen.build("attention a { input d[b, n]: int\n  mask d[b, j] > 1 }", backend=way)
    with pytest.raises(ValueError, match=r"a: d is torch.uint16; give d.long\(\) \(<text>:1\)"):
        kernel(rows(), rows(), rows(), d=torch.ones(1, 8, dtype=torch.uint16))

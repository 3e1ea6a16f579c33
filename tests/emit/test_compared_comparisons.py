"""A comparison of comparisons is no chain, in any language that is written."""

from __future__ import annotations

import pytest
import torch

import attngen


@pytest.mark.parametrize("backend", ["cpp", "triton"])
@pytest.mark.parametrize(
    "mask", ["(j <= i) != (i - j > 2)", "(j <= i) == (i - j > 2)", "not ((j <= i) == (j mod 2 == 0))"]
)
def test_parentheses_are_kept(backend: str, mask: str) -> None:
    kernel = attngen.build(f"attention a {{ mask {mask} }}", backend=backend)
    q, v = torch.zeros(1, 1, 12, 16), torch.eye(12).view(1, 1, 12, 12)
    live = kernel.reference(q, q, v) > 0
    assert torch.equal(kernel(q, q, v) > 0, live)

"""What masks decide is float64 step by step: no product is fused with the sum that takes it."""

from __future__ import annotations

import pytest
import torch

import attngen


def test_a_product_is_rounded_before_it_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.1 * 10 is 1 when it is rounded; fused with the subtraction, as users' compilers do, 5.6e-17 would be left."""
    monkeypatch.delenv("CXX", raising=False)
    text = "attention a { input x[j]: float input z[j]: float mask x[j] * z[j] - 1.0 > 0.0 }"
    kernel = attngen.build(text, backend="cpp")
    q, v = torch.zeros(1, 1, 300, 16), torch.eye(300).view(1, 1, 300, 300)
    x, z = torch.full([300], 0.2, dtype=torch.float64), torch.full([300], 10.0, dtype=torch.float64)
    x[150:] = 0.1
    live = kernel.reference(q, q, v, x=x, z=z) > 0
    assert live[..., :150].all() and not live[..., 150:].any()
    assert torch.equal(kernel(q, q, v, x=x, z=z) > 0, live)

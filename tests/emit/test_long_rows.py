"""Long sums keep their digits: over thousands of like keys the error stays that of a good fp32 implementation."""

from __future__ import annotations

import torch

import attngen


def test_a_long_row_of_repeated_keys_is_as_exact_as_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    few = torch.randn(3, 64, 64, generator=generator)
    which = torch.randint(0, 64, (8192,), generator=generator)
    q, k, v = (rows[which].view(1, 1, 8192, 64) for rows in few)
    kernel = attngen.build("attention full { }", backend="cpp")
    y = kernel(q[:, :, -32:], k, v)
    expected = kernel.reference(q[:, :, -32:], k, v)
    weights = torch.softmax(q[:, :, -32:] @ k.transpose(-1, -2) / 8, dim=-1)
    eager = weights @ v
    error, yardstick = ((x.double() - expected).abs().max().item() for x in (y, eager))
    assert error <= 4 * yardstick + 2 * torch.finfo(torch.float32).eps

"""Dear values that depend on a distance alone come from tables, where a call is worth them."""

from __future__ import annotations

import re

import pytest
import torch

import attngen

BUCKETS = """attention buckets(far: float = 200) {
  input table[bucket, h]: float
  let   d = max(i - j, 0)
  score scale * dot(q, k) + table[if d < 8 then d else min(8 + floor(8 * log(d / 8) / log(far / 8)), 15), h]
  mask  j <= i
}"""
WAVES = "attention waves { score scale * dot(q, k) * floor(3 * cos((i - j) / 7)) + (i mod 3) * j / 100 mask j <= i }"


@pytest.mark.parametrize("offset", [None, 7, -3])
@pytest.mark.parametrize("tokens", [(130, 137), (9, 200)], ids=["tables", "few queries"])
@pytest.mark.parametrize("spec", [BUCKETS, WAVES], ids=["buckets", "waves"])
def test_values_and_gradients(spec: str, tokens: tuple[int, int], offset: int | None) -> None:
    kernel = attngen.build(spec, backend="triton")
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 2, rows, 16, generator=generator) for rows in (tokens[0], tokens[1], tokens[1]))
    inputs = {"table": torch.randn(16, 2, generator=generator)} if spec == BUCKETS else {}
    expected = kernel.reference(q, k, v, offset=offset, **inputs)
    assert torch.allclose(kernel(q, k, v, offset=offset, **inputs).double(), expected, atol=1e-5)
    if offset is not None:
        on_device = torch.tensor([offset])
        assert torch.allclose(kernel(q, k, v, offset=on_device, **inputs).double(), expected, atol=1e-5)
    given = [x.requires_grad_() for x in (q, k, v, *inputs.values())]
    found, others = (
        torch.autograd.grad(
            attngen.build(spec, backend=backend)(
                *given[:3], offset=offset, **dict(zip(inputs, given[3:], strict=True))
            ).sum(),
            given,
        )
        for backend in ("triton", "cpp")
    )
    for a, b in zip(found, others, strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def test_what_is_tabled() -> None:
    text = attngen.compile(attngen.load(BUCKETS), "triton")["buckets.py"]
    assert re.findall(r"def _\w+_by_distance\(.*\)", text) == [
        "def _pair_choice_2_by_distance(first: int, stop: int, device: torch.device, constant: float)"
    ]
    text = attngen.compile(attngen.load("attention a { score dot(q, k) + (i - j) / 3 }"), "triton")["a.py"]
    assert "by_distance" not in text  # a table would take longer

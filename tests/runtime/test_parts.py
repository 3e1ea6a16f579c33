"""Where queries are few, programs share the keys of each: what they have seen is merged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

import attngen
from attngen.emit.support.launches import _parts
from attngen.runtime.draws import tensors

SPECS = Path(__file__).parents[2] / "specs"
NAMES = ["causal", "attention_sink", "bigbird", "lm_infinite", "s2attn_wrap", "sliding_window", "xpos"]
PERIODS = (
    "attention periods(g: int = 96) { mask i div g == j div g and (j mod g) < 40 or j < 3 score scale * dot(q, k) }"
)
DEEP = settings.default.max_examples >= 1000
CALLS = [
    (name, queries)
    for place, name in enumerate([*NAMES, "periods"])
    for queries in ([1, 5, 30] if DEEP else [(1, 5, 30)[place % 3]])
]


def launched(kernel: attngen.Kernel, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """With how many programs for each query tile the forward kernel is launched, one after the other."""
    names, found = kernel._function("triton").__globals__, []
    chosen = names["_parts"]

    def parts(*given: Any) -> int:
        found.append(chosen(*given))
        return found[-1]

    monkeypatch.setitem(names, "_parts", parts)
    return found


@pytest.mark.parametrize(("name", "queries"), CALLS)
def test_few_queries(name: str, queries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = attngen.build(PERIODS if name == "periods" else SPECS / f"{name}.attn", backend="triton")
    torch.manual_seed(0)
    keys = 700
    q, k, v, inputs = tensors(kernel.variant, [1, 2, 1, queries, keys, 16, 16], torch.float32, "cpu", {})
    q, k, v = (x.requires_grad_() for x in (q, k, v))
    found = launched(kernel, monkeypatch)
    offset = None if kernel.variant.inputs else keys - queries
    y, lse = kernel(q, k, v, offset=offset, return_lse=True, **inputs)
    expected, expected_lse = kernel.reference(
        q.detach(), k.detach(), v.detach(), offset=offset, return_lse=True, **inputs
    )
    assert len(found) == 1 and found[0] > 1
    assert torch.allclose(y.double(), expected, atol=1e-5)
    assert torch.allclose(lse.double(), expected_lse, atol=1e-5)
    gradients = torch.autograd.grad(y.sin().sum(), (q, k, v))
    names = kernel._function("triton").__globals__
    monkeypatch.setitem(names, "_parts", lambda *_: 1)
    others = torch.autograd.grad(kernel(q, k, v, offset=offset, **inputs).sin().sum(), (q, k, v))
    for a, b in zip(gradients, others, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_how_many() -> None:
    cpu = torch.device("cpu")  # as if it had 4 processors
    assert [_parts(programs, 1000, cpu) for programs in (1, 2, 3, 4, 8, 9)] == [8, 4, 2, 2, 1, 1]
    assert [_parts(1, tiles, cpu) for tiles in (0, 1, 3, 4, 9)] == [1, 1, 1, 2, 4]
    assert _parts(0, 0, cpu) == 1

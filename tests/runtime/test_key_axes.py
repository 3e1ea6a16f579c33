"""Kernels of keys give the same whichever axis of their tiles keys lie along: GPUs differ in which is faster."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import attngen
from attngen.runtime.draws import tensors

SPECS = Path(__file__).parents[2] / "specs"
NAMES = ["alibi", "bigbird", "gemma2_local", "lm_infinite", "s2attn_wrap", "sigmoid_attention", "t5_bias", "xpos"]
"""Masks and scores of all levels, lists, rows that are computed, gradients by inputs of heads, keys and pairs."""


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_the_other_axis(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = attngen.build(SPECS / f"{name}.attn", backend="triton")
    torch.manual_seed(0)
    given = tensors(kernel.variant, [1, 2, 2, 70, 83, 16, 16], torch.float32, "cpu", {})
    q, k, v = (x.requires_grad_() for x in given[:3])
    inputs = {x: y.requires_grad_() if y.is_floating_point() else y for x, y in given[3].items()}
    asked = [q, k, v, *(x for x in inputs.values() if x.requires_grad)]
    names = kernel._function("triton").__globals__
    found = []
    for axis in (0, 1):
        for cell, columns in names["DEFAULTS"]["by_keys"].items():
            sizes = tuple((*each[:4], 0, axis) for each in columns)
            monkeypatch.setitem(names["DEFAULTS"]["by_keys"], cell, sizes)
        assert names["_chosen"]("by_keys", q, 16, 83, *([(64, 64)] * ("_tile_sizes" in names)))["KEY_AXIS"] == axis
        y = kernel(q, k, v, **inputs)
        found.append(torch.autograd.grad(y.sin().sum(), asked))
    for a, b in zip(*found, strict=True):
        assert torch.allclose(a, b, atol=1e-5)
        assert a.abs().sum() > 0

"""Every committed spec: its meaning against formulas written by hand, its kernels against its meaning."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from by_hand.draws import DRAWS, meets_needs
from by_hand.masks import MASKS
from by_hand.problem import Array, Problem
from by_hand.scores import NORMALIZERS, SCORES, SINKS, dot
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

import attngen
from attngen.fuzz.call import Call
from attngen.fuzz.oracle import assert_close, expected
from attngen.ir.load import load_all
from attngen.ir.nodes import Pairwise
from attngen.reference import attention

FOLDER = Path(__file__).parents[2] / "specs"
VARIANTS = [variant for path in sorted(FOLDER.glob("*.attn")) for variant in load_all(path)]
SPECS = {variant.name: variant for variant in VARIANTS if isinstance(variant.body, Pairwise)}
FEW = settings(max_examples=max(2, settings().max_examples // 10))


@st.composite
def problems(draw: st.DrawFn, name: str, longest: int) -> tuple[Problem, Array, Array, Array]:
    """A call of the variant, and its q, k, v with one head each for every head."""
    M = draw(st.integers(5, longest))
    N = draw(st.integers(1, M))
    H = draw(st.sampled_from([1, 2, 3, 4]))
    sizes = {"B": draw(st.integers(1, 2)), "H": H, "N": N, "M": M, "D": draw(st.sampled_from([4, 6, 16]))}
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    parameters, inputs = DRAWS[name](generator, sizes)
    offset = draw(st.one_of(st.integers(0, M - N), st.integers(-N, M + 3)))
    problem = Problem(**sizes, offset=offset, parameters=parameters, inputs=inputs)
    assume(meets_needs(name, problem))
    shapes = [(problem.B, H, rows, problem.D) for rows in (N, M, M)]
    q, k, v = (generator.standard_normal(shape).astype(np.float32).astype(np.float64) for shape in shapes)
    return problem, q, k, v


def by_hand(name: str, problem: Problem, q: Array, k: Array, v: Array) -> tuple[Array, Array]:
    """y and the live pairs."""
    live = np.broadcast_to(MASKS[name](problem), (problem.B, problem.H, problem.N, problem.M))
    score = SCORES[name](problem, q, k) if name in SCORES else problem.scale * dot(q, k)
    if name in NORMALIZERS:
        weights, added = np.where(live, score, 0.0), NORMALIZERS[name]
        return weights @ v / (1 if added is None else weights.sum(-1, keepdims=True) + added), live
    logits = np.where(live, score, -np.inf)
    sink = SINKS[name](problem)[..., None, None] if name in SINKS else np.full((1, 1, 1, 1), -np.inf)
    top = np.maximum(logits.max(-1, keepdims=True), sink)
    top = np.where(np.isfinite(top), top, 0.0)
    weights = np.exp(logits - top)
    total = weights.sum(-1, keepdims=True) + np.exp(sink - top)
    return (weights / np.where(total == 0, 1, total)) @ v, live


def tensors(given: dict[str, Array], dtype: torch.dtype) -> dict[str, Tensor]:
    """Inputs in torch; floats in `dtype`."""
    made = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in given.items()}
    return {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in made.items()}


def test_every_spec_has_a_formula() -> None:
    assert set(SPECS) == set(MASKS) == set(DRAWS)


@pytest.mark.parametrize("name", SPECS)
@given(data=st.data())
def test_the_meaning(name: str, data: st.DataObject) -> None:
    problem, q, k, v = data.draw(problems(name, 40))
    rows = [torch.from_numpy(array) for array in (q, k, v)]
    inputs = tensors(problem.inputs, torch.float64)
    found = attention(SPECS[name], *rows, parameters=problem.parameters, inputs=inputs, offset=problem.offset)
    y, live = by_hand(name, problem, q, k, v)
    assert np.array_equal(found.live.numpy(), live)
    np.testing.assert_allclose(found.y.numpy(), y, rtol=1e-9, atol=1e-9)


@cache
def kernel(name: str, backend: str, parameters: tuple[tuple[str, float | int], ...]) -> attngen.Kernel:
    return attngen.build(SPECS[name], backend=backend, **dict(parameters))


def run(name: str, backend: str, data: st.DataObject, longest: int) -> None:
    """Values within tolerance, and the mask of the first channels exactly."""
    problem, *arrays = data.draw(problems(name, longest))
    q, k, v = (torch.from_numpy(array).float() for array in arrays)
    inputs = tensors(problem.inputs, torch.float32)
    made = kernel(name, backend, tuple(sorted(problem.parameters.items())))
    call = Call(q, k, v, problem.parameters, inputs, offset=problem.offset)
    if made.has_lse:
        y, lse = made(q, k, v, offset=problem.offset, return_lse=True, **inputs)
    else:
        y, lse = made(q, k, v, offset=problem.offset, **inputs), None
    assert_close(expected(SPECS[name], call), y, lse)


@pytest.mark.parametrize("name", SPECS)
@FEW
@given(data=st.data())
def test_cpp(name: str, data: st.DataObject) -> None:
    run(name, "cpp", data, 60)


@pytest.mark.parametrize("name", SPECS)
@FEW
@given(data=st.data())
def test_triton(name: str, data: st.DataObject) -> None:
    run(name, "triton", data, 24)

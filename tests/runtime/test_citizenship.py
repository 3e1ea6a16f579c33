"""Kernels in PyTorch: compiled, traced, cast, checkpointed, differentiated in every way that torch offers, copied."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters
from torch.utils.checkpoint import checkpoint

import attngen

ALIBI = "attention alibi { input slope[h]: float  score scale * dot(q, k) - slope[h] * (i - j)  mask j <= i }"
PACKED = "attention packed { input doc[b, n]: int sorted  mask j <= i and doc[b, i] == doc[b, j] }"


def given(tokens: int = 24, trained: bool = True) -> list[Tensor]:
    """q, k, v and a slope for each of four heads."""
    generator = torch.Generator().manual_seed(tokens)
    shapes = [(2, 4, tokens, 16), (2, 2, tokens, 16), (2, 2, tokens, 16), (4,)]
    return [torch.randn(shape, generator=generator).requires_grad_(trained) for shape in shapes]


@pytest.fixture(params=["cpp", "triton"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def kernel(backend: str) -> attngen.Kernel:
    return attngen.build(ALIBI, backend=backend)


@pytest.fixture
def attend(kernel: attngen.Kernel) -> Callable[..., Tensor]:
    return lambda q, k, v, slope: kernel(q, k, v, slope=slope)


@pytest.fixture
def fresh_dynamo() -> Iterator[None]:
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def gradients(function: Callable[..., Tensor], leaves: list[Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad(function(*leaves).square().sum(), leaves)


@pytest.mark.usefixtures("fresh_dynamo")
def test_compiled_without_breaks_and_once_for_all_lengths(attend: Callable[..., Tensor]) -> None:
    compiled = torch.compile(lambda *leaves: attend(*leaves) * 2, fullgraph=True, backend="aot_eager")
    for tokens in (16, 24, 40, 56, 72):
        leaves = given(tokens)
        found = gradients(compiled, leaves)
        for one, other in zip(found, gradients(lambda *x: attend(*x) * 2, leaves), strict=True):
            assert torch.equal(one, other)
    assert counters["stats"]["unique_graphs"] == 2  # the first length, and all others


@pytest.mark.usefixtures("fresh_dynamo")
def test_compiled_with_a_list_of_tiles(backend: str) -> None:
    kernel = attngen.build(PACKED, backend=backend)
    compiled = torch.compile(lambda *rows, **options: kernel(*rows, **options), fullgraph=True, backend="aot_eager")
    for tokens in (150, 190, 230) if backend == "cpp" else (40, 70, 100):
        *leaves, _ = given(tokens)
        doc = torch.arange(tokens).div(60, rounding_mode="floor").expand(2, -1)
        prepared = kernel.prepare(*leaves[:2], doc=doc)
        wanted = gradients(lambda *rows, doc=doc: kernel(*rows, doc=doc), leaves)
        for options in ({}, {"prepared": prepared}):
            found = gradients(lambda *rows, doc=doc, options=options: compiled(*rows, doc=doc, **options), leaves)
            assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


def test_function_transforms(attend: Callable[..., Tensor]) -> None:
    leaves = given()
    wanted = gradients(attend, leaves)
    bare = [leaf.detach() for leaf in leaves]
    found = torch.func.grad(lambda *x: attend(*x).square().sum(), argnums=(0, 1, 2, 3))(*bare)
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))
    q = torch.randn(3, *bare[0].shape)
    mapped = torch.func.vmap(lambda x: attend(x, *bare[1:]))(q)
    assert torch.equal(mapped, torch.stack([attend(each, *bare[1:]) for each in q]))


def test_what_has_no_derivative_says_so(attend: Callable[..., Tensor]) -> None:
    leaves = given()
    (by_q,) = torch.autograd.grad(attend(*leaves).square().sum(), leaves[0], create_graph=True)
    with pytest.raises(NotImplementedError, match="alibi: its gradients have no gradients themselves"):
        by_q.sum().backward()
    bare = [leaf.detach() for leaf in leaves]
    with pytest.raises(NotImplementedError, match="forward mode"):
        torch.func.jvp(attend, tuple(bare), tuple(bare))


@pytest.mark.parametrize("trained", [[0], [1], [2], [3], [0, 3], [1, 2]])
def test_gradients_by_any_of_the_arguments(attend: Callable[..., Tensor], trained: list[int]) -> None:
    wanted = gradients(attend, given())
    leaves = given(trained=False)
    for k in trained:
        leaves[k].requires_grad_()
    found = torch.autograd.grad(attend(*leaves).square().sum(), [leaves[k] for k in trained])
    assert all(torch.equal(one, wanted[k]) for one, k in zip(found, trained, strict=True))


def test_without_gradients(attend: Callable[..., Tensor]) -> None:
    with torch.no_grad():
        assert not attend(*given()).requires_grad
    with torch.inference_mode():
        assert attend(*given()).is_inference()


def test_only_the_log_sum_exp_is_differentiated(kernel: attngen.Kernel) -> None:
    q, k, v, slope = given()
    y, lse = kernel(q, k, v, slope=slope, return_lse=True)
    by_q, by_slope = torch.autograd.grad(lse.sum(), [q, slope])
    scores = q @ k.repeat_interleave(2, 1).mT / 4
    distance = torch.arange(24)[:, None] - torch.arange(24)
    scores = (scores - slope[:, None, None] * distance).masked_fill(distance < 0, -torch.inf)
    wanted = torch.autograd.grad(scores.logsumexp(-1).sum(), [q, slope])
    assert torch.allclose(by_q, wanted[0], atol=1e-5) and torch.allclose(by_slope, wanted[1], rtol=1e-5)
    assert y.requires_grad


def test_autocast(attend: Callable[..., Tensor]) -> None:
    leaves = given()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = attend(*leaves)
    low = [leaf.detach().to(torch.bfloat16).requires_grad_() for leaf in leaves[:3]]
    assert torch.equal(y, attend(*low, leaves[3]))
    found = torch.autograd.grad(y.square().sum(), leaves)
    assert [each.dtype for each in found] == [torch.float32] * 4
    wanted = torch.autograd.grad(attend(*low, leaves[3]).square().sum(), low)
    assert all(torch.equal(one, other.float()) for one, other in zip(found, wanted, strict=False))


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoints(attend: Callable[..., Tensor], reentrant: bool) -> None:
    leaves = given()
    checkpoint(attend, *leaves, use_reentrant=reentrant).square().sum().backward()
    for leaf, wanted in zip(leaves, gradients(attend, given()), strict=True):
        assert leaf.grad is not None and torch.equal(leaf.grad, wanted)


def test_copies(kernel: attngen.Kernel) -> None:
    q, k, v, slope = given(trained=False)
    y = kernel(q, k, v, slope=slope)
    for other in (copy.copy(kernel), copy.deepcopy(kernel), pickle.loads(pickle.dumps(kernel))):
        assert torch.equal(other(q, k, v, slope=slope), y)
        assert (other.parameters, other.backend) == (kernel.parameters, kernel.backend)


def test_a_pickle_in_another_process(tmp_path: Path, backend: str) -> None:
    kernel = attngen.build("attention near(w: int) { mask 0 <= i - j < w }", backend=backend, w=5)
    rows = torch.randn(1, 2, 9, 8)
    torch.save((pickle.dumps(kernel), rows, kernel(rows, rows, rows)), tmp_path / "kernel.pt")
    code = (
        "import pickle, sys, torch; data, rows, y = torch.load(sys.argv[1], weights_only=False);"
        "assert torch.equal(pickle.loads(data)(rows, rows, rows), y)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "kernel.pt")], check=True)


def test_without_numbers(attend: Callable[..., Tensor]) -> None:
    y = attend(*(leaf.to("meta") for leaf in given()))
    assert y.shape == (2, 4, 24, 16) and y.device.type == "meta"


def test_the_backward_pass_is_compiled_when_it_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ATTNGEN_CACHE", str(tmp_path))
    text = ALIBI.replace("alibi", "alibi_compiled_late")
    leaves = given()
    y = attngen.build(text, backend="cpp")(*leaves[:3], slope=leaves[3])

    def compiled() -> list[str]:
        return sorted(path.name.split("-", 1)[0] for path in (tmp_path / "libraries").glob("*.so"))

    assert compiled() == ["alibi_compiled_late"]
    y.sum().backward()
    assert compiled() == ["alibi_compiled_late", "alibi_compiled_late_backward"]


def test_operators_are_named_by_what_they_do(kernel: attngen.Kernel) -> None:
    kernel(*given()[:3], slope=given()[3])
    other = attngen.build(ALIBI.replace("- slope", "+ slope"), backend=kernel.backend)
    other(*given()[:3], slope=given()[3])
    names: list[Any] = [each for each in dir(torch.ops.attngen) if each.startswith("alibi_")]
    assert len({name.split("_")[1] for name in names}) >= 2


def test_what_is_remembered_of_a_call_is_how_its_tensors_lie() -> None:
    """Of calls that differ in numbers alone, checks and strides are those of the first; others are looked at anew."""
    kernel = attngen.build("attention near(w: int) { mask 0 <= i - j < w }", backend="cpp", w=5)
    q, k, v = (torch.randn(1, 2, 9, 9) for _ in range(3))
    y = kernel(q, k, v)
    for rows in (q, k, v):
        lying = [each.mT.contiguous().mT if each is rows else each for each in (q, k, v)]
        assert torch.equal(kernel(*lying), y)
    assert torch.equal(kernel(q, k, v, offset=torch.tensor([0])), y)
    assert not torch.equal(kernel(q, k, v, offset=1), y)
    with pytest.raises(ValueError, match="near: q has 9 channels and k has 8"):
        kernel(q, k[..., :8], v)


def test_defaults_of_torch_do_not_matter(backend: str) -> None:
    """Neither the default device nor the default dtype are those of the tensors that are given."""
    leaves = given()
    slope, doc = leaves[3], torch.arange(24).div(9, rounding_mode="floor").expand(2, -1)
    alibi = attngen.build(
        "attention a { score scale * dot(q, k) - alibi_slope(h) * (i - j) mask j <= i }", backend=backend
    )
    packed = attngen.build(PACKED, backend=backend)

    def every() -> list[Tensor]:
        kernels = [lambda *x: alibi(*x), lambda *x: packed(*x, doc=doc)]
        found = [each for kernel in kernels for each in gradients(kernel, leaves[:3])]
        return [*found, *gradients(lambda *x: attngen.build(ALIBI, backend=backend)(*x, slope=slope), leaves[:3])]

    wanted = every()
    torch.set_default_device("meta")
    torch.set_default_dtype(torch.float64)
    try:
        assert all(torch.equal(one, other) for one, other in zip(every(), wanted, strict=True))
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)

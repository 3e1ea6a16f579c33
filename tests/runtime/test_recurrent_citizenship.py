"""Kernels of recurrences in PyTorch: compiled, transformed, cast, differentiated in parts and through states."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters
from torch.library import opcheck

import attngen
from attngen.runtime.recurrent import RecurrentKernel, State

GATED = """attention gated {
  input g[b, h, t]: float <= 0
  state S = exp(g[b, h, t]) * S + outer(k, v)
  out   dot(q, S)
}"""


def given(tokens: int = 24, trained: bool = True) -> list[Tensor]:
    """q, k, v and a gate for each token."""
    generator = torch.Generator().manual_seed(tokens)
    shapes = [(2, 4, tokens, 16), (2, 2, tokens, 16), (2, 2, tokens, 16)]
    rows = [torch.randn(shape, generator=generator) for shape in shapes]
    gate = -torch.rand(2, 4, tokens, generator=generator)
    return [x.requires_grad_(trained) for x in (*rows, gate)]


@pytest.fixture(params=["cpp", "triton"])
def kernel(request: pytest.FixtureRequest) -> RecurrentKernel:
    built = attngen.build(GATED, backend=request.param)
    assert isinstance(built, RecurrentKernel)
    return built


@pytest.fixture
def recur(kernel: RecurrentKernel) -> Callable[..., Tensor]:
    return lambda q, k, v, g: kernel(q, k, v, g=g)


@pytest.fixture
def fresh_dynamo() -> Iterator[None]:
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def gradients(function: Callable[..., Tensor], leaves: list[Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad(function(*leaves).square().sum(), leaves)


@pytest.mark.usefixtures("fresh_dynamo")
def test_compiled_without_breaks_and_once_for_all_lengths(
    kernel: RecurrentKernel, recur: Callable[..., Tensor]
) -> None:
    compiled = torch.compile(lambda *leaves: recur(*leaves) * 2, fullgraph=True, backend="aot_eager")
    for tokens in (16, 24, 40, *((300, 600) if kernel.backend == "cpp" else ())):
        leaves = given(tokens)
        found = gradients(compiled, leaves)
        for one, other in zip(found, gradients(lambda *x: recur(*x) * 2, leaves), strict=True):
            assert torch.equal(one, other)
    assert counters["stats"]["unique_graphs"] == 2  # the first length, and all others


@pytest.mark.usefixtures("fresh_dynamo")
def test_compiled_with_a_state(kernel: RecurrentKernel) -> None:
    def called(q: Tensor, k: Tensor, v: Tensor, g: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        y, after = kernel(q, k, v, g=g, state=State({"S": before}, 5), return_state=True)
        return y, after.values["S"]

    compiled = torch.compile(called, fullgraph=True, backend="aot_eager")
    leaves = [*given(), torch.randn(2, 4, 16, 16, requires_grad=True)]

    def both(function: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., Tensor]:
        return lambda *leaves: torch.cat([x.flatten() for x in function(*leaves)])

    found, wanted = gradients(both(compiled), leaves), gradients(both(called), leaves)
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


def test_gradients_go_from_call_to_call(kernel: RecurrentKernel) -> None:
    """Through the state, as if it were one call."""
    leaves = given(40)
    wanted = gradients(lambda q, k, v, g: kernel(q, k, v, g=g), leaves)

    def in_two(*leaves: Tensor) -> Tensor:
        first, second = ([x[:, :, part] for x in leaves] for part in (slice(0, 23), slice(23, None)))
        y, state = kernel(*first[:3], g=first[3], return_state=True)
        return torch.cat([y, kernel(*second[:3], g=second[3], state=state)], 2)

    for one, other in zip(gradients(in_two, leaves), wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_function_transforms(recur: Callable[..., Tensor]) -> None:
    leaves = given()
    wanted = gradients(recur, leaves)
    bare = [leaf.detach() for leaf in leaves]
    found = torch.func.grad(lambda *x: recur(*x).square().sum(), argnums=(0, 1, 2, 3))(*bare)
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


def test_what_has_no_derivative_says_so(recur: Callable[..., Tensor]) -> None:
    leaves = given()
    (by_q,) = torch.autograd.grad(recur(*leaves).square().sum(), leaves[0], create_graph=True)
    with pytest.raises(NotImplementedError, match="gated: its gradients have no gradients themselves"):
        by_q.sum().backward()
    bare = [leaf.detach() for leaf in leaves]
    with pytest.raises(NotImplementedError, match="forward mode"):
        torch.func.jvp(recur, tuple(bare), tuple(bare))


@pytest.mark.parametrize("trained", [[0], [1], [2], [3], [0, 3], [1, 2]])
def test_gradients_by_any_of_the_arguments(recur: Callable[..., Tensor], trained: list[int]) -> None:
    wanted = gradients(recur, given())
    leaves = given(trained=False)
    for k in trained:
        leaves[k].requires_grad_()
    found = torch.autograd.grad(recur(*leaves).square().sum(), [leaves[k] for k in trained])
    assert all(torch.equal(one, wanted[k]) for one, k in zip(found, trained, strict=True))


def test_only_the_state_is_differentiated(kernel: RecurrentKernel) -> None:
    q, k, v, g = given()
    _, state = kernel(q, k, v, g=g, return_state=True)
    found = torch.autograd.grad(state.values["S"].sum(), [k, v, g])
    kept = g.flip(-1).cumsum(-1).flip(-1) - g
    rows = [x.repeat_interleave(2, 1) for x in (k, v)]
    total = (kept.exp()[..., None] * rows[0]).mT @ rows[1]
    for one, other in zip(found, torch.autograd.grad(total.sum(), [k, v, g]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_autocast(recur: Callable[..., Tensor]) -> None:
    leaves = given()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = recur(*leaves)
    low = [leaf.detach().to(torch.bfloat16).requires_grad_() for leaf in leaves[:3]]
    assert torch.equal(y, recur(*low, leaves[3]))
    assert [by.dtype for by in torch.autograd.grad(y.square().sum(), leaves)] == [torch.float32] * 4


def test_an_input_whose_gradient_is_missing_says_so() -> None:
    text = "attention a { input w[h, kind]: float  state S = exp(w[h, 1]) * S + outer(k, v)  out dot(q, S) }"
    q, k, v, _ = given()
    w = torch.zeros(4, 3, requires_grad=True)
    y = attngen.build(text, backend="cpp")(q, k, v, w=w)
    with pytest.raises(NotImplementedError, match="a: the gradient by w can't be computed yet"):
        y.sum().backward()


def test_the_operator_is_what_torch_expects(kernel: RecurrentKernel) -> None:
    q, k, v, g = given()
    name = sys.modules[kernel._function(kernel.backend).__module__]._NAME
    state = torch.randn(2, 4, 16, 16)
    arguments = (q, k, v, g, state, None, None, 0, *([False] if kernel.backend == "triton" else []))
    bare = (*(x.detach() for x in arguments[:4]), *arguments[4:])
    opcheck(getattr(torch.ops.attngen, f"{name}_forward").default, (*bare, True))
    opcheck(getattr(torch.ops.attngen, name).default, arguments)

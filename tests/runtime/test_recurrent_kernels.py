"""Kernels of recurrences: calls, states that go from call to call, and what they refuse."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import attngen
from attngen.runtime.recurrent import RecurrentKernel, State

GATED = """attention gated {
  input g[b, h, t]: float <= 0
  state S = exp(g[b, h, t]) * S + outer(k, v)
  state z = z + k * (1.0 + t)
  out   dot(q, S) / (1 + abs(dot(q, z)))
}"""


def rows(tokens: int = 9, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, heads, tokens, width, generator=generator) for heads, width in ((4, 5), (1, 5), (2, 3)))
    g = -torch.rand(2, 4, tokens, generator=generator)
    return q.to(dtype), k.to(dtype), v.to(dtype), g


COMPILED = ("cpp", "triton")
BACKENDS = ("reference", *COMPILED)


def kernel(text: str = GATED, backend: str = "reference", **parameters: Any) -> RecurrentKernel:
    built = attngen.build(text, backend=backend, **parameters)
    assert isinstance(built, RecurrentKernel)
    return built


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_call_is_the_interpreter_in_the_dtype_of_q(dtype: torch.dtype) -> None:
    q, k, v, g = rows(dtype=dtype)
    y, state = kernel()(q, k, v, g=g, return_state=True)
    expected, after = kernel().reference(q, k, v, g=g, return_state=True)
    assert torch.equal(y, expected.to(dtype)) and y.dtype == dtype
    assert state.position == after.position == 9
    assert {name: (value.dtype, [*value.shape]) for name, value in state.values.items()} == {
        "S": (torch.float32, [2, 4, 5, 3]),
        "z": (torch.float32, [2, 4, 5]),
    }


@pytest.mark.parametrize("cuts", [(0, 9), (4, 9), (1, 2, 3, 4, 5, 6, 7, 8, 9)])
def test_calls_that_carry_on_equal_one_call(cuts: tuple[int, ...]) -> None:
    q, k, v, g = rows()
    whole, last = kernel().reference(q, k, v, g=g, return_state=True)
    state, parts = kernel().init_state(q, k, v, g=g), []
    for first, stop in zip((0, *cuts), cuts, strict=False):
        now = [each[:, :, first:stop] for each in (q, k, v, g)]
        y, state = kernel().reference(*now[:3], g=now[3], state=state, return_state=True)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 2), whole)
    torch.testing.assert_close(state.values, last.values)
    assert state.position == 9


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_step_is_a_call_with_a_state(backend: str) -> None:
    q, k, v, g = rows()
    run = kernel(backend=backend)
    prefix, token = [each[:, :, :8] for each in (q, k, v, g)], [each[:, :, 8:] for each in (q, k, v, g)]
    _, state = run(*prefix[:3], g=prefix[3], return_state=True)
    y, after = run.step(*token[:3], state, g=token[3])
    torch.testing.assert_close(y, kernel()(q, k, v, g=g)[:, :, 8:])
    assert after.position == 9 and isinstance(after, State)


@pytest.mark.parametrize("width", [128, 131])
def test_states_that_no_cache_holds(width: int) -> None:
    """They go to memory in another way, line by line where these lie well; the numbers are those of a few heads."""
    text = """attention a { input g[b, h, t]: float  input beta[b, h, t]: float  let u = l2norm(k)
      state S = exp(g[b, h, t]) * (S - beta[b, h, t] * outer(u, dot(u, S))) + beta[b, h, t] * outer(u, v)
      state T = exp(g[b, h, t]) * T + outer(k, v)  out dot(q, S) + dot(q, T) + dot(q, prev(T)) + dot(k, T) }"""
    heads, generator = 1 + 2**24 // width**2, torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, heads, 1, width, generator=generator) for _ in range(3))
    g, beta = -torch.rand(1, heads, 1, generator=generator), torch.rand(1, heads, 1, generator=generator)
    states = {name: torch.randn(1, heads, width, width, generator=generator) for name in "ST"}

    def stepped(some: slice, backend: str = "cpp") -> list[Tensor]:
        few = State({name: state[:, some] for name, state in states.items()}, 1)
        step = kernel(text, backend).step
        y, after = step(q[:, some], k[:, some], v[:, some], few, g=g[:, some], beta=beta[:, some])
        return [y, *after.values.values()]

    found = stepped(slice(None))
    for some in (slice(3), slice(-3, None)):
        assert all(torch.equal(one[:, some], other) for one, other in zip(found, stepped(some), strict=True))
    for one, other in zip(found, stepped(slice(3), "reference"), strict=True):
        torch.testing.assert_close(one[:, :3], other, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_kernels_are_pickled(backend: str) -> None:
    text = "attention a(rate: float = 0.5) { state S = rate * S + outer(k, v)  out dot(q, S) }"
    built = kernel(text, backend, rate=0.25)
    again = pickle.loads(pickle.dumps(built))
    q, k, v, _ = rows()
    assert repr(again) == repr(built) == f"<attngen kernel a, rate=0.25, backend={backend}>"
    assert torch.equal(again(q, k, v), built(q, k, v))


def refused(message: str, call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()


@pytest.mark.parametrize("backend", BACKENDS)
def test_refusals(backend: str) -> None:
    q, k, v, g = rows()
    state = kernel().init_state(q, k, v, g=g)
    few = State({"S": state.values["S"]}, 0)
    turned = State({**state.values, "S": state.values["S"].mT}, 0)
    run = kernel(backend=backend)
    problem = "q has 8 tokens and k has 9; a recurrence takes one of each at a time"
    refused(f"gated: {problem} (<text>:1)", lambda: run(q[:, :, :8], k, v, g=g[:, :, :8]))
    refused("gated: the input `g` [b, h, t] is missing (<text>:2:9)", lambda: run(q, k, v))
    refused("gated: g holds a value outside of (-inf, 0] (<text>:2)", lambda: run(q, k, v, g=-g))
    refused("gated: the state holds no `z` (<text>:4:3)", lambda: run(q, k, v, g=g, state=few))
    problem = "the state `S` has the shape [2, 4, 3, 5]; it must be [b, h, c, e] = [2, 4, 5, 3]"
    refused(f"gated: {problem} (<text>:3:3)", lambda: run(q, k, v, g=g, state=turned))
    problem = "state is a dict, not what a call gave back"
    refused(f"gated: {problem}", lambda: run(q, k, v, g=g, state=state.values))


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_order_is_not_carried_on(backend: str) -> None:
    built = kernel("attention a {\n  order p(x) = N - 1 - x  state S = S + outer(k, v)  out dot(q, S) }", backend)
    q, k, v, _ = rows()
    y, state = built(q, k, v, return_state=True)
    assert torch.equal(built(q, k, v, state=built.init_state(q, k, v)), y)
    problem = "an order runs over all tokens, so no call can go on"
    refused(f"a: {problem} (<text>:2:3)", lambda: built(q, k, v, state=state))


def test_what_kernels_of_one_kind_alone_have() -> None:
    pairs = attngen.build("attention a { mask j <= i }", backend="reference")
    assert hasattr(pairs, "tiles") and not hasattr(pairs, "step") and hasattr(kernel(), "step")
    with pytest.raises(AttributeError, match=r"gated: only an attention over pairs has `tiles` \(<text>:1:11\)"):
        kernel().tiles(8, 8)
    with pytest.raises(AttributeError, match="a: only a recurrence has `step`"):
        pairs.step()
    with pytest.raises(AttributeError, match="`RecurrentKernel` has no attribute `tile`"):
        kernel().tile()


def test_explanations_show_the_canonical_form() -> None:
    text = """attention a {
      input beta[b, h, t]: float
      let   u = l2norm(k)
      state S = S - beta[b, h, t] * outer(u, dot(u, S)) + outer(u, v) * beta[b, h, t]
      out   scale * dot(q, prev(S))
    }"""
    assert kernel(text).explain().split("\n\n")[1:] == [
        "The state S [b, h, c, e], float32, is 0 at first. Each token\n"
        "    scales it by 1\n"
        "    adds outer(-(beta[b, h, t] * l2norm(k)), dot(l2norm(k), S)), of the state before\n"
        "    adds outer(l2norm(k), beta[b, h, t] * v)",
        "Each token reads\n    S_read = dot(q, S), before its own update\nand gives scale * S_read",
    ]


@pytest.mark.parametrize("backend", COMPILED)
def test_a_compiled_call_is_the_interpreter(backend: str) -> None:
    """Several chunks, some heads shared, and the last chunk short."""
    q, k, v, g = rows(tokens=41)
    y, state = kernel(backend=backend)(q, k, v, g=g, return_state=True)
    expected, after = kernel().reference(q, k, v, g=g, return_state=True)
    torch.testing.assert_close(y.double(), expected, rtol=1e-4, atol=1e-5)
    for name, value in state.values.items():
        torch.testing.assert_close(value.double(), after.values[name], rtol=1e-5, atol=1e-5)
    assert state.position == 41


@pytest.mark.parametrize("backend", COMPILED)
def test_no_future_token_changes_what_was_given_before(backend: str) -> None:
    """Not even by rounding, and not where its numbers are as large as they get."""
    q, k, v, g = rows(tokens=41)
    run = kernel(backend=backend)
    whole = run(q, k, v, g=g)
    for first in (1, 15, 16, 25, 40):
        k[:, :, first:] = 3e38  # products with it overflow
        v[:, :, first:] = -3e38
        changed = run(q, k, v, g=g)
        assert torch.equal(changed[:, :, :first], whole[:, :, :first])
        q, k, v, g = rows(tokens=41)
    assert torch.equal(run(*(each[:, :, :25] for each in (q, k, v)), g=g[:, :, :25]), whole[:, :, :25])


@pytest.mark.parametrize("backend", COMPILED)
def test_names_that_kernels_use_are_free(backend: str) -> None:
    """States and inputs may be called as what kernels call their own."""
    names = [
        "weights",
        "ones",
        "faded",
        "since",
        "S_found",
        "chunk",
        "rows",
        "first",
        "value",
        "steps",
        "live",
        "program",
    ]
    states = " ".join(f"state {name} = 0.5 * {name} + outer(k, {n} * v)" for n, name in enumerate(names))
    reads = " + ".join(f"dot(q, {name})" for name in names)
    q, k, v, _ = rows()
    run = kernel(f"attention a {{ {states} out {reads} }}", backend)
    torch.testing.assert_close(run(q, k, v).double(), run.reference(q, k, v), rtol=1e-4, atol=1e-4)
    inputs = " ".join(f"input {name}[h]: float" for name in names)
    factors = " + ".join(f"{name}[h]" for name in names)
    text = f"attention a {{ {inputs} state S = 0.5 * S + outer(k, v)  out dot(q, S) * ({factors}) }}"
    given = {name: torch.rand(4) for name in names}
    run = kernel(text, backend)
    torch.testing.assert_close(run(q, k, v, **given).double(), run.reference(q, k, v, **given), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", COMPILED)
def test_names_of_states_are_free(backend: str) -> None:
    """Forward and backward: functions are called by states."""
    q, k, v, _ = rows(tokens=3)
    names = ["pairs", "write", "back_S", "S_written", "sees"]
    states = " ".join(f"state {name} = 0.9 * {name} + outer(tanh(k), v)" for name in names)
    read = " + ".join(f"dot(q, {name})" for name in names)
    agree(kernel(f"attention a {{ state S = S + outer(k, v)  {states}  out dot(q, S) + {read} }}", backend), (q, k, v))


@pytest.mark.parametrize("backend", COMPILED)
def test_names_of_parameters_are_free(backend: str) -> None:
    """Launches have arguments of their own."""
    q, k, v, g = rows(tokens=3)
    names = ["grid", "warmup", "num_warps", "num_stages", "SEGMENT", "DEFAULTS", "common"]
    parameters, product = ", ".join(f"{name}: float = 0.9" for name in names), " * ".join(names)
    text = f"attention a({parameters}) {{ state S = {product} * S + outer(k, v)  out dot(q, S) * {product} }}"
    agree(kernel(text, backend), (q, k, v))
    inputs = " ".join(f"input {name}[b, h, t]: float" for name in names)
    read = " + ".join(f"{name}[b, h, t]" for name in names)
    run = kernel(f"attention a {{ {inputs} state S = S + outer(k, v)  out dot(q, S) * ({read}) }}", backend)
    agree(run, (q, k, v), **dict.fromkeys(names, g))


def agree(run: RecurrentKernel, qkv: tuple[Tensor, Tensor, Tensor], **inputs: Tensor) -> None:
    """The kernel and the interpreter: y, and its gradients by q, k and v."""
    leaves = [x.requires_grad_() for x in qkv]
    y, expected = run(*qkv, **inputs), run.reference(*qkv, **inputs)
    torch.testing.assert_close(y.double(), expected, rtol=1e-4, atol=1e-4)
    found, wanted = (torch.autograd.grad(x.square().sum(), leaves) for x in (y, expected))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_data_are_looked_at_on_demand(backend: str) -> None:
    """On a CPU they always are."""
    q, k, v, g = rows()
    run = kernel(backend=backend)
    assert torch.equal(run(q, k, v, g=g, debug=True), run(q, k, v, g=g))
    refused("gated: g holds a value outside of (-inf, 0] (<text>:2)", lambda: run(q, k, v, g=-g, debug=True))


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize("axis", ["r", "row", "int", "first", "m"])
def test_axes_may_be_called_as_what_kernels_count_by(axis: str, backend: str) -> None:
    """Values and gradients, for the loop over tokens counts by r."""
    row = f"dot(w[{axis}, c], {{}})"
    update, read = f"S + outer(tanh({row.format('k')}), v)", f"dot(tanh({row.format('q')}), S)"
    run = kernel(f"attention a {{ input w[{axis}, c]: float  state S = {update}  out {read} }}", backend)
    q, k, v, _ = rows()
    w = torch.randn(6, 5, generator=torch.Generator().manual_seed(1)).requires_grad_()
    y, expected = run(q, k, v, w=w), run.reference(q, k, v, w=w)
    torch.testing.assert_close(y.double(), expected, rtol=1e-4, atol=1e-4)
    (by,), (wanted,) = (torch.autograd.grad(x.square().sum(), w) for x in (y, expected))
    torch.testing.assert_close(by, wanted, rtol=1e-4, atol=1e-3)


ROTARY = """attention turned(base: float = 10000.0) {
  let   angle = t * base ^ (-(c mod (D div 2)) / (D / 2))
  def   other(x) = if c < D div 2 then -x[(c + D div 2) mod D] else x[(c + D div 2) mod D]
  def   turn(x) = x * cos(angle) + other(x) * sin(angle)
  state S = (1 - 2 ^ (-5.0 - h)) * S + outer(turn(k), v)
  out   scale * dot(turn(q), S)
}"""


@pytest.mark.parametrize("backend", COMPILED)
def test_angles_hold_far_out(backend: str) -> None:
    """Positions are turned into angles in float64; where the call goes on decides them."""
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 2, 21, 16, generator=generator) for _ in range(3))
    run = kernel(ROTARY, backend)
    state = State(run.init_state(q, k, v).values, 10**7)
    torch.testing.assert_close(
        run(q, k, v, state=state).double(), run.reference(q, k, v, state=state), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("backend", COMPILED)
def test_what_the_host_knows_is_checked_at_the_call(backend: str) -> None:
    q, k, v = (torch.randn(1, 2, 3, 1) for _ in range(3))
    problem = "turned: `D div 2` is 0, and an int is divided by it (<text>:2)"
    refused(problem, lambda: kernel(ROTARY, backend)(q, k, v))

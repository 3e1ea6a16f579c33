"""Kernels of recurrences against the interpreter, which goes token by token in float64."""

from __future__ import annotations

import math
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from recurrent_cases import COMMON, EVERY, calls

import attngen
from attngen.fuzz.recurrent_oracle import Given, agrees, gradients_agree, used_by
from attngen.runtime.recurrent import State
from attngen.schedule.chunks import chunk_plan

BACKENDS = ("cpp", "triton")
EXAMPLES = settings.default.max_examples


@pytest.mark.parametrize("spec", COMMON)
@settings(max_examples=max(5, EXAMPLES // 4))
@given(calls(), st.sampled_from([0, 7]))
def test_kernels_agree_with_the_interpreter(spec: str, call: Given, position: int) -> None:
    agrees(spec, call, position)


@pytest.mark.parametrize("spec", COMMON)
@settings(max_examples=2)
@given(calls(few=True), st.sampled_from([0, 7]))
def test_triton_agrees_with_the_interpreter(spec: str, call: Given, position: int) -> None:
    """Forward and backward."""
    agrees(spec, call, position, "triton")
    gradients_agree(spec, call, position, "triton")


@pytest.mark.skipif(settings.default.max_examples < 1000, reason="takes hours")
@given(EVERY, calls(few=True), st.sampled_from([0, 7]))
def test_all_agree_with_the_interpreter_in_triton(spec: str, call: Given, position: int) -> None:
    agrees(spec, call, position, "triton")
    gradients_agree(spec, call, position, "triton")


@pytest.mark.parametrize("spec", [COMMON[1], COMMON[5]])
def test_half_precision_in_triton(spec: str) -> None:
    """Its numbers are multiplied in float32, to as many bits: states may be larger than what it holds."""
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 1, 20, width, generator=generator).half() for width in (4, 4, 3))
    some = {name: torch.rand(1, 1, 20, generator=generator) for name in ("beta", "keep")}
    some |= {"g": -some["keep"], "gc": torch.zeros(1, 1, 20, 4), "w": torch.zeros(1), "wc": torch.zeros(1, 4)}
    large = {"S": torch.full((1, 1, 4, 3), 1e5), "z": torch.zeros(1, 1, 4), "x": torch.zeros(1, 1)}
    agrees(spec, Given((q / 1000, k, v), some, large), 0, "triton")
    gradients_agree(spec, Given((q, k, v), some, {}), 0, "triton")


@pytest.mark.parametrize("chunk", [16, 32, 64, 128])
@pytest.mark.parametrize("spec", [COMMON[1], COMMON[3], COMMON[6]])
def test_chunks_of_any_size_give_the_same(spec: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 1, 70, width, generator=generator) for width in (4, 4, 3))
    some = {name: torch.rand(1, 1, 70, generator=generator) for name in ("beta", "keep")}
    some |= {"g": -some["keep"], "gc": torch.zeros(1, 1, 70, 4), "w": torch.zeros(1), "wc": torch.zeros(1, 4)}
    kernel, call, _ = used_by(spec, Given((q, k, v), some, {}), 0, "triton")
    monkeypatch.setattr(
        sys.modules[kernel._function("triton").__module__], "DEFAULTS", {256: ((chunk, 64, 64, 8),) * 4}
    )
    agrees(kernel.variant, call, 0, "triton")
    gradients_agree(kernel.variant, call, 0, "triton")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("out", ["dot(q, S) / dot(q, z)", "dot(q, S) / dot(k, S)", "dot(q, S) / dot(sigmoid(q), z)"])
def test_nothing_comes_from_tokens_and_channels_that_are_not_there(out: str, backend: str) -> None:
    """Where tiles reach beyond, 0 would be divided by 0."""
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.rand(1, 1, 5, width, generator=generator) for width in (3, 3, 7))
    text = "attention a { input w[m, c]: float  let x = dot(w[m, c], k)  let y = dot(w[m, c], q)  state S = S + "
    text += "outer(x / (1 + x), v)  " + ("state z = z + x / sigmoid(x)  " if "z" in out else "")
    text += f"out {out.replace('q', 'y').replace('k', 'x')} }}"
    call = Given((q, k, v), {"w": torch.rand(9, 3, generator=generator)}, {})
    agrees(text, call, 0, backend)
    gradients_agree(text, call, 0, backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_values_are_shared_among_programs(backend: str) -> None:
    """More of them than one carries; where they are summed, one carries all."""
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 1, 20, width, generator=generator) for width in (4, 4, 70))
    for out in ("dot(q, S)", "l2norm(dot(q, S))", "dot(q, S) * dot(v, x)"):
        text = "attention a { state S = 0.5 * S + outer(k, v)  state z = z + k "
        text += ("state x = 0.9 * x + v " if "x" in out else "") + f"out {out} / (1 + abs(dot(q, z))) }}"
        agrees(text, Given((q, k, v), {}, {}), 0, backend)
        gradients_agree(text, Given((q, k, v), {}, {}), 0, backend)


@pytest.mark.skipif(settings.default.max_examples < 1000, reason="compiles a kernel for each example")
@given(EVERY, calls(), st.sampled_from([0, 7]))
def test_all_kernels_agree_with_the_interpreter(spec: str, call: Given, position: int) -> None:
    agrees(spec, call, position)


@pytest.mark.parametrize(
    "update",
    [
        "S + outer(k[(c + 1) mod D], v)",
        "S + outer(k * x[(c + 1) mod D], v)",
        "0.5 * S + outer(k * x[(c + D div 2) mod D] - before[(c + 3) mod D] * x, v * value)",
        "exp(-abs(x[(c + 1) mod D])) * S + outer(before, v)",
    ],
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_at_other_channels(update: str, backend: str) -> None:
    """Also rows of inputs, at the token and at the one before, and the gradients that they get there."""
    text = f"""attention a {{ input gc[b, h, t, c]: float  input w[b, h, t, e]: float
      let x = gc[b, h, t]  let before = prev(gc[b, h, t])  let value = w[b, h, t]
      state S = {update} + 0 * outer(x, value)  out dot(q, S) + value }}"""
    generator = torch.Generator().manual_seed(0)
    q, k, v, gc, w = (torch.randn(2, 2, 21, width, generator=generator) for width in (8, 8, 5, 8, 5))
    call = Given((q, k, v), {"gc": gc, "w": w}, {})
    agrees(text, call, 0, backend)
    gradients_agree(text, call, 0, backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("index", ["(c + 1) mod D", "(c + t) mod D", "(2 * c) mod D"])
def test_rows_of_heads_at_other_channels(index: str, backend: str) -> None:
    """They get gradients of all tokens, some of which may read them elsewhere."""
    text = f"""attention a {{ input w[h, c]: float  let x = w[h]
      state S = 0.5 * S + outer(x[{index}] * k * x, v)  out dot(q, S) }}"""
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 2, 40, width, generator=generator) for width in (6, 6, 3))
    call = Given((q, k, v), {"w": torch.randn(2, 6, generator=generator)}, {})
    agrees(text, call, 0, backend)
    gradients_agree(text, call, 0, backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("tokens", [1, 37])
@pytest.mark.parametrize("decay", ["", "keep[b, h, t] * ", "exp(gc[b, h, t]) * "])
def test_states_beside_each_other(decay: str, tokens: int, backend: str) -> None:
    """S, z and y have the same keys, rows and decays; w, x and p one of them differently."""
    text = f"""attention a {{ input keep[b, h, t]: float  input gc[b, h, t, c]: float  input beta[b, h, t]: float
      let x1 = tanh(k)
      state S = {decay}S + outer(x1, v)  state z = {decay}z + x1  state y = {decay}y + outer(x1, beta[b, h, t] * v)
      state w = 0.5 * w + outer(x1, v)  state x = {decay}x + outer(k, v)  state p = {decay}p + x1 * beta[b, h, t]
      out dot(q, S) / (2 + tanh(dot(q, z))) + dot(q, y) + dot(q, w) + dot(q, x) + dot(k, p) * v }}"""
    generator = torch.Generator().manual_seed(0)
    q, k, v, gc = (torch.randn(2, 2, tokens, width, generator=generator) for width in (6, 6, 5, 6))
    some = {"keep": torch.rand(2, 2, tokens, generator=generator), "gc": -gc.abs()}
    call = Given((q, k, v), {**some, "beta": torch.rand(2, 2, tokens, generator=generator)}, {})
    (first, *others) = [[state.name for state in states] for states in chunk_plan(attngen.load(text)).beside]
    assert (first, others) == (["S", "z", "y"], [["w"], ["x"], ["p"]])
    agrees(text, call, 0, backend)
    gradients_agree(text, call, 0, backend)


@pytest.mark.parametrize("spec", COMMON)
@settings(max_examples=max(3, EXAMPLES // 8))
@given(calls(), st.sampled_from([0, 7]))
def test_gradients_agree_with_the_interpreter(spec: str, call: Given, position: int) -> None:
    gradients_agree(spec, call, position)


@pytest.mark.skipif(settings.default.max_examples < 1000, reason="compiles kernels for each example")
@given(EVERY, calls(), st.sampled_from([0, 7]))
def test_all_gradients_agree_with_the_interpreter(spec: str, call: Given, position: int) -> None:
    gradients_agree(spec, call, position)


@pytest.mark.parametrize("spec", [COMMON[1], COMMON[5], COMMON[7]])
def test_gradients_over_several_segments(spec: str) -> None:
    """Each starts from a state that the forward pass has kept."""
    generator = torch.Generator().manual_seed(0)
    tokens = 2 * 256 + 21
    q, k, v = (torch.randn(1, heads, tokens, width, generator=generator) for heads, width in ((2, 4), (1, 4), (2, 3)))
    some = {name: torch.rand(1, 2, tokens, generator=generator) for name in ("beta", "keep")}
    some |= {"g": -some["keep"], "gc": -torch.rand(1, 2, tokens, 4, generator=generator), "w": torch.zeros(2)}
    gradients_agree(spec, Given((q, k, v), {**some, "wc": torch.zeros(2, 4)}, {}), 0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("to_matrix", "to_row"), [("0", "0"), ("k", "w[h]"), ("w[h] * v", "2"), ("w[h]", "w[h] * k")])
def test_what_is_written_may_be_the_same_for_all_channels(backend: str, to_matrix: str, to_row: str) -> None:
    """Or nothing: then a state only decays, from what is carried in."""
    text = f"attention a {{ input w[h]: float  state S = w[h] * S + 0 * outer(k, v) + {to_matrix}  "
    text += f"state z = w[h] * z + 0 * k + {to_row}  out dot(q, S) / (1 + abs(dot(q, z))) }}"
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 2, 20, width, generator=generator) for width in (40, 40, 33))
    states = {"S": torch.randn(1, 2, 40, 33, generator=generator), "z": torch.randn(1, 2, 40, generator=generator)}
    call = Given((q, k, v), {"w": torch.rand(2, generator=generator)}, states)
    agrees(text, call, 0, backend)
    gradients_agree(text, call, 0, backend)


def test_a_decay_that_is_saturated_stays_at_one() -> None:
    """What is lost of a factor at one token is lost again at each."""
    text = "attention a { input a[b, h, t]: float  state S = tanh(a[b, h, t]) * S + outer(k, v)  out dot(q, S) }"
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 1, 500, 4, generator=generator) for _ in range(3))
    call = Given((q, k, v), {"a": torch.full((1, 1, 500), 20.0)}, {})
    agrees(text, call, 0)
    gradients_agree(text, call, 0)


ERASING_KEYS = """attention a {
  input beta[b, h, t]: float  input w[h]: float  input wv[h, e]: float  input omega[m, c]: float
  let x = tanh(dot(omega[m, c], k))  let y = tanh(dot(omega[m, c], q))
  state S = exp(w[h]) * S + outer(x, wv[h, e] * v)
  state z = z - beta[b, h, t] * x * dot(x, z) + beta[b, h, t] * x
  out   dot(y, S) / (2 + tanh(dot(y, z))) + beta[b, h, t] * v }"""
"""A state without values that erases; sums over values for a head and for a token, and for a head in each of them."""


@pytest.mark.parametrize(("spec", "pieces"), [(COMMON[4], False), (COMMON[5], True), (ERASING_KEYS, True)])
def test_programs_share_values_of_gradients(spec: str, pieces: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each makes a part of what is summed over values; of widths that tiles don't divide."""
    generator = torch.Generator().manual_seed(0)
    tokens = 16 + 5

    def some(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator)

    sizes = ((2, 4), (1, 4), (1, 20))
    q, k, v = (torch.randn(1, heads, tokens, width, generator=generator) for heads, width in sizes)
    inputs = {"g": -some(1, 2, tokens), "gc": -some(1, 2, tokens, 4), "w": -some(1), "wc": -some(2, 4)}
    inputs |= {"beta": some(1, 1, tokens), "keep": some(1, 2, tokens), "wv": some(1, 20), "omega": some(5, 4)}
    states = {"S": some(1, 2, 4, 20), "z": some(1, 2, 4), "x": some(1, 2)} if spec != ERASING_KEYS else {}
    call = Given((q, k, v), inputs, states)
    kernel, _, _ = used_by(spec, call, 0, "triton")
    module = sys.modules[kernel._function("triton").__module__]
    monkeypatch.setattr(module, "DEFAULTS", {256: ((16, 32, 16, 8),) * 4})
    if pieces:
        monkeypatch.setattr(module, "_pieces", lambda _, chunks, __: (chunks, 1))
    agrees(spec, call, 0, "triton")
    gradients_agree(spec, call, 0, "triton")


STATES = {"S": (4, 3), "z": (4,), "x": ()}


def test_gradients_start_from_the_states_of_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those in front of chunks are made again."""
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 1, 70, width, generator=generator) for width in (4, 4, 3))
    some = {name: torch.rand(1, 1, 70, generator=generator) for name in ("beta", "keep")}
    some |= {"g": -some["keep"], "gc": torch.zeros(1, 1, 70, 4), "w": torch.zeros(1), "wc": torch.zeros(1, 4)}
    states = {name: torch.rand(1, 1, *shape, generator=generator) for name, shape in STATES.items()}
    call = Given((q, k, v), some, states)
    kernel, used, _ = used_by(COMMON[1], call, 0, "triton")
    module = sys.modules[kernel._function("triton").__module__]
    monkeypatch.setattr(module, "DEFAULTS", {256: ((16, 64, 64, 8),) * 4})
    monkeypatch.setattr(module, "SEGMENT", 32)
    leaf = used.qkv[0].clone().requires_grad_()
    y = kernel(leaf, *used.qkv[1:], **used.inputs, state=State(used.states, 0))
    assert y.grad_fn is not None
    kept = y.grad_fn.saved_tensors[-len(used.states) :]
    assert [each.numel() for each in kept] == [3 * math.prod(STATES[name]) for name in used.states]
    gradients_agree(COMMON[1], call, 0, "triton")

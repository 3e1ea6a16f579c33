"""Kernels of recurrences against the interpreter, which goes token by token in float64."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import attngen
from attngen.reference import Trace, recurrence
from attngen.runtime.recurrent import RecurrentKernel, State

HEAD = "input g[b, h, t]: float  input gc[b, h, t, c]: float  input w[h]: float  input wc[h, c]: float "
HEAD += "input beta[b, h, t]: float  input keep[b, h, t]: float  let u = l2norm(k) "
DECAYS = ["S", "0.9 * S", "exp(w[h]) * S", "exp(g[b, h, t]) * S", "exp(wc[h, c]) * S", "exp(gc[b, h, t, c]) * S"]
DECAYS += ["(if keep[b, h, t] > prev(keep[b, h, t]) then keep[b, h, t] else 0.0) * S"]
DECAYS += ["keep[b, h, t] * S", "(if t mod 5 == 3 then 0 else exp(g[b, h, t])) * S", "-0.5 * S"]
WRITES = ["outer(k, v)", "beta[b, h, t] * outer(tanh(k), v)", "outer(u, sigmoid(v)) / (1 + t)"]
ERASED = ["", " - beta[b, h, t] * outer(u, dot(u, {}))", " - outer(beta[b, h, t] * u, dot(l2norm(tanh(k)), {}))"]
OUTS = ["dot(q, S)", "scale * dot(q, prev(S)) + dot(q, wc[h, c] * k) * v", "tanh(dot(tanh(q), S)) - dot(k, prev(S))"]
OUTS += ["dot(q, S) / (1 + abs(dot(q, z)))", "dot(q, S) * dot(q, z) / (1 + x)"]
ORDERS = ["", "", "order p(y) = N - 1 - y ", "order p(y) = if h mod 2 == 0 then (y + 5) mod N else y "]
SIZES = st.sampled_from([1, 2, 5, 16, 17, 40])
TOKENS = st.sampled_from([0, 1, 3, 15, 16, 17, 33, 50])


def text(decay: str, write: str, erased: str, out: str, order: str = "") -> str:
    update = f"{decay} + {write}" + erased.format(decay)
    return f"attention a {{ {HEAD} {order} state S = {update}  state z = 0.5 * z + k  state x = x + 1  out {out} }}"


EVERY = st.builds(text, *map(st.sampled_from, (DECAYS, WRITES, ERASED, OUTS, ORDERS)))
COMMON = [text(DECAYS[n], WRITES[n % 3], ERASED[n * 2 % 3], OUTS[n * 3 % 5], ORDERS[n % 4]) for n in range(10)]
"""Every part at least once; compiling takes the time."""


class Given(NamedTuple):
    qkv: tuple[Tensor, Tensor, Tensor]
    inputs: dict[str, Tensor]
    states: dict[str, Tensor]

    def rounded(self, generator: torch.Generator) -> Given:
        """The same, each number off by up to half a unit of float32."""

        def off(x: Tensor) -> Tensor:
            return x.double() * (1 + 2.0**-24 * (2 * torch.rand(x.shape, generator=generator, dtype=torch.float64) - 1))

        q, k, v = map(off, self.qkv)
        inputs = {name: off(x) for name, x in self.inputs.items()}
        return Given((q, k, v), inputs, {name: off(x) for name, x in self.states.items()})


@st.composite
def calls(draw: st.DrawFn) -> Given:
    """Rows and inputs of any heads and strides; gates from exactly 0 down to -1000, and factors from exactly 0 to 1."""
    batch, heads, tokens, width, values = (draw(each) for each in (st.integers(0, 2), SIZES, TOKENS, SIZES, SIZES))
    heads = min(heads, 4) if heads != 17 else 6
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    dtype = draw(st.sampled_from([torch.float32, torch.float32, torch.bfloat16]))

    def rows(channels: int) -> Tensor:
        some = draw(st.sampled_from([each for each in range(1, heads + 1) if heads % each == 0]))
        swapped = draw(st.booleans())
        shape = (batch, tokens, some, channels) if swapped else (batch, some, tokens, channels)
        made = torch.randn(shape, generator=generator).to(dtype)
        return made.transpose(1, 2) if swapped else made

    def some(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    q, k, v = torch.randn(batch, heads, tokens, width, generator=generator).to(dtype), rows(width), rows(values)
    scale = draw(st.sampled_from([0.0, 0.1, 3.0, 1000.0]))
    inputs = {"g": -scale * some(batch, heads, tokens), "gc": -scale * some(batch, heads, tokens, width)}
    inputs |= {"w": -some(heads), "wc": -some(heads, width), "beta": some(batch, heads, tokens)}
    inputs["keep"] = some(batch, heads, tokens) * (some(batch, heads, tokens) > 0.2)
    states = {"S": some(batch, heads, width, values), "z": some(batch, heads, width), "x": some(batch, heads)}
    return Given((q, k, v), inputs, states if draw(st.booleans()) else {})


def traced(kernel: RecurrentKernel, call: Given, position: int) -> Trace:
    return recurrence(kernel.variant, *call.qkv, parameters={}, inputs=call.inputs, states=call.states, offset=position)


def close(found: Tensor, expected: Tensor, moved: Tensor, largest: Tensor, unit: float, what: str) -> None:
    """Errors are at most 32 times what roundings of the inputs alone make, and 16 units of the largest number."""
    error, off, size = ((x.abs().reshape(*x.shape[:2], -1)) for x in (found - expected, moved - expected, largest))
    most = 32 * off.amax(-1, keepdim=True) + 16 * unit * size.amax(-1, keepdim=True) + 1e-30
    assert found.isfinite().all() and (error <= most).all(), (what, (error / most).max())


@pytest.mark.parametrize("spec", COMMON)
@settings(max_examples=20)
@given(calls(), st.sampled_from([0, 7]))
def test_kernels_agree_with_the_interpreter(spec: str, call: Given, position: int) -> None:
    agrees(spec, call, position)


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
def test_rows_at_other_channels(update: str) -> None:
    """Also rows of inputs, at the token and at the one before."""
    text = f"""attention a {{ input gc[b, h, t, c]: float  input w[b, h, t, e]: float
      let x = gc[b, h, t]  let before = prev(gc[b, h, t])  let value = w[b, h, t]
      state S = {update} + 0 * outer(x, value)  out dot(q, S) + value }}"""
    generator = torch.Generator().manual_seed(0)
    q, k, v, gc, w = (torch.randn(2, 2, 21, width, generator=generator) for width in (8, 8, 5, 8, 5))
    agrees(text, Given((q, k, v), {"gc": gc, "w": w}, {}), 0)


def agrees(spec: str, call: Given, position: int) -> None:
    kernel = attngen.build(spec, backend="cpp")
    assert isinstance(kernel, RecurrentKernel)
    position = 0 if kernel.variant.order else position
    used = {name: call.inputs[name] for name in (each.name for each in kernel.variant.inputs)}
    call = call._replace(inputs=used)
    q, k, v = call.qkv
    y, after = kernel(q, k, v, state=State(call.states, position), return_state=True, **used)
    expected = traced(kernel, call, position)
    if not expected.y.numel():
        assert y.shape == expected.y.shape
        return
    moved = traced(kernel, call.rounded(torch.Generator().manual_seed(0)), position)
    close(y, expected.y, moved.y, expected.y, {torch.float32: 2.0**-23, torch.bfloat16: 2.0**-8}[q.dtype], "y")
    for name, state in after.values.items():
        close(state, expected.states[name], moved.states[name], expected.largest[name], 2.0**-23, name)
    assert after.position == position + q.shape[2]

"""Kernels of recurrences against the interpreter, which goes token by token in float64: specs, calls, and tolerances.

Errors are judged by what roundings of the numbers in a call make: 32 times the most that some of them do, and 16 units
of the largest number on the way. Triton rounds rows in half precision, and what they are multiplied by, before that:
there it is 8 times the most that some roundings to their dtype do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from hypothesis import strategies as st
from torch import Tensor

import attngen
from attngen.ir.nodes import Variant
from attngen.reference import Trace, recurrence
from attngen.runtime.recurrent import RecurrentKernel, State

HEAD = "input g[b, h, t]: float  input gc[b, h, t, c]: float  input w[h]: float  input wc[h, c]: float "
HEAD += "input beta[b, h, t]: float  input keep[b, h, t]: float  let u = l2norm(k) "
DECAYS = ["S", "0.9 * S", "exp(w[h]) * S", "exp(g[b, h, t]) * S", "exp(wc[h, c]) * S", "exp(gc[b, h, t, c]) * S"]
DECAYS += ["(if keep[b, h, t] > prev(keep[b, h, t]) then keep[b, h, t] else 0.0) * S"]
DECAYS += ["keep[b, h, t] * S", "(if t mod 5 == 3 then 0 else exp(g[b, h, t])) * S", "-0.5 * S"]
WRITES = ["outer(k, v)", "beta[b, h, t] * outer(tanh(k), v)", "outer(u, sigmoid(v)) / (1 + t)"]
ERASED = ["", " - beta[b, h, t] * outer(u, dot(u, {}))", " - outer(beta[b, h, t] * u, dot(l2norm(tanh(k)), {}))"]
OUTS = ["out dot(q, S)", "out scale * dot(q, prev(S)) + dot(q, wc[h, c] * k) * v"]
OUTS += ["out tanh(dot(tanh(q), S)) - dot(k, prev(S))"]
OUTS += ["state z = 0.5 * z + k  out dot(q, S) / (1 + abs(dot(q, z)))"]
OUTS += ["state z = 0.5 * z + k  state x = x + 1  out dot(q, S) * dot(q, z) / (1 + x)"]
ORDERS = ["", "", "order p(y) = N - 1 - y ", "order p(y) = if h mod 2 == 0 then (y + 5) mod N else y "]
SIZES = st.sampled_from([1, 2, 5, 16, 17, 40])
TOKENS = st.sampled_from([0, 1, 3, 15, 16, 17, 33, 50])


def text(decay: str, write: str, erased: str, out: str, order: str = "") -> str:
    update = f"{decay} + {write}" + erased.format(decay)
    return f"attention a {{ {HEAD} {order} state S = {update}  {out} }}"


UNITS = {torch.float32: 2.0**-23, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-10}
EVERY = st.builds(text, *map(st.sampled_from, (DECAYS, WRITES, ERASED, OUTS, ORDERS)))
COMMON = [text(DECAYS[n], WRITES[n % 3], ERASED[n * 2 % 3], OUTS[n * 3 % 5], ORDERS[n % 4]) for n in range(10)]
"""Every part at least once; compiling takes the time."""


class Given(NamedTuple):
    qkv: tuple[Tensor, Tensor, Tensor]
    inputs: dict[str, Tensor]
    states: dict[str, Tensor]

    def double(self) -> Given:
        """The same in float64."""
        q, k, v = (x.double() for x in self.qkv)
        inputs = {name: x.double() if x.is_floating_point() else x for name, x in self.inputs.items()}
        return Given((q, k, v), inputs, {name: x.double() for name, x in self.states.items()})

    def rounded(self, generator: torch.Generator, unit: float) -> Given:
        """The same, each number off by up to half a unit."""

        def off(x: Tensor) -> Tensor:
            if not x.is_floating_point():
                return x
            return x.double() * (1 + unit / 2 * (2 * torch.rand(x.shape, generator=generator, dtype=torch.float64) - 1))

        q, k, v = map(off, self.qkv)
        inputs = {name: off(x) for name, x in self.inputs.items()}
        return Given((q, k, v), inputs, {name: off(x) for name, x in self.states.items()})


@st.composite
def calls(draw: st.DrawFn, few: bool = False) -> Given:
    """Rows and inputs of any heads and strides; gates from exactly 0 down to -1000, and factors from exactly 0 to 1.

    With `few`, heads and tokens of which Triton's interpreter does not take long.
    """
    batch, heads, tokens, width, values = (draw(each) for each in (st.integers(0, 2), SIZES, TOKENS, SIZES, SIZES))
    heads = min(heads, 4) if heads != 17 else 6
    if few:
        batch, heads, tokens = min(batch, 1), min(heads, 2), min(tokens, 17 if tokens % 2 else 34)
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
    shared = draw(st.sampled_from([each for each in range(1, heads + 1) if heads % each == 0]))
    inputs |= {"w": -some(shared), "wc": -some(shared, width), "beta": some(batch, shared, tokens)}
    inputs["keep"] = some(batch, shared, tokens) * (some(batch, shared, tokens) > 0.2)
    states = {"S": some(batch, heads, width, values), "z": some(batch, heads, width), "x": some(batch, heads)}
    return Given((q, k, v), inputs, states if draw(st.booleans()) else {})


def traced(kernel: RecurrentKernel, call: Given, position: int) -> Trace:
    return recurrence(
        kernel.variant, *call.qkv, parameters=kernel.parameters, inputs=call.inputs, states=call.states, offset=position
    )


def several_rounded(call: Given, unit: float) -> list[Given]:
    generator = torch.Generator().manual_seed(0)
    return [call.rounded(generator, unit) for _ in range(3)]


class Allowed(NamedTuple):
    """How far numbers may be off: units of the largest, and how many times what roundings to a unit do."""

    unit: float
    rounded: float
    times: int


def allowed(backend: str, dtype: torch.dtype, of_rows: torch.dtype) -> Allowed:
    """What a backend may do to numbers of a dtype, in a call with rows of another."""
    if backend == "triton" and of_rows != torch.float32:
        return Allowed(UNITS[of_rows], UNITS[of_rows], 8)
    return Allowed(UNITS[dtype], UNITS[torch.float32], 32)


def close(found: Tensor, expected: Tensor, moved: list[Tensor], largest: Tensor, most: Allowed, what: str) -> None:
    """For each head apart."""
    offs = torch.stack([each - expected for each in moved]).abs().amax(0)
    error, off, size = (x.abs().reshape(*x.shape[:2], -1) for x in (found - expected, offs, largest))
    limit = most.times * off.amax(-1, keepdim=True) + 16 * most.unit * size.amax(-1, keepdim=True) + 1e-30
    assert found.isfinite().all() and (error <= limit).all(), (what, (error / limit).max())


def used_by(spec: str | Variant, call: Given, position: int, backend: str) -> tuple[RecurrentKernel, Given, int]:
    """The compiled kernel, the call with the inputs and states it has, and its position; 0 where there is an order."""
    kernel = attngen.build(spec, backend=backend)
    assert isinstance(kernel, RecurrentKernel)
    used = {name: call.inputs[name] for name in (each.name for each in kernel.variant.inputs)}
    states = {state.name: call.states[state.name] for state in kernel.variant.recurrent.states if call.states}
    return kernel, call._replace(inputs=used, states=states), 0 if kernel.variant.order else position


def agrees(spec: str | Variant, call: Given, position: int, backend: str = "cpp") -> None:
    """y and the states behind the last token; Triton multiplies in the dtype of q, so states are rounded as that is."""
    kernel, call, position = used_by(spec, call, position, backend)
    q, k, v = call.qkv
    y, after = kernel(q, k, v, state=State(call.states, position), return_state=True, **call.inputs)
    expected = traced(kernel, call, position)
    if not expected.y.numel():
        assert y.shape == expected.y.shape
        return
    most = allowed(backend, q.dtype, q.dtype)
    moved = [traced(kernel, each, position) for each in several_rounded(call, most.rounded)]
    close(y, expected.y, [each.y for each in moved], expected.y, most, "y")
    of_states = allowed(backend, torch.float32, q.dtype)
    assert after.values.keys() == expected.states.keys()
    for name, state in after.values.items():
        by_name = [each.states[name] for each in moved]
        close(state, expected.states[name], by_name, expected.largest[name], of_states, name)
    assert after.position == position + q.shape[2]


def gradients_agree(spec: str | Variant, call: Given, position: int, backend: str = "cpp") -> None:
    """By everything that is a float, from those by y and by the states behind the last token."""
    kernel, call, position = used_by(spec, call, position, backend)
    generator = torch.Generator().manual_seed(1)
    trace = traced(kernel, call, position)
    by_y = torch.randn(trace.y.shape, generator=generator).to(call.qkv[0].dtype).double()
    by_states = {name: torch.randn(x.shape, generator=generator) for name, x in trace.states.items()}

    def differentiated(given: Given, of: Callable[[Given], tuple[Tensor, dict[str, Tensor]]]) -> list[Tensor]:
        q, k, v = (x.detach().requires_grad_() for x in given.qkv)
        inputs, states = (
            {name: x.detach().requires_grad_(x.is_floating_point()) for name, x in each.items()}
            for each in (given.inputs, given.states)
        )
        leaves = [q, k, v, *(x for x in (*inputs.values(), *states.values()) if x.requires_grad)]
        y, after = of(Given((q, k, v), inputs, states))
        total = (y * by_y.to(y.dtype)).sum()
        total = total.double() + sum((after[name] * by_states[name]).sum() for name in after)
        some = total.requires_grad  # without tokens and states, nothing is read
        found = torch.autograd.grad(total, leaves, allow_unused=True) if some else [None] * len(leaves)
        return [torch.zeros_like(x) if by is None else by for x, by in zip(leaves, found, strict=True)]

    def compiled(given: Given) -> tuple[Tensor, dict[str, Tensor]]:
        y, after = kernel(*given.qkv, state=State(given.states, position), return_state=True, **given.inputs)
        return y, after.values

    def interpreted(given: Given) -> tuple[Tensor, dict[str, Tensor]]:
        found = traced(kernel, given, position)
        return found.y, found.states

    names = [*"qkv", *(name for name, x in call.inputs.items() if x.is_floating_point()), *call.states]
    found = differentiated(call, compiled)
    expected = differentiated(call.double(), interpreted)
    dtype = call.qkv[0].dtype
    noise = allowed(backend, dtype, dtype).rounded
    moved = [differentiated(each, interpreted) for each in several_rounded(call, noise)]
    most = max((by.abs().max() for by in expected[:3] if by.numel()), default=torch.tensor(0.0))
    # Rows of one channel that are normalized have no slope: what they get cancels, and is divided by their lengths.
    shortest = min((x.double().norm(dim=-1).min().clamp(1e-3, 1) for x in call.qkv[1:2] if x.numel()), default=1.0)
    for name, by, right, *others in zip(names, found, expected, *moved, strict=True):
        if right.numel():
            largest = right.abs().maximum(most / shortest)[None, None]
            judged = allowed(backend, by.dtype, dtype)
            by, right, *others = (x[None, None] for x in (by, right, *others))
            close(by, right, others, largest, judged, f"the gradient by {name}")

"""What holds for recurrences whatever their numbers: cuts, the past, the simpler variants in them, flips, widths."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_recurrent_specs import SPECS, calls
from test_specs import FOLDER
from torch import Tensor

import attngen
from attngen.fuzz.recurrent_oracle import Given, agrees, gradients_agree
from attngen.runtime.recurrent import RecurrentKernel, State

FEW = settings(max_examples=max(2, settings().max_examples // 10))
CARRIED_ON = [name for name, variant in SPECS.items() if variant.order is None]


ON_TRITON = ["mamba2", "rwkv6", "gated_deltanet"]
"""One of each kind: its interpreter takes long."""
COMPILED = [*((name, "cpp") for name in CARRIED_ON), *((name, "triton") for name in ON_TRITON)]


@cache
def kernel(name: str, backend: str = "cpp") -> RecurrentKernel:
    built = attngen.build(SPECS[name], backend=backend)
    assert isinstance(built, RecurrentKernel)
    return built


def part_of(call: Given, name: str, tokens: slice) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Some tokens of a call."""
    axes = {one.name: one.axes for one in SPECS[name].inputs}
    inputs = {
        given: x[(slice(None),) * axes[given].index("t") + (tokens,)] if "t" in axes[given] else x
        for given, x in call.inputs.items()
    }
    return [x[:, :, tokens] for x in call.qkv], inputs


@pytest.mark.parametrize(("name", "backend"), COMPILED)
@FEW
@given(data=st.data())
def test_a_cut_changes_nothing(name: str, backend: str, data: st.DataObject) -> None:
    """Prefill and then step by step, or in two calls: as one call."""
    call = data.draw(calls(SPECS[name], most=40 if backend == "cpp" else 20))
    tokens = call.qkv[0].shape[2]
    whole, last = kernel(name, backend)(*call.qkv, state=State(call.states, 0), return_state=True, **call.inputs)
    cut = data.draw(st.integers(0, tokens))
    pieces = [slice(0, cut), slice(cut, tokens)]
    if data.draw(st.booleans()):
        pieces = [slice(0, cut), *(slice(t, t + 1) for t in range(cut, tokens))]
    state, found = State(call.states, 0), []
    for piece in pieces:
        rows, inputs = part_of(call, name, piece)
        y, state = kernel(name, backend).step(*rows, state, **inputs)
        found.append(y)
    size = max(float(whole.abs().max()), 1.0)
    torch.testing.assert_close(torch.cat(found, 2), whole, rtol=1e-4, atol=3e-5 * size)
    for each, value in state.values.items():
        size = max(float(last.values[each].abs().max()), 1.0)
        torch.testing.assert_close(value, last.values[each], rtol=1e-4, atol=3e-5 * size)
    assert state.position == last.position == tokens


@pytest.mark.parametrize(("name", "backend"), COMPILED)
@FEW
@given(data=st.data())
def test_no_later_token_changes_the_past(name: str, backend: str, data: st.DataObject) -> None:
    """Not by a bit."""
    call = data.draw(calls(SPECS[name], most=40 if backend == "cpp" else 20))
    tokens = call.qkv[0].shape[2]
    whole = kernel(name, backend)(*call.qkv, **call.inputs)
    for first in {min(1, tokens), data.draw(st.integers(0, tokens))}:
        rows, inputs = part_of(call, name, slice(0, first))
        assert torch.equal(kernel(name, backend)(*rows, **inputs), whole[:, :, :first])


def rows(tokens: int = 45, heads: int = 2, width: int = 12, values: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, heads, tokens, w, generator=generator) for w in (width, width, values))
    return q, k, v


def alike(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_the_simpler_variant_inside() -> None:
    q, k, v = rows()
    none, gate = torch.zeros(2, 2, 45), -torch.rand(2, 2, 45)
    beta, channels = torch.rand(2, 2, 45), gate[..., None].expand(-1, -1, -1, 12)
    kept = kernel("retention_recurrent")(q, k, v, gamma=torch.ones(2))
    alike(kernel("gla")(q, k, v, g=torch.zeros(2, 2, 45, 12)), kept)
    alike(kernel("gated_deltanet")(q, k, v, g=none, beta=beta), kernel("deltanet")(q, k, v, beta=beta))
    by_channel = kernel("kda")(q, k, v, g=channels, beta=beta)
    alike(by_channel, kernel("gated_deltanet")(q, k, v, g=gate, beta=beta))
    assert torch.equal(kernel("deltanet")(q, k, v, beta=none), torch.zeros_like(v))
    w, u = -torch.rand(2, 12), torch.randn(2, 12)
    constant = w[None, :, None].expand(2, -1, 45, -1)
    alike(kernel("rwkv6")(q, k, v, w=constant, u=u), kernel("rwkv5")(q, k, v, w=w, u=u))
    ones = torch.ones(2, 2, 45)
    plain = kernel("mamba2")(q, k, v, dt=ones, A=torch.zeros(2), skip=torch.zeros(2))
    alike(plain, kept * 12**0.5)


def test_means_of_ones_are_one() -> None:
    q, k, v = rows()
    ones = torch.ones_like(v)
    omega = torch.randn(9, 12, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(kernel("performer")(q, k, ones, omega=omega), ones, rtol=1e-3, atol=1e-3)
    linear = attngen.build(attngen.load(FOLDER / "linear_transformer.attn"), backend="cpp")
    alike(linear(q, k, ones), ones)


def test_backward_is_forward_on_what_is_flipped() -> None:
    q, k, v = rows()
    gamma = torch.tensor([0.9, 0.5])
    flipped = kernel("retention_recurrent")(*(x.flip(2) for x in (q, k, v)), gamma=gamma).flip(2)
    assert torch.equal(kernel("retention_reverse")(q, k, v, gamma=gamma), flipped)


WIDTHS = [(1, 1), (3, 256), (256, 5), (100, 33)]
CASES = [(name, "cpp", *widths) for name in ("gla", "kda", "performer") for widths in WIDTHS]
CASES += [("mamba2", "triton", 72, 40), ("performer", "triton", 5, 40)]


@pytest.mark.parametrize(("name", "backend", "width", "values"), CASES)
def test_widths(name: str, backend: str, width: int, values: int) -> None:
    """In Triton those that programs take in several tiles."""
    variant = SPECS[name]
    q, k, v = rows(19, 2, width, values)
    sizes = {"b": 2, "h": 2, "t": 19, "c": width, "e": values, "m": 130}
    generator = torch.Generator().manual_seed(2)
    inputs = {one.name: torch.rand([sizes[a] for a in one.axes], generator=generator) for one in variant.inputs}
    inputs = {given: -x if given in ("g", "A") else x for given, x in inputs.items()}
    call = Given((q, k / width**0.5, v), inputs, {})
    agrees(variant, call, 0, backend)
    gradients_agree(variant, call, 0, backend)

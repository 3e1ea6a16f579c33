"""Every committed recurrence: its meaning against steps written by hand, its kernels against its meaning."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from by_hand.problem import Array, Inputs
from by_hand.recurrences import BACKWARD, DRAWS, STEPS
from hypothesis import given, settings
from hypothesis import strategies as st
from test_specs import VARIANTS

from attngen.fuzz.recurrent_oracle import Given, agrees, gradients_agree
from attngen.ir.nodes import Recurrent, Variant
from attngen.reference import recurrence

SPECS = {variant.name: variant for variant in VARIANTS if isinstance(variant.body, Recurrent)}
FEW, FEWER = (settings(max_examples=max(least, settings().max_examples // 10)) for least in (3, 2))


@st.composite
def calls(draw: st.DrawFn, variant: Variant, most: int = 40) -> Given:
    """Rows and inputs in float32, and a state or none; q has all heads."""
    tokens, heads = draw(st.integers(1, most)), draw(st.sampled_from([1, 2, 3, 4] if most == 40 else [1, 2]))
    sizes = {"b": draw(st.integers(1, 2)), "h": heads, "t": tokens}
    sizes |= {"m": draw(st.sampled_from([1, 7, 20]))}
    sizes |= {"c": draw(st.sampled_from([1, 4, 16, 23])), "e": draw(st.sampled_from([1, 5, 16]))}
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    shared = [heads] + [draw(st.sampled_from([n for n in range(1, heads + 1) if heads % n == 0])) for _ in "kv"]
    widths = (sizes["c"], sizes["c"], sizes["e"])
    rows = [generator.standard_normal((sizes["b"], n, tokens, w)) for n, w in zip(shared, widths, strict=True)]
    inputs = {one.name: DRAWS[one.name](generator, tuple(sizes[axis] for axis in one.axes)) for one in variant.inputs}
    states = {}
    if not variant.order and draw(st.booleans()):
        for state in variant.recurrent.states:
            states[state.name] = generator.standard_normal([sizes[axis] for axis in ("b", "h", *state.channels)])
    q, k, v = (torch.from_numpy(x).float() for x in rows)
    made = [{name: torch.from_numpy(x).float() for name, x in each.items()} for each in (inputs, states)]
    return Given((q, k, v), *made)


def at_token(variant: Variant, inputs: Inputs, token: int) -> Inputs:
    axes = {one.name: one.axes for one in variant.inputs}
    return {name: x.take(token, axes[name].index("t")) if "t" in axes[name] else x for name, x in inputs.items()}


def _with_keys_first(variant: Variant, state: torch.Tensor) -> torch.Tensor:
    """Axes of states are in the order of their names."""
    return state.mT if variant.recurrent.states[0].channels[0] == "e" else state


def by_hand(variant: Variant, call: Given) -> tuple[Array, Array]:
    """y and the state behind the last token."""
    heads = call.qkv[0].shape[1]
    q, k, v = (x.double().repeat_interleave(heads // x.shape[1], 1).numpy() for x in call.qkv)
    inputs = {name: x.double().numpy() for name, x in call.inputs.items()}
    features = inputs["omega"].shape[0] if "omega" in inputs else q.shape[3]
    state = np.zeros((*q.shape[:2], features, v.shape[3] + ("omega" in inputs)))
    if call.states:
        sums = [call.states["z"][..., None]] if "omega" in inputs else []
        state = torch.cat([_with_keys_first(variant, call.states["S"]), *sums], -1).double().numpy()
    y = np.zeros((*q.shape[:3], v.shape[3]))
    tokens = range(q.shape[2])
    for token in reversed(tokens) if variant.name in BACKWARD else tokens:
        rows = (x[:, :, token] for x in (q, k, v))
        state, y[:, :, token] = STEPS[variant.name](state, *rows, at_token(variant, inputs, token))
    return y, state


def test_every_recurrence_has_a_step() -> None:
    assert set(SPECS) == set(STEPS)


@pytest.mark.parametrize("name", SPECS)
@given(data=st.data())
def test_the_meaning(name: str, data: st.DataObject) -> None:
    variant = SPECS[name]
    call = data.draw(calls(variant))
    found = recurrence(variant, *call.qkv, parameters={}, inputs=call.inputs, states=call.states)
    y, state = by_hand(variant, call)
    np.testing.assert_allclose(found.y.numpy(), y, rtol=1e-9, atol=1e-9)
    after = _with_keys_first(variant, found.states["S"])
    np.testing.assert_allclose(after.numpy(), state[..., : y.shape[-1]], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", SPECS)
@FEW
@given(data=st.data())
def test_cpp(name: str, data: st.DataObject) -> None:
    agrees(SPECS[name], data.draw(calls(SPECS[name])), 0)


@pytest.mark.parametrize("name", SPECS)
@FEW
@given(data=st.data())
def test_gradients(name: str, data: st.DataObject) -> None:
    gradients_agree(SPECS[name], data.draw(calls(SPECS[name])), 0)


@pytest.mark.parametrize("name", SPECS)
@FEWER
@given(data=st.data())
def test_triton(name: str, data: st.DataObject) -> None:
    """Forward and backward; Triton's interpreter is slow."""
    call = data.draw(calls(SPECS[name], most=17))
    agrees(SPECS[name], call, 0, "triton")
    gradients_agree(SPECS[name], call, 0, "triton")

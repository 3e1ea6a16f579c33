"""Kernels of both backends against the interpreter: values within tolerance, masks exactly."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_calls import Limits, calls, one_hot
from kernel_variants import CASES
from oracle import Call, assert_close, expected

import attngen
from attngen.runtime.kernel import Kernel

LIMITS = {"cpp": Limits(tokens=300, pairs=12_000), "triton": Limits(tokens=80, pairs=5_000, heads=(1, 2, 3))}
SLOW = settings(max_examples=4)


@cache
def variant(name: str) -> attngen.Variant:
    return attngen.load(CASES[name].text)


def kernel(name: str, backend: str, call: Call) -> Kernel:
    return attngen.build(variant(name), backend=backend, **call.parameters)


def check_values(name: str, backend: str, call: Call) -> None:
    y, lse = kernel(name, backend, call)(
        call.q, call.k, call.v, scale=call.scale, offset=call.offset, return_lse=True, **call.inputs
    )
    assert_close(expected(variant(name), call), y, lse)


def check_mask(name: str, backend: str, call: Call) -> None:
    """With one-hot values, y shows the weight of every pair."""
    y = kernel(name, backend, call)(call.q, call.k, call.v, scale=call.scale, offset=call.offset, **call.inputs)
    live = expected(variant(name), call).live
    assert torch.equal(y != 0, live)


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
def test_cpp_values(name: str, data: st.DataObject) -> None:
    check_values(name, "cpp", data.draw(calls(CASES[name], LIMITS["cpp"])))


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
def test_cpp_masks(name: str, data: st.DataObject) -> None:
    call = data.draw(calls(CASES[name], LIMITS["cpp"]).filter(lambda call: call.k.shape[2] > 0))
    check_mask(name, "cpp", one_hot(call, range(call.k.shape[2])))


@pytest.mark.parametrize("name", CASES)
@SLOW
@given(data=st.data())
def test_triton_values(name: str, data: st.DataObject) -> None:
    check_values(name, "triton", data.draw(calls(CASES[name], LIMITS["triton"])))


@pytest.mark.parametrize("name", CASES)
@SLOW
@given(data=st.data())
def test_triton_masks(name: str, data: st.DataObject) -> None:
    call = data.draw(calls(CASES[name], LIMITS["triton"]).filter(lambda call: call.k.shape[2] > 0))
    check_mask(name, "triton", one_hot(call, range(call.k.shape[2])))

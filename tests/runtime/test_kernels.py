"""Kernels of both backends against the interpreter: values within tolerance, masks exactly."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_calls import Limits, calls, one_hot
from kernel_variants import CASES
from torch import Tensor

import attngen
from attngen.fuzz.call import Call
from attngen.fuzz.oracle import assert_close, expected
from attngen.ir.nodes import Softmax
from attngen.runtime.module import import_function

LIMITS = {"cpp": Limits(tokens=300, pairs=12_000), "triton": Limits(tokens=80, pairs=4_000, batch=2, heads=(1, 2, 3))}
EXAMPLES = settings().max_examples
HALF, SLOW = settings(max_examples=EXAMPLES // 2), settings(max_examples=max(2, EXAMPLES // 8))


@cache
def variant(name: str) -> attngen.Variant:
    return attngen.load(CASES[name].text)


@cache
def function(name: str, backend: str) -> Callable[..., Any]:
    """The generated function."""
    return import_function(attngen.compile(variant(name), backend), variant(name).name)


def run(name: str, backend: str, call: Call) -> tuple[Tensor, Tensor | None]:
    """y, and the log-sum-exp of a softmax."""
    options: dict[str, Any] = {"scale": call.scale, "offset": call.offset, **call.inputs, **call.parameters}
    if not isinstance(variant(name).pairwise.normalization, Softmax):
        return function(name, backend)(call.q, call.k, call.v, **options), None
    y, lse = function(name, backend)(call.q, call.k, call.v, return_lse=True, **options)
    return y, lse


def check_values(name: str, backend: str, call: Call) -> None:
    assert_close(expected(variant(name), call), *run(name, backend, call))


def check_mask(name: str, backend: str, call: Call) -> None:
    """With one-hot values, y shows the weight of every pair: it is there exactly where the pair is live."""
    y, _ = run(name, backend, call)
    wanted = expected(variant(name), call)
    vanishing = wanted.live & (wanted.y.abs() < 1e-30)
    assert torch.equal((y != 0) | vanishing, wanted.live)


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
def test_cpp_values(name: str, data: st.DataObject) -> None:
    check_values(name, "cpp", data.draw(calls(CASES[name], LIMITS["cpp"])))


@pytest.mark.parametrize("name", CASES)
@HALF
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

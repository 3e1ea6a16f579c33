"""Every committed spec: the gradients of its kernel, and what torch asks of an operator."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_specs import SPECS, kernel, problems, tensors

import attngen
from attngen.fuzz.call import Call
from attngen.fuzz.gradient_oracle import assert_gradients, by_result, gradients, wanted

FEW = settings(max_examples=max(2, settings().max_examples // 12))
LONGEST = {"cpp": 150, "triton": 40}
"""Keys of a call; Triton is interpreted here."""


@st.composite
def calls(draw: st.DrawFn, name: str, longest: int) -> Call:
    """A call of the variant, where heads may share keys and values."""
    problem, *arrays = draw(problems(name, longest))
    q, k, v = (torch.from_numpy(array).float() for array in arrays)
    shared = [heads for heads in (1, 2, 3, 4) if problem.H % heads == 0]
    k, v = (rows[:, : draw(st.sampled_from(shared))] for rows in (k, v))
    return Call(q, k, v, problem.parameters, tensors(problem.inputs, torch.float32), offset=problem.offset)


def built(name: str, backend: str, call: Call) -> attngen.Kernel:
    return kernel(name, backend, tuple(sorted(call.parameters.items())))


@pytest.mark.parametrize("backend", LONGEST)
@pytest.mark.parametrize("name", SPECS)
@FEW
@given(data=st.data())
def test_gradients(name: str, backend: str, data: st.DataObject) -> None:
    call = data.draw(calls(name, LONGEST[backend]))
    dy, dlse = by_result(SPECS[name], call, data.draw(st.integers(0, 99)))
    found = gradients(built(name, backend, call), call, dy, dlse)
    assert_gradients(wanted(SPECS[name], call, dy, dlse), found)
    if backend == "triton":
        return  # interpreted, one program after the other
    again = gradients(built(name, backend, call), call, dy, dlse)
    assert all(torch.equal(one, other) for one, other in zip(found, again, strict=True)), "not the same twice"


def operator_of(made: attngen.Kernel, backend: str) -> Any:
    """The operator that a kernel is."""
    module = sys.modules[made._function(backend).__module__]
    return getattr(torch.ops.attngen, module._NAME).default


def arguments_of(operator: Any, call: Call) -> list[Any]:
    """A call in the order of an operator's schema."""
    trained = {name: given.requires_grad_(given.is_floating_point()) for name, given in call.inputs.items()}
    known = {"q": call.q, "k": call.k, "v": call.v, "offset": call.offset, **trained, **call.parameters}
    names = (argument.name for argument in operator._schema.arguments)
    return [known.get(name, known.get(name.rstrip("_"))) for name in names]


@pytest.mark.parametrize("backend", LONGEST)
@pytest.mark.parametrize("name", SPECS)
@settings(max_examples=1)
@given(data=st.data())
def test_the_operator(name: str, backend: str, data: st.DataObject) -> None:
    call = data.draw(calls(name, LONGEST[backend]))
    operator = operator_of(built(name, backend, call), backend)
    for rows in (call.q, call.k, call.v):
        rows.requires_grad_()
    torch.library.opcheck(operator, tuple(arguments_of(operator, call)))

"""The functions on tensors are those on the host."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attngen.ir.evaluate import HOST
from attngen.ir.functions import FUNCTIONS, SCALAR, Takes
from attngen.reference.functions import TENSOR

INTS = st.integers(-(2**31), 2**31)
FLOATS = st.floats(-20, 20) | st.sampled_from([0.0, 1.0, -1.0, 0.5, 1e6, -1e6])
VALUES = {
    Takes.NUMBERS: [INTS, FLOATS],
    Takes.INTS: [INTS],
    Takes.FLOATS: [FLOATS],
    Takes.ALIKE: [INTS, FLOATS, st.booleans()],
    Takes.ORDERED: [INTS, FLOATS],
    Takes.BOOLS: [st.booleans()],
}
POSITIVE = ("log", "log2", "sqrt", "rsqrt")


def test_every_scalar_function_is_here() -> None:
    assert set(TENSOR) == SCALAR


@pytest.mark.parametrize("name", sorted(HOST))
@given(data=st.data())
def test_the_host_agrees(name: str, data: st.DataObject) -> None:
    function = FUNCTIONS[name]
    values = data.draw(st.sampled_from(VALUES[function.takes]))
    arguments: list[Any] = [data.draw(values) for _ in range(function.arity)]
    if name in ("div", "mod") and arguments[1] == 0:
        arguments[1] = 1
    if name in POSITIVE:
        arguments[0] = abs(arguments[0]) + 0.25
    types = {bool: torch.bool, int: torch.int64, float: torch.float64}
    found = TENSOR[name](*(torch.tensor(argument, dtype=types[type(argument)]) for argument in arguments)).item()
    wanted = HOST[name](*arguments)
    assert type(found) is type(wanted)
    assert found == wanted or math.isclose(found, wanted, rel_tol=1e-13, abs_tol=1e-300) or found != found != wanted


@given(condition=st.booleans(), then=INTS, otherwise=INTS)
def test_if(condition: bool, then: int, otherwise: int) -> None:
    found = TENSOR["if"](torch.tensor(condition), torch.tensor(then), torch.tensor(otherwise))
    assert found.item() == (then if condition else otherwise)

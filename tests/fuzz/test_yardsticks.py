"""What is more than a dtype holds, and sums of parts that were rounded: what passes, and what does not."""

from __future__ import annotations

from math import inf, nan

import pytest
import torch
from torch import Tensor

import attngen
from attngen.fuzz.call import Call
from attngen.fuzz.gradient_oracle import Wanted, assert_gradients
from attngen.fuzz.oracle import Disagreement, held
from attngen.fuzz.rough import left_open

MUCH = 1e6  # more than float16 holds


def half(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float16)


def test_infinity_is_as_good_as_what_a_dtype_does_not_hold() -> None:
    exact = torch.tensor([MUCH, -MUCH, MUCH, 100.0, MUCH], dtype=torch.float64)
    found = held(half(inf, -inf, -inf, inf, nan), exact)
    assert found[:4].tolist() == [MUCH, -MUCH, -inf, inf]
    assert found[4].isnan()


def test_parts_that_were_rounded_may_be_infinite_with_both_signs() -> None:
    found = held(half(nan, nan), torch.tensor([MUCH, 100.0], dtype=torch.float64), added=True)
    assert found[0] == MUCH
    assert found[1].isnan()


def judged(found: float, exact: float, scale: float, rounding: float = 0.0, added: bool = False) -> None:
    """One gradient in float16, whose yardstick makes no error, and that is the sum of terms of that scale."""
    one = torch.tensor([exact], dtype=torch.float64)
    wanted = Wanted(("q",), (one,), (torch.zeros_like(one),), (torch.full_like(one, scale),), torch.float16)
    assert_gradients(wanted, (torch.tensor([found]).double(),), (torch.full_like(one, rounding),), added=added)


def test_what_cancels_may_leave_more_than_a_dtype_holds() -> None:
    judged(inf, 0.0, 1e12)
    judged(nan, 0.0, 1e12, added=True)


@pytest.mark.parametrize("found", [inf, -inf, nan, 101.0])
def test_what_does_not_is_wrong(found: float) -> None:
    with pytest.raises(Disagreement, match="is off by up to"):
        judged(found, 100.0, 100.0)
    with pytest.raises(Disagreement, match="is off by up to"):
        judged(found, 100.0, 100.0, added=True)


def test_parts_are_rounded_before_they_are_added() -> None:
    judged(101.0, 100.0, 100.0, rounding=1.0)
    judged(nan, 100.0, 100.0, rounding=inf)


SPAN = (
    "attention span_(ramp: int = 4) { input span[h]: float  score log(clamp((ramp + span[h] - (i - j)) / ramp, 0, 1)) }"
)
ROPE = "attention rope_ { input f[pair]: float  score dot(rotate(q, i * f[c mod (D div 2)]), k) }"


def beyond(text: str, offset: int, ramp: int = 4, **inputs: Tensor) -> str:
    rows = torch.ones(1, 1, 1, 4)
    parameters = {"ramp": ramp} if "ramp" in text else {}
    call = Call(rows, rows, rows, parameters, inputs, offset=offset)
    return left_open(attngen.load(text), call, torch.ones(1, 1, 1, 1, dtype=torch.bool))


def test_calls_that_no_float_can_judge_are_told() -> None:
    """Float32 cancels what is left of a ramp; and a unit of float64 is much of an angle of 10^11."""
    far, one = 2**31 - 3, torch.ones(1)
    assert beyond(SPAN, far, 2**31, span=one) == "float32 makes its scores infinite"
    assert beyond(SPAN, 2, span=one) == ""
    assert beyond(ROPE, far, f=torch.tensor([1.0, 50.0])) == "float64 leaves its scores open"
    assert beyond(ROPE, far, f=torch.tensor([1.0, 0.1])) == ""

"""Run a recurrence on random tensors, compare it with the interpreter, and time it: `attngen run`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from attngen.ir import nodes
from attngen.ir.evaluate import Number
from attngen.reference import recurrence
from attngen.runtime.build import build
from attngen.runtime.draws import backend_of, device_for, dtype_of, seconds, tensors
from attngen.runtime.kernel import Kernel

COMPARED_TOKENS = 512
"""The interpreter goes token by token: it gets the first ones."""
ROUNDING = {torch.float32: 64 * 2.0**-23, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
"""What a number may be off, of the largest one of its head: one unit in the last place of a y that is rounded, and 64
in float32, because sums go over many tokens. For a state, the largest is that behind any token."""
OF_PRODUCTS = 4
"""How many times that it may be off where what is multiplied is rounded as well: in Triton, but for float32."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The largest difference of y or of a state, by its name, from the interpreter's, and what it may be.

    It is that of the head where it is the largest part of what is allowed.
    """

    name: str
    error: float
    tolerance: float


@dataclass(frozen=True, slots=True)
class RecurrentTrial:
    """What came of a run: y and the states behind the last of `compared_tokens`, against the float64 interpreter."""

    variant: str
    backend: str
    dtype: str
    shape: str
    compared_tokens: int
    differences: tuple[Difference, ...]
    seconds_first: float
    seconds: float

    @property
    def passed(self) -> bool:
        return bool(self.differences) and all(each.error <= each.tolerance for each in self.differences)

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "passed": self.passed}

    def text(self) -> str:
        verdict = "agrees with" if self.passed else "DISAGREES with" if self.differences else "COMPARES NOTHING WITH"
        width = max((len(each.name) for each in self.differences), default=0)
        return "\n".join(
            [
                f"{self.variant} {self.shape} {self.dtype} on {self.backend}: {verdict} the interpreter"
                f" in the first {self.compared_tokens} tokens",
                *(
                    f"  largest error of {each.name:<{width}}  {each.error:.2e} ({each.tolerance:.2e} is allowed)"
                    for each in self.differences
                ),
                f"  first call {self.seconds_first:.2f} s (compiles, unless cached), then {self.seconds * 1e3:.2f} ms",
            ]
        )


def recurrent_trial(
    variant: nodes.Variant, shape: list[int], dtype: str, backend: str, seed: int, parameters: Mapping[str, Number]
) -> RecurrentTrial:
    """Build and run a recurrence on random numbers.

    Args:
        shape: B, H, N, D; or B, H, Hk, N, M, D, E, with M = N.

    Raises:
        CallError: there is no such dtype or backend.
        ValueError: M is not N.
    """
    kind = dtype_of(dtype)
    kernel = build(variant, backend=backend, **dict[str, Any](parameters))
    torch.manual_seed(seed)
    q, k, v, inputs = tensors(variant, shape, kind, device_for(backend), parameters)
    started = time.perf_counter()
    kernel(q, k, v, **inputs)
    first = time.perf_counter() - started
    tokens = min(q.shape[2], COMPARED_TOKENS)
    return RecurrentTrial(
        variant.name,
        backend_of(backend, q),
        dtype,
        "x".join(map(str, shape)),
        tokens,
        differences(
            kernel, q[:, :, :tokens], k[:, :, :tokens], v[:, :, :tokens], first_tokens(variant, inputs, tokens)
        ),
        first,
        seconds(kernel, q, k, v, inputs),
    )


def first_tokens(variant: nodes.Variant, inputs: Mapping[str, Tensor], tokens: int) -> dict[str, Tensor]:
    """What belongs to the first tokens."""
    axes = {name: variant.input(name).axes for name in inputs}
    return {name: x.narrow(axes[name].index("t"), 0, tokens) if "t" in axes[name] else x for name, x in inputs.items()}


def differences(
    kernel: Kernel, q: Tensor, k: Tensor, v: Tensor, inputs: Mapping[str, Tensor]
) -> tuple[Difference, ...]:
    """A call with all these tokens: y, and the states that something is read from. Nothing, where there are none."""
    y, after = kernel(q, k, v, return_state=True, **inputs)
    if not y.numel():
        return ()
    expected = recurrence(kernel.variant, q, k, v, parameters=kernel.parameters, inputs=inputs)
    rounds = backend_of(kernel.backend, q) == "triton" and q.dtype != torch.float32
    part = ROUNDING[q.dtype] * (OF_PRODUCTS if rounds else 1)
    return (
        _difference("y", y, expected.y, part * expected.y.abs()),
        *(
            _difference(name, state, expected.states[name], part * expected.largest[name])
            for name, state in after.values.items()
        ),
    )


def _difference(name: str, found: Tensor, expected: Tensor, allowed: Tensor) -> Difference:
    """The head where most of the largest number that it is allowed is taken; equal infinities don't differ."""
    off = torch.where(found == expected, 0.0, (found.double() - expected).abs())
    error, most = (x.flatten(0, 1).flatten(1).amax(1) for x in (off, allowed))
    head = int((error / most.clamp(min=torch.finfo(torch.float64).tiny)).argmax())
    return Difference(name, error[head].item(), most[head].item())

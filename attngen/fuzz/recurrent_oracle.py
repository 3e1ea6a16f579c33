"""Kernels of recurrences against the interpreter, which goes token by token in float64: calls and tolerances.

Errors are judged by what roundings of the numbers in a call make: 32 times the most that some of them do, and 16 units
of the largest number on the way. Triton rounds rows in half precision, and what they are multiplied by, before that:
there it is 8 times the most that some roundings to their dtype do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from attngen.fuzz.oracle import Disagreement
from attngen.ir.nodes import Variant
from attngen.reference import Trace, recurrence
from attngen.runtime.build import build
from attngen.runtime.recurrent import RecurrentKernel, State

UNITS = {torch.float32: 2.0**-23, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-10}


class Given(NamedTuple):
    """q, k and v, inputs by name, and the states carried into the first token, if any."""

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
    if not found.isfinite().all():
        raise Disagreement(f"{what} is not finite")
    if not (error <= limit).all():
        raise Disagreement(f"{what} is off by {(error / limit).max():.3g} times what is allowed")


def used_by(spec: str | Variant, call: Given, position: int, backend: str) -> tuple[RecurrentKernel, Given, int]:
    """The compiled kernel, the call with the inputs and states it has, and its position; 0 where there is an order."""
    kernel = build(spec, backend=backend)
    assert isinstance(kernel, RecurrentKernel)
    used = {name: call.inputs[name] for name in (each.name for each in kernel.variant.inputs)}
    states = {state.name: call.states[state.name] for state in kernel.variant.recurrent.states if call.states}
    return kernel, call._replace(inputs=used, states=states), 0 if kernel.variant.order else position


def agrees(spec: str | Variant, call: Given, position: int, backend: str = "cpp") -> None:
    """A spec's kernel, with what it takes of the inputs and states, as `kernel_agrees` does."""
    kernel_agrees(*used_by(spec, call, position, backend), backend)


def gradients_agree(spec: str | Variant, call: Given, position: int, backend: str = "cpp") -> None:
    """The same of gradients."""
    kernel_gradients_agree(*used_by(spec, call, position, backend), backend)


def kernel_agrees(kernel: RecurrentKernel, call: Given, position: int, backend: str) -> None:
    """y and the states behind the last token; Triton multiplies in the dtype of q, so states are rounded as that is.

    Raises:
        Disagreement: one is not as right as its dtype allows.
    """
    q = call.qkv[0]
    y, after = compiled(kernel, call, position)
    expected = traced(kernel, call, position)
    if y.shape != expected.y.shape or after.values.keys() != expected.states.keys():
        raise Disagreement(f"y is {list(y.shape)} instead of {list(expected.y.shape)}; states: {[*after.values]}")
    if after.position != position + q.shape[2]:
        raise Disagreement(f"the next token stands at {after.position} instead of {position + q.shape[2]}")
    if not expected.y.numel():
        return
    most = allowed(backend, q.dtype, q.dtype)
    moved = [traced(kernel, each, position) for each in several_rounded(call, most.rounded)]
    close(y, expected.y, [each.y for each in moved], expected.y, most, "y")
    of_states = allowed(backend, torch.float32, q.dtype)
    for name, state in after.values.items():
        by_name = [each.states[name] for each in moved]
        close(state, expected.states[name], by_name, expected.largest[name], of_states, name)


def compiled(kernel: RecurrentKernel, call: Given, position: int) -> tuple[Tensor, State]:
    """What the kernel gives, and the state behind the last token."""
    inputs: dict[str, Any] = call.inputs
    found: tuple[Tensor, State] = kernel(*call.qkv, state=State(call.states, position), return_state=True, **inputs)
    return found


def kernel_gradients_agree(kernel: RecurrentKernel, call: Given, position: int, backend: str) -> None:
    """By everything that is a float, from those by y and by the states behind the last token.

    Raises:
        Disagreement: one is not as right as its dtype allows.
    """
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

    def run(given: Given) -> tuple[Tensor, dict[str, Tensor]]:
        y, after = compiled(kernel, given, position)
        return y, after.values

    def interpreted(given: Given) -> tuple[Tensor, dict[str, Tensor]]:
        found = traced(kernel, given, position)
        return found.y, found.states

    names = [*"qkv", *(name for name, x in call.inputs.items() if x.is_floating_point()), *call.states]
    found = differentiated(call, run)
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

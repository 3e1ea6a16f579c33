"""Kernels of recurrences against the interpreter, which goes token by token in float64: calls and tolerances.

Errors are judged by what roundings of the numbers in a call make: 32 times the most that some of them do, and 16 units
of float32 of the largest number on the way; beside that, a result is rounded to its own dtype. Triton rounds rows in
half precision, and what they are multiplied by, before that: there it is 8 times the most that some roundings to their
dtype do, and 2 of its units.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from attngen.fuzz.laws import parts_of
from attngen.fuzz.oracle import Disagreement, held
from attngen.ir.expr import Apply
from attngen.ir.nodes import Variant
from attngen.reference import Trace, recurrence
from attngen.runtime.build import build
from attngen.runtime.draws import device_for
from attngen.runtime.recurrent import RecurrentKernel, State

UNITS = {torch.float32: 2.0**-23, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-10}


class Given(NamedTuple):
    """q, k and v, inputs by name, and the states carried into the first token, if any."""

    qkv: tuple[Tensor, Tensor, Tensor]
    inputs: dict[str, Tensor]
    states: dict[str, Tensor]
    scale: float | None = None

    def double(self) -> Given:
        """The same in float64."""
        q, k, v = (x.double() for x in self.qkv)
        inputs = {name: x.double() if x.is_floating_point() else x for name, x in self.inputs.items()}
        return Given((q, k, v), inputs, {name: x.double() for name, x in self.states.items()}, self.scale)

    def rounded(self, generator: torch.Generator, unit: float) -> Given:
        """The same, each number off by up to half a unit."""

        def off(x: Tensor) -> Tensor:
            if not x.is_floating_point():
                return x
            return x.double() * (1 + unit / 2 * (2 * torch.rand(x.shape, generator=generator, dtype=torch.float64) - 1))

        q, k, v = map(off, self.qkv)
        inputs = {name: off(x) for name, x in self.inputs.items()}
        return Given((q, k, v), inputs, {name: off(x) for name, x in self.states.items()}, self.scale)

    def with_leaves(self, names: Container[str] | None = None) -> tuple[Given, dict[str, Tensor]]:
        """The same with leaves of its own, and these by name: q, k, v, inputs of floats and states, or some of them."""
        leaves: dict[str, Tensor] = {}

        def own(name: str, given: Tensor) -> Tensor:
            found = given.detach()
            if given.is_floating_point() and (names is None or name in names):
                leaves[name] = found.requires_grad_()
            return found

        q, k, v = (own(name, x) for name, x in zip("qkv", self.qkv, strict=True))
        inputs = {name: own(name, x) for name, x in self.inputs.items()}
        states = {name: own(name, x) for name, x in self.states.items()}
        return Given((q, k, v), inputs, states, self.scale), leaves


def traced(kernel: RecurrentKernel, call: Given, position: int) -> Trace:
    given: dict[str, Any] = {"parameters": kernel.parameters, "inputs": call.inputs, "states": call.states}
    return recurrence(kernel.variant, *call.qkv, offset=position, scale=call.scale, **given)


def several_rounded(call: Given, unit: float) -> list[Given]:
    generator = torch.Generator().manual_seed(0)
    return [call.rounded(generator, unit) for _ in range(3)]


class Allowed(NamedTuple):
    """How far numbers may be off: a part of the largest, and how many times what roundings to a unit do."""

    part: float
    rounded: float
    times: int


def allowed(backend: str, of_rows: torch.dtype) -> Allowed:
    """What a backend may do in a call with rows of a dtype, before it rounds results to theirs."""
    if backend == "triton" and of_rows != torch.float32:
        return Allowed(2 * UNITS[of_rows], UNITS[of_rows], 8)
    return Allowed(16 * UNITS[torch.float32], UNITS[torch.float32], 32)


def close(
    found: Tensor,
    expected: Tensor,
    moved: list[Tensor],
    largest: Tensor,
    most: Allowed,
    what: str,
    *,
    added: bool = False,
) -> None:
    """For each head apart; `added` as `held` has it."""
    dtype = torch.finfo(found.dtype)
    smallest = dtype.smallest_normal * dtype.eps  # less is nothing
    found = held(found, expected, added=added)
    offs = torch.stack([each - expected for each in moved]).abs().amax(0)
    error, off, size = (x.abs().reshape(*x.shape[:2], -1) for x in (found - expected, offs, largest))
    limit = most.times * off.amax(-1, keepdim=True) + most.part * size.amax(-1, keepdim=True) + max(smallest, 1e-30)
    limit = limit + dtype.eps * expected.abs().reshape(error.shape)  # by half of it it is rounded
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


Run = Callable[[RecurrentKernel, Given, int], tuple[Tensor, Mapping[str, Tensor]]]
"""What computes y and the states behind the last token of a call at a position."""


def agrees(spec: str | Variant, call: Given, position: int, backend: str = "cpp") -> None:
    """A spec's kernel, with what it takes of the inputs and states, as `kernel_agrees` does."""
    kernel_agrees(*used_by(spec, call, position, backend), backend)


def gradients_agree(spec: str | Variant, call: Given, position: int, backend: str = "cpp") -> None:
    """The same of gradients."""
    kernel_gradients_agree(*used_by(spec, call, position, backend), backend)


def compiled(kernel: RecurrentKernel, call: Given, position: int) -> tuple[Tensor, Mapping[str, Tensor]]:
    """What the kernel gives in one call.

    Raises:
        Disagreement: it says that the next token stands elsewhere.
    """
    there = device_for(kernel.backend)
    inputs: dict[str, Any] = {name: x.to(there) for name, x in call.inputs.items()}
    q, k, v = (rows.to(there) for rows in call.qkv)
    state = State({name: x.to(there) for name, x in call.states.items()}, position)
    y, after = kernel.step(q, k, v, state, scale=call.scale, **inputs)
    if after.position != position + call.qkv[0].shape[2]:
        raise Disagreement(
            f"the next token stands at {after.position}: {call.qkv[0].shape[2]} tokens behind {position}"
        )
    return y.cpu(), {name: x.cpu() for name, x in after.values.items()}


def kernel_agrees(
    kernel: RecurrentKernel, call: Given, position: int, backend: str, run: Run = compiled, of_states: bool = True
) -> Tensor:
    """y and the states behind the last token; Triton multiplies in the dtype of q, so states are rounded as that is.

    Args:
        of_states: whether `run` gives them.

    Returns:
        y.

    Raises:
        Disagreement: one is not as right as its dtype allows.
    """
    q, (y, states) = call.qkv[0], run(kernel, call, position)
    expected = traced(kernel, call, position)
    if y.shape != expected.y.shape or y.dtype != q.dtype:
        raise Disagreement(f"y is {y.dtype} {list(y.shape)} instead of {q.dtype} {list(expected.y.shape)}")
    if of_states and states.keys() != expected.states.keys():
        raise Disagreement(f"the states are {', '.join(states)} instead of {', '.join(expected.states)}")
    most = allowed(backend, q.dtype)
    moved = [traced(kernel, each, position) for each in several_rounded(call, most.rounded)]
    if expected.y.numel():
        close(y, expected.y, [each.y for each in moved], expected.y, most, "y")
    for name, state in states.items():
        if not state.numel():
            continue
        by_name = [each.states[name] for each in moved]
        close(state, expected.states[name], by_name, expected.largest[name], most, f"the state {name}")
    return y


def kernel_gradients_agree(
    kernel: RecurrentKernel,
    call: Given,
    position: int,
    backend: str,
    run: Run = compiled,
    names: Container[str] | None = None,
    parts: int = 0,
) -> None:
    """By everything that is a float, from those by y and by the states behind the last token.

    Args:
        names: or by these alone.
        parts: as `assert_gradients` has it.

    Raises:
        Disagreement: one is not as right as its dtype allows.
    """
    generator = torch.Generator().manual_seed(1)
    trace = traced(kernel, call, position)
    by_y = torch.randn(trace.y.shape, generator=generator).to(call.qkv[0].dtype).double()
    by_states = {name: torch.randn(x.shape, generator=generator) for name, x in trace.states.items()}
    found = differentiated(run, kernel, call, position, by_y, by_states, names)
    assert_gradients(kernel, call, position, by_y, by_states, found, backend, parts)


def assert_gradients(
    kernel: RecurrentKernel,
    call: Given,
    position: int,
    by_y: Tensor,
    by_states: Mapping[str, Tensor],
    found: Mapping[str, Tensor],
    backend: str,
    parts: int = 0,
) -> None:
    """Gradients by name are as right as their dtypes allow.

    Args:
        parts: how many others, each of which is rounded, are added to what a rank or a call has found itself.

    Raises:
        Disagreement: one isn't.
    """
    dtype = call.qkv[0].dtype

    def interpreted(given: Given) -> dict[str, Tensor]:
        return differentiated(_interpreted, kernel, given, position, by_y, by_states)

    expected = interpreted(call.double())
    moved = [interpreted(each) for each in several_rounded(call, allowed(backend, dtype).rounded)]
    most = max((expected[name].abs().max() for name in "qkv" if expected[name].numel()), default=torch.tensor(0.0))
    normalizes = any(isinstance(part, Apply) and part.function == "l2norm" for part in parts_of(kernel.variant))
    # Rows of one channel that are normalized have no slope: what they get cancels, and is divided by their lengths.
    shortest = min((x.double().norm(dim=-1).min().clamp(1e-3, 1) for x in call.qkv[1:2] if x.numel()), default=1.0)
    for name, by in found.items():
        right = expected[name]
        if right.numel():
            largest = right.abs().maximum(most / (shortest if name == "k" and normalizes else 1.0))[None, None]
            judged = allowed(backend, dtype)
            judged = judged._replace(part=judged.part + parts * torch.finfo(by.dtype).eps / 2)
            one, exact, *others = (x[None, None] for x in (by, right, *(each[name] for each in moved)))
            close(one, exact, others, largest, judged, f"the gradient by {name}", added=parts > 0)


def _interpreted(kernel: RecurrentKernel, call: Given, position: int) -> tuple[Tensor, Mapping[str, Tensor]]:
    found = traced(kernel, call, position)
    return found.y, found.states


def differentiated(
    run: Run,
    kernel: RecurrentKernel,
    call: Given,
    position: int,
    by_y: Tensor,
    by_states: Mapping[str, Tensor],
    names: Container[str] | None = None,
) -> dict[str, Tensor]:
    """By q, k, v, inputs of floats and states, or some of them: of y and the states behind the last token, multiplied
    by these."""
    own, leaves = call.with_leaves(names)
    y, after = run(kernel, own, position)
    total = (y * by_y.to(y.dtype)).sum()
    total = total.double() + sum((after[name] * by_states[name]).sum() for name in after)
    some = total.requires_grad  # without tokens and states, nothing is read
    found = torch.autograd.grad(total, [*leaves.values()], allow_unused=True) if some else [None] * len(leaves)
    return {
        name: torch.zeros_like(leaf) if by is None else by
        for (name, leaf), by in zip(leaves.items(), found, strict=True)
    }

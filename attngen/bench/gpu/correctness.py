"""Whether kernels compute what specs mean on this device: values and gradients, in many small calls.

Errors are judged by what roundings of the numbers in a call make of the interpreter's results, as a root mean square
over a tensor and as its largest number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import attngen
from attngen.bench.gpu.calls import Call, Case, asked_of, cases, drawn, parameters_of
from attngen.bench.gpu.contestants import reason
from attngen.bench.gpu.subjects import is_carried
from attngen.ir.load import load_all
from attngen.ir.nodes import Recurrent, Variant
from attngen.reference import attention, recurrence
from attngen.reference.gradients import gradients_of
from attngen.runtime.checks import check_call
from attngen.runtime.kernel import Kernel

UNITS = {torch.float32: 2.0**-23, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-10}
TIMES = {torch.float32: 32.0, torch.bfloat16: 8.0, torch.float16: 8.0}
"""How many times as far off a kernel may be as roundings of a call's numbers make its results."""
OF_SIZE = {torch.float32: 16.0, torch.bfloat16: 2.0, torch.float16: 2.0}
"""Units of the size of a tensor that it may be off beside: float32's are those of long sums, which roundings of many
numbers of one sign do not show."""
DRAWS = 3
"""How often these are rounded."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one call; `worst`: the tensor whose error is the largest part of what is allowed, and that part.

    `result` is "right", "wrong", "refused" (the spec does not take such a call) or "failed" (it raised).
    """

    spec: str
    case: str
    dtype: str
    result: str
    worst: str = ""
    part: float = 0.0

    @property
    def fine(self) -> bool:
        return self.result in ("right", "refused")

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def checked(
    spec: Path, name: str, dtype: str, width: int, long: int, device: str, backend: str = "triton"
) -> list[Outcome]:
    """All cases of one spec, of up to `long` tokens."""
    variant = next(each for each in load_all(spec) if each.name == name)
    try:
        kernel = attngen.build(variant, backend=backend, **parameters_of(variant))
    except Exception as error:  # what can't be built is a finding, too
        return [Outcome(name, "build", dtype, "failed", reason(error))]
    asked = [case for case in cases(long) if asked_of(variant, case)]
    return [outcome(kernel, case, dtype, width, device) for case in asked]


def outcome(kernel: Kernel, case: Case, dtype: str, width: int, device: str) -> Outcome:
    """Compare one call."""
    variant = kernel.variant
    result = partial(Outcome, variant.name, case.name, dtype)
    try:
        call = drawn(variant, case, dtype, width, device)
        if (refused := _refusal(kernel, call)) is not None:
            return result("refused", refused)
        by_y = torch.randn((*call.q.shape[:3], call.v.shape[3]), device=device).to(call.q.dtype)
        exact = _expected(variant, kernel, _moved(call, 0, variant), by_y)
        others = [_expected(variant, kernel, _moved(call, UNITS[call.q.dtype], variant), by_y) for _ in range(DRAWS)]
        found = _computed(kernel, call, by_y)
    except Exception as error:  # whatever a compiler or a launch raises
        return result("failed", reason(error))
    parts = {
        label: _part(x, exact[label], [each[label] for each in others], TIMES[call.q.dtype])
        for label, x in found.items()
    }
    worst = max(parts, key=parts.__getitem__)
    return result("right" if parts[worst] <= 1 else "wrong", worst, parts[worst])


def _refusal(kernel: Kernel, call: Call) -> str | None:
    """Why a spec does not take a call; what a kernel says itself is not asked, for that may be a fault."""
    given: dict[str, Any] = {"offset": call.offset, "inputs": call.inputs, "parameters": kernel.parameters}
    try:
        check_call(kernel.variant, call.q, call.k, call.v, scale=None, **given)
        if not isinstance(kernel.variant.body, Recurrent):
            attention(kernel.variant, call.q, call.k, call.v, **given)
    except ValueError as error:
        return reason(error)
    return None


def _computed(kernel: Kernel, call: Call, by_y: Tensor) -> dict[str, Tensor]:
    """What the kernel gives: y, the log-sum-exp if there is one, and gradients by rows and inputs."""
    q, k, v, inputs = _leaves(call)
    given = {} if isinstance(kernel.variant.body, Recurrent) else {"offset": call.offset}
    y = kernel(q, k, v, **given, **inputs)
    found = {"y": y.detach()}
    if kernel.has_lse:
        found["lse"] = kernel(call.q, call.k, call.v, return_lse=True, **given, **call.inputs)[1]
    trained = _trained(q, k, v, inputs)
    by = torch.autograd.grad(y, [*trained.values()], by_y, allow_unused=True)
    pairs = zip(trained.items(), by, strict=True)
    return {**found, **{f"d{name}": torch.zeros_like(x) if g is None else g for (name, x), g in pairs}}


def _expected(variant: Variant, kernel: Kernel, call: Call, by_y: Tensor) -> dict[str, Tensor]:
    """The same by the interpreter."""
    q, k, v, inputs = _leaves(call)
    if isinstance(variant.body, Recurrent):
        y, lse = recurrence(variant, q, k, v, parameters=kernel.parameters, inputs=inputs).y, None
    else:
        result = attention(variant, q, k, v, parameters=kernel.parameters, inputs=inputs, offset=call.offset)
        y, lse = result.y, result.lse
    found = {"y": y.detach()} if lse is None else {"y": y.detach(), "lse": lse.detach()}
    trained = _trained(q, k, v, inputs)
    by = gradients_of((y * by_y.double()).sum(), [*trained.values()])
    return {**found, **{f"d{name}": g for name, g in zip(trained, by, strict=True)}}


def _leaves(call: Call) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
    """With gradients, and with the strides that they have."""
    q, k, v = (x.detach().requires_grad_() for x in (call.q, call.k, call.v))
    return q, k, v, {n: x.detach().requires_grad_(x.is_floating_point()) for n, x in call.inputs.items()}


def _trained(q: Tensor, k: Tensor, v: Tensor, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {"q": q, "k": k, "v": v, **{name: x for name, x in inputs.items() if x.requires_grad}}


def _moved(call: Call, unit: float, variant: Variant) -> Call:
    """The call in float64, its numbers off by up to half a unit; inputs by one of float32, unless chunks round them."""

    def off(x: Tensor, unit: float) -> Tensor:
        if not x.is_floating_point():
            return x
        x = x.double()
        return x * (1 + unit / 2 * (2 * torch.rand(x.shape, dtype=x.dtype, device=x.device) - 1))

    q, k, v = (off(x, unit) for x in (call.q, call.k, call.v))
    of_inputs = unit if is_carried(variant) else min(unit, UNITS[torch.float32])
    return Call(q, k, v, {name: off(x, of_inputs) for name, x in call.inputs.items()}, call.offset)


def _part(found: Tensor, exact: Tensor, others: Sequence[Tensor], times: float) -> float:
    """The error as a part of what it may be; infinite for NaN, and up to 1 is fine."""
    if not exact.numel():
        return 0.0
    beside = OF_SIZE[found.dtype] * torch.finfo(found.dtype).eps
    error, size = _off(found.double(), exact), torch.where(exact.isfinite(), exact, 0.0).abs()
    parts = []
    measures: tuple[Callable[[Tensor], Tensor], ...] = (torch.max, _mean_square)
    for measure in measures:
        moved = torch.stack([measure(_off(each, exact)) for each in others]).max()
        parts.append(measure(error) / (times * moved + beside * measure(size) + 1e-30))
    return float(torch.stack(parts).nan_to_num(nan=torch.inf).max())


def _off(found: Tensor, exact: Tensor) -> Tensor:
    """The distance; equal infinities are alike."""
    return torch.where(found == exact, 0.0, (found - exact).abs())


def _mean_square(x: Tensor) -> Tensor:
    return x.square().mean().sqrt()

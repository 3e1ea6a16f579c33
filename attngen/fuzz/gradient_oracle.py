"""What the gradients of a kernel are compared with, and how close they must be.

The gradients are those of autograd through the interpreter, in float64. The yardstick is what float32 PyTorch makes of
scores, weights and their gradients, with y rounded to the kernel's dtype. A gradient's maximal and root-mean-square
error may be twice the yardstick's (four times for float32 kernels), plus two units in the last place of what it is the
sum of; for few numbers, the yardstick is the worst of several orders of the channels, with scores shaken by roundings.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from attngen.fuzz.call import Call, asked, with_leaves
from attngen.fuzz.gradient_yardstick import (
    Forward,
    forward_of,
    handed_down,
    of_values,
    rough_gradients,
    share_of_sink,
    together,
)
from attngen.fuzz.oracle import FACTOR, Disagreement, binade, held
from attngen.fuzz.rough import decided_otherwise, orders, parts
from attngen.ir import nodes
from attngen.reference import attention
from attngen.reference.gradients import gradients_of
from attngen.runtime.kernel import Kernel

SIGNS = 8
"""Random signs by which the terms of a gradient are summed: how large a sum of their rounding errors is."""


@dataclass(frozen=True)
class Wanted:
    """The gradients by q, k, v and inputs in float64; the errors of the yardstick; and the scales of the sums.

    Attributes:
        names: what the gradients go to, as `asked` says.
    """

    names: tuple[str, ...]
    exact: tuple[Tensor, ...]
    errors: tuple[Tensor, ...]
    scales: tuple[Tensor, ...]
    dtype: torch.dtype

    def by(self, names: list[str]) -> Wanted:
        """Some of them."""
        places = [self.names.index(name) for name in names]
        exact, errors, scales = (
            tuple(each[place] for place in places) for each in (self.exact, self.errors, self.scales)
        )
        return Wanted(tuple(names), exact, errors, scales, self.dtype)


def wanted(variant: nodes.Variant, call: Call, dy: Tensor, dlse: Tensor | None) -> Wanted:
    """The gradients of the sum of y * dy, and of lse * dlse where a row sees a key."""
    exact, forward = _exact(variant, call, dy, dlse)
    generator = torch.Generator().manual_seed(0)
    found, otherwise = [], decided_otherwise(variant, call)
    for number in range(orders(forward.y)):
        rough = rough_gradients(variant, call, forward, otherwise, dy, dlse, generator, shakes=number > 0)
        found.append([(held(a.to(call.q.dtype), b) - b).abs() for a, b in zip(rough, exact, strict=True)])
    errors = tuple(torch.stack(each).amax(0) for each in zip(*found, strict=True))
    terms, of_sink = _terms(variant.pairwise, forward, dy, dlse)
    draws = []
    for _ in range(SIGNS):
        signs, more = (torch.randint(0, 2, x.shape, generator=generator) * 2.0 - 1 for x in (terms, of_sink))
        values = of_values(call, signs * forward.weights, dy)
        draws.append(together(handed_down(forward, signs * terms, more * of_sink), values))
    # Where terms are alike, their errors are, too, and a sum is as large as they are together.
    sums = (torch.stack(each).square().mean(0).sqrt() for each in zip(*draws, strict=True))
    scales = tuple(size.maximum(gradient.abs()) for size, gradient in zip(sums, exact, strict=True))
    return Wanted(tuple(asked(call)), exact, errors, scales, call.q.dtype)


def assert_gradients(
    wanted: Wanted, found: tuple[Tensor, ...], roundings: tuple[Tensor, ...] | None = None, *, added: bool = False
) -> None:
    """Gradients by q, k, v and inputs are as right as the dtype allows.

    Args:
        roundings: what each number may be off by beyond that, for it is the sum of parts that were rounded.
        added: from parts that are not known, those of ranks.

    Raises:
        Disagreement: one isn't.
    """
    factor, eps = FACTOR[wanted.dtype], torch.finfo(wanted.dtype).eps
    more = [torch.zeros_like(exact) for exact in wanted.exact] if roundings is None else roundings
    for given, exact, error, scale, gradient, rounding in zip(
        wanted.names, wanted.exact, wanted.errors, wanted.scales, found, more, strict=True
    ):
        name = f"the gradient by {given}"
        if gradient.shape != exact.shape:
            raise Disagreement(f"{name} is {list(gradient.shape)} instead of {list(exact.shape)}")
        if exact.numel() == 0:
            continue
        distance = _distance(gradient.to(wanted.dtype), exact, added)
        distance = torch.where(rounding.isinf(), 0.0, distance)  # a part was more than its dtype holds
        ulp = 2 * eps * binade(scale) + torch.where(rounding.isinf(), 0.0, rounding)
        allowed = factor * error.max() + ulp
        if not allowed.isfinite().all():
            raise Disagreement(f"the yardstick of {name} is not finite, and judges nothing")
        if not bool((distance <= allowed).all()):
            raise Disagreement(f"{name} is off by up to {distance.max():.3g}, where {allowed.max():.3g} is allowed")
        off, rough, last = (each.square().mean().sqrt() for each in (distance, error, ulp))
        if not off <= factor * rough + last:
            raise Disagreement(f"{name} is off by {off:.3g} in the mean, where {factor * rough + last:.3g} is allowed")


def _distance(found: Tensor, exact: Tensor, added: bool) -> Tensor:
    """From what is right, at least: infinity may be no more than the first number that the dtype does not hold, and so
    may NaN be where infinite parts were `added`."""
    near, most = held(found, exact, added=added), torch.finfo(found.dtype).max
    near = torch.where(near.isinf(), near.sign() * most, near)
    if added:
        near = torch.where(near.isnan(), torch.where(exact < 0, -most, most).double(), near)
    return (near - exact).abs().nan_to_num(nan=torch.inf)


def _exact(variant: nodes.Variant, call: Call, dy: Tensor, dlse: Tensor | None) -> tuple[tuple[Tensor, ...], Forward]:
    """The gradients by q, k, v and the inputs of floats."""
    own, (q, k, v, *trained) = with_leaves(call, torch.float64)
    score, extra, values = parts(variant, own)
    result = attention(variant, q, k, v, offset=own.offset, **own.named)
    total = (result.y * dy.double()).sum()
    if dlse is not None and result.lse is not None:
        total = total + torch.where(result.lse == -torch.inf, 0.0, result.lse * dlse.double()).sum()
    exact = gradients_of(total, (q, k, v, *trained))
    fixed = None if extra is None else extra.detach()
    weights, y, lse = forward_of(variant.pairwise, score.detach(), fixed, values.detach(), result.live)
    sink = extra if isinstance(variant.pairwise.normalization, nodes.Softmax) else None
    return exact, Forward((q, k, *trained), score, sink, weights, y, lse, values.detach(), result.live)


def _terms(body: nodes.Pairwise, forward: Forward, dy: Tensor, dlse: Tensor | None) -> tuple[Tensor, Tensor]:
    """How large the terms are that a gradient by a score is the sum of, weight * (dy . v - dy . y), and by a sink."""
    size = dy.double().abs()
    terms = size @ forward.values.abs().mT
    of_row = (size * forward.y.abs()).sum(-1, keepdim=True)
    if dlse is not None:
        of_row = of_row + dlse.double().abs()[..., None]
    if isinstance(body.normalization, (nodes.Softmax, nodes.Sum)):
        terms = terms + of_row
    of_sink = of_row * share_of_sink(forward) if forward.sink is not None else of_row
    if body.logit or terms.shape[-1] == 0:
        return forward.weights * terms, of_sink
    score = forward.score.detach()
    shares = torch.where(score == 0, 0.0, forward.weights / score)
    return torch.where(forward.weights == 0, 0.0, shares.abs().amax(-1, keepdim=True)) * terms, of_sink


def by_result(variant: nodes.Variant, call: Call, seed: int) -> tuple[Tensor, Tensor | None]:
    """Random gradients by y and, for a softmax and every other seed, by its log-sum-exp."""
    generator = torch.Generator().manual_seed(seed)
    dy = torch.randn(call.shape, generator=generator).to(call.q.dtype)
    softmax = isinstance(variant.pairwise.normalization, nodes.Softmax)
    return dy, torch.randn(call.shape[:3], generator=generator) if softmax and seed % 2 else None


def gradients(kernel: Kernel, call: Call, dy: Tensor, dlse: Tensor | None) -> tuple[Tensor, ...]:
    """Of a kernel, by q, k, v and the inputs of floats."""
    own, leaves = with_leaves(call)
    results = kernel(
        own.q, own.k, own.v, scale=call.scale, offset=call.offset, return_lse=dlse is not None, **own.inputs
    )
    found, by = ([results], [dy]) if dlse is None else ([*results], [dy, dlse])
    return torch.autograd.grad(found, leaves, by)

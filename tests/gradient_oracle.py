"""What the gradients of a kernel are compared with, and how close they must be.

The gradients are those of autograd through the interpreter, in float64. The yardstick is what float32 PyTorch makes of
scores, weights and their gradients, with y rounded to the kernel's dtype, handed down in float64. A gradient's maximal
and root-mean-square error may be twice the yardstick's (four times for float32 kernels), plus two units in the last
place of what it is the sum of. Gradients by v are sums of weights, in float32 as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from oracle import FACTOR, Call, InFloat32, _binade, _parts, _softmax, _weighted
from torch import Tensor

from attngen.ir import nodes
from attngen.reference import attention

SIGNS = 8
"""Random signs by which the terms of a gradient are summed: how large a sum of their rounding errors is."""


@dataclass(frozen=True)
class Wanted:
    """The gradients by q, k, v and inputs in float64; the errors of the yardstick; and the scales of the sums."""

    exact: tuple[Tensor, ...]
    errors: tuple[Tensor, ...]
    scales: tuple[Tensor, ...]
    dtype: torch.dtype


@dataclass(frozen=True)
class _Forward:
    """Scores and a sink with the graph that leads to them, weights, y, log-sum-exp, values and the mask.

    `leaves` are q, k and the inputs of floats.
    """

    leaves: tuple[Tensor, ...]
    score: Tensor
    sink: Tensor | None
    weights: Tensor
    y: Tensor
    lse: Tensor | None
    values: Tensor
    live: Tensor


def trained_inputs(call: Call) -> list[str]:
    """The inputs that gradients go to, in the order of a call."""
    return [name for name, given in call.inputs.items() if given.is_floating_point()]


def wanted(variant: nodes.Variant, call: Call, dy: Tensor, dlse: Tensor | None) -> Wanted:
    """The gradients of the sum of y * dy, and of lse * dlse where a row sees a key."""
    exact, forward = _exact(variant, call, dy, dlse)
    by_score, by_sink, rough_weights = _rough(variant, call, forward, dy, dlse)
    rough = _together(_handed_down(forward, by_score, by_sink), _of_values(call, rough_weights, dy))
    generator = torch.Generator().manual_seed(0)
    terms, of_sink = _terms(variant.pairwise, forward, dy, dlse)
    draws = []
    for _ in range(SIGNS):
        signs, more = (torch.randint(0, 2, x.shape, generator=generator) * 2.0 - 1 for x in (terms, of_sink))
        values = _of_values(call, signs * forward.weights, dy)
        draws.append(_together(_handed_down(forward, signs * terms, more * of_sink), values))
    scales = tuple(torch.stack(each).square().mean(0).sqrt() for each in zip(*draws, strict=True))
    errors = tuple((a.to(call.q.dtype).double() - b).abs() for a, b in zip(rough, exact, strict=True))
    return Wanted(exact, errors, scales, call.q.dtype)


def assert_gradients(expected: Wanted, found: tuple[Tensor, ...]) -> None:
    """Gradients are as right as the dtype allows."""
    factor, eps = FACTOR[expected.dtype], torch.finfo(expected.dtype).eps
    names = ["dq", "dk", "dv", *(f"input {k}" for k in range(len(found) - 3))]
    for name, exact, error, scale, gradient in zip(
        names, expected.exact, expected.errors, expected.scales, found, strict=True
    ):
        assert gradient.shape == exact.shape
        if exact.numel() == 0:
            continue
        distance = (gradient.to(expected.dtype).double() - exact).abs().nan_to_num(nan=torch.inf)
        ulp = 2 * eps * _binade(scale)
        assert bool((distance <= factor * error.max() + ulp).all()), (name, "max", distance.max(), error.max())
        mean = [each.square().mean().sqrt() for each in (distance, error, ulp)]
        assert mean[0] <= factor * mean[1] + mean[2], (name, "rms", *mean)


def _together(down: tuple[Tensor, ...], of_values: Tensor) -> tuple[Tensor, ...]:
    """Gradients by q, k, v and inputs."""
    return (down[0], down[1], of_values, *down[2:])


def _handed_down(forward: _Forward, by_score: Tensor, by_sink: Tensor) -> tuple[Tensor, ...]:
    """From gradients by scores and sinks to those by the leaves."""
    down = _gradients(forward.score, forward.leaves, by_score.double())
    if forward.sink is None:
        return down
    more = _gradients(forward.sink, forward.leaves, by_sink.double().sum_to_size(forward.sink.shape))
    return tuple(a + b for a, b in zip(down, more, strict=True))


def _exact(variant: nodes.Variant, call: Call, dy: Tensor, dlse: Tensor | None) -> tuple[tuple[Tensor, ...], _Forward]:
    """The gradients by q, k, v and the inputs of floats."""
    q, k, v = (rows.double().requires_grad_() for rows in (call.q, call.k, call.v))
    trained = {name: call.inputs[name].detach().double().requires_grad_() for name in trained_inputs(call)}
    inputs = {**call.inputs, **trained}
    score, extra, values = _parts(variant, replace(call, q=q, k=k, v=v, inputs=inputs))
    result = attention(
        variant, q, k, v, parameters=call.parameters, inputs=inputs, scale=call.scale, offset=call.offset
    )
    total = (result.y * dy.double()).sum()
    if dlse is not None and result.lse is not None:
        total = total + torch.where(result.lse == -torch.inf, 0.0, result.lse * dlse.double()).sum()
    exact = _gradients(total, (q, k, v, *trained.values()))
    fixed = None if extra is None else extra.detach()
    weights, y, lse = _forward(variant.pairwise, score.detach(), fixed, values.detach(), result.live)
    sink = extra if isinstance(variant.pairwise.normalization, nodes.Softmax) else None
    leaves = (q, k, *trained.values())
    return exact, _Forward(leaves, score, sink, weights, y, lse, values.detach(), result.live)


def _terms(body: nodes.Pairwise, forward: _Forward, dy: Tensor, dlse: Tensor | None) -> tuple[Tensor, Tensor]:
    """How large the terms are that a gradient by a score is the sum of, weight * (dy . v - dy . y), and by a sink."""
    size = dy.double().abs()
    terms = size @ forward.values.abs().mT
    of_row = (size * forward.y.abs()).sum(-1, keepdim=True)
    if dlse is not None:
        of_row = of_row + dlse.double().abs()[..., None]
    if isinstance(body.normalization, (nodes.Softmax, nodes.Sum)):
        terms = terms + of_row
    of_sink = of_row * _share_of_sink(forward) if forward.sink is not None else of_row
    if body.logit or terms.shape[-1] == 0:
        return forward.weights * terms, of_sink
    score = forward.score.detach()
    shares = torch.where(score == 0, 0.0, forward.weights / score)
    return torch.where(forward.weights == 0, 0.0, shares.abs().amax(-1, keepdim=True)) * terms, of_sink


def _share_of_sink(forward: _Forward) -> Tensor:
    """What of each row the sink takes, [B, H, N, 1]."""
    assert forward.sink is not None
    assert forward.lse is not None
    return torch.exp(forward.sink.detach() - forward.lse[..., None])


def _forward(
    body: nodes.Pairwise, score: Tensor, extra: Tensor | None, values: Tensor, live: Tensor
) -> tuple[Tensor, Tensor, Tensor | None]:
    """What y is the weighted sum by, y and log-sum-exp, by a score."""
    if isinstance(body.normalization, nodes.Softmax):
        y, lse = _softmax(score, extra, values, live)
        shift = torch.where(lse == -torch.inf, 0.0, lse)[..., None]
        return torch.where(live, torch.exp(score - shift), 0.0), y, lse
    weights = score.exp() if body.logit else score
    unit = torch.eye(values.shape[-2], dtype=values.dtype).expand(*values.shape[:2], -1, -1)
    shares = _weighted(body.normalization, weights, extra, unit, live)
    return shares, shares @ values, None


def _rough(
    variant: nodes.Variant, call: Call, forward: _Forward, dy: Tensor, dlse: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients by scores and sinks, and the weights, in float32."""
    with InFloat32():
        score, extra, values = _parts(variant, call)
    exact = forward.score.detach()
    score = torch.where((score.double() - exact).abs() > 1e-3 * (1 + exact.abs()), exact.float(), score)
    free = score.detach().requires_grad_()
    weights, y, lse = _forward(variant.pairwise, free, extra, values, forward.live)
    body = variant.pairwise
    if isinstance(body.normalization, nodes.Softmax):
        dp = dy.float() @ values.mT
        delta = (dy.float() * y.detach().to(call.q.dtype).float()).sum(-1, keepdim=True)
        delta = delta - (0 if dlse is None else dlse[..., None])
        assert lse is not None
        share = 0.0 if extra is None else torch.exp(extra - lse.detach()[..., None])
        return weights.detach() * (dp - delta), -share * delta, weights.detach()
    (by_score,) = _gradients((y * dy.float()).sum(), (free,))
    return by_score, by_score.new_zeros(*by_score.shape[:-1], 1), weights.detach()


def _of_values(call: Call, weights: Tensor, dy: Tensor) -> Tensor:
    """The gradient by v, in the precision of the weights."""
    return of_heads(weights.mT @ dy.to(weights.dtype), call.v.shape[1])


def of_heads(gradient: Tensor, heads: int) -> Tensor:
    """The sums over the heads that read the same row."""
    B, groups, tokens, width = gradient.shape
    return gradient.view(B, heads, groups // heads, tokens, width).sum(2)


def _gradients(value: Tensor, leaves: tuple[Tensor, ...], by_value: Tensor | None = None) -> tuple[Tensor, ...]:
    """Autograd's, where a pair that is masked hands nothing down, whatever the slope of its score."""
    if not value.requires_grad:  # nothing is summed
        return tuple(torch.zeros_like(leaf) for leaf in leaves)
    waiting, seen = [value.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            node.register_hook(lambda below, _: tuple(g if g is None else g.nan_to_num(nan=0.0) for g in below))
            waiting += [following for following, _ in node.next_functions]
    found = torch.autograd.grad(value, leaves, by_value, allow_unused=True, retain_graph=True)
    return tuple(torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, found, strict=True))

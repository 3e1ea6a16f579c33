"""The yardstick of gradients: what float32 PyTorch makes of scores, weights and what is handed down from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from attngen.fuzz.call import Call, with_leaves
from attngen.fuzz.rough import InFloat32, in_another_order, parts, shaken, softmax, weighted
from attngen.ir import nodes
from attngen.reference.gradients import gradients_of


@dataclass(frozen=True)
class Forward:
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


def together(down: tuple[Tensor, ...], of_values: Tensor) -> tuple[Tensor, ...]:
    """Gradients by q, k, v and inputs."""
    return (down[0], down[1], of_values, *down[2:])


def handed_down(forward: Forward, by_score: Tensor, by_sink: Tensor) -> tuple[Tensor, ...]:
    """From gradients by scores and sinks to those by the leaves."""
    down = gradients_of(forward.score, forward.leaves, by_score.to(forward.score.dtype))
    if forward.sink is None:
        return down
    by_head = by_sink.to(forward.sink.dtype).sum_to_size(forward.sink.shape)
    more = gradients_of(forward.sink, forward.leaves, by_head)
    return tuple(a + b for a, b in zip(down, more, strict=True))


def share_of_sink(forward: Forward) -> Tensor:
    """What of each row the sink takes, [B, H, N, 1]."""
    assert forward.sink is not None
    assert forward.lse is not None
    return torch.exp(forward.sink.detach() - forward.lse.detach()[..., None])


def forward_of(
    body: nodes.Pairwise, score: Tensor, extra: Tensor | None, values: Tensor, live: Tensor
) -> tuple[Tensor, Tensor, Tensor | None]:
    """What y is the weighted sum by, y and log-sum-exp, by a score."""
    if isinstance(body.normalization, nodes.Softmax):
        y, lse = softmax(score, extra, values, live)
        return _shares(score, lse, live), y, lse
    weights = score.exp() if body.logit else score
    unit = torch.eye(values.shape[-2], dtype=values.dtype).expand(*values.shape[:2], -1, -1)
    shares = weighted(body.normalization, weights, extra, unit, live)
    return shares, shares @ values, None


def _shares(score: Tensor, lse: Tensor, live: Tensor) -> Tensor:
    """The weights of a softmax."""
    return torch.where(live, torch.exp(score - torch.where(lse == -torch.inf, 0.0, lse)[..., None]), 0.0)


def rough_gradients(
    variant: nodes.Variant,
    call: Call,
    forward: Forward,
    otherwise: Tensor,
    dy: Tensor,
    dlse: Tensor | None,
    generator: torch.Generator,
    shakes: bool,
) -> tuple[Tensor, ...]:
    """The gradients in float32."""
    own, (q, k, _, *trained) = with_leaves(call)
    shaking = generator if shakes else None
    with InFloat32(shaking):
        score, extra, values = parts(variant, in_another_order(variant, replace(own, v=call.v), generator), shaking)
    free = torch.where(otherwise, forward.score.detach().float(), score.detach())
    sink = extra if isinstance(variant.pairwise.normalization, nodes.Softmax) else None
    fixed = None if extra is None else extra.detach()
    if shakes:
        free, fixed = shaken(free, generator), None if fixed is None else shaken(fixed, generator)
    free.requires_grad_()
    weights, y, lse = forward_of(variant.pairwise, free, fixed, values, forward.live)
    if shakes and lse is not None:  # shares: others may be too large for the dtype
        y = weights.to(call.q.dtype).float() @ values
        # For gradients, scores are computed anew: where a row sees one key, its weight is not 1 by luck.
        weights = _shares(shaken(free.detach(), generator), lse.detach(), forward.live).to(call.q.dtype).float()
    rough = Forward((q, k, *trained), score, sink, weights.detach(), y.detach(), lse, values, forward.live)
    rounded = (lambda x: shaken(x, generator)) if shakes else (lambda x: x)
    if shakes:  # times what weights are divided by, these rows are rounded before a product, too
        half = torch.finfo(call.q.dtype).eps / 2
        of_products = shaken(dy.float(), generator, half) @ rough.values.mT
    else:
        of_products = dy.float() @ rough.values.mT
    by_score, by_sink = _by_scores(variant.pairwise, rough, free, y, dy, of_products, dlse, call.q.dtype, rounded)
    down = handed_down(rough, torch.where(otherwise, 0.0, by_score), by_sink)
    rest = gradients_of(forward.score, forward.leaves, torch.where(otherwise, by_score, 0.0).double())
    down = tuple(a.double() + b for a, b in zip(down, rest, strict=True))
    return together(down, of_values(call, rough.weights, dy))


def _by_scores(
    body: nodes.Pairwise,
    rough: Forward,
    free: Tensor,
    y: Tensor,
    dy: Tensor,
    of_products: Tensor,
    dlse: Tensor | None,
    dtype: torch.dtype,
    rounded: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor]:
    """The gradients by scores and by the sink of each row; `rounded` shakes numbers, or not."""
    if not isinstance(body.normalization, nodes.Softmax):
        (by_score,) = gradients_of((y * rounded(dy.float())).sum(), (free,))
        return by_score, by_score.new_zeros(*by_score.shape[:-1], 1)
    dp = rounded(of_products)
    delta = rounded((dy.float() * rough.y.to(dtype).float()).sum(-1, keepdim=True))
    delta = delta - (0 if dlse is None else dlse[..., None])
    share = 0.0 if rough.sink is None else share_of_sink(rough)
    return rough.weights * (dp - delta), -share * delta


def of_values(call: Call, weights: Tensor, dy: Tensor) -> Tensor:
    """The gradient by v, in the precision of the weights."""
    return of_heads(weights.mT @ dy.to(weights.dtype), call.v.shape[1])


def of_heads(gradient: Tensor, heads: int) -> Tensor:
    """The sums over the heads that read the same row."""
    B, groups, tokens, width = gradient.shape
    return gradient.view(B, heads, groups // heads, tokens, width).sum(2)

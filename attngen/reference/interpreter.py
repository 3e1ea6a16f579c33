"""The meaning of a spec: a dense float64 computation, written to be obviously right.

It reads the checked tree as the author wrote it, before any pass, and shares nothing with what lies below: no tiles,
no bounds, no rewriting. Every kernel is compared with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from attngen.errors import CallError
from attngen.ir import nodes
from attngen.ir.expr import Expr, Kind, Row
from attngen.reference.scope import Scope
from attngen.reference.values import Value


class Result(NamedTuple):
    """`y` [B, H, N, E] and `lse` [B, H, N] in float64 (`None` without softmax), `live` [B, H, N, M]: the mask."""

    y: Tensor
    lse: Tensor | None
    live: Tensor


def attention(
    variant: nodes.Variant,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    parameters: Mapping[str, int | float | bool],
    inputs: Mapping[str, Tensor] | None = None,
    scale: float | None = None,
    offset: int | Tensor | None = None,
) -> Result:
    """What a pairwise variant computes, as written, for every pair.

    Args:
        q: [B, H, N, D]; k: [B, Hk, M, D]; v: [B, Hv, M, E], with head counts that divide H.
        parameters: a value for each parameter of the variant.
        inputs: a tensor for each input of the variant.
        scale: 1/sqrt(D) unless given.
        offset: the position of query row 0, one number or one per batch row; M - N unless given.

    Raises:
        CallError: an input is read outside of its axes, or an int divided by zero, where the value counts.
    """
    scope = Scope(variant, q, k, v, parameters, inputs or {}, scale, offset)
    body = variant.pairwise
    score, mask = scope.evaluate(body.score), scope.evaluate(body.mask)
    live = scope.dense(mask.tensor, mask.axes)
    _refuse_invalid(scope, score, mask, live)
    values = scope.evaluate(Row(Kind.FLOAT, ("e",), name="v")).tensor
    dense = scope.dense(score.tensor, score.axes)
    if isinstance(body.normalization, nodes.Softmax):
        return _softmax(scope, body.normalization, dense, values, live)
    weights = torch.where(live, dense.exp() if body.logit else dense, 0.0)
    y = weights @ values
    if isinstance(body.normalization, nodes.Sum):
        total = weights.sum(-1, keepdim=True) + _per_head(scope, body.normalization.eps)
        y = torch.where(live.any(-1, keepdim=True), y / total, 0.0)
    elif isinstance(body.normalization, nodes.Count):
        y = y / live.sum(-1, keepdim=True).clamp(min=1)
    return Result(y, None, live)


def _softmax(scope: Scope, softmax: nodes.Softmax, score: Tensor, values: Tensor, live: Tensor) -> Result:
    logits = torch.where(live, score, -torch.inf)
    if softmax.sink is not None:
        column = _per_head(scope, softmax.sink).expand(*logits.shape[:-1], 1)
        logits = torch.cat([logits, column], -1)
    if logits.shape[-1] == 0:
        empty = logits.new_full(logits.shape[:-1], -torch.inf)
        return Result(logits @ values, empty, live)
    top = logits.amax(-1, keepdim=True)
    top = torch.where(top == -torch.inf, 0.0, top)
    # Relative to the largest: exp(score - lse) would lose log(total) where scores are huge.
    weights = torch.exp(logits - top)
    total = weights.sum(-1, keepdim=True)
    share = weights[..., : live.shape[-1]] / torch.where(total == 0, 1.0, total)
    return Result(share @ values, (top + total.log()).squeeze(-1), live)


def _per_head(scope: Scope, expr: Expr) -> Tensor:
    """A value that does not depend on the pair: [B, H, 1, 1]."""
    value = scope.evaluate(expr)
    if value.invalid is not None:
        _refuse(scope, scope.dense(value.invalid, value.axes))
    return scope.per_head(value.tensor, value.axes)


def _refuse_invalid(scope: Scope, score: Value, mask: Value, live: Tensor) -> None:
    """A mask must be valid for every pair, a score where the pair counts."""
    if mask.invalid is not None:
        _refuse(scope, scope.dense(mask.invalid, mask.axes))
    if score.invalid is not None:
        _refuse(scope, scope.dense(score.invalid, score.axes) & live)


def _refuse(scope: Scope, marks: Tensor) -> None:
    if bool(marks.any()):
        b, h, i, j = (int(index) for index in marks.nonzero()[0])
        faults = " or ".join(sorted(scope.faults))
        raise CallError(f"{scope.variant.name}: {faults} at b={b}, h={h}, query {i}, key {j}")

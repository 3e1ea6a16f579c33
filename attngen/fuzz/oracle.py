"""What a kernel's result is compared with, and how close it must be.

The yardstick is the same computation in float32 PyTorch, rounded to the kernel's dtype, against float64. A kernel's
maximal and root-mean-square error may be twice the yardstick's (four times for float32 kernels), plus two units in the
last place of the row's scale: sum_j p_ij |v_j| for y, the sum of what makes it up for the log-sum-exp.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from attngen.fuzz.call import Call
from attngen.fuzz.rough import InFloat32, decided_otherwise, in_another_order, orders, parts, shaken, softmax, weighted
from attngen.ir import nodes
from attngen.reference import attention

CHANNELS = 16
"""A mean over fewer channels than these scatters as single errors do, and these are held against the largest."""
FACTOR = {torch.float32: 4.0, torch.bfloat16: 2.0, torch.float16: 2.0}


class Disagreement(AssertionError):
    """A kernel is not as right as its dtype allows."""


@dataclass(frozen=True)
class Expected:
    """y, log-sum-exp and mask in float64; the errors of each sample of the yardstick; and the scale of each row."""

    y: Tensor
    lse: Tensor | None
    live: Tensor
    y_error: Tensor
    lse_error: Tensor | None
    y_scale: Tensor
    lse_scale: Tensor | None
    dtype: torch.dtype


def expected(variant: nodes.Variant, call: Call) -> Expected:
    """The meaning of a call, and what float32 makes of it."""
    y, lse, live = attention(variant, call.q, call.k, call.v, offset=call.offset, **call.named)
    score, extra, values = parts(variant, call)
    otherwise = decided_otherwise(variant, call)
    samples = [_rough(variant, call, score, otherwise, live, seed) for seed in range(orders(y))]
    y_scale, lse_scale = _scales(variant.pairwise, score, extra, values, live, lse)
    return Expected(
        y=y,
        lse=lse,
        live=live,
        y_error=torch.stack([_error(held(rough_y.to(call.q.dtype), y), y) for rough_y, _ in samples]),
        lse_error=None
        if lse is None
        else torch.stack([_error(rough, lse) for _, rough in samples if rough is not None]),
        y_scale=y_scale.expand_as(y),
        lse_scale=lse_scale,
        dtype=call.q.dtype,
    )


def _scales(
    body: nodes.Pairwise, score: Tensor, extra: Tensor | None, values: Tensor, live: Tensor, lse: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """What y and the log-sum-exp of each row are the sums of, in magnitude."""
    if lse is None:
        weights = (score.exp() if body.logit else score).abs()
        return weighted(body.normalization, weights, extra, values.abs(), live), None
    finite = torch.where(lse == -torch.inf, 0.0, lse)
    logits = torch.where(live, score, -torch.inf)
    weights = torch.exp(logits - finite[..., None])
    terms = torch.where(weights > 0, weights * (logits.abs() - weights.clamp(min=1e-300).log()), 0.0)
    return weights @ values.abs(), terms.sum(-1) + lse.nan_to_num(neginf=0.0).abs()


def _rough(
    variant: nodes.Variant, call: Call, score: Tensor, otherwise: Tensor, live: Tensor, seed: int
) -> tuple[Tensor, Tensor | None]:
    """y and log-sum-exp in float32; each seed adds channels and keys in another order, and all but the first shake
    scores."""
    generator = torch.Generator().manual_seed(seed)
    shuffled = in_another_order(variant, call, generator)
    keys = torch.randperm(call.k.shape[-2], generator=generator)
    shaking = generator if seed else None
    with InFloat32(shaking):
        rough, extra, values = parts(variant, shuffled, shaking)
    rough = torch.where(otherwise, score.float(), rough)
    if seed:
        rough = shaken(rough, generator)
        extra = None if extra is None else shaken(extra, generator)
    body, rough, values, live = variant.pairwise, rough[..., keys], values[..., keys, :], live[..., keys]
    if isinstance(body.normalization, nodes.Softmax):
        return softmax(rough, extra, values, live)
    return weighted(body.normalization, rough.exp() if body.logit else rough, extra, values, live), None


def held(found: Tensor, exact: Tensor, *, added: bool = False) -> Tensor:
    """What was found in float64; where a number is larger than its dtype holds, infinity is as good as the number.

    Args:
        added: from parts that were rounded: then so is NaN, for parts may be infinite with both signs.
    """
    lost = found.isinf() & (found.sign() == exact.sign())
    if added:
        lost = lost | found.isnan()
    beyond = lost & (exact.abs() > torch.finfo(found.dtype).max)
    return torch.where(beyond, exact, found.double())


def _error(rough: Tensor, exact: Tensor) -> Tensor:
    """The distance; two infinities of one sign are alike."""
    return torch.where(rough == exact, 0.0, (rough.double() - exact).abs())


def ratios(wanted: Expected, y: Tensor, lse: Tensor | None) -> dict[str, float]:
    """The errors of a kernel as parts of what they may be, each the worst of all rows: up to 1 is fine."""
    found = {}
    factor = FACTOR[wanted.dtype]
    y_error = _error(held(y, wanted.y), wanted.y)
    ulp = 2 * torch.finfo(wanted.dtype).eps * binade(wanted.y_scale)
    found["y max"] = _worst(y_error, factor * _largest(wanted.y_error) + ulp)
    if y.shape[-1] >= CHANNELS:
        allowed = factor * _largest(_mean_square(wanted.y_error))
        found["y rms"] = _worst(_mean_square(y_error), allowed + _mean_square(ulp))
    if lse is not None:
        assert wanted.lse is not None and wanted.lse_scale is not None and wanted.lse_error is not None
        lse_ulp = 2 * torch.finfo(torch.float32).eps * binade(wanted.lse_scale)
        allowed = FACTOR[torch.float32] * _largest(wanted.lse_error) + lse_ulp
        found["lse max"] = _worst(_error(lse, wanted.lse), allowed)
    return found


def assert_close(wanted: Expected, y: Tensor, lse: Tensor | None) -> None:
    """A kernel's y and log-sum-exp are as right as their dtype allows.

    Raises:
        Disagreement: they aren't.
    """
    _assert_alike("y", y, wanted.dtype, wanted.y)
    if (lse is None) != (wanted.lse is None):
        raise Disagreement("a softmax has a log-sum-exp, and nothing else has")
    if lse is not None and wanted.lse is not None:
        _assert_alike("the log-sum-exp", lse, torch.float32, wanted.lse)
        if not torch.equal(lse == -torch.inf, wanted.lse == -torch.inf):
            raise Disagreement("the log-sum-exp is not -inf exactly where a row is empty")
    _assert_within(ratios(wanted, y, lse))


def assert_y_close(wanted: Expected, y: Tensor) -> None:
    """The same of y alone."""
    _assert_alike("y", y, wanted.dtype, wanted.y)
    _assert_within(ratios(wanted, y, None))


def _assert_within(shares: dict[str, float]) -> None:
    off = {name: ratio for name, ratio in shares.items() if not ratio <= 1}
    if off:
        raise Disagreement(", ".join(f"{name}: {ratio:.3g} times what is allowed" for name, ratio in off.items()))


def _assert_alike(name: str, found: Tensor, dtype: torch.dtype, exact: Tensor) -> None:
    if found.dtype != dtype or found.shape != exact.shape:
        raise Disagreement(f"{name} is {found.dtype} {list(found.shape)} instead of {dtype} {list(exact.shape)}")


def binade(x: Tensor) -> Tensor:
    """The power of two below; times the dtype's epsilon it is the unit in the last place."""
    return torch.where(x > 0, 2.0 ** torch.floor(torch.log2(x.clamp(min=1e-30))), 0.0)


def _largest(x: Tensor) -> Tensor:
    return x.max() if x.numel() else x.new_zeros(())


def _mean_square(x: Tensor) -> Tensor:
    return x.square().mean(-1).sqrt()


def _worst(error: Tensor, allowed: Tensor) -> float:
    """NaN is worse than anything."""
    if not allowed.isfinite().all():
        raise Disagreement("the yardstick is not finite, and judges nothing")
    shares = torch.where(error == 0, 0.0, error / allowed).nan_to_num(nan=torch.inf)
    return float(_largest(shares))

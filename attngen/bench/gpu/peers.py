"""Attention over pairs by what PyTorch offers on a GPU: SDPA forced to cuDNN and to flash, compiled FlexAttention."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as everyone calls it
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from attngen.bench.gpu.contestants import Contestant, Offer
from attngen.bench.gpu.subjects import Subject
from attngen.bench.variants import Mask

FLAGS = {"full": False, "cross": False, "causal": True, "gqa": True, "mqa": True}
"""Specs that SDPA has a fast path for, and whether it is the causal one."""
BACKENDS = {"cudnn": SDPBackend.CUDNN_ATTENTION, "flash": SDPBackend.FLASH_ATTENTION}


def offers(subject: Subject, interpreted: bool) -> Iterator[tuple[str, Callable[[], Offer]]]:
    """Each peer by its name, and how to get it; that may raise what PyTorch likes."""
    for name in BACKENDS:
        yield name, partial(sdpa, subject, name)
    yield "flex", partial(flex, subject, interpreted)


def sdpa(subject: Subject, name: str) -> Offer:
    """One backend of PyTorch's own attention, with a flag."""
    if subject.variant.name not in FLAGS:
        return "has no flag for this variant"
    q, k, v = leaves_of(subject)
    options: dict[str, Any] = {"is_causal": FLAGS[subject.variant.name], "enable_gqa": subject.sizes.grouped}

    def call() -> Tensor:
        with sdpa_kernel(BACKENDS[name]):
            return F.scaled_dot_product_attention(q, k, v, **options)

    return Contestant(call, (q, k, v))


def flex(subject: Subject, interpreted: bool) -> Offer:
    """FlexAttention, compiled; eager where nothing is measured, because compiling it takes long."""
    from torch.nn.attention.flex_attention import flex_attention

    rules = subject.rules
    if rules is None:
        return "is not written down for this variant"
    blocks, seconds = None, None
    if rules.mask is not None:
        _block_mask(subject, rules.mask, interpreted)  # which compiles
        started = time.perf_counter()
        blocks = _block_mask(subject, rules.mask, interpreted)
        _wait(subject)
        seconds = time.perf_counter() - started
    if not interpreted:
        torch._dynamo.reset()
    attention: Any = flex_attention if interpreted else torch.compile(flex_attention, dynamic=False)
    leaves = subject.rows if interpreted else leaves_of(subject)  # on a CPU it refuses gradients
    options = {"score_mod": rules.change, "block_mask": blocks, "scale": rules.scale}
    call = partial(attention, *leaves, enable_gqa=subject.sizes.grouped, **options)
    return Contestant(call, leaves, listed=seconds)


def leaves_of(subject: Subject) -> tuple[Tensor, Tensor, Tensor]:
    """q, k and v, with gradients."""
    q, k, v = (x.detach().requires_grad_() for x in subject.rows)
    return q, k, v


def _block_mask(subject: Subject, rule: Mask, interpreted: bool) -> Any:
    """For all heads at once where they are alike: a mask of 16 heads takes as many times the memory."""
    from torch.nn.attention.flex_attention import create_block_mask

    sizes, device = subject.sizes, subject.rows[0].device
    heads = sizes.heads if _by_head(rule, sizes.heads, device) else None
    options = {} if interpreted else {"_compile": True}  # else all pairs are written down
    return create_block_mask(rule, 1, heads, sizes.tokens, sizes.tokens, device=device, **options)


def _by_head(rule: Mask, heads: int, device: torch.device) -> bool:
    """Whether heads differ."""
    place = torch.zeros(1, 1, dtype=torch.long, device=device)
    return rule(place[None], torch.arange(heads, device=device)[:, None, None], place, place).numel() > 1


def _wait(subject: Subject) -> None:
    if subject.rows[0].is_cuda:
        torch.cuda.synchronize()

"""The same variants by what PyTorch offers: eager, SDPA with its cheapest arguments, compiled FlexAttention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as everyone calls it
from torch import Tensor

from attngen.bench.variants import Mask, Subject

Call = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Sizes:
    """[1, heads, tokens, width], queries and keys alike; keys and values may have fewer heads."""

    heads: int
    tokens: int
    width: int
    key_heads: int | None = None

    @property
    def grouped(self) -> bool:
        """Whether several heads share keys."""
        return self.key_heads not in (None, self.heads)


def rows(sizes: Sizes, dtype: torch.dtype, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Seeded q, k and v."""
    generator = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(1, sizes.heads, sizes.tokens, sizes.width, generator=generator).to(dtype) for _ in range(3))
    return q, k, v


def on_grid(rule: Mask, sizes: Sizes) -> Tensor:
    """A rule for all pairs: [heads or 1, tokens, tokens]."""
    place = torch.arange(sizes.tokens)
    head = torch.arange(sizes.heads)[:, None, None]
    found = rule(torch.zeros(1, 1, 1, dtype=torch.long), head, place[:, None], place)
    return found.expand(-1, sizes.tokens, sizes.tokens) if found.ndim == 3 else found[None]


def eager(subject: Subject, sizes: Sizes, q: Tensor, k: Tensor, v: Tensor) -> Call:
    """Scores of all pairs, as in the paper."""
    scale = sizes.width**-0.5 if subject.scale is None else subject.scale
    mask = None if subject.mask is None else on_grid(subject.mask, sizes)
    place, head = torch.arange(sizes.tokens), torch.arange(sizes.heads)[:, None, None]

    def call() -> Tensor:
        scores = q @ k.mT * scale
        if subject.change is not None:
            scores = subject.change(scores, torch.zeros_like(head), head, place[:, None], place).to(q.dtype)
        return (scores if mask is None else scores.masked_fill(~mask, -torch.inf)).softmax(-1) @ v

    return call


def sdpa(subject: Subject, sizes: Sizes, q: Tensor, k: Tensor, v: Tensor) -> Call | None:
    """PyTorch's own, with a flag where there is one, else with a dense mask; `None` if it can't say the variant."""
    call = partial(F.scaled_dot_product_attention, q, k, v, scale=subject.scale)
    if subject.plain:
        return partial(call, is_causal=subject.name == "causal")
    if subject.change is not None and subject.added is None:
        return None
    assert subject.mask is not None
    mask = on_grid(subject.mask, sizes)
    if subject.added is not None:
        mask = on_grid(subject.added, sizes).masked_fill(~mask, -torch.inf).to(q.dtype)
    return partial(call, attn_mask=mask[None].contiguous())


def block_mask(subject: Subject, sizes: Sizes) -> Any:
    """FlexAttention's list of live blocks, which its users make once for all layers; `None` if all pairs are live."""
    from torch.nn.attention.flex_attention import create_block_mask

    if subject.mask is None:
        return None
    return create_block_mask(subject.mask, 1, sizes.heads, sizes.tokens, sizes.tokens, device="cpu")


def flex(subject: Subject, blocks: Any, q: Tensor, k: Tensor, v: Tensor) -> Call:
    """Compiled FlexAttention."""
    from torch.nn.attention.flex_attention import flex_attention

    torch._dynamo.reset()
    compiled = torch.compile(flex_attention, dynamic=False)
    return partial(compiled, q, k, v, score_mod=subject.change, block_mask=blocks, scale=subject.scale)

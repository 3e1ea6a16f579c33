"""More variants as FlexAttention's users write them: those that GPUs alone are measured with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from attngen.bench.corpus import DRAWS, Draw
from attngen.bench.variants import WINDOW, Mask, Subject, causal


@dataclass(frozen=True, slots=True)
class Given:
    """What variants are made for, and seeded data on the device."""

    folder: Path
    tokens: int
    heads: int
    device: str
    generator: Generator = field(default_factory=lambda: Generator().manual_seed(0))

    def drawn(self, name: str, **parameters: int) -> Tensor:
        """An input as `attngen bench structure` draws it."""
        return DRAWS[name](Draw(self.tokens, self.heads, parameters, self.generator)).to(self.device)

    def subject(self, name: str, mask: Mask | None, file: str | None = None, **given: Any) -> Subject:
        return Subject(name, self.folder / f"{file or name}.attn", mask, **given)


def further_subjects(folder: Path, tokens: int, heads: int, device: str) -> list[Subject]:
    """Over seeded data, which lies on the device."""
    given = Given(folder, tokens, heads, device)
    plain = [given.subject("cross", None), given.subject("gqa", causal), given.subject("mqa", causal)]
    return plain + [make(given) for make in MAKERS]


def _symmetric(given: Given) -> Subject:
    def mask(b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return (i - j).abs() <= WINDOW

    return given.subject("sliding_window_symmetric", mask, parameters={"window": WINDOW})


def _blocks(given: Given) -> Subject:
    return given.subject("block_local", lambda b, h, i, j: i // 512 == j // 512)


def _strided(given: Given) -> Subject:
    return given.subject("sparse_strided", lambda b, h, i, j: (j <= i) & ((i - j < 128) | ((i - j) % 128 == 0)))


def _fixed(given: Given) -> Subject:
    return given.subject("sparse_fixed", lambda b, h, i, j: (j <= i) & ((i // 128 == j // 128) | (j % 128 >= 120)))


def _wrapped(given: Given) -> Subject:
    tokens, half, group = given.tokens, given.heads // 2, max(2, given.tokens // 4)

    def place(h: Tensor, x: Tensor) -> Tensor:
        return torch.where(h >= half, (x - group // 2) % tokens, x)

    def mask(b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        query, key = place(h, i), place(h, j)
        return (key <= query) & (query // group == key // group)

    return given.subject("s2attn_wrap", mask, parameters={"group": group})


def _neighbours(given: Given) -> Subject:
    last = given.tokens - 13

    def mask(b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        start = (i - 6).clamp(0, last)
        return (start <= j) & (j < start + 13)

    return given.subject("natten1d", mask)


def _image(given: Given) -> Subject:
    """An image as high as it is wide, as far as powers of two allow."""
    width = 1 << (given.tokens.bit_length() // 2)
    while given.tokens % width:
        width //= 2
    height = given.tokens // width
    window = min(7, width, height)

    def mask(b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        x = (i % width - window // 2).clamp(0, width - window)
        y = (i // width - window // 2).clamp(0, height - window)
        column, row = j % width, j // width
        return (x <= column) & (column < x + window) & (y <= row) & (row < y + window)

    return given.subject("natten2d", mask, parameters={"width": width, "window": window})


def _with_own_blocks(given: Given) -> Tensor:
    """A fifth of all blocks, and those of queries with their own keys."""
    layout = given.drawn("layout", rows=64, cols=64)
    return layout | torch.eye(layout.shape[1], dtype=torch.bool, device=given.device)


def _layout(given: Given) -> Subject:
    layout = _with_own_blocks(given)
    return given.subject("block_sparse", lambda b, h, i, j: layout[h, i // 64, j // 64], inputs={"layout": layout})


def _causal_layout(given: Given) -> Subject:
    layout = _with_own_blocks(given)
    return given.subject(
        "block_sparse_causal",
        lambda b, h, i, j: (j <= i) & layout[h, i // 64, j // 64],
        "block_sparse",
        inputs={"layout": layout},
    )


def _permuted(given: Given) -> Subject:
    perm = given.drawn("perm", block=512)
    return given.subject("blockbert", lambda b, h, i, j: perm[h, i // 512] == j // 512, inputs={"perm": perm})


def _hashed(given: Given) -> Subject:
    hq, hk, orig_q, orig_k = (given.drawn(name) for name in ("hq", "hk", "orig_q", "orig_k"))
    return given.subject(
        "scfa_hash",
        lambda b, h, i, j: (hq[b, h, i] == hk[b, h, j]) & (orig_k[b, h, j] < orig_q[b, h, i]),
        inputs={"hq": hq, "hk": hk, "orig_q": orig_q, "orig_k": orig_k},
    )


def _dropped(given: Given) -> Subject:
    orig_q, orig_k = given.drawn("orig_q"), given.drawn("orig_k")
    return given.subject(
        "scfa_qk",
        lambda b, h, i, j: orig_k[b, h, j] <= orig_q[b, h, i],
        inputs={"orig_q": orig_q, "orig_k": orig_k},
    )


def _spans(given: Given) -> Subject:
    """Spans up to a quarter of the tokens."""
    span = (given.tokens / 4 * torch.arange(1, given.heads + 1) / given.heads).to(given.device)

    def ramp(s: Tensor, b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return s + torch.log(((32 + span[h] - (i - j)) / 32).clamp(0, 1))

    return given.subject(
        "adaptive_span",
        lambda b, h, i, j: (j <= i) & (i - j < torch.ceil(32 + span[h])),
        change=ramp,
        inputs={"span": span},
    )


MAKERS: tuple[Callable[[Given], Subject], ...] = (
    _symmetric, _blocks, _strided, _fixed, _wrapped, _neighbours, _image,
    _layout, _causal_layout, _permuted, _hashed, _dropped, _spans,
)  # fmt: skip

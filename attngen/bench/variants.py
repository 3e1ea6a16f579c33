"""The variants that are timed, each as a spec, and as FlexAttention's users write it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

Mask = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""From b, h, i and j to whether the pair is live."""
Change = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
"""From a score, b, h, i and j to another score."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One variant. `added` is what peers may add to a score, where `change` does no more than that."""

    name: str
    spec: Path
    mask: Mask | None = None
    change: Change | None = None
    added: Mask | None = None
    scale: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Full or causal: what all peers have a fast path for."""
        return self.name in ("full", "causal")


def subjects(folder: Path, tokens: int, heads: int, device: str = "cpu") -> list[Subject]:
    """Full and causal attention, then twelve masked or scored variants, over seeded data, which lies on the device."""
    plain = [Subject("full", folder / "full.attn"), Subject("causal", folder / "causal.attn", causal)]
    masked = [_windows, _sinks, _prefix, _gemma, _documents, _shifted, _global, _dilated, _bigbird]
    with torch.device(device):
        return plain + [make(folder, tokens, heads) for make in (*masked, _alibi, _softcap, _t5)]


def _uniform(*shape: int) -> Tensor:
    """The same numbers on every device."""
    return torch.rand(shape, generator=Generator().manual_seed(0), device="cpu").to(torch.get_default_device())


WINDOW = 512


def causal(b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
    return j <= i


def _window(b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
    return (j <= i) & (i - j < WINDOW)


def _capped(s: Tensor, b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
    return 50.0 * torch.tanh(s / 50.0)


def _windows(folder: Path, tokens: int, heads: int) -> Subject:
    return Subject("sliding_window", folder / "sliding_window.attn", _window, parameters={"window": WINDOW})


def _sinks(folder: Path, tokens: int, heads: int) -> Subject:
    return Subject(
        "streaming_llm",
        folder / "streaming_llm.attn",
        lambda b, h, i, j: (j <= i) & ((j < 4) | (i - j < WINDOW)),
        parameters={"window": WINDOW},
    )


def _prefix(folder: Path, tokens: int, heads: int) -> Subject:
    prefix = torch.tensor([tokens // 8])
    return Subject(
        "prefix_lm",
        folder / "prefix_lm.attn",
        lambda b, h, i, j: (j <= i) | (j < prefix[b]),
        inputs={"prefix": prefix},
    )


def _gemma(folder: Path, tokens: int, heads: int) -> Subject:
    return Subject("gemma2_local", folder / "gemma2_local.attn", _window, _capped, parameters={"window": WINDOW})


def _documents(folder: Path, tokens: int, heads: int) -> Subject:
    doc = (_uniform(1, tokens) < 1 / 700).long().cumsum(-1)
    return Subject(
        "packed_documents",
        folder / "packed_documents.attn",
        lambda b, h, i, j: (j <= i) & (doc[b, i] == doc[b, j]),
        inputs={"doc": doc},
    )


def _shifted(folder: Path, tokens: int, heads: int) -> Subject:
    group = max(2, tokens // 4)
    shift = torch.where(torch.arange(heads) >= heads // 2, group // 2, 0)
    return Subject(
        "s2attn",
        folder / "s2attn.attn",
        lambda b, h, i, j: (j <= i) & ((i + shift[h]) // group == (j + shift[h]) // group),
        parameters={"group": group},
    )


def _global(folder: Path, tokens: int, heads: int) -> Subject:
    glob = torch.arange(tokens)[None] < 16
    return Subject(
        "longformer",
        folder / "longformer.attn",
        lambda b, h, i, j: ((i - j).abs() <= 256) | glob[b, i] | glob[b, j],
        parameters={"window": 256},
        inputs={"glob": glob},
    )


def _dilated(folder: Path, tokens: int, heads: int) -> Subject:
    dilation = 2 ** (torch.arange(heads) % 3)
    return Subject(
        "dilated_window",
        folder / "dilated_window.attn",
        lambda b, h, i, j: ((i - j).abs() <= 64 * dilation[h]) & ((i - j) % dilation[h] == 0),
        inputs={"dilation": dilation},
    )


def _bigbird(folder: Path, tokens: int, heads: int) -> Subject:
    blocks = -(-tokens // 64)
    random = _uniform(heads, blocks, blocks) < 3 / blocks

    def mask(b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        rows, columns, last = i // 64, j // 64, blocks - 1
        edges = (rows == 0) | (rows == last) | (columns == 0) | (columns == last)
        return ((rows - columns).abs() <= 1) | edges | random[h, rows, columns]

    return Subject("bigbird", folder / "bigbird.attn", mask, inputs={"random": random})


def _alibi(folder: Path, tokens: int, heads: int) -> Subject:
    slope = 2.0 ** (-8 * (torch.arange(heads) + 1) / heads)
    return Subject(
        "alibi",
        folder / "alibi.attn",
        causal,
        lambda s, b, h, i, j: s - slope[h] * (i - j),
        lambda b, h, i, j: -slope[h] * (i - j),
        inputs={"slope": slope},
    )


def _softcap(folder: Path, tokens: int, heads: int) -> Subject:
    return Subject("softcap", folder / "softcap.attn", causal, _capped)


def _t5(folder: Path, tokens: int, heads: int) -> Subject:
    table = torch.randn(32, heads, generator=Generator().manual_seed(0), device="cpu").to(torch.get_default_device())

    def bias(b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        far = (i - j).clamp(min=0)
        rough = 16 + (torch.log(far.clamp(min=16) / 16) / math.log(8) * 16).long()
        return table[torch.where(far < 16, far, rough.clamp(max=31)), h]

    return Subject(
        "t5_bias",
        folder / "t5_bias.attn",
        causal,
        lambda s, b, h, i, j: s + bias(b, h, i, j),
        bias,
        scale=1.0,
        inputs={"table": table},
    )

"""Rows of queries, put together from what blocks of keys have found, in float32.

A block gives rows that are divided by what it has seen, and says what that is: a sum `total` of exponentials that are
relative to `top`, in base two, or a count. Merged rows are means by these sums. Where nothing is seen yet, the sum is
0; a top means nothing then, and is never subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LOG_2 = 0.6931471805599453


@dataclass(slots=True)
class Merged:
    """What some blocks have found for queries; all in float32.

    Attributes:
        y: [B, H, N, E], divided by the sums; or a plain sum, where nothing is normalized.
        top, total: [B, H, N], the sums; `total` counts from `2 ** top`.
        normalized: whether there are any.
    """

    y: Tensor
    top: Tensor
    total: Tensor
    normalized: bool

    @classmethod
    def nothing(cls, shape: tuple[int, int, int, int], device: torch.device, normalized: bool) -> Merged:
        """Before any block."""
        top = torch.zeros(shape[:3], device=device)
        return cls(torch.zeros(shape, device=device), top, torch.zeros_like(top), normalized)

    def add(self, start: int, y: Tensor, stats: Tensor) -> None:
        """What a block has found for queries from `start` on: y [B, H, n, E] and stats [B, H, n, 2]."""
        rows = slice(start, start + y.shape[2])
        mine = self.y[:, :, rows]
        if not self.normalized:
            mine += y
            return
        its_top, share = stats.unbind(-1)
        top, total = self.top[:, :, rows], self.total[:, :, rows]
        its_total = torch.where(share > 0, 1 / share, 0.0)
        new = torch.where(its_total == 0, top, torch.where(total == 0, its_top, top.maximum(its_top)))
        before = torch.where(total > 0, total * torch.exp2(top - new), 0.0)
        now = torch.where(its_total > 0, its_total * torch.exp2(its_top - new), 0.0)
        both = before + now
        share_before, share_now = (torch.where(both > 0, part / both, 0.0).unsqueeze(-1) for part in (before, now))
        mine.copy_(mine * share_before + torch.where(share_now > 0, y.float(), 0.0) * share_now)
        top.copy_(new)
        total.copy_(both)

    @property
    def stats(self) -> Tensor:
        """What backward kernels take of these rows, [B, H, N, 2]: what scores are relative to, and a factor."""
        if not self.normalized:
            return torch.stack([self.top, torch.ones_like(self.top)], -1)
        return torch.stack([self.top, torch.where(self.total > 0, 1 / self.total, 0.0)], -1)

    @property
    def lse(self) -> Tensor:
        """The natural log-sum-exp [B, H, N]; -inf for rows that see no key."""
        return torch.where(self.total > 0, (self.top + self.total.log2()) * LOG_2, -torch.inf)

"""Rows of queries, put together from what blocks of keys have found, in float32.

A block gives rows that are divided by what it has seen, and says what that is: a sum `total` of exponentials that are
relative to `top`, in base two, a sum of weights, or a count. Merged rows are means by these sums. Where nothing is seen
yet, the sum is 0; a top means nothing then, and is never subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

LOG_2 = 0.6931471805599453


class Added(NamedTuple):
    """What is added to the sum of the weights of a row, and what blocks add to it, so that they never divide by 0."""

    once: float = 0.0
    by_blocks: float = 0.0


NOTHING_ADDED = Added()


@dataclass(slots=True)
class Merged:
    """What some blocks have found for queries; all in float32.

    Attributes:
        y: [B, H, N, E], divided by the sums; or a plain sum, where nothing is normalized.
        top, total: [B, H, N], the sums; `total` counts from `2 ** top`. 0 where no key is seen.
        normalized: whether there are any.
        added: what the sums hold beside what was seen.
    """

    y: Tensor
    top: Tensor
    total: Tensor
    normalized: bool
    added: Added = NOTHING_ADDED

    @classmethod
    def nothing(
        cls, shape: tuple[int, int, int, int], device: torch.device, normalized: bool, added: Added = NOTHING_ADDED
    ) -> Merged:
        """Before any block."""
        top = torch.zeros(shape[:3], device=device)
        return cls(torch.zeros(shape, device=device), top, torch.zeros_like(top), normalized, added)

    def add(self, start: int, y: Tensor, stats: Tensor) -> None:
        """What a block has found for queries from `start` on: y [B, H, n, E] and stats [B, H, n, 2]."""
        rows = slice(start, start + y.shape[2])
        mine = self.y[:, :, rows]
        if not self.normalized:
            mine += y
            return
        its_top, share = stats.unbind(-1)  # a share is 0 where no key is seen, and NaN where the whole row will be
        top, total = self.top[:, :, rows], self.total[:, :, rows]
        sees, seen = share != 0, total != 0
        new = torch.where(sees, torch.where(seen, top.maximum(its_top), its_top), top)
        before = torch.where(seen, total * torch.exp2(top - new), 0.0)
        now = torch.exp2(its_top - new) / share  # of no meaning where nothing is seen
        begun = torch.where(seen, before, self.added.once) - self.added.by_blocks
        both = torch.where(sees, begun + now, before)
        shares = [torch.where(sees, part / both, kept).unsqueeze(-1) for part, kept in ((before, 1.0), (now, 0.0))]
        mine.copy_(mine * shares[0] + torch.where(sees.unsqueeze(-1), y.float(), 0.0) * shares[1])
        top.copy_(new)
        total.copy_(both)

    @property
    def stats(self) -> Tensor:
        """What backward kernels take of these rows, [B, H, N, 2]: what scores are relative to, and a factor."""
        if not self.normalized:
            return torch.stack([self.top, torch.ones_like(self.top)], -1)
        return torch.stack([self.top, torch.where(self.total != 0, 1 / self.total, 0.0)], -1)

    @property
    def lse(self) -> Tensor:
        """The natural log-sum-exp [B, H, N]; -inf for rows that see no key."""
        return torch.where(self.total != 0, (self.top + self.total.log2()) * LOG_2, -torch.inf)

"""What takes part in a row: calls with gradients, each in the layout that it likes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Contestant:
    """A way to compute a variant.

    Attributes:
        call: gives y.
        leaves: what gradients go to, in the order of attngen's.
        tokens_first: whether y and leaves have tokens before heads, [B, N, H, ...].
        listed: seconds in which its live blocks were listed before, once for all layers.
    """

    call: Callable[[], Tensor]
    leaves: tuple[Tensor, ...]
    tokens_first: bool = False
    listed: float | None = None

    def forward(self) -> Tensor:
        """y alone, without what a backward pass would need."""
        with torch.no_grad():
            return self.call()

    def trained(self, dy: Tensor) -> Callable[[], list[Tensor]]:
        """A call that gives y and then the gradients of the sum of y * dy, in its own layout."""
        return partial(self._trained, self._turned(dy).contiguous())

    def comparable(self, results: list[Tensor]) -> list[Tensor]:
        """Results as attngen gives them."""
        return [self._turned(x) for x in results]

    def _turned(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2) if self.tokens_first else x

    def _trained(self, dy: Tensor) -> list[Tensor]:
        y = self.call()
        return [y.detach(), *torch.autograd.grad(y, self.leaves, dy)]


Offer = Contestant | str
"""A contestant, or why there is none."""


def reason(error: BaseException) -> str:
    """What an error says, in a line."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}"[:200]

"""A call that was judged, to be compared with others of the same kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from attngen.fuzz.call import Call, interpreted
from attngen.fuzz.oracle import Disagreement
from attngen.ir import nodes

TINY = 1e-37
"""Numbers so small that they lose bits when they are halved."""


@dataclass(frozen=True, slots=True)
class Case:
    """A call that was judged, and how others are.

    Attributes:
        y: what the kernel gives.
        meaning: what the interpreter gives, in float64.
        live: which pairs are; of a recurrence, None.
        run: what the kernel gives for another call.
        near: raises `Disagreement` if another y is further from the meaning than rounding takes it; pairs alone.
        unordered: what a kernel gives that takes keys as they lie, where the spec orders them; pairs alone.
    """

    variant: nodes.Variant
    call: Call
    y: Tensor
    meaning: Tensor
    live: Tensor | None
    run: Callable[[Call], Tensor]
    near: Callable[[Tensor], None]
    unordered: Callable[[], Tensor] | None = None

    def means(self, other: Call, y: Tensor, *, exactly: bool) -> bool:
        """Whether that is what the interpreter gives for another call."""
        found = self.meaning_of(other)
        if found is None:
            return False
        return torch.equal(found, y) if exactly else alike(found, y)

    def meaning_of(self, other: Call) -> Tensor | None:
        """What the interpreter gives for another call, if an input is not too short for it, and all is as asserted."""
        try:
            if self.variant.assertions:
                other.check(self.variant)
            return interpreted(self.variant, other).y
        except ValueError:
            return None


def alike(found: Tensor, y: Tensor) -> bool:
    """Whether two results in float64 are the same but for rounding, as parts of what is largest in a row."""
    return bool(((found - y).abs() <= 1e-9 * y.abs().amax(-1, keepdim=True)).all()) if y.numel() else True


def exactly(what: str, found: Tensor, y: Tensor) -> None:
    """Two results are the same, bit by bit; NaN in the same places.

    Raises:
        Disagreement: they aren't, and this law is broken.
    """
    if not torch.allclose(found.float(), y.float(), rtol=0, atol=TINY, equal_nan=True):
        off = (found.double() - y.double()).abs().max()
        raise Disagreement(f"law broken: {what}; off by up to {off:.3g}")

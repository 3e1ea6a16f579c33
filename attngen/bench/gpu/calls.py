"""Small calls that a kernel must get right: odd lengths, shared keys, strides, offsets, rows that see nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from attngen.ir.nodes import Recurrent, Variant
from attngen.runtime.draws import dtype_of, tensors

SMALL: dict[str, int] = {"window": 40, "block": 32, "group": 64, "rows": 32, "cols": 32, "stride": 16}
"""Sizes that show a mask's structure in few tokens, by the names of parameters."""
OWN: dict[str, dict[str, int]] = {"natten1d": {"window": 13, "stride": 3}, "natten2d": {"width": 10, "window": 3}}
"""What single specs need instead."""
NORMAL = ("omega",)
"""Inputs that are normal numbers: of features that are all alike, gradients would be differences of large numbers."""


@dataclass(frozen=True, slots=True)
class Case:
    """A shape of a call: [2, heads, queries or keys, width], and where its first query stands.

    Attributes:
        offset: `None` where the call gives none; a pair of numbers is one for each batch row.
        strided: whether rows lie apart in memory, each in another way.
    """

    name: str
    heads: int
    key_heads: int
    queries: int
    keys: int
    offset: int | tuple[int, int] | None = None
    strided: bool = False

    @property
    def pairs(self) -> bool:
        """Whether it is asked of attention over pairs alone, since queries are not the keys' tokens."""
        return self.queries != self.keys or self.offset is not None


def cases(long: int) -> tuple[Case, ...]:
    """Of up to that many tokens, from 40 on."""
    odd, few = long - 3, long // 3
    return (
        Case("odd lengths", 2, 2, odd, odd),
        Case("fewer queries than keys", 2, 2, few, long),
        Case("fewer keys than queries", 2, 2, long, few),
        Case("grouped heads", 4, 2, long, long),
        Case("one head of keys", 4, 1, odd, odd),
        Case("strides", 2, 2, odd, odd, strided=True),
        Case("an offset", 2, 2, few, long, 5),
        Case("an offset of each batch row", 2, 2, few, long, (0, long // 2)),
        Case("rows that see nothing", 2, 2, long, long, -few),
    )


class Call(NamedTuple):
    """The arguments of a call."""

    q: Tensor
    k: Tensor
    v: Tensor
    inputs: Mapping[str, Tensor]
    offset: int | Tensor | None


def parameters_of(variant: Variant) -> dict[str, Any]:
    """Small sizes, and defaults."""
    own = OWN.get(variant.name, {})
    known = {given.name: given.default for given in variant.parameters}
    return {name: own.get(name, SMALL.get(name, default)) for name, default in known.items()}


def drawn(variant: Variant, case: Case, dtype: str, width: int, device: str) -> Call:
    """Seeded random arguments, most of them as `attngen run` draws them."""
    torch.manual_seed(0)
    shape = [2, case.heads, case.key_heads, case.queries, case.keys, width, width]
    q, k, v, inputs = tensors(variant, shape, dtype_of(dtype), device, parameters_of(variant))
    inputs |= {name: torch.randn_like(x) for name, x in inputs.items() if name in NORMAL}
    if case.strided:
        q = q.transpose(1, 2).contiguous().transpose(1, 2)
        k = _sliced(k)
        v = v.transpose(2, 3).contiguous().transpose(2, 3)
    offset = case.offset
    return Call(q, k, v, inputs, torch.tensor(offset, device=device) if isinstance(offset, tuple) else offset)


def _sliced(rows: Tensor) -> Tensor:
    """The same numbers, two apart along each axis."""
    wide = rows.new_full([2 * size + 1 for size in rows.shape], torch.nan)
    view = wide[tuple(slice(1, 2 * size + 1, 2) for size in rows.shape)]
    view.copy_(rows)
    return view


def asked_of(variant: Variant, case: Case) -> bool:
    """Whether a spec takes such calls at all."""
    return not (case.pairs and isinstance(variant.body, Recurrent))

"""Calls of recurrent variants, and a comparison of canonical forms with what was written."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from marked import checked
from torch import Tensor

from attngen.analysis.recurrence import canonical, equation
from attngen.ir import nodes
from attngen.reference import recurrence

SIZES = {"b": 2, "h": 2, "t": 7, "n": 7, "i": 7, "j": 7, "c": 4, "e": 3}


class CallOf(NamedTuple):
    qkv: tuple[Tensor, Tensor, Tensor]
    inputs: dict[str, Tensor]


def spec(clauses: str, *, whole: bool = True) -> nodes.Variant:
    """The attention `a` of some clauses; on a line of their own, unless `whole`."""
    return checked(f"attention a {{ {clauses} }}" if whole else f"attention a {{\n{clauses}\n}}")


def random_call(variant: nodes.Variant, seed: int = 0) -> CallOf:
    """Random numbers for every tensor, within the ranges of decays."""
    generator = torch.Generator().manual_seed(seed)

    def numbers(*axes: str) -> Tensor:
        return torch.randn([SIZES.get(axis, 5) for axis in axes], generator=generator, dtype=torch.float64)

    q, k, v = numbers(*"bhtc"), numbers(*"bhtc"), numbers(*"bhte")
    return CallOf((q, k, v), {given.name: -numbers(*given.axes).abs() for given in variant.inputs})


def compared(variant: nodes.Variant, seed: int = 0) -> None:
    """The canonical form computes the same rows and states."""
    call = random_call(variant, seed)
    form = replace(variant, body=equation(canonical(variant)))
    found, expected = (recurrence(each, *call.qkv, parameters={}, inputs=call.inputs) for each in (form, variant))
    torch.testing.assert_close(found.y, expected.y)
    for name, state in found.states.items():
        torch.testing.assert_close(state, expected.states[name])

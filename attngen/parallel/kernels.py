"""The kernels of a variant's blocks, called below autograd: a partition has gradients of its own.

A block's rows come with what says how much they weigh among other blocks of the same queries (`stats`), and its
gradients are asked for with what all blocks together have found.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from attngen.ir.evaluate import Number
from attngen.parallel.blocks import Block
from attngen.runtime.kept import findings
from attngen.runtime.pairwise import PairwiseKernel


@dataclass(frozen=True, slots=True)
class Operators:
    """The forward and backward operators of a generated file.

    `given` are the names of what both take of a call, `trained` those of them that have gradients, in order.
    """

    forward: Any
    backward: Any
    given: tuple[str, ...]
    trained: tuple[str, ...]

    @classmethod
    def of(cls, block: Block, parameters: Mapping[str, Number], backend: str) -> Operators:
        """Those of a block's kernel, which is generated and imported if it is not yet."""
        added = block.numbers()
        kernel = PairwiseKernel(findings(block.variant), {**parameters, **added}, backend)
        module = sys.modules[kernel._function(backend).__module__]
        known = {*parameters, *added, *(given.name for given in block.variant.inputs)}
        named = [argument.name for argument in module._FORWARD._schema.arguments[:-1]]
        given = tuple(name if name in known else name.removesuffix("_") for name in named)
        return cls(module._FORWARD, module._BACKWARD, given, given[: len(module._BACKWARD._schema.returns)])

    def rows(self, call: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        """y [B, H, N, E], and stats [B, H, N, 2]: what scores are relative to, in base two, and what sums of values
        were multiplied by, 0 for rows that see no key."""
        y, _, stats = self.forward(*self._arguments(call), True)
        return y, stats

    def gradients(
        self, call: Mapping[str, Any], of_rows: Sequence[Tensor | None], wanted: Sequence[str]
    ) -> dict[str, Tensor]:
        """The block's part of gradients.

        Args:
            call: what the block was called with, by name.
            of_rows: dy, dlse (or none), y and stats of these queries over all blocks.
            wanted: names of what has gradients.
        """
        asked = [name in wanted for name in self.trained]
        found = self.backward(*of_rows, *self._arguments(call), asked)
        return {name: each for name, each, is_asked in zip(self.trained, found, asked, strict=True) if is_asked}

    def _arguments(self, call: Mapping[str, Any]) -> list[Any]:
        return [call.get(name, False if name == "debug" else None) for name in self.given]

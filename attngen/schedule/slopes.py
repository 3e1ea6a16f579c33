"""Slopes of a score: its derivative by each dot product and each float that it reads of an input."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from attngen.analysis.derivatives import gradients
from attngen.analysis.laws import ONE
from attngen.ir.expr import Expr, Kind, Read, Variable, rewrite
from attngen.passes.factors import gathered
from attngen.passes.fold import folded
from attngen.schedule.levels import Level


@dataclass(frozen=True, slots=True)
class Slope:
    """The derivative of a score by `target`, over the names of the score's statements.

    `level` tells how often it must be computed: a slope that is the same for a head is no array of a tile. `place` are
    the indices of an element over the same names.
    """

    target: Variable | Read
    value: Expr
    level: Level
    place: tuple[Expr, ...] = ()

    @property
    def name(self) -> str:
        """The product's, or the input's."""
        return name_of(self.target)

    @property
    def of_product(self) -> bool:
        return isinstance(self.target, Variable)


def name_of(target: Variable | Read) -> str:
    return target.name if isinstance(target, Variable) else target.input


def slopes_of(score: Expr, products: Collection[str]) -> dict[Variable | Read, Expr]:
    """The derivative of a score by each of its products, which are names in it, and by each element that it reads."""

    def is_leaf(part: Expr) -> bool:
        if part.kind is not Kind.FLOAT:
            return False
        return isinstance(part, Read) or (isinstance(part, Variable) and part.name in products)

    found = gradients(score, ONE, is_leaf)
    simple = {part: gathered(rewrite(slope, folded)) for part, slope in found.items()}
    return {part: slope for part, slope in simple.items() if isinstance(part, (Variable, Read))}

"""Gradients of rows: from those by a row that a product multiplies to those by q or k, and by inputs that it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from attngen.analysis.derivatives import gradients
from attngen.ir.expr import Apply, Expr, Kind, Read, Rechannel, Row, rewrite
from attngen.passes.fold import folded
from attngen.schedule.angles import with_angles
from attngen.schedule.host import Hoisting
from attngen.schedule.levels import Level
from attngen.schedule.names import Namer
from attngen.schedule.statements import Sequence, Statements

GRADIENTS = {"q": Row(Kind.FLOAT, ("c",), name="dq"), "k": Row(Kind.FLOAT, ("c",), name="dk")}
"""The gradients by what a product multiplies."""


@dataclass(frozen=True, slots=True)
class Adjoint(Statements):
    """What a gradient by a row hands down: to each of `shares`, channel by channel, its value over the statements.

    A share of q or k at another channel belongs to that channel; one of an input, to the element that was read.
    """

    shares: tuple[tuple[Row | Rechannel | Read, Expr], ...]

    @property
    def exprs(self) -> tuple[Expr, ...]:
        """All that is computed."""
        return (*(statement.value for statement in self.statements), *(share for _, share in self.shares))


def adjoint(
    row: Expr, name: str, since: Expr | None, axes: Mapping[str, Level], namer: Namer, hoisting: Hoisting
) -> Adjoint:
    """The adjoint of a row of q or k (`name`), which is multiplied by `since` if it grows."""
    gradient: Expr = GRADIENTS[name]
    found = {leaf: rewrite(share, folded) for leaf, share in gradients(row, gradient, _is_leaf).items()}
    exact = Sequence(namer, exact=True, axes=axes)
    turned = {leaf: with_angles(share, exact, hoisting) for leaf, share in found.items()}
    if since is not None:
        grown = Apply(Kind.FLOAT, ("c",), function="*", arguments=(gradient, since))
        turned = {
            leaf: rewrite(share, lambda part: grown if part == gradient else part) for leaf, share in turned.items()
        }
    rough = {leaf: hoisting.hoisted(share, exact=False) for leaf, share in turned.items()}
    sequence = Sequence(namer, exact=False, axes=axes, known=dict(exact.known), levels=dict(exact.levels))
    roots = list(rough.values())
    shares = tuple((leaf, sequence.lowered(share, roots)) for leaf, share in rough.items())
    return Adjoint((*exact.statements, *sequence.statements), shares)  # type: ignore[arg-type]


def _is_leaf(part: Expr) -> bool:
    return part.kind is Kind.FLOAT and isinstance(part, (Row, Rechannel, Read))

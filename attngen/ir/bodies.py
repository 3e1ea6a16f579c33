"""What a body computes, as expressions."""

from __future__ import annotations

from attngen.ir import nodes
from attngen.ir.expr import Expr


def extra_of(normalization: nodes.Normalization) -> Expr | None:
    """What is added to the sum of a row: a sink's score, or eps."""
    match normalization:
        case nodes.Softmax(sink=extra) | nodes.Sum(eps=extra):
            return extra
    return None


def expressions(body: nodes.Body) -> tuple[Expr, ...]:
    """The score, the mask, and a sink or eps; or the updates of states, and what is read from them."""
    if isinstance(body, nodes.Recurrent):
        return (*(state.update for state in body.states), body.out)
    extra = extra_of(body.normalization)
    return (body.score, body.mask, *([] if extra is None else [extra]))

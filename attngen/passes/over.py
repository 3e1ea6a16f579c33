"""Apply a rewriting of expressions to the clauses of a variant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from attngen.ir import nodes
from attngen.ir.expr import Expr

Rewriting = Callable[[Expr], Expr]


def over_expressions(variant: nodes.Variant, rule: Rewriting) -> nodes.Variant:
    """The variant with every expression of its body and order rewritten."""
    order = variant.order and replace(variant.order, step=rule(variant.order.step))
    lets = tuple(replace(let, value=rule(let.value)) for let in variant.lets)
    return replace(variant, order=order, lets=lets, body=_body(variant.body, rule, rule))


def over_scores(variant: nodes.Variant, rule: Rewriting) -> nodes.Variant:
    """The variant with its score or weight, but not its mask, rewritten."""
    return replace(variant, body=_body(variant.body, rule, lambda expr: expr))


def _body(body: nodes.Body, score: Rewriting, others: Rewriting) -> nodes.Body:
    if isinstance(body, nodes.Recurrent):
        states = tuple(replace(state, update=others(state.update)) for state in body.states)
        return replace(body, states=states, out=others(body.out))
    return replace(
        body, score=score(body.score), mask=others(body.mask), normalization=_normalization(body.normalization, others)
    )


def _normalization(normalization: nodes.Normalization, rule: Rewriting) -> nodes.Normalization:
    match normalization:
        case nodes.Softmax(sink=sink) if sink is not None:
            return nodes.Softmax(rule(sink))
        case nodes.Sum(eps=eps):
            return nodes.Sum(rule(eps))
    return normalization

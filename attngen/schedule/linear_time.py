"""Weights over pairs that a state can carry: the plan of the recurrence that they are.

Its kernel takes time that grows with the tokens and no faster, where queries and keys are the same tokens.
"""

from __future__ import annotations

from dataclasses import replace

from attngen.analysis.laws import ZERO, where
from attngen.analysis.recurrence import Carried, equation
from attngen.analysis.separable import NotSeparable, recurrence_of
from attngen.errors import SpecError
from attngen.ir import nodes
from attngen.ir.expr import EARLIER, Apply, Expr, Kind, rewrite, variable
from attngen.passes import simplify
from attngen.schedule.chunks import ChunkPlan, chunk_plan


def linear_time(variant: nodes.Variant) -> ChunkPlan:
    """The plan of a pairwise variant as a recurrence, `<name>_chunks`, over tokens that are queries and keys.

    Raises:
        NotSeparable: it is none, or none that can be compiled yet.
    """
    form = recurrence_of(simplify(variant))
    states = tuple(replace(state, decay=_forgotten(state), within=()) for state in form.states)
    body = equation(replace(form, states=states))
    try:
        return chunk_plan(replace(variant, name=f"{variant.name}_chunks", body=body, order=None, lets=()))
    except SpecError as error:
        (problem, *_) = error.diagnostics
        raise NotSeparable(problem.message, problem.span) from None


def _forgotten(state: Carried) -> Expr:
    """What is left of a state: nothing where an int of `within` is another than at the token before."""
    decay = state.decay
    for value in state.within:
        before = rewrite(value, lambda part: EARLIER if part == variable("t") else part)
        same = Apply(Kind.BOOL, function="==", arguments=(value, before))
        decay = where(same, decay, ZERO)
    return decay

"""Remainders of a position that is solved for: one case for each of two periods, or teeth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attngen.analysis import algebra as al
from attngen.analysis.interval import interval
from attngen.analysis.segments import Teeth
from attngen.ir.expr import Apply, Expr, Variable

if TYPE_CHECKING:
    from attngen.analysis.solve import Solver


def bend(solver: Solver, operand: Expr, period: Expr) -> Expr | None:
    """Where `operand mod period` starts again, if the operand is proved to lie in the periods before and behind."""
    reach = interval(operand, solver)
    for place in (al.ZERO, period):
        least, most = al.subtract(place, period), al.add(place, period)
        if reach.low is None or reach.high is None:
            return None
        if solver.facts.ordered(least, reach.low) and solver.facts.ordered(al.add(reach.high, al.ONE), most):
            return place
    return None


def teeth(solver: Solver, expr: Expr, start: Expr, stop: Expr, period: Expr) -> Teeth | None:
    """The positions for which an int expression lies in [start + n period, stop + n period) for some whole n."""
    mine, rest = solver.parted(expr)
    near, far = solver.ends_of(rest)
    if len(mine) != 1 or near is None or far is None:
        return None
    ((term, factor),) = mine.items()
    start, stop = al.subtract(start, near), al.subtract(stop, far)
    if factor == -1:  # -x in [s, t)  <=>  x in [1 - t, 1 - s)
        start, stop = al.subtract(al.ONE, stop), al.subtract(al.ONE, start)
    elif factor != 1:
        return None
    match term:
        case Variable():
            return Teeth(start, stop, period)
        case Apply(function="div", arguments=(operand, divisor)) if solver.is_positive(divisor):
            # x div g in [s, t)  <=>  x in [s g, t g)
            return teeth(solver, operand, *(al.multiply(end, divisor) for end in (start, stop, period)))
    return None

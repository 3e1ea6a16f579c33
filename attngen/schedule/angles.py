"""Angles and factors of positions and channels in rows: float64 until they are parts of a turn, or meet q or k."""

from __future__ import annotations

import math

from attngen.ir.expr import Apply, Constant, Expr, Kind, Variable, children, with_children
from attngen.schedule.host import Hoisting, is_of_host
from attngen.schedule.rows import is_positional
from attngen.schedule.statements import Sequence

TURNING = {"sin": "sine", "cos": "cosine"}
"""Functions of an angle, and what takes it in turns: of those, float32 need not hold the whole ones."""


def with_angles(row: Expr, exact: Sequence, hoisting: Hoisting) -> Expr:
    """The row with names for what depends on position and channel alone, which is computed in float64."""
    if not _is_exact(row):
        below = children(row)
        visited = tuple(with_angles(child, exact, hoisting) for child in below)
        return row if visited == below else with_children(row, visited)
    assert isinstance(row, Apply)
    turning = row.function in TURNING
    value = hoisting.hoisted(_in_turns(row.arguments[0]) if turning else row, exact=True)
    if value not in exact.known:
        name = exact.namer.fresh(exact.namer.given.get(value, "turns" if turning else "factor"))
        exact.define(name, value, [value])
        exact.known[value] = Variable(Kind.FLOAT, name=name)
    function = TURNING[row.function] if turning else "float"
    return Apply(Kind.FLOAT, row.channels, function=function, arguments=(exact.known[value],))


def _in_turns(angle: Expr) -> Expr:
    part = Constant(Kind.FLOAT, value=1 / (2 * math.pi))
    return Apply(Kind.FLOAT, angle.channels, function="*", arguments=(angle, part))


def _is_exact(expr: Expr) -> bool:
    """Floats of positions and channels; an int that is promoted is exact anyway."""
    if not isinstance(expr, Apply) or expr.kind is not Kind.FLOAT or expr.function == "float":
        return False
    return is_positional(expr) and not is_of_host(expr)

"""The C++ types of a kernel's values: ints of positions have as many bits as the call needs, others 64."""

from __future__ import annotations

from attngen.ir.expr import Apply, Expr, Kind, Read, Size, distinct, variables
from attngen.ir.nodes import AXIS_SIZES
from attngen.schedule.plan import Plan
from attngen.schedule.statements import Statement


def long_names(plan: Plan) -> frozenset[str]:
    """The names of int values that always have 64 bits: elements of inputs, rounded floats, ends of walks."""
    short, long = {"b", "h", "i", "j"}, set[str]()
    values = [(value.name, value.value) for value in plan.host]
    values += [(s.name, s.value) for tile in plan.tiles for s in tile.statements]
    for name, value in values:
        wide = value.kind is Kind.INT and _is_long(value, short)
        (long if wide else short).add(name)
    return frozenset(long)


def _is_long(expr: Expr, short: set[str]) -> bool:
    return any(map(_may_be_long, distinct(expr))) or not variables(expr) <= short


def _may_be_long(part: Expr) -> bool:
    if isinstance(part, Read) and part.kind is Kind.INT:
        return True
    if isinstance(part, Size):
        return part.axis not in AXIS_SIZES.values()
    return isinstance(part, Apply) and part.function in ("floor", "ceil")


def scalar_type(statement: Statement, long: bool) -> str:
    """The C++ type of a statement's value; `long`: an int with 64 bits."""
    match statement.value.kind:
        case Kind.FLOAT:
            return "double" if statement.exact else "float"
        case Kind.BOOL:
            return "bool"
    return "int64_t" if long else "Index"

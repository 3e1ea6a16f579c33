"""Defaults and ranges: constants, and ends that name parameters. `ends` elaborates them all: they share definitions."""

from __future__ import annotations

import math
from dataclasses import replace

from attngen.ir import nodes
from attngen.ir.check.elaborate import INT_MAX, Elaborator
from attngen.ir.check.scope import Scope
from attngen.ir.check.typing import an, to_float
from attngen.ir.evaluate import Number, evaluate
from attngen.ir.expr import Apply, Constant, Expr, Kind, Parameter, distinct
from attngen.language import ast


def default(node: ast.Expr, kind: Kind, names: Scope, ends: Elaborator) -> Number | None:
    """The value of a default, in the kind of its parameter."""
    expr = replace(ends, allow_inf=False).expr(node, names)
    value = None if expr is None else _constant(expr, "a default", ends)
    if expr is None or value is None:
        return None
    if kind is Kind.FLOAT and expr.kind is Kind.INT:
        return float(value)
    if expr.kind is not kind:
        ends.report.error("E0307", f"this default is no {kind.value}", node.span, help=f"write {an(kind)}")
        return None
    if not math.isfinite(value):
        ends.report.error("E0307", f"this default is {value}", node.span, help="write a finite number")
        return None
    return value


def of_parameter(node: ast.Range | None, kind: Kind, names: Scope, ends: Elaborator) -> nodes.Range:
    """The range of a parameter, whose ends are constant."""
    return _range(node, kind, names, ends, constant=True)


def of_input(node: ast.Range | ast.Bound | None, kind: Kind, names: Scope, ends: Elaborator) -> nodes.Range:
    """The range of an input, whose ends may name parameters; `>= 0` is a range, too."""
    if not isinstance(node, ast.Bound):
        return _range(node, kind, names, ends, constant=False)
    if kind is Kind.BOOL:
        ends.report.error("E0308", "a bool has no range", node.span)
        return nodes.Range()
    if node.operator not in ("<", "<=", ">", ">="):
        ends.report.error("E0308", f"`{node.operator}` makes no range", node.span, help="write `>= 0`, or `in [0, 1]`")
        return nodes.Range()
    low = node.operator.startswith(">")
    end = _end(node.value, kind, names, ends, constant=False, low=low)
    closed = node.operator.endswith("=")
    return nodes.Range(low=end, closed_low=closed) if low else nodes.Range(high=end, closed_high=closed)


def contains(bounds: nodes.Range, value: Number) -> bool:
    """Whether a constant range holds a value; NaN is in no range."""
    low, high = constant_end(bounds.low), constant_end(bounds.high)
    above = low is None or (value >= low if bounds.closed_low else value > low)
    below = high is None or (value <= high if bounds.closed_high else value < high)
    return above and below and value == value


def constant_end(end: Expr | None) -> Number | None:
    return end.value if isinstance(end, Constant) else None


def _range(node: ast.Range | None, kind: Kind, names: Scope, ends: Elaborator, constant: bool) -> nodes.Range:
    if node is None:
        return nodes.Range()
    if kind is Kind.BOOL:
        ends.report.error("E0308", "a bool has no range", node.span)
        return nodes.Range()
    low = _end(node.low, kind, names, ends, constant, low=True)
    high = _end(node.high, kind, names, ends, constant, low=False)
    lowest, highest = constant_end(low), constant_end(high)
    if lowest is not None and highest is not None:
        closed = node.closed_low and node.closed_high
        if lowest > highest or (lowest == highest and not closed):
            ends.report.error("E0308", "this range is empty", node.span, help="the lower end comes first")
    return nodes.Range(low, high, node.closed_low, node.closed_high)


def _end(node: ast.Expr, kind: Kind, names: Scope, ends: Elaborator, constant: bool, low: bool) -> Expr | None:
    """One end of a range; infinity is no end at all."""
    expr = ends.expr(node, names)
    if expr is None:
        return None
    if constant or not any(isinstance(part, Parameter) for part in distinct(expr)):
        value = _constant(expr, "the end of a range", ends)
        if value is None or value == (-math.inf if low else math.inf):
            return None
        if not math.isfinite(value):
            ends.report.error("E0308", f"a range can't {'begin' if low else 'end'} at {value}", node.span)
            return None
        expr = Constant(expr.kind, span=expr.span, value=value)
    elif not all(isinstance(part, (Constant, Parameter, Apply)) for part in distinct(expr)):
        ends.report.error("E0307", "the end of a range is made of constants and parameters", expr.span)
        return None
    if expr.kind is kind:
        return expr
    if kind is Kind.FLOAT and expr.kind is Kind.INT:
        return to_float(expr)
    ends.report.error("E0308", f"the range of {an(kind)} has {kind.value} ends", expr.span)
    return None


def _constant(expr: Expr, what: str, ends: Elaborator) -> Number | None:
    ends.weigh(expr)
    try:
        value = evaluate(expr, {})
    except (KeyError, ArithmeticError, ValueError):
        ends.report.error("E0307", f"{what} must be a constant", expr.span)
        return None
    if isinstance(value, int) and abs(value) > INT_MAX:
        ends.report.error("E0216", f"{what} has 64 bits, and this is larger", expr.span)
        return None
    return value

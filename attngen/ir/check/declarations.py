"""Parameters and inputs: their types, axes, defaults and ranges."""

from __future__ import annotations

from attngen.errors import suggest
from attngen.ir import nodes
from attngen.ir.check import reads
from attngen.ir.check.elaborate import Elaborator
from attngen.ir.check.scope import SIZES, Report, Scope
from attngen.ir.check.typing import to_float
from attngen.ir.evaluate import Number, evaluate
from attngen.ir.expr import Constant, Expr, Kind, Parameter, walk
from attngen.language import ast

KINDS = {kind.value: kind for kind in Kind}


def parameter(node: ast.Parameter, names: Scope, report: Report) -> nodes.Parameter:
    """A declared parameter; its default and range are constant."""
    kind = kind_of(node.type, report)
    bounds = _range(node.range, kind, names, report, constant=True)
    default = None
    if node.default is not None:
        default = _default(node.default, kind, names, report)
        if default is not None and not contains(bounds, default):
            report.error(
                "E0307",
                f"the default {default} of `{node.name.text}` is outside of its range",
                node.default.span,
                label=node.range.span.text if node.range else "",
            )
    return nodes.Parameter(node.name.text, kind, default, bounds, node.name.span)


def input_(node: ast.Input, names: Scope, report: Report) -> nodes.Input:
    """A declared input; its range may name parameters."""
    kind = kind_of(node.type, report)
    seen: set[str] = set()
    for axis in node.axes:
        if axis.text in seen:
            report.error("E0215", f"the axis `{axis.text}` stands twice", axis.span, help="give one another name")
        elif axis.text in SIZES:
            report.error(
                "E0215", f"`{axis.text}` is a size; axes are named by their index", axis.span, help=_axes_help()
            )
        seen.add(axis.text)
    is_sorted = node.flag is not None
    if node.flag is not None and node.flag.text != "sorted":
        help = suggest(node.flag.text, ["sorted"]) or "the only word here is `sorted`"
        report.error("E0306", f"`{node.flag.text}` says nothing about an input", node.flag.span, help=help)
    bounds = _range(node.range, kind, names, report, constant=False)
    axes = tuple(axis.text for axis in node.axes)
    return nodes.Input(node.name.text, axes, kind, bounds, is_sorted, node.name.span)


def own_axes(inputs: tuple[nodes.Input, ...]) -> set[str]:
    return {axis for given in inputs for axis in reads.own_axes(given)}


def kind_of(word: ast.Word, report: Report) -> Kind:
    if word.text in KINDS:
        return KINDS[word.text]
    help = suggest(word.text, KINDS) or "types are `int`, `float` and `bool`"
    report.error("E0214", f"there is no type `{word.text}`", word.span, help=help)
    return Kind.FLOAT


def contains(bounds: nodes.Range, value: Number) -> bool:
    """Whether a constant range holds a value; NaN is in no range."""
    low, high = constant_end(bounds.low), constant_end(bounds.high)
    above = low is None or (value >= low if bounds.closed_low else value > low)
    below = high is None or (value <= high if bounds.closed_high else value < high)
    return above and below and value == value


def constant_end(end: Expr | None) -> Number | None:
    return None if end is None or any(isinstance(node, Parameter) for node in walk(end)) else evaluate(end, {})


def _default(node: ast.Expr, kind: Kind, names: Scope, report: Report) -> Number | None:
    expr = Elaborator(report).expr(node, names)
    if expr is None:
        return None
    value = _constant(expr, "a default", report)
    if value is None:
        return None
    if kind is Kind.FLOAT and expr.kind is Kind.INT:
        return float(value)
    if expr.kind is not kind:
        article = "an" if kind is Kind.INT else "a"
        report.error("E0307", f"this default is no {kind.value}", node.span, help=f"write {article} {kind.value}")
        return None
    return value


def _constant(expr: Expr, what: str, report: Report) -> Number | None:
    try:
        return evaluate(expr, {})
    except (KeyError, ArithmeticError, ValueError):
        report.error("E0307", f"{what} must be a constant", expr.span)
        return None


def _range(node: ast.Range | ast.Bound | None, kind: Kind, names: Scope, report: Report, constant: bool) -> nodes.Range:
    if node is None:
        return nodes.Range()
    if kind is Kind.BOOL:
        report.error("E0308", "a bool has no range", node.span)
        return nodes.Range()
    if isinstance(node, ast.Bound):
        return _bound(node, kind, names, report)
    low = _end(node.low, kind, names, report, constant)
    high = _end(node.high, kind, names, report, constant)
    bounds = nodes.Range(low, high, node.closed_low, node.closed_high)
    ends = constant_end(low), constant_end(high)
    if ends[0] is not None and ends[1] is not None:
        closed = node.closed_low and node.closed_high
        if ends[0] > ends[1] or (ends[0] == ends[1] and not closed):
            report.error("E0308", "this range is empty", node.span, help="the lower end comes first")
    return bounds


def _bound(node: ast.Bound, kind: Kind, names: Scope, report: Report) -> nodes.Range:
    end = _end(node.value, kind, names, report, constant=False)
    closed = node.operator.endswith("=")
    if node.operator in (">", ">="):
        return nodes.Range(low=end, closed_low=closed)
    if node.operator in ("<", "<="):
        return nodes.Range(high=end, closed_high=closed)
    report.error("E0308", f"`{node.operator}` makes no range", node.span, help="write `>= 0`, or `in [0, 1]`")
    return nodes.Range()


def _end(node: ast.Expr, kind: Kind, names: Scope, report: Report, constant: bool) -> Expr | None:
    """One end of a range; an infinite one is no end at all."""
    expr = Elaborator(report, allow_inf=True).expr(node, names)
    if expr is None:
        return None
    if constant or not any(isinstance(part, Parameter) for part in walk(expr)):
        value = _constant(expr, "the end of a range", report)
        if value is None or abs(value) == float("inf"):
            return None
        expr = Constant(expr.kind, span=expr.span, value=value)
    elif any(not isinstance(part, (Constant, Parameter)) and not hasattr(part, "arguments") for part in walk(expr)):
        report.error("E0307", "the end of a range is made of constants and parameters", expr.span)
        return None
    if kind is Kind.FLOAT:
        return to_float(expr)
    if expr.kind is not Kind.INT:
        report.error("E0308", "the range of an int has int ends", expr.span)
        return None
    return expr


def _axes_help() -> str:
    return "`b h i j n t c e` have a meaning (`n`: any position); any other name is an axis of its own"

"""Calls: functions of the language, definitions, `size` and `prev`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from attngen.errors import Span
from attngen.ir import nodes
from attngen.ir.check.report import Report
from attngen.ir.check.scope import FUNCTION_NAMES, ROWS, Binding, Definition, Scope, Value
from attngen.ir.expr import EARLIER, Apply, Expr, Kind, Read, Row, Size, rewrite, variable, variables
from attngen.ir.functions import CALLABLE, FUNCTIONS
from attngen.language import ast

if TYPE_CHECKING:
    from attngen.ir.check.elaborate import Elaborator


ELSEWHERE = {
    "where": "a choice is written `if condition then a else b`",
    "select": "a choice is written `if condition then a else b`",
    "softmax": "softmax over the keys is what a `score` has anyway; `normalize` names another normalizer",
    "pow": "powers are written `x ^ y`",
    "matmul": "the product of two rows is `dot(x, y)`",
    "sum": "the product of two rows, summed over channels, is `dot(x, y)`",
    "int": "`floor(x)` rounds down, `ceil(x)` up",
    "round": "`floor(x + 0.5)` rounds to the nearest",
    "float": "ints become floats by themselves",
    "len": "N and M are the numbers of queries and keys; `size(axis)` is that of an own axis",
}
"""What people know by other names."""


def call(elaborator: Elaborator, node: ast.Call, names: Scope) -> Expr | None:
    """A call, by what its name means; the arguments of a wrong one are checked as well."""
    name, report = node.function.text, elaborator.report
    binding = names.find(name)
    if name == "size":
        return _size(node, names, report)
    arguments = elaborator.exprs(node.arguments, names)
    if isinstance(binding, Definition):
        if not _right_number(name, len(binding.parameters), len(arguments), node.span, report):
            return None
        values = [Value(found, given.span) for found, given in zip(arguments, node.arguments, strict=True)]
        return elaborator.expand(binding, tuple(values), node.span)
    if name not in CALLABLE:
        _no_function(node, names, report)
        return None
    if name in ("min", "max") and len(arguments) > 2:
        return _folded(elaborator, name, arguments, node.span)
    if not _right_number(name, FUNCTIONS[name].arity, len(arguments), node.span, report):
        return None
    return _prev(arguments[0], node.span, report) if name == "prev" else elaborator.apply(name, arguments, node.span)


def _folded(elaborator: Elaborator, name: str, arguments: Sequence[Expr | None], span: Span) -> Expr | None:
    """`min` and `max` of more than two values."""
    result, *rest = arguments
    for argument in rest:
        result = elaborator.apply(name, (result, argument), span)
    return result


def _prev(argument: Expr | None, span: Span, report: Report) -> Expr | None:
    if argument is None:
        return None
    if isinstance(argument, Read) and "t" in variables(argument):
        earlier = rewrite(argument, lambda node: EARLIER if node == variable("t") else node)
        return replace(earlier, span=span)
    if not isinstance(argument, Row) or argument.name in ROWS:
        message = "`prev` takes the name of a state, or an element of an input at `t`"
        help = "`prev(S)` is `S` before the update, and `prev(x[b, t])` that of the token before"
        report.error("E0213", message, argument.span, help=help)
        return None
    return Apply(Kind.FLOAT, argument.channels, span=span, function="prev", arguments=(argument,))


def _size(node: ast.Call, names: Scope, report: Report) -> Expr | None:
    argument = node.arguments[0]
    if len(node.arguments) > 1 or not isinstance(argument, ast.Name):
        report.error("E0205", "`size` takes the name of an axis", node.span)
        return None
    if names.has_axis(argument.text):
        return Size(Kind.INT, span=node.span, axis=argument.text)
    help = report.suggestion(argument.text, names.own_axes()) or "the lengths of `i`, `j` and `n` are N, M and M"
    report.error("E0215", f"no input has an axis of its own called `{argument.text}`", argument.span, help=help)
    return None


def _right_number(name: str, wanted: int, given: int, span: Span, report: Report) -> bool:
    if wanted == given:
        return True
    plural = "" if wanted == 1 else "s"
    help = "" if wanted else f"write `{name}`"
    report.error("E0205", f"`{name}` takes {wanted or 'no'} argument{plural}, not {given}", span, help=help)
    return False


def _no_function(node: ast.Call, names: Scope, report: Report) -> None:
    name = node.function.text
    binding = names.find(name)
    if isinstance(binding, nodes.Input):
        help = "an input is read with brackets: `" + name + "[...]`"
    elif binding is not None:
        help = f"`{name}` is a value"
    else:
        own = (known for known in names.names() if _is_function(names.find(known)))
        help = (
            ELSEWHERE.get(name)
            or report.suggestion(name, chain(FUNCTION_NAMES, own))
            or "functions of your own are `def name(x) = ...`"
        )
    report.error("E0206", f"there is no function `{name}`", node.function.span, help=help)


def _is_function(binding: Binding | None) -> bool:
    return isinstance(binding, Definition) and bool(binding.parameters)

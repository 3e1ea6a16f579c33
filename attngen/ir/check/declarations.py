"""Parameters and inputs: their types, axes and flags."""

from __future__ import annotations

from attngen.errors import suggest
from attngen.ir import nodes
from attngen.ir.check import ranges, reads
from attngen.ir.check.elaborate import Elaborator
from attngen.ir.check.report import Report
from attngen.ir.check.scope import PYTHON_KEYWORDS, RESERVED, SIZES, Scope, Value, declare
from attngen.ir.expr import Kind
from attngen.language import ast

KINDS = {kind.value: kind for kind in Kind}
POSITION_AXES = frozenset("ijnt")
MOST_AXES = 64
"""Dimensions that a tensor may have."""


def parameters(given: tuple[ast.Parameter, ...], names: Scope, ends: Elaborator) -> tuple[nodes.Parameter, ...]:
    """Declare parameters, in order. One with a wrong type has a name, but no meaning."""
    found = []
    for node in given:
        checked = _parameter(node, names, ends)
        declare(names, node.name, checked or Value(None, node.name.span), ends.report)
        if checked is not None:
            found.append(checked)
    return tuple(found)


def inputs(given: list[ast.Input], names: Scope, ends: Elaborator) -> tuple[nodes.Input, ...]:
    """Declare inputs and their own axes."""
    found = []
    for node in given:
        checked = _input(node, names, ends)
        declare(names, node.name, checked or Value(None, node.name.span), ends.report)
        if checked is not None:
            found.append(checked)
    names.axes |= {axis for checked in found for axis in reads.own_axes(checked)}
    _refuse_names_of_sizes(names, ends.report)
    return tuple(found)


def _refuse_names_of_sizes(names: Scope, report: Report) -> None:
    """Generated functions call the size of an axis `m` `size_m`."""
    for axis in sorted(names.axes):
        binding = names.bindings.get(f"size_{axis}")
        if isinstance(binding, (nodes.Parameter, nodes.Input)):
            message = f"`size_{axis}` can't be an argument: generated functions call the size of the axis `{axis}` so"
            report.error("E0202", message, binding.span, help="choose another name")


def _parameter(node: ast.Parameter, names: Scope, ends: Elaborator) -> nodes.Parameter | None:
    """A declared parameter; its default and range are constant."""
    kind = _kind(node.type, ends.report)
    if kind is None:
        return None
    bounds = ranges.of_parameter(node.range, kind, names, ends)
    default = None
    if node.default is not None:
        default = ranges.default(node.default, kind, names, ends)
        if default is not None and not ranges.contains(bounds, default):
            message = f"the default {default} of `{node.name.text}` is outside of its range"
            label = node.range.span.text if node.range else ""
            ends.report.error("E0307", message, node.default.span, label=label)
    return nodes.Parameter(node.name.text, kind, default, bounds, node.name.span)


def _input(node: ast.Input, names: Scope, ends: Elaborator) -> nodes.Input | None:
    """A declared input; its range may name parameters."""
    kind = _kind(node.type, ends.report)
    _check_axes(node.axes, ends.report)
    if kind is None or len(node.axes) > MOST_AXES:
        return None
    bounds = ranges.of_input(node.range, kind, names, ends)
    axes = tuple(axis.text for axis in node.axes)
    is_sorted = node.flag is not None and _is_sorted(node.flag, axes, kind, ends.report)
    return nodes.Input(node.name.text, axes, kind, bounds, is_sorted, node.name.span)


def _check_axes(axes: tuple[ast.Word, ...], report: Report) -> None:
    if len(axes) > MOST_AXES:
        report.error(
            "E0215", f"an input has at most {MOST_AXES} axes", axes[MOST_AXES].span, help="tensors have no more"
        )
    seen: set[str] = set()
    for axis in axes:
        name = axis.text
        if name in seen:
            report.error(
                "E0215",
                f"the axis `{name}` stands twice",
                axis.span,
                help="give one another name; those of queries and keys are `i` and `j`",
            )
        elif name in SIZES:
            help = "`b h i j n t c e` have a meaning (`n`: any position); any other name is an axis of its own"
            report.error("E0215", f"`{name}` is a size; axes are named by their index", axis.span, help=help)
        elif name in PYTHON_KEYWORDS or (name in RESERVED and name not in nodes.AXIS_SIZES):
            what = "is a keyword of Python" if name in PYTHON_KEYWORDS else "always has a meaning"
            report.error("E0215", f"`{name}` {what} and can't name an axis", axis.span, help="choose another name")
        seen.add(name)


def _is_sorted(flag: ast.Word, axes: tuple[str, ...], kind: Kind, report: Report) -> bool:
    """Whether the word behind a type is `sorted`, and there is something to be sorted along."""
    if flag.text != "sorted":
        help = suggest(flag.text, ["sorted"]) or "the only word here is `sorted`"
        report.error("E0306", f"`{flag.text}` says nothing about an input", flag.span, help=help)
    elif kind is Kind.BOOL or len(POSITION_AXES.intersection(axes)) != 1:
        help = "it means: non-decreasing along the positions"
        report.error("E0311", "`sorted` is for numbers along one of the axes `i j n t`", flag.span, help=help)
    return flag.text == "sorted"


def _kind(word: ast.Word, report: Report) -> Kind | None:
    if word.text not in KINDS:
        help = suggest(word.text, KINDS) or "types are `int`, `float` and `bool`"
        report.error("E0214", f"there is no type `{word.text}`", word.span, help=help)
    return KINDS.get(word.text)

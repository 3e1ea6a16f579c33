"""Indices. An input is read at its axes: `b h` as they are, `i j n t` at the row they stand for, own axes at any
integer. Anything else that is indexed is a row, read at another channel."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from attngen.errors import Span, shortened
from attngen.ir import nodes
from attngen.ir.check.report import Report, written
from attngen.ir.check.scope import CHANNELS, POSITIONS, ROWS, VALUES, Scope
from attngen.ir.check.typing import an, described, listed_axes
from attngen.ir.expr import Expr, Kind, Read, Rechannel, Variable
from attngen.language import ast

if TYPE_CHECKING:
    from attngen.ir.check.elaborate import Elaborator

READ_AT = {"b": ("b",), "h": ("h",), "i": ("i",), "j": ("j",), "n": ("i", "j", "t"), "t": ("t",)}
"""The variables at which an axis with a meaning may be read."""


def own_axes(given: nodes.Input) -> tuple[str, ...]:
    """The axes that are sized at the call."""
    return tuple(axis for axis in given.axes if axis not in nodes.AXIS_SIZES)


def index(elaborator: Elaborator, node: ast.Index, names: Scope) -> Expr | None:
    """`x[...]`: an input read at its axes, or a row at another channel."""
    binding = names.find(node.name.text)
    if not isinstance(binding, nodes.Input):
        indices = elaborator.exprs(node.indices, names)
        if binding is None and node.name.text not in VALUES:
            _undeclared(node, names, elaborator.report)
            return None
        row = elaborator.name(node.name.text, node.name.span, names)
        return None if row is None else _rechannel(node, row, indices, elaborator.report)
    axes = _axes_for(binding, len(node.indices))
    indices = []
    for number, given in enumerate(node.indices):
        channel = _own_channel(given, axes[number] if number < len(axes) else "", names)
        indices.append(channel or elaborator.expr(given, names))
    return read(binding, indices, node.span, elaborator.report)


def _undeclared(node: ast.Index, names: Scope, report: Report) -> None:
    """A name that nothing has, with indices: most likely an input."""
    name = node.name.text
    axes = [one.text if isinstance(one, ast.Name) else "m" for one in node.indices]
    if axes.count("i") + axes.count("j") == 1:
        axes = ["n" if axis in ("i", "j") else axis for axis in axes]
    listed = shortened(", ".join(axes))
    help = report.suggestion(name, chain(ROWS, names.names())) or f"declare it: `input {name}[{listed}]: float`"
    report.error("E0201", f"nothing is called `{name}`", node.name.span, help=help)


def read(given: nodes.Input, indices: Sequence[Expr | None], span: Span, report: Report) -> Expr | None:
    """An element, or a row if the channel axes are left out; an index that is `None` was wrong already."""
    axes = _axes_for(given, len(indices))
    if len(axes) != len(indices):
        _wrong_count(given, len(indices), span, report)
        return None
    by_axis = dict(zip(axes, indices, strict=True))
    for axis in given.axes:
        by_axis.setdefault(axis, Variable(Kind.INT, (axis,), span=span, name=axis))
    full = [_fitting(given, axis, by_axis[axis], report) for axis in given.axes]
    found = tuple(one for one in full if one is not None)
    if len(found) < len(full):
        return None
    channels = tuple(sorted({channel for one in found for channel in one.channels}))
    return Read(given.kind, channels, span=span, input=given.name, indices=found)


def _axes_for(given: nodes.Input, count: int) -> tuple[str, ...]:
    """The axes that `count` indices stand for: all of them, or all but the channels."""
    return given.axes if count == len(given.axes) else _without_channels(given)


def _without_channels(given: nodes.Input) -> tuple[str, ...]:
    return tuple(axis for axis in given.axes if axis not in CHANNELS)


def _own_channel(written: ast.Expr, axis: str, names: Scope) -> Expr | None:
    """An own axis under its own name, unless that is defined, is a channel."""
    if not isinstance(written, ast.Name) or written.text != axis:
        return None
    if not names.has_axis(axis) or names.find(axis) is not None:
        return None
    return Variable(Kind.INT, (axis,), span=written.span, name=axis)


def _wrong_count(given: nodes.Input, count: int, span: Span, report: Report) -> None:
    axes = shortened(", ".join(given.axes))
    plain = _without_channels(given)
    indices = shortened(", ".join("i" if axis == "n" else axis for axis in given.axes))
    help = f"write `{given.name}[{indices}]`"
    if plain != given.axes:
        row = f"[{shortened(', '.join(plain))}]" if plain else ""
        help += f", or the row `{given.name}{row}`"
    report.error("E0211", f"`{given.name}` has the axes [{axes}]", span, label=f"{count} given", help=help)


def _fitting(given: nodes.Input, axis: str, index: Expr | None, report: Report) -> Expr | None:
    """The index, if the axis may be read there."""
    if index is None or not _is_int(index, report):
        return None
    allowed = READ_AT.get(axis, (axis,) if axis in CHANNELS else None)
    if allowed is None or (isinstance(index, Variable) and index.name in allowed):
        return index
    places = " or ".join(f"`{name}`" for name in allowed)
    message = f"the axis `{axis}` of `{given.name}` must be read at {places}, not at `{written(index.span)}`"
    help = "an axis with a name of your own takes any integer expression"
    if axis in CHANNELS:
        help = "to read a row at another channel, give it a name with `let` and write `row[channel]`"
    report.error("E0210", message, index.span, help=help)
    return None


def _is_int(index: Expr, report: Report) -> bool:
    if index.kind is not Kind.INT:
        help = "round it with `floor`" if index.kind is Kind.FLOAT else "write `if condition then 1 else 0`"
        message = f"an index is an int, not {an(index.kind)}"
        report.error("E0204", message, index.span, label=described(index), help=help)
    return index.kind is Kind.INT


def _rechannel(node: ast.Index, row: Expr, indices: Sequence[Expr | None], report: Report) -> Expr | None:
    """A row at another channel."""
    if len(row.channels) != 1 or len(indices) != 1:
        message = f"`{node.name.text}` is no input, and no row with one channel axis"
        help = "inputs are declared with `input name[axes]: type`"
        if len(row.channels) == 1:
            message, help = f"`{node.name.text}` is a row and takes one channel", "write `row[channel]`"
        report.error("E0211", message, node.span, label=f"this has {listed_axes(row)}", help=help)
        return None
    index = indices[0]
    if index is None or not _is_int(index, report):
        return None
    if isinstance(index, Variable) and index.name in POSITIONS:
        name = node.name.text
        message = f"`{name}` is a row already, and this would be its channel number {index.name}"
        report.error("E0211", message, node.span, help=f"write `{name}`, as in `dot(q, k)`")
        return None
    return Rechannel(row.kind, index.channels, span=node.span, row=row, axis=row.channels[0], index=index)

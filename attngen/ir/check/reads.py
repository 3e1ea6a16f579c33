"""How an input may be read: `b h` as they are, `i j n t` at the row they stand for, own axes at any integer."""

from __future__ import annotations

from attngen.errors import Span
from attngen.ir.check.scope import CHANNELS, Report
from attngen.ir.expr import Expr, Kind, Read, Variable
from attngen.ir.nodes import Input

READ_AT = {"b": ("b",), "h": ("h",), "i": ("i",), "j": ("j",), "n": ("i", "j", "t"), "t": ("t",)}
"""The variables at which an axis with a meaning may be read."""

OWN_AXIS_EXCLUDED = frozenset((*READ_AT, *CHANNELS))


def own_axes(given: Input) -> tuple[str, ...]:
    """The axes that are sized at the call."""
    return tuple(axis for axis in given.axes if axis not in OWN_AXIS_EXCLUDED)


def index_axes(given: Input, count: int) -> tuple[str, ...]:
    """The axes that `count` indices stand for: all of them, or all but the channels."""
    return given.axes if count == len(given.axes) else _without_channels(given)


def wrong_count(given: Input, count: int, span: Span, report: Report) -> None:
    axes = ", ".join(given.axes)
    plain = _without_channels(given)
    form = f"write `{given.name}[{axes}]`" if given.axes else ""
    if plain != given.axes:
        row = f"[{', '.join(plain)}]" if plain else ""
        form += f", or the row `{given.name}{row}`"
    report.error("E0211", f"`{given.name}` has the axes [{axes}]", span, label=f"{count} given", help=form)


def read(given: Input, indices: tuple[Expr, ...], span: Span, report: Report) -> Expr | None:
    """An element, or a row if the channel axes are left out."""
    axes = index_axes(given, len(indices))
    if len(axes) != len(indices):
        wrong_count(given, len(indices), span, report)
        return None
    by_axis = dict(zip(axes, indices, strict=True))
    for axis in given.axes:
        if axis not in by_axis:
            by_axis[axis] = Variable(Kind.INT, (axis,), span=span, name=axis)
    # A list, not `all(generator)`: every wrong index is reported.
    if not all([_fits(given, axis, by_axis[axis], report) for axis in given.axes]):
        return None
    full = tuple(by_axis[axis] for axis in given.axes)
    channels = tuple(sorted({channel for index in full for channel in index.channels}))
    return Read(given.kind, channels, span=span, input=given.name, indices=full)


def _without_channels(given: Input) -> tuple[str, ...]:
    return tuple(axis for axis in given.axes if axis not in CHANNELS)


def _fits(given: Input, axis: str, index: Expr, report: Report) -> bool:
    if index.kind is not Kind.INT:
        report.error("E0204", f"an index is an int, not a {index.kind.value}", index.span, help="round it with `floor`")
        return False
    allowed = READ_AT.get(axis, (axis,) if axis in CHANNELS else None)
    if allowed is None or (isinstance(index, Variable) and index.name in allowed):
        return True
    places = " or ".join(f"`{name}`" for name in allowed)
    report.error(
        "E0210",
        f"the axis `{axis}` of `{given.name}` is read at {places}",
        index.span,
        help="an axis with a name of your own takes any integer expression",
    )
    return False

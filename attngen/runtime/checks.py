"""The checks of generated functions where none is called: at `build`, and for the reference backend."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from attngen.emit.checks import (
    axis_lines,
    check_lines,
    data_lines,
    filled_lines,
    own_axes,
    parameter_lines,
    rule_lines,
    shape_lines,
    typed_lines,
)
from attngen.emit.python import size_name
from attngen.emit.support import checks, live
from attngen.errors import CallError
from attngen.ir.nodes import Variant


def check_parameters(variant: Variant, values: Mapping[str, int | float | bool]) -> None:
    """What generated functions ask of their parameters: type and range.

    Raises:
        CallError: a value does not fit.
    """
    for given in variant.parameters:
        try:
            exec("\n".join(parameter_lines(variant, given)), {**vars(checks), **values})
        except ValueError as error:
            raise CallError(str(error)) from None


def check_call(
    variant: Variant,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    scale: float | None,
    offset: int | Tensor | None,
    inputs: Mapping[str, Tensor],
    parameters: Mapping[str, int | float | bool],
) -> None:
    """What every generated function of the variant asks of its arguments, in the same words.

    Raises:
        ValueError: an argument does not fit.
    """
    names = _names(variant, q, k, v, scale, offset, inputs, parameters)
    exec("\n".join(check_lines(variant)), names)


def check_share(
    variant: Variant,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    scale: float | None,
    inputs: Mapping[str, Tensor],
    parameters: Mapping[str, int | float | bool],
) -> None:
    """The same of a part of a call, as far as it can be told without the rest: shapes, types and data.

    Raises:
        ValueError: an argument does not fit.
    """
    names = _names(variant, q, k, v, scale, 0, inputs, parameters)
    lines = [*shape_lines(variant), *axis_lines(variant), *filled_lines(variant), *data_lines(variant)]
    exec("\n".join(lines), names)


def check_whole(
    variant: Variant,
    sizes: Mapping[str, int],
    q: Tensor,
    inputs: Mapping[str, Tensor],
    parameters: Mapping[str, int | float | bool],
) -> None:
    """The rest: what depends on B, H, N, M, D, E and the offset of a whole call, which `sizes` gives.

    Raises:
        ValueError: an assertion does not hold, an order is none, or an index of all pairs leaves its axis.
    """
    own = {
        size_name(axis): given.shape[variant.input(name).axes.index(axis)]
        for name, given in inputs.items()
        for axis in own_axes(variant)
        if axis in variant.input(name).axes
    }
    names: dict[str, object] = {**vars(live), **vars(checks), **inputs, **parameters, **sizes, **own, "q": q}
    exec("\n".join(rule_lines(variant)), names)


def _names(
    variant: Variant,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale: float | None,
    offset: int | Tensor | None,
    inputs: Mapping[str, Tensor],
    parameters: Mapping[str, int | float | bool],
) -> dict[str, object]:
    """What the lines of a generated function know, where arguments are of their types."""
    for label, rows in (("q", q), ("k", k), ("v", v)):
        checks._tensor(variant.name, label, rows)
    checks._scale(variant.name, scale)
    first = checks._first(variant.name, offset)
    names: dict[str, object] = {**vars(live), **vars(checks), **inputs, **parameters, "q": q}
    # The lines are those of the generated function, made from the checked spec.
    exec("\n".join(typed_lines(variant)), names)
    sizes = checks._sizes(variant.name, q, k, v)
    names["offset"] = checks._offset(variant.name, *first, sizes[0], sizes[3] - sizes[2], q.device)
    return names | dict(zip("BHNMDE", sizes, strict=True))

"""The checks of generated functions where none is called: at `build`, and for the reference backend."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from attngen.emit.checks import check_lines, parameter_lines, typed_lines
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
    for label, rows in (("q", q), ("k", k), ("v", v)):
        checks._tensor(variant.name, label, rows)
    checks._scale(variant.name, scale)
    first = checks._first(variant.name, offset)
    names: dict[str, object] = {**vars(live), **vars(checks), **inputs, **parameters, "q": q}
    # The lines are those of the generated function, made from the checked spec.
    exec("\n".join(typed_lines(variant)), names)
    sizes = checks._sizes(variant.name, q, k, v)
    names["offset"] = checks._offset(variant.name, *first, sizes[0], sizes[3] - sizes[2], q.device)
    names |= zip("BHNMDE", sizes, strict=True)
    exec("\n".join(check_lines(variant)), names)

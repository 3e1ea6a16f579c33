"""What can be compiled today; everything else is a diagnostic at build, with its own code."""

from __future__ import annotations

from attngen.analysis.recurrence import canonical
from attngen.errors import Diagnostic, Span, SpecError
from attngen.ir import nodes
from attngen.ir.expr import TRUE, Apply, Expr, Rechannel, Row, distinct, rewrite
from attngen.ir.functions import SCALAR
from attngen.schedule.chunks import obstacles
from attngen.schedule.guards import outside, unguarded
from attngen.schedule.rows import products, split


def unsupported(variant: nodes.Variant) -> tuple[Diagnostic, ...]:
    """Why a checked variant cannot be compiled yet; nothing if it can."""
    if isinstance(variant.body, nodes.Recurrent):
        try:
            return obstacles(variant, canonical(variant))
        except SpecError as error:
            return error.diagnostics
    body = variant.body
    return tuple(_in_score(variant, body.score) + _in_mask(body.mask))


def _in_score(variant: nodes.Variant, score: Expr) -> list[Diagnostic]:
    """Rows enter a score through dot products that can be split between query and key."""
    found = products(score)
    reasons = [(part, reason) for part in found if isinstance(reason := split(part), str)]
    faults = [part for product in found if (part := unguarded(product, variant)) is not None]
    reasons += [(part, "inside of a row, only the channel and what the host knows may be an index") for part in faults]
    rest = rewrite(score, lambda node: TRUE if node in found else node)
    reasons += [(part, "rows can only enter a score through `dot` yet") for part in _outermost_rows(rest)]
    help = "transform q and k before the call, and keep `dot(q, k)`"
    found_here = [_not_yet("E0402", reason, part.span, help) for part, reason in reasons[:1]]
    return found_here or _in_faults(outside(score, variant))


def _in_faults(fault: Expr) -> list[Diagnostic]:
    """Kernels look for faults in float64, where no dot product is."""
    rows = [part for part in distinct(fault) if _is_row_operation(part)]
    if not rows:
        return []
    yet = "what a product decides may lead outside of an input, which can't be looked for yet"
    help = "let positions or an input choose the element"
    return [_not_yet("E0402", yet, max(rows, key=_extent).span, help)]


def _outermost_rows(score: Expr) -> list[Expr]:
    rows = [part for part in distinct(score) if isinstance(part, (Row, Rechannel)) or part.channels]
    operations = [part for part in distinct(score) if _is_row_operation(part)]
    return [max(operations or rows, key=_extent)] if operations or rows else []


def _in_mask(mask: Expr) -> list[Diagnostic]:
    rows = [
        part
        for part in distinct(mask)
        if isinstance(part, (Row, Rechannel)) or part.channels or _is_row_operation(part)
    ]
    if not rows:
        return []
    yet = "a mask that depends on q, k or v can't be compiled yet"
    help = "compute it before the call and give it as an `input ...: bool`"
    return [_not_yet("E0405", yet, max(rows, key=_extent).span, help)]


def _is_row_operation(expr: Expr) -> bool:
    return isinstance(expr, Apply) and expr.function not in SCALAR


def _extent(expr: Expr) -> tuple[int, int]:
    """How much of the text an expression is; of two that are as long, the first."""
    return expr.span.stop - expr.span.start, -expr.span.start


def _not_yet(code: str, message: str, span: Span, help: str = "") -> Diagnostic:
    return Diagnostic(code, message, span, help=help or '`backend="reference"` computes it, slowly and in float64')

"""What the compiler found out about a variant and what it decided, in words and formulas."""

from __future__ import annotations

from attngen.analysis.segments import Segments
from attngen.ir.expr import Expr, Variable, children, with_children
from attngen.ir.show import show_expr
from attngen.schedule.plan import Plan


def explain(plan: Plan) -> str:
    """Bounds of a query tile, what the host computes, and what fell back to a slower form."""
    variant = plan.variant
    lines = [variant.name, *(f"    {line}" for line in variant.text), ""]
    lines += ["For the queries q0 to q1 of a tile, a key can be live only in the hull; in the core it always is."]
    lines += bounds_lines(plan)
    if plan.host:
        lines += ["", "The host computes once per call, in float64:"]
        for value in plan.host:
            lines.append(f"    {value.name} = {show_expr(value.value)}{' for each head h' if value.per_head else ''}")
    if variant.order is not None:
        lines += ["", f"The order {variant.order.name} is not walked yet: keys are visited as they are stored."]
    lines += [""]
    if plan.bounds.fallbacks:
        lines.append("No closed form (every key is visited and tested instead, as far as nothing else bounds it):")
        lines += [f"    {show_expr(fallback.part)}: {fallback.reason}" for fallback in plan.bounds.fallbacks]
    else:
        lines.append("Every part of the mask has a closed form: nothing fell back.")
    return "\n".join(lines)


def bounds_lines(plan: Plan) -> list[str]:
    """Hull and core, each segment as `[start, stop)`."""
    names = {let.value: let.name for let in plan.variant.lets}
    return _segments("hull", plan.bounds.hull, names) + _segments("core", plan.bounds.core, names)


def _named(expr: Expr, names: dict[Expr, str]) -> str:
    """The expression with the author's names in place of what they stand for."""
    return show_expr(_shortened(expr, names))


def _shortened(expr: Expr, names: dict[Expr, str]) -> Expr:
    if expr in names:
        return Variable(expr.kind, name=names[expr])
    return with_children(expr, tuple(_shortened(child, names) for child in children(expr)))


def _segments(label: str, segments: Segments, names: dict[Expr, str]) -> list[str]:
    shown = []
    for k, segment in enumerate(segments):
        assert segment.start is not None
        assert segment.stop is not None
        prefix = f"{label} =" if k == 0 else "and".rjust(len(label) + 2)
        shown.append(f"    {prefix} [{_named(segment.start, names)}, {_named(segment.stop, names)})")
    return shown or [f"    {label} = nothing"]

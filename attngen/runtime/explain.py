"""What the compiler found out about a variant and what it decided, in words and formulas."""

from __future__ import annotations

from attngen.analysis.bounds import Bounds, key_bounds, query_bounds
from attngen.analysis.lists import List
from attngen.analysis.proofs import sees_itself, sees_the_first_key
from attngen.analysis.segments import Segment, Segments
from attngen.analysis.separable import NotSeparable
from attngen.analysis.walk import Periodic
from attngen.ir.expr import FALSE, TRUE, Apply, Expr, Variable, children, rewrite, variable, with_children
from attngen.ir.show import show_expr
from attngen.runtime.explain_recurrence import form_lines
from attngen.schedule.distances import DISTANCE
from attngen.schedule.guards import suspects
from attngen.schedule.linear_time import linear_time
from attngen.schedule.plan import Plan


def explain(plan: Plan) -> str:
    """Bounds and where they come from, how tiles are walked, what is proved, what the host computes, what fell back."""
    variant = plan.variant
    blocks = [
        [variant.name, *(f"    {line}" for line in variant.text)],
        ["For the queries q0 to q1 of a tile, a key can be live only in the hull; in the core it always is."],
        [*bounds_lines(plan), *_clauses(plan)],
        _queries(plan),
        _walk(plan),
        _proofs(plan),
        _host(plan),
        _gradients(plan),
        _fallbacks(plan),
        *_on_gpus(plan),
        *_linear_time(plan),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block).replace("always is.\n\n", "always is.\n")


def bounds_lines(plan: Plan) -> list[str]:
    """Hull and core, each segment as `[start, stop)`."""
    return _bounds(plan, plan.bounds)


def _bounds(plan: Plan, bounds: Bounds) -> list[str]:
    names = {let.value: let.name for let in plan.variant.lets}
    return _segments("hull", bounds.hull, names) + _segments("core", bounds.core, names)


def _clauses(plan: Plan) -> list[str]:
    """Which clause of the mask gives which bound, where there are several."""
    clauses = list(_conjuncts(plan.variant.pairwise.mask))
    if len(clauses) < 2:
        return []
    names = {let.value: let.name for let in plan.variant.lets}
    lines = []
    for clause in clauses:
        bounds = key_bounds(plan.variant, clause)
        hull = " and ".join(_interval(segment, names) for segment in bounds.hull)
        lines.append(
            f"    `{_named(clause, names)}` gives {hull or 'nothing'}{' (no closed form)' * bool(bounds.fallbacks)}"
        )
    return lines


def _conjuncts(mask: Expr) -> list[Expr]:
    if isinstance(mask, Apply) and mask.function == "and":
        return [part for argument in mask.arguments for part in _conjuncts(argument)]
    return [mask]


def _queries(plan: Plan) -> list[str]:
    """The other direction."""
    bounds = query_bounds(plan.variant, plan.variant.pairwise.mask)
    first = "For the keys k0 to k1 of a tile, the same of queries, of which the first stands at offset:"
    return [first, *_bounds(plan, bounds)]


def _walk(plan: Plan) -> list[str]:
    """How tiles are visited, and in which order."""
    if isinstance(plan.walk, Periodic):
        return ["Key tiles are walked period by period, in closed form: nothing is computed before the launch."]
    if not isinstance(plan.walk, List):
        how = "segments in closed form" if plan.variant.pairwise.mask != TRUE else "all of them, no mask needed"
        return [f"Key tiles are walked along {how}: nothing is computed before the launch."]
    test = plan.walk.test
    lines = ["Live tiles are listed at the call, on the device, by a test of tiles (`kernel.prepare` keeps the list):"]
    lines += [f"    {spans.name}: least and greatest {show_expr(spans.value)} of each tile" for spans in test.spans]
    lines += [f"    {area.name}: how many of {show_expr(area.read)} hold" for area in test.areas]
    lines.append(f"    live if {show_expr(test.possible)}")
    lines.append(f"    full if {show_expr(test.always)}")
    if plan.walk.orders:
        lines.append("Tokens are taken as they lie, or by one of these, whichever makes the cheapest list at the call:")
        lines += [f"    {show_expr(order)}" for order in plan.walk.orders]
    return lines


def _proofs(plan: Plan) -> list[str]:
    """What holds for every call."""
    variant, mask = plan.variant, plan.variant.pairwise.mask
    proved = []
    if sees_itself(variant, mask):
        proved.append("a query that stands in the key sequence sees its own key, so its row is not empty")
    elif sees_the_first_key(variant, mask):
        proved.append("every query sees key 0, so no row is empty")
    if plan.bounds.core or isinstance(plan.walk, List):
        proved.append("tiles that are visited as full ones are full: they are not tested")
    if not list(suspects(variant)):
        proved.append("no index leaves its axis, and no int is divided by 0")
    return ["Proved:", *(f"    {line}" for line in proved)] if proved else []


def _host(plan: Plan) -> list[str]:
    lines = [
        f"    {value.name} = {show_expr(value.value)}{' for each head h' if value.per_head else ''}"
        for value in plan.host
    ]
    return ["The host computes once per call, in float64:", *lines] if lines else []


def _gradients(plan: Plan) -> list[str]:
    """How gradients by elements of inputs come together."""
    found = {show_expr(landing.read): landing.home.value for landing in plan.landings}
    lines = [f"    `{read}` is chosen by {home}" for read, home in found.items()]
    return ["Gradients go to q, k, v and to elements of inputs:", *lines] if lines else []


def _fallbacks(plan: Plan) -> list[str]:
    if not plan.bounds.fallbacks:
        return ["Every part of the mask has a closed form: nothing fell back."]
    instead = "the list above is made instead" if isinstance(plan.walk, List) else "every key in the hull is tested"
    lines = [f"    {show_expr(fallback.part)}: {fallback.reason}" for fallback in plan.bounds.fallbacks]
    return [f"No closed form ({instead}):", *lines]


def _on_gpus(plan: Plan) -> list[list[str]]:
    """What Triton kernels do beside walking, and what they can't."""
    found = []
    if plan.by_distance:
        found.append(["On a GPU, these come from tables over d = i - j in calls of 128 tokens and more:"])
        found[-1] += [f"    {_over_distance(value)}" for value in plan.by_distance.values()]
    if plan.suspected not in (FALSE, TRUE):
        found.append(["On a GPU, pairs are looked at for faults in calls where this holds:"])
        found[-1].append(f"    {show_expr(plan.suspected)}")
    if not plan.softmax:
        found.append(["On a GPU, one program takes all keys of a query tile, however few queries there are."])
    return found


def _over_distance(value: Expr) -> str:
    return show_expr(rewrite(value, lambda part: variable("d") if part == DISTANCE else part))


def _linear_time(plan: Plan) -> list[list[str]]:
    """The recurrence that weights are, or which factor is in the way."""
    if plan.logit:
        return []
    try:
        form = linear_time(plan.variant).form
    except NotSeparable as problem:
        where = problem.span if problem.span.text else plan.variant.span
        return [[f"No state can carry this along: {problem.reason} ({where})."]]
    return [["Where each query is a key's token, from position 0 on, it goes in linear time."], *form_lines(form)]


def _interval(segment: Segment, names: dict[Expr, str]) -> str:
    """`[start, stop)`, and for which n a part of it holds keys."""
    assert segment.start is not None and segment.stop is not None
    text = f"[{_named(segment.start, names)}, {_named(segment.stop, names)})"
    for teeth in segment.teeth:
        start, stop, period = (_named(end, names) for end in (teeth.start, teeth.stop, teeth.period))
        text += f", of that [{start}, {stop}) + n * {period}"
    return text


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
        prefix = f"{label} =" if k == 0 else "and".rjust(len(label) + 2)
        shown.append(f"    {prefix} {_interval(segment, names)}")
    return shown or [f"    {label} = nothing"]

"""What was decided for a spec, in words: few of them, so that each set of them can have a spec in the corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sized

from attngen.ir.expr import Apply, Row, Variable, distinct
from attngen.schedule.chunks import ChunkPlan, StatePlan
from attngen.schedule.plan import Plan

NAMES = "masked ordered checked counted centred logit by_distance bridges landings smooth".split()
"""What plans of pairs may be, or have."""
SOME = ("no", "one", "several")
"""How many segments or products: several are handled in the same way, however many."""
DECAYS = ("keeps all", "decays by token", "decays by channel")
"""How states fade, from what is simple to what needs most code."""


def choices(plan: Plan | ChunkPlan) -> frozenset[str]:
    """The decisions that templates and launchers branch by."""
    words = _of_pairs(plan) if isinstance(plan, Plan) else _of_chunks(plan)
    return frozenset([type(plan).__name__, *words])


def _of_pairs(plan: Plan) -> Iterator[str]:
    yield from (f"has {name}" for name in NAMES if getattr(plan, name, None))
    for name in ("walk", "by_keys", "normalization", "listed"):
        yield f"{name} {type(getattr(plan, name, None)).__name__}"
    yield f"segments {_some(plan.bounds.hull)}"
    yield f"products {_some(plan.products)}"


def _of_chunks(plan: ChunkPlan) -> Iterator[str]:
    """Of all states together, for sets of what each does would be thousands."""
    yield f"states {_some(plan.states)}"
    yield DECAYS[max(map(_decay, plan.states))]
    yield _readings(plan)
    named = {
        "erases": any(state.erases is not None for state in plan.states),
        "states beside each other": len(plan.beside) < len(plan.states),
        "vectors": any(len(state.axes) < 2 for state in plan.states),
        "ordered": plan.variant.order is not None,
        "projections": any(row.matrix is not None for row in plan.rows),
        "quotients": _divides(plan),
        "hands back": plan.hands_back,
        "lacks gradients": bool(plan.lacking),
    }
    yield from (name for name, holds in named.items() if holds)


def _some(parts: Sized) -> str:
    return SOME[min(len(parts), 2)]


def _decay(state: StatePlan) -> int:
    """Which of `DECAYS`."""
    return 0 if state.decay is None else 1 + state.by_channel


def _readings(plan: ChunkPlan) -> str:
    """When states are read, beside what tokens write."""
    if any(len(state.readings) > 1 for state in plan.states):
        return "reads twice"
    before = any(reading.before for state in plan.states for reading in state.readings)
    return "reads before" if before else "reads after"


def _divides(plan: ChunkPlan) -> bool:
    """Whether y is divided by something that is read from a state."""
    read = {each.name for each in plan.form.readings}
    quotients = (part for part in distinct(plan.form.out) if isinstance(part, Apply) and part.function == "/")
    divisors = (part for each in quotients for part in distinct(each.arguments[1]))
    return any(isinstance(part, Row | Variable) and part.name in read for part in divisors)

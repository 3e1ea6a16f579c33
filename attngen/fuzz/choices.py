"""What was decided for a spec, in words."""

from __future__ import annotations

from attngen.schedule.chunks import ChunkPlan
from attngen.schedule.plan import Plan

NAMES = "masked ordered checked counted centred logit by_distance bridges landings smooth".split()
"""What plans of pairs may be, or have."""


def choices(plan: Plan | ChunkPlan) -> frozenset[str]:
    """The decisions that templates and launchers branch by."""
    found = {type(plan).__name__, *(f"has {name}" for name in NAMES if getattr(plan, name, None))}
    for name in ("walk", "by_keys", "normalization", "listed"):
        found.add(f"{name} {type(getattr(plan, name, None)).__name__}")
    if isinstance(plan, Plan):
        found.add(f"{len(plan.bounds.hull)} segments")
        found.add(f"{min(len(plan.products), 3)} products")
    return frozenset(found)

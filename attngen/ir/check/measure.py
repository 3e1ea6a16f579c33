"""How large expressions are. Definitions share their parts, so that a short text can mean a huge tree."""

from __future__ import annotations

from dataclasses import dataclass, field

from attngen.ir.expr import Expr, children

LARGEST = 20_000
"""Nodes that one expression may expand to."""
DEEPEST = 100
"""Levels that one expression may nest: passes are recursive, and Python's stack holds about ten calls a level."""
STEPS = 50_000
"""Expressions that may be looked at in the course of one attention."""


@dataclass(slots=True)
class Measure:
    """Counts the nodes and levels of expressions, looking at a shared part once."""

    _known: dict[int, tuple[Expr, int, int]] = field(default_factory=dict)

    def excess(self, expr: Expr) -> str:
        """What is too large about the expression, or an empty text."""
        nodes, levels = self._of(expr)
        if nodes > LARGEST:
            return f"more than {LARGEST} operations"
        return f"more than {DEEPEST} levels" if levels > DEEPEST else ""

    def _of(self, expr: Expr) -> tuple[int, int]:
        known = self._known.get(id(expr))
        if known is None:
            below = [self._of(child) for child in children(expr)]
            nodes = 1 + sum(count for count, _ in below)
            levels = 1 + max((depth for _, depth in below), default=0)
            # The expression is kept, so that no other one gets its id.
            known = self._known[id(expr)] = (expr, nodes, levels)
        return known[1], known[2]

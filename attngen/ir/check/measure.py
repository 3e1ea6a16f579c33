"""How large expressions are. Definitions share their parts, so that a short text can mean a huge tree."""

from __future__ import annotations

from dataclasses import dataclass, field

from attngen.ir.expr import Expr, children

LARGEST = 20_000
"""Nodes that one expression may expand to."""
DEEPEST = 100
"""Levels that one expression may nest: passes are recursive, and Python's stack holds about ten calls a level."""
WIDEST = 64
"""Channel axes that one expression may have: tensors have no more."""
STEPS = 50_000
"""Expressions that may be looked at in the course of one attention."""


@dataclass(slots=True)
class Work:
    """How many expressions were looked at in the course of one file. Definitions of the file count wherever they are
    used: every attention looks at them anew."""

    most: int = STEPS
    steps: int = 0
    is_said: bool = False

    @property
    def is_too_much(self) -> bool:
        return self.steps > self.most

    @classmethod
    def of(cls, text: str) -> Work:
        """Specs take less than one step for each character; beside that, two attentions may take all that they may."""
        return cls(2 * (STEPS + len(text)))


@dataclass(slots=True)
class Measure:
    """Counts the nodes and levels of expressions, looking at a shared part once."""

    _known: dict[int, tuple[Expr, int, int]] = field(default_factory=dict)

    def excess(self, expr: Expr) -> str:
        """What is too large about the expression, or an empty text."""
        nodes, levels = self._of(expr)
        if nodes > LARGEST:
            return f"more than {LARGEST} operations"
        if levels > DEEPEST:
            return f"more than {DEEPEST} levels"
        return f"more than {WIDEST} axes of channels" if len(expr.channels) > WIDEST else ""

    def size(self, expr: Expr) -> int:
        """How many nodes it expands to."""
        return self._of(expr)[0]

    def _of(self, expr: Expr) -> tuple[int, int]:
        known = self._known.get(id(expr))
        if known is None:
            below = [self._of(child) for child in children(expr)]
            nodes = 1 + sum(count for count, _ in below)
            levels = 1 + max((depth for _, depth in below), default=0)
            # The expression is kept, so that no other one gets its id.
            known = self._known[id(expr)] = (expr, nodes, levels)
        return known[1], known[2]

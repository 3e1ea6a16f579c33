"""What is found once for all layers that share lengths, inputs and parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from attngen.analysis.lists import List
from attngen.ir.show import show_expr
from attngen.schedule.plan import Plan


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `Kernel.prepare` found: the live tiles of calls of one kind, or `None` for a walk in closed form."""

    plan: Plan
    backend: str
    tiles: Any

    def explain(self) -> str:
        """How many tiles are visited, and in which order tokens are walked and why."""
        if self.tiles is None or not isinstance(self.plan.walk, List):
            return "Tiles are walked in closed form: nothing is prepared."
        starts = self.tiles.starts
        visited, full = len(self.tiles.tiles), int((starts[..., 2] - starts[..., 1]).sum())
        lines = [
            f"{visited} tiles of {self.tiles.sizes[0]} queries and {self.tiles.sizes[1]} keys, {full} of them full."
        ]
        if not self.plan.walk.orders:
            return lines[0]
        names = ["as they lie", *map(show_expr, self.plan.walk.orders)]
        lines.append("Tokens are walked in the order that costs least; a tile that needs the mask counts as 1.2:")
        taken = self.tiles.costs.index(min(self.tiles.costs))
        for k, (name, cost) in enumerate(zip(names, self.tiles.costs, strict=True)):
            lines.append(f"    {cost:g}: {name}{' (taken)' if k == taken else ''}")
        return "\n".join(lines)

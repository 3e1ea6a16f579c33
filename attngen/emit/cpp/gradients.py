"""A plan as the strings that the C++ templates of the backward pass show."""

from __future__ import annotations

from dataclasses import dataclass

from attngen.emit.cpp import adjoints
from attngen.emit.cpp.pairs import Pairs
from attngen.emit.cpp.rows import key_names, multiplied, multiplied_names, query_names
from attngen.ir import nodes
from attngen.schedule.levels import Level
from attngen.schedule.plan import Plan
from attngen.schedule.products import Product
from attngen.schedule.slopes import Slope

SUM = "(QUERY_TILE + BLOCK) * rounded_up(D, LANES)"
TILE = "(QUERY_TILE + 1) * KEY_TILE + BLOCK"
ROWS = "rounded_up(D, PANEL)"


def values(plan: Plan, pairs: Pairs) -> dict[str, object]:
    """What they show beside what forward templates show."""
    return _Gradients(plan, pairs).values()


@dataclass
class _Gradients:
    plan: Plan
    pairs: Pairs

    @property
    def products(self) -> dict[str, Product]:
        """The products that the score depends on smoothly, by name."""
        found = {product.name: product for product in self.plan.products}
        return {slope.name: found[slope.name] for slope in self.plan.slopes if slope.of_product}

    def values(self) -> dict[str, object]:
        plan = self.plan
        centred = isinstance(plan.normalization, (nodes.Softmax, nodes.Sum))
        keys = key_names(plan)
        weight = "scores[x] * " if plan.logit else ""
        return {
            "counted": False,
            "centred": centred,
            "packed_rows": [
                *((k, "D", [("pack_key", k, "D_factors * DEPTH"), ("pack_value", f"{k}_rows", ROWS)]) for k in keys),
                ("v", "E", [("pack_key", "v", "rounded_up(E, DEPTH)")]),
            ],
            "panel_widths": f"{len(keys)} * (rounded_up(call.D, DEPTH) + rounded_up(call.D, PANEL)) "
            "+ rounded_up(call.E, DEPTH)",
            "by_score": f"{weight}(dp_row[x] - delta)" if centred else f"{weight}dp_row[x]",
            "differentials": [
                (f"d_{slope.name}", self._differential(slope)) for slope in plan.slopes if slope.of_product
            ],
            "product_sums": [(f"d_{name}", multiplied(p), p.key.name) for name, p in self.products.items()],
            "bridged_sums": [
                (multiplied(p), p.query.name, p.bridge.name) for p in plan.products if p.bridge is not None
            ],
            "query_gradient_lines": adjoints.query_lines(plan),
            "key_gradients": adjoints.key_lines(plan),
            "gathered": "".join(f", Buffer<float>& d_{name}" for name in keys),
            "gathered_rows": "".join(f", d_{name}" for name in keys),
            **self._workspace(keys),
        }

    def _differential(self, slope: Slope) -> str:
        """The gradient by a product: that by the score times the slope."""
        if slope.level is Level.PAIR and not self.pairs.is_kept(slope.value):
            return f"by_score * d_{slope.name}_row[x]"  # where the loop before has left it
        text = self.pairs.text(slope.value, exact=False)
        return "by_score" if text == "1.0f" else f"by_score * {text}"

    def _workspace(self, keys: list[str]) -> dict[str, object]:
        plan = self.plan
        rows = multiplied_names(plan)
        floats = [(f"d_{name}", SUM) for name in dict.fromkeys((*query_names(plan), *rows))]
        floats += [(f"d_{name}", TILE) for name in self.products]
        floats += [(bridge.name, "D") for bridge in plan.bridges]
        pieces = [(f"{name}_rows", f"slots * KEY_TILE * {ROWS}") for name in keys]
        pieces += [(f"{name}_rows", f"KEY_TILE * {ROWS}") for name in rows]
        return {
            "more_floats": "".join(f"{name}, " for name, _ in floats),
            "more_pieces": "".join(f"{name}, " for name, _ in pieces),
            "more_float_sizes": [f"{name}({length})," for name, length in floats],
            "more_piece_sizes": [f"{name}({length})," for name, length in pieces],
        }

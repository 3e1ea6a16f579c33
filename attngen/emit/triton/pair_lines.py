"""The lines of the functions of pairs: loads, scores, masks, gradients, and the sums that kernels make of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from attngen.emit.layout import laid_out
from attngen.emit.triton import rows
from attngen.emit.triton.distances import lookup
from attngen.emit.triton.pairs import Pairs, multiplied
from attngen.emit.triton.reads import GradientPrinter, KernelPrinter
from attngen.ir.expr import TRUE, Expr, mentions
from attngen.schedule.levels import Level
from attngen.schedule.plan import Plan
from attngen.schedule.products import Product, RowPlan, key_rows, query_rows

TILE_SIZES = ["D", "E", "D_PADDED", "E_PADDED"]


@dataclass
class PairLines:
    """The functions of pairs as the strings that templates show."""

    pairs: Pairs

    @property
    def plan(self) -> Plan:
        return self.pairs.plan

    # where rows begin

    def query_heads(self) -> list[str]:
        """Where the rows of a head of queries begin."""
        order = "query_order_ptr + b_far * query_order_stride_b + h_far * query_order_stride_h"
        return [
            *(_order_lines("query_order", order) if self.plan.ordered else []),
            *(line for row in query_rows(self.plan.products) for line in _head_of(row, "q", "N")),
            "dy_head = dy_ptr + b_far * dy_stride_b + h_far * dy_stride_h",
            "stats_head = stats_ptr + (b_far * H + h_far) * N * 2",
            *(["delta_head = delta_ptr + (b_far * H + h_far) * N"] if self.plan.centred else []),
        ]

    def key_heads(self) -> list[str]:
        """Where the rows of a head of keys begin."""
        order = "key_order_ptr + b_far * key_order_stride_b + h_far * key_order_stride_h"
        return [
            *(_order_lines("key_order", order) if self.plan.ordered else []),
            *(line for row in key_rows(self.plan.products) for line in _head_of(row, "k", "M")),
            "v_head = v_ptr + b_far * v_stride_b + h_far // v_share * v_stride_h",
        ]

    def values(self) -> dict[str, object]:
        """What the template of the functions shows."""
        bridge = [line for p in self.plan.products if p.bridge is not None for line in self._bridge_lines(p)]
        return {
            "query_tile_arguments": ["tile", *self.pairs.query_tile_taken],
            "query_loads": laid_out([rows.load_queries(row.name) for row in query_rows(self.plan.products)], 4),
            "gradient_query_lines": laid_out(map(self.pairs.line, self.pairs.query_statements), 4),
            "query_values": ", ".join(self.pairs.query_values),
            "key_tile_arguments": ["key_tile", *self.pairs.key_tile_taken],
            "key_loads": laid_out([rows.load_keys(row.name) for row in key_rows(self.plan.products)], 4),
            "key_values": ", ".join(self.pairs.key_values),
            "bridges": bool(bridge),
            "bridged_arguments": self.pairs.bridged_taken,
            "gradient_bridge_lines": laid_out(bridge, 4),
            "bridged_values": ", ".join(self.pairs.bridged_values),
            "differentiate_arguments": self.pairs.typed(self.pairs.differentiate_taken),
            "products": [(p.name, multiplied(p), p.key.name) for p in self.plan.products],
            "gradient_score_lines": laid_out(score_lines(self.plan, "(row + j).shape", GradientPrinter), 4),
            "gradient_mask_lines": laid_out(self._mask_lines(), 8),
            "score_weight": "weights" if self.plan.logit else "share",
            "gradient_lines": laid_out(self._gradient_lines(), 4),
            "masked_gradients": [f"{name} = tl.where(live, {name}, 0.0)" for name, _ in self._gradients()],
            "differentials": ", ".join(self.pairs.differentials),
            **self._calls(),
        }

    def _calls(self) -> dict[str, object]:
        """How functions of pairs are called from others."""
        of = self.pairs
        queries = ["tile", *of.query_tile_taken, *TILE_SIZES, "QUERY_TILE", "WIDE"]
        outer = [*queries, "False", "1"]
        keys = ["key_tile", *of.key_tile_taken, *TILE_SIZES, "KEY_TILE", "WIDE"]
        bridge = [*of.bridged_taken, "D", "D_PADDED", "QUERY_TILE", "KEY_TILE"]
        pairs = [*of.differentiate_taken, "UPCAST", "WIDE", "FULL", "KEY_AXIS"]
        bridged = [_call(of.bridged_values, "_bridged", bridge)] if of.bridged_values else []
        return {
            "query_tile_call": laid_out([_call(of.query_values, "_query_tile", [*queries, "FULL", "KEY_AXIS"])], 4),
            "outer_query_tile_call": laid_out([_call(of.query_values, "_query_tile", outer)], 4),
            "key_tile_call": laid_out([_call(of.key_values, "_key_tile", [*keys, "FULL"])], 4),
            "outer_key_tile_call": laid_out([_call(of.key_values, "_key_tile", [*keys, "False"])], 4),
            "bridged_call": laid_out([*bridged, *self._rounded()], 4),
            "differentiate_call": laid_out([_call(of.differentials, "_differentiate", pairs)], 4),
        }

    def _rounded(self) -> list[str]:
        """Bridged rows in the dtype of the keys, as in the forward pass."""
        lines: list[str] = []
        for product in self.plan.products:
            if product.bridge is not None:
                row, key = multiplied(product), product.key.name
                lines += [
                    f"if {key}.dtype == tl.float16:  # a bridged row may be larger than what half precision holds",
                    f"    {key} = {key}.to(tl.float32)",
                    f"{row} = {row}.to({key}.dtype)",
                ]
        return lines

    def _bridge_lines(self, product: Product) -> list[str]:
        assert product.bridge is not None
        factor = rows.bridge_lines(self.plan, product.bridge)
        bridge = product.bridge.name
        return [
            *factor,
            f"{bridge} = tl.where(c < D, {bridge}, 0.0)",
            f"{multiplied(product)} = {product.query.name} * {bridge}",
        ]

    def _mask_lines(self) -> list[str]:
        mask = self.plan.mask
        if mask.result == TRUE:
            return ["pass"]
        lines = [self.pairs.line(statement) for statement in mask.at(Level.KEY, Level.PAIR)]
        return [*lines, f"live = live & {self.pairs.text(mask.result, 9, exact=True)}"]

    def _gradients(self) -> list[tuple[str, Expr]]:
        """The gradients of pairs with their slopes; masked pairs have no part in them, whatever their slopes are."""
        found = [(f"d_{slope.name}", slope.value) for slope in self.plan.slopes if slope.of_product]
        return [*found, *((each.name, each.value) for each in self.pairs.landings)]

    def _gradient_lines(self) -> list[str]:
        """The gradients, and which elements they belong to."""
        lines = []
        for name, value in self._gradients():
            slope = self.pairs.text(value, 11)
            lines.append(f"{name} = by_score{'' if slope == '1.0' else f' * {slope}'}")
        for each in self.pairs.of_pairs:
            texts = GradientPrinter(self.plan, exact=True).places(replace(each.read, indices=each.place))
            lines += [f"{each.name}_at_{k} = {text}" for k, text in enumerate(texts)]
        return lines

    # sums

    def add_to_queries(self) -> list[str]:
        """dq += gradients . keys, for each product."""
        lines = self._as_float32([product.key.name for product in self.plan.smooth])
        for product in self.plan.smooth:
            sums, key = f"d_{product.query.name}", product.key.name
            pairs = f"d_{product.name}.to({key}.dtype), tl.trans({key})"
            if product.bridge is None:
                lines.append(f"{sums} = _dot({pairs}, {sums}, UPCAST)")
            else:
                lines.append(f"{sums} += _dot({pairs}, tl.zeros_like({sums}), UPCAST) * {product.bridge.name}")
        return lines

    def add_to_keys(self) -> list[str]:
        """dk += gradients . queries for each product, and dv += weights . dy."""
        lines = self._as_float32([*(multiplied(product) for product in self.plan.smooth), "dy"])
        for product in self.plan.smooth:
            sums, row = f"d_{product.key.name}", multiplied(product)
            pairs = f"_keys_first(d_{product.name}.to({row}.dtype), KEY_AXIS)"
            lines.append(f"{sums} = _dot({pairs}, {row}, {sums}, UPCAST)")
        return [*lines, "dv = _dot(_keys_first(weights.to(dy.dtype), KEY_AXIS), dy, dv, UPCAST)"]

    def _as_float32(self, names: list[str]) -> list[str]:
        """Weights that are no shares may be larger than what half precision holds, and so may gradients."""
        if self.plan.softmax or not names:
            return []
        lines = [f"    {name} = {name}.to(tl.float32)" for name in dict.fromkeys(names)]
        return ["if dy.dtype == tl.float16:  # gradients may be larger than what half precision holds", *lines]


def _call(given: list[str], function: str, taken: list[str]) -> str:
    return f"{', '.join(given)} = {function}({', '.join(taken)})"


def _head_of(row: RowPlan, side: str, count: str) -> list[str]:
    """Where the rows of a head begin: those of q or k, or computed ones, [B, heads, N or M, D]."""
    if not row.plain:
        return rows.head_lines(row, count)
    return [f"{row.name}_head = {row.name}_ptr + b_far * {side}_stride_b + h_far // {side}_share * {side}_stride_h"]


def _order_lines(name: str, place: str) -> list[str]:
    """Tokens may be walked in another order than their own; then tiles hold slots, in which tokens are looked up."""
    return [f"{name} = None", f"if {name}_ptr is not None:", f"    {name} = {place}"]


def score_lines(plan: Plan, shape: str, printer: type[KernelPrinter] = KernelPrinter) -> list[str]:
    """The values of keys and pairs, then the score in base two (`logit`) or the weight, of a tile of a shape."""
    values = [*(statement.value for statement in plan.score.at(Level.PAIR)), plan.score.result]
    score = printer(plan, exact=False).tight(plan.score.result, 10)
    if not any(mentions(expr, *(product.name for product in plan.products)) for expr in values):
        score = f"tl.zeros({shape}, tl.float32) + {score}"  # else the text may be narrower than the tile
    tabled = plan.by_distance
    lines = []
    for statement in plan.score.at(Level.KEY, Level.PAIR):
        text = printer(plan, statement.exact).tight(statement.value, 0)
        looked_up = statement in tabled
        lines += lookup(statement, printer.row, text) if looked_up else [f"{statement.name} = {text}"]
    if plan.softmax:
        return [*lines, f"logit = {score}"]
    return [*lines, f"weights = tl.exp2({score})" if plan.logit else f"weights = {score}"]

"""What kernels of the backward pass compute for pairs: the functions that all of them call, and what these take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from attngen.emit.layout import laid_out
from attngen.emit.triton import arguments as args
from attngen.emit.triton import rows
from attngen.emit.triton.reads import KernelPrinter
from attngen.ir.expr import TRUE, Expr, mentions, variables
from attngen.schedule.homes import Home, Landing
from attngen.schedule.levels import Level
from attngen.schedule.names import kernel_name
from attngen.schedule.plan import Plan
from attngen.schedule.products import Product, RowPlan, key_rows, query_rows
from attngen.schedule.statements import Statement, needed

TILE_SIZES = ["D", "E", "D_PADDED", "E_PADDED"]


@dataclass
class Pairs:
    """The functions of a plan; `centred` tells whether gradients by the scores of a row are relative to `delta`."""

    plan: Plan
    centred: bool

    # what is computed

    @cached_property
    def landings(self) -> list[Landing]:
        """Those of scores."""
        return [each for each in self.plan.landings if each.home not in args.OF_ROWS and not each.of_sink]

    @cached_property
    def exprs(self) -> list[Expr]:
        """All that is computed for pairs, and for keys."""
        tiles = (self.plan.mask, self.plan.score)
        found = [s.value for tile in tiles for s in tile.at(Level.KEY, Level.PAIR)] + [tile.result for tile in tiles]
        found += [slope.value for slope in self.plan.slopes]
        return found + [index for each in self.landings for index in each.place]

    @cached_property
    def query_statements(self) -> list[Statement]:
        """What is computed once for a query."""
        found = dict.fromkeys(s for tile in (self.plan.mask, self.plan.score) for s in tile.at(Level.QUERY))
        return needed(found, *self.exprs)

    @property
    def query_values(self) -> list[str]:
        """What `_query_tile` gives."""
        used = frozenset[str]().union(*map(variables, self.exprs))
        names = [*(["base"] if self.plan.softmax else []), "share", *(["delta"] if self.centred else [])]
        named = [statement.name for statement in self.query_statements if statement.name in used]
        return ["rows", "i", *(row.name for row in query_rows(self.plan.products)), "dy", *names, *named]

    @property
    def key_values(self) -> list[str]:
        """What `_key_tile` gives."""
        return ["keys", *(row.name for row in key_rows(self.plan.products)), "v"]

    @property
    def bridged_values(self) -> list[str]:
        """What `_bridged` gives: rows of queries that a tile of keys is multiplied by, and factors of channels."""
        return [name for p in self.plan.products if p.bridge is not None for name in (_multiplied(p), p.bridge.name)]

    @property
    def differentials(self) -> list[str]:
        """What `_differentiate` gives."""
        slopes = [f"d_{slope.name}" for slope in self.plan.slopes if slope.of_product]
        indices = [f"{each.name}_at_{k}" for each in self.of_pairs for k in range(len(each.read.indices))]
        return ["live", "weights", *slopes, *(each.name for each in self.landings), *indices]

    @property
    def of_pairs(self) -> list[Landing]:
        """Landings whose elements kernels must know."""
        return [each for each in self.landings if each.home is Home.PAIR]

    # what functions take

    @property
    def query_tile_taken(self) -> list[str]:
        order = ["query_order"] if self.plan.ordered else []
        heads = [f"{row.name}_{end}" for row in query_rows(self.plan.products) for end in HEAD_ENDS]
        more = ["dy_head", "dy_stride_n", "dy_stride_e", "stats_head", *(["delta_head"] if self.centred else [])]
        exprs = [statement.value for statement in self.query_statements]
        used = args.used_arguments(self.plan, exprs, made=["rows", "i", *(s.name for s in self.query_statements)])
        return _once([*order, *heads, *more, "offset", "N", "M", *used])

    @property
    def key_tile_taken(self) -> list[str]:
        order = ["key_order"] if self.plan.ordered else []
        heads = [f"{row.name}_{end}" for row in key_rows(self.plan.products) for end in HEAD_ENDS]
        return [*order, *heads, "v_head", "v_stride_n", "v_stride_e", "M"]

    @property
    def bridged_taken(self) -> list[str]:
        bridges = [product for product in self.plan.products if product.bridge is not None]
        if not bridges:
            return []
        exprs = [expr for bridge in self.plan.bridges for expr in bridge.exprs]
        used = args.used_arguments(self.plan, exprs, made=["query_anchor", "key_anchor"])
        return _once(["tile", "key_tile", *(product.query.name for product in bridges), "offset", *used])

    @property
    def differentiate_taken(self) -> list[str]:
        queries = [name for name in self.query_values if name not in self._bridged_rows]
        used = args.used_arguments(self.plan, self.exprs)
        rows_of_bridges = [_multiplied(product) for product in self.plan.products if product.bridge is not None]
        names = _once([*rows_of_bridges, *queries, *self.key_values, *used, "N", "M"])
        return [name for name in names if name != "i" or "i" in used]

    @property
    def _bridged_rows(self) -> set[str]:
        """Rows of queries that no product takes as they are."""
        plain = {product.query.name for product in self.plan.products if product.bridge is None}
        return {row.name for row in query_rows(self.plan.products)} - plain

    def taken(self, *parts: Iterable[str], made: Iterable[str]) -> list[str]:
        """What a function takes that gets `parts` and handles pairs, without what it has made."""
        inside = {*made, *self.bridged_values, *self.differentials}
        names = _once([*(name for part in parts for name in part), *self.bridged_taken, *self.differentiate_taken])
        return [name for name in names if name not in inside]

    # lines

    def text(self, expr: Expr, outer: int = 0, exact: bool = False) -> str:
        return KernelPrinter(self.plan, exact).tight(expr, outer)

    def line(self, statement: Statement) -> str:
        return f"{statement.name} = {self.text(statement.value, exact=statement.exact)}"

    def query_heads(self) -> list[str]:
        """Where the rows of a head of queries begin."""
        order = "query_order_ptr + b_far * query_order_stride_b + h_far * query_order_stride_h"
        return [
            *(_order_lines("query_order", order) if self.plan.ordered else []),
            *(line for row in query_rows(self.plan.products) for line in _head_of(row, "q", "N")),
            "dy_head = dy_ptr + b_far * dy_stride_b + h_far * dy_stride_h",
            "stats_head = stats_ptr + (b_far * H + h_far) * N * 2",
            *(["delta_head = delta_ptr + (b_far * H + h_far) * N"] if self.centred else []),
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
            "query_tile_arguments": ["tile", *self.query_tile_taken],
            "query_loads": laid_out([rows.load_queries(row.name) for row in query_rows(self.plan.products)], 4),
            "gradient_query_lines": laid_out(map(self.line, self.query_statements), 4),
            "query_values": ", ".join(self.query_values),
            "key_tile_arguments": ["key_tile", *self.key_tile_taken],
            "key_loads": laid_out([rows.load_keys(row.name) for row in key_rows(self.plan.products)], 4),
            "key_values": ", ".join(self.key_values),
            "bridges": bool(bridge),
            "bridged_arguments": self.bridged_taken,
            "gradient_bridge_lines": laid_out(bridge, 4),
            "bridged_values": ", ".join(self.bridged_values),
            "differentiate_arguments": self.typed(self.differentiate_taken),
            "products": [(p.name, _multiplied(p), p.key.name) for p in self.plan.products],
            "gradient_score_lines": laid_out(self._score_lines(), 4),
            "gradient_mask_lines": laid_out(self._mask_lines(), 8),
            "score_weight": "weights" if self.plan.logit else "share[:, None]",
            "gradient_lines": laid_out(self._gradient_lines(), 4),
            "differentials": ", ".join(self.differentials),
            **self._calls(),
        }

    def typed(self, names: list[str]) -> list[str]:
        """Parameters of the author's are constants."""
        constants = set(map(kernel_name, args.constants(self.plan, args.gradient_exprs(self.plan))))
        return [f"{name}: tl.constexpr" if name in constants else name for name in names]

    def _calls(self) -> dict[str, object]:
        """How functions of pairs are called from others."""
        queries = ["tile", *self.query_tile_taken, *TILE_SIZES, "QUERY_TILE"]
        keys = ["key_tile", *self.key_tile_taken, *TILE_SIZES, "KEY_TILE"]
        bridge = [*self.bridged_taken, "D", "D_PADDED", "QUERY_TILE", "KEY_TILE"]
        pairs = [*self.differentiate_taken, "UPCAST", "WIDE", "FULL"]
        bridged = [f"{', '.join(self.bridged_values)} = _bridged({', '.join(bridge)})"] if self.bridged_values else []
        return {
            "query_tile_call": laid_out([f"{', '.join(self.query_values)} = _query_tile({', '.join(queries)})"], 4),
            "key_tile_call": laid_out([f"{', '.join(self.key_values)} = _key_tile({', '.join(keys)})"], 4),
            "bridged_call": laid_out([*bridged, *self._rounded()], 4),
            "differentiate_call": laid_out(
                [f"{', '.join(self.differentials)} = _differentiate({', '.join(pairs)})"], 4
            ),
        }

    def _rounded(self) -> list[str]:
        """Bridged rows in the dtype of the keys, as in the forward pass."""
        lines: list[str] = []
        for product in self.plan.products:
            if product.bridge is not None:
                row, key = _multiplied(product), product.key.name
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
            f"{_multiplied(product)} = {product.query.name} * {bridge}",
        ]

    def _score_lines(self) -> list[str]:
        score, plan = self.text(plan_score := self.plan.score.result, 10), self.plan
        names = [product.name for product in plan.products]
        values = [*(s.value for s in plan.score.at(Level.PAIR)), plan_score]
        if not any(mentions(expr, *names) for expr in values):  # else the text may be narrower than the tile
            score = f"tl.zeros([rows.shape[0], keys.shape[0]], tl.float32) + {score}"
        lines = [self.line(statement) for statement in plan.score.at(Level.KEY, Level.PAIR)]
        if plan.softmax:
            return [*lines, f"logit = {score}"]
        return [*lines, f"weights = tl.exp2({score})" if plan.logit else f"weights = {score}"]

    def _mask_lines(self) -> list[str]:
        mask = self.plan.mask
        if mask.result == TRUE:
            return ["pass"]
        lines = [self.line(statement) for statement in mask.at(Level.KEY, Level.PAIR)]
        return [*lines, f"live = live & {self.text(mask.result, 9, exact=True)}"]

    def _gradient_lines(self) -> list[str]:
        """What a masked pair has no part in, whatever the slope of its score."""
        found = [(f"d_{slope.name}", slope.value) for slope in self.plan.slopes if slope.of_product]
        found += [(each.name, each.value) for each in self.landings]
        lines = []
        for name, value in found:
            slope = self.text(value, 11)
            lines.append(f"{name} = tl.where(live, by_score{'' if slope == '1.0' else f' * {slope}'}, 0.0)")
        for each in self.of_pairs:
            texts = KernelPrinter(self.plan, exact=True).places(replace(each.read, indices=each.place))
            lines += [f"{each.name}_at_{k} = {text}" for k, text in enumerate(texts)]
        return lines

    # sums

    def add_to_queries(self) -> list[str]:
        """dq += gradients . keys, for each product."""
        lines = self._as_float32([product.key.name for product in self._smooth])
        for product in self._smooth:
            sums, key = f"d_{product.query.name}", product.key.name
            pairs = f"d_{product.name}.to({key}.dtype), tl.trans({key})"
            if product.bridge is None:
                lines.append(f"{sums} = _dot({pairs}, {sums}, UPCAST)")
            else:
                lines.append(f"{sums} += _dot({pairs}, tl.zeros_like({sums}), UPCAST) * {product.bridge.name}")
        return lines

    def add_to_keys(self) -> list[str]:
        """dk += gradients . queries for each product, and dv += weights . dy."""
        lines = self._as_float32([*(_multiplied(product) for product in self._smooth), "dy"])
        for product in self._smooth:
            sums, row = f"d_{product.key.name}", _multiplied(product)
            lines.append(f"{sums} = _dot(tl.trans(d_{product.name}.to({row}.dtype)), {row}, {sums}, UPCAST)")
        return [*lines, "dv = _dot(tl.trans(weights.to(dy.dtype)), dy, dv, UPCAST)"]

    def _as_float32(self, names: list[str]) -> list[str]:
        """Weights that are no shares may be larger than what half precision holds, and so may gradients."""
        if self.plan.softmax:
            return []
        lines = [f"    {name} = {name}.to(tl.float32)" for name in _once(names)]
        return ["if dy.dtype == tl.float16:  # gradients may be larger than what half precision holds", *lines]

    @property
    def _smooth(self) -> list[Product]:
        """The products that the score depends on smoothly."""
        found = {product.name: product for product in self.plan.products}
        return [found[slope.name] for slope in self.plan.slopes if slope.of_product]


HEAD_ENDS = ("head", "stride_n", "stride_d")


def _multiplied(product: Product) -> str:
    """The rows of queries that a product takes."""
    return product.query.name if product.bridge is None else f"{product.name}_row"


def _head_of(row: RowPlan, side: str, count: str) -> list[str]:
    """Where the rows of a head begin: those of q or k, or computed ones, [B, heads, N or M, D]."""
    name = row.name
    if row.plain:
        return [f"{name}_head = {name}_ptr + b_far * {side}_stride_b + h_far // {side}_share * {side}_stride_h"]
    far = f"(b_far * (H // {name}_share) + h_far // {name}_share)"
    return [
        f"{name}_head = {name}_ptr + {far} * {count} * D",
        f"{name}_stride_n = D",
        f"{name}_stride_d = 1",
    ]


def _order_lines(name: str, place: str) -> list[str]:
    """Tokens may be walked in another order than their own; then tiles hold slots, in which tokens are looked up."""
    return [f"{name} = None", f"if {name}_ptr is not None:", f"    {name} = {place}"]


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))

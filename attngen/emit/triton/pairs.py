"""What kernels of the backward pass compute for pairs, by name: what their functions take and give."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from attngen.emit.triton import arguments as args
from attngen.emit.triton.reads import GradientPrinter
from attngen.ir.expr import Expr, variables
from attngen.schedule.homes import Home, Landing
from attngen.schedule.levels import Level
from attngen.schedule.names import kernel_name
from attngen.schedule.plan import Plan
from attngen.schedule.products import Product, key_rows, query_rows
from attngen.schedule.statements import Statement, needed


@dataclass
class Pairs:
    """The functions of a plan."""

    plan: Plan

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
        names = [*(["base"] if self.plan.softmax else []), "share", *(["delta"] if self.plan.centred else [])]
        named = [statement.name for statement in self.query_statements if statement.name in used]
        return ["rows", "i", *(row.name for row in query_rows(self.plan.products)), "dy", *names, *named]

    @property
    def key_values(self) -> list[str]:
        """What `_key_tile` gives."""
        return ["keys", *(row.name for row in key_rows(self.plan.products)), "v"]

    @property
    def bridged_values(self) -> list[str]:
        """What `_bridged` gives: rows of queries that a tile of keys is multiplied by, and factors of channels."""
        return [name for p in self.plan.products if p.bridge is not None for name in (multiplied(p), p.bridge.name)]

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
        more = ["dy_head", "dy_stride_n", "dy_stride_e", "stats_head", *(["delta_head"] if self.plan.centred else [])]
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
        rows_of_bridges = [multiplied(product) for product in self.plan.products if product.bridge is not None]
        names = _once([*rows_of_bridges, *queries, *self.key_values, *used, "N", "M"])
        return [name for name in names if name != "i" or "i" in used]

    @property
    def _bridged_rows(self) -> set[str]:
        """Rows of queries that no product takes as they are."""
        plain = {product.query.name for product in self.plan.products if product.bridge is None}
        return {row.name for row in query_rows(self.plan.products)} - plain

    def taken(self, given: Iterable[str], made: Iterable[str]) -> list[str]:
        """What a function takes that is `given` something and handles pairs, without what it has made."""
        inside = {*made, *self.bridged_values, *self.differentials}
        names = _once([*given, *self.bridged_taken, *self.differentiate_taken])
        return [name for name in names if name not in inside]

    # how it is printed

    def text(self, expr: Expr, outer: int = 0, exact: bool = False) -> str:
        return GradientPrinter(self.plan, exact).tight(expr, outer)

    def line(self, statement: Statement) -> str:
        return f"{statement.name} = {self.text(statement.value, exact=statement.exact)}"

    def typed(self, names: list[str]) -> list[str]:
        """Parameters of the author's are constants."""
        constants = set(map(kernel_name, args.constants(self.plan, args.gradient_exprs(self.plan))))
        return [f"{name}: tl.constexpr" if name in constants else name for name in names]


HEAD_ENDS = ("head", "stride_n", "stride_d")


def multiplied(product: Product) -> str:
    """The rows of queries that a product takes."""
    return product.query.name if product.bridge is None else f"{product.name}_row"


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))

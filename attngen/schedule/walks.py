"""Which walk a mask gets: segments in closed form where these say everything, else a list of live tiles."""

from __future__ import annotations

from attngen.analysis.bounds import Bounds
from attngen.analysis.facts import Facts
from attngen.analysis.lists import List
from attngen.analysis.orders import orders_for
from attngen.analysis.tiletest import TileBox, tile_test
from attngen.analysis.walk import Periodic, Range, key_walk
from attngen.ir.expr import TRUE, Expr, Read, distinct
from attngen.ir.nodes import Variant


def choose_walk(
    variant: Variant, mask: Expr, fault: Expr, bounds: Bounds, movable: bool = True
) -> Range | Periodic | List:
    """A list where a test of tiles knows what the closed form does not, or where an order is offered.

    Where tokens are not `movable`, they are walked in their own order.
    """
    orders = orders_for(variant, mask) if movable else ()
    if orders and mask != TRUE:
        return List(tile_test(variant, mask, fault, ordered=True), orders)
    by_data = any(isinstance(part, Read) for part in distinct(mask))
    if bounds.periodic and not bounds.fallbacks and not by_data:
        return key_walk(bounds)
    test = tile_test(variant, mask, fault)
    box = TileBox(Facts.of(variant), variant)
    if bounds.toothed or test.spans or test.areas or any(box.knows(fallback.part) for fallback in bounds.fallbacks):
        return List(test, ())
    return key_walk(bounds)

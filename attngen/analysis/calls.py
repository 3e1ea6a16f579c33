"""What the ends of the positions of a call tell of all its pairs, before a launch."""

from __future__ import annotations

from attngen.analysis.facts import FIRST, FIRST_KEY, LAST, LAST_KEY, Facts
from attngen.analysis.interval import truth
from attngen.analysis.tiletest import TileBox
from attngen.ir.expr import TRUE, Expr, Read, distinct, variables
from attngen.ir.nodes import Variant

ENDS = (FIRST, LAST, FIRST_KEY, LAST_KEY)
"""The positions of the first and the last query, and of the first and the last key."""


def possible(predicate: Expr, variant: Variant) -> Expr:
    """Whether a predicate can hold for a pair of a call, over `ENDS`, parameters and sizes; `TRUE` where data tell.

    A call is taken for one large tile.
    """
    box = TileBox(Facts.of(variant), variant)
    found = truth(predicate, box).possible
    known = variables(found) <= {end.name for end in ENDS} and not any(isinstance(x, Read) for x in distinct(found))
    return found if known and not box.spans and not box.areas else TRUE

"""How often a value must be computed: once per head, per query, per key or per pair."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from attngen.analysis.laws import ROW_SUM
from attngen.ir.expr import Apply, Expr, Row, children, distinct, variables


class Level(IntEnum):
    """What a value varies with. `QUERY` and `KEY` together make `PAIR`."""

    HEAD = 0
    QUERY = 1
    KEY = 2
    PAIR = 3


PAIRS: Mapping[str, Level] = {"i": Level.QUERY, "j": Level.KEY}
"""What varies in a tile of pairs."""
QUERY_ROWS: Mapping[str, Level] = {"i": Level.QUERY, "c": Level.KEY}
KEY_ROWS: Mapping[str, Level] = {"j": Level.QUERY, "c": Level.KEY}
BRIDGES: Mapping[str, Level] = {"key_anchor": Level.QUERY, "c": Level.KEY}
"""What varies in a tile of rows: `QUERY` is once per row, `KEY` once per channel, and `PAIR` once per element. The
bridge between anchors of rows has a factor per channel, and key tiles where rows have positions."""


def is_row_sum(expr: Expr) -> bool:
    return isinstance(expr, Apply) and expr.function == ROW_SUM


def level(expr: Expr, known: Mapping[str, Level] | None = None, axes: Mapping[str, Level] = PAIRS) -> Level:
    """The level of an expression; `known` gives those of names that stand for other values."""
    found = 0
    if "c" in axes and any(map(is_row_sum, distinct(expr))):  # the same for all channels
        for child in children(expr):
            found |= level(child, known, axes)
        return Level(found & ~axes["c"] if is_row_sum(expr) else found)
    for name in variables(expr):
        found |= known[name] if known and name in known else axes.get(name, Level.HEAD)
    if "c" in axes and any(isinstance(part, Row) for part in distinct(expr)):
        found |= axes["c"]
    return Level(found)

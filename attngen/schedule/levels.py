"""How often a value must be computed: once per head, per query, per key or per pair."""

from __future__ import annotations

from enum import IntEnum

from attngen.ir.expr import Expr, Kind, Variable, variables

PRODUCT = Variable(Kind.FLOAT, name="qk")
"""dot(q, k) of the pair."""


class Level(IntEnum):
    """What a value varies with. `QUERY` and `KEY` together make `PAIR`."""

    HEAD = 0
    QUERY = 1
    KEY = 2
    PAIR = 3


def level(expr: Expr, known: dict[str, Level] | None = None) -> Level:
    """The level of an expression; `known` gives those of names that stand for other values."""
    found = 0
    for name in variables(expr):
        if name == PRODUCT.name:
            found |= Level.PAIR
        elif known and name in known:
            found |= known[name]
        else:
            found |= {"i": Level.QUERY, "j": Level.KEY}.get(name, Level.HEAD)
    return Level(found)

"""Where gradients by elements of inputs come together: which pairs, or which elements of rows, read the same one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from attngen.ir.expr import Expr, Read, rewrite, variables
from attngen.schedule.distances import DISTANCE, over_distance
from attngen.schedule.products import Product, key_rows, query_rows
from attngen.schedule.slopes import Slope


class Home(Enum):
    """What an element that a score reads is chosen by, and so which sums a kernel makes; the launcher hands them on."""

    HEAD = "the head: summed for each query, then over all"
    QUERY = "the query: summed for each"
    KEY = "the key: summed for each"
    BAND = "the distance i - j: summed for each diagonal"
    PAIR = "both positions: added element by element"
    QUERY_ROWS = "a channel of a row of queries: summed over pairs with the row"
    KEY_ROWS = "a channel of a row of keys: summed over pairs with the row"


@dataclass(frozen=True, slots=True)
class Landing:
    """Gradients by the elements that `read` reads, under a name: `value` times that by a score, or a share of a row.

    `place` are the indices of `read` over the names of the plan's statements, where the kernel needs them.
    """

    name: str
    read: Read
    home: Home
    value: Expr
    place: tuple[Expr, ...] = ()
    of_sink: bool = False


def landings(
    products: tuple[Product, ...], slopes: tuple[Slope, ...], extra_slopes: tuple[Slope, ...]
) -> tuple[Landing, ...]:
    """All of a plan: of its score, of its sink, and of its rows."""
    found: list[Landing] = []

    def land(read: Read, home: Home, value: Expr, place: tuple[Expr, ...] = (), of_sink: bool = False) -> None:
        name, count = f"by_{read.input}", 1
        while name in {landing.name for landing in found}:
            count += 1
            name = f"by_{read.input}_{count}"
        found.append(Landing(name, read, home, value, place, of_sink))

    for of_sink, each in ((False, slopes), (True, extra_slopes)):
        for slope in each:
            if isinstance(slope.target, Read):
                land(slope.target, home_of(slope.target), slope.value, slope.place, of_sink)
    for home, sides in ((Home.QUERY_ROWS, query_rows(products)), (Home.KEY_ROWS, key_rows(products))):
        for rows in sides:
            for leaf, share in rows.adjoint.shares if rows.adjoint is not None else ():
                if isinstance(leaf, Read):
                    land(leaf, home, share)
    return tuple(found)


def home_of(read: Read) -> Home:
    """Where the gradients of a read of the score come together."""
    names = variables(read)
    if not names <= {"b", "h", "i", "j"}:
        return Home.PAIR  # chosen by a score
    if not names & {"i", "j"}:
        return Home.HEAD
    if not {"i", "j"} <= names:
        return Home.QUERY if "i" in names else Home.KEY
    left = frozenset[str]().union(*(variables(rewrite(index, over_distance)) for index in read.indices))
    return Home.BAND if left <= {"b", "h", DISTANCE.name} else Home.PAIR

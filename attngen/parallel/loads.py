"""How much a rank computes."""

from __future__ import annotations

from attngen.parallel.layouts import Run, tokens_of
from attngen.parallel.needs import Needs, common
from attngen.parallel.ring import Ring

STEP = 128
"""Queries of which one stands for all, unless a rank has so many that more do."""
PARTS = 4096
"""Steps of the queries of a rank, at all ranks that hold keys together, at most; and of all queries."""


def pairs_at(ring: Ring, reader: int, owner: int) -> int:
    """Pairs of one rank's queries and another's keys that may be live."""
    held = tokens_of(ring.queries(reader))
    step = max(STEP, -(-held // min(64, max(2, PARTS // ring.ranks))))
    return sum(_pairs(ring.needs, visit.queries, visit.keys, step) for visit in ring.visits(reader, owner))


def pairs_of_all(ring: Ring) -> int:
    """Pairs of all queries and keys that may be live."""
    return _pairs(ring.needs, Run(0, ring.N), Run(0, ring.M), max(STEP, -(-ring.N // PARTS)))


def _pairs(needs: Needs, queries: Run, keys: Run, step: int) -> int:
    """Of a block; a query in the middle of each step says how many keys the others see."""
    total = 0
    for start in range(queries.start, queries.stop, step):
        stop = min(start + step, queries.stop)
        middle = (start + stop) // 2
        seen = common(needs.keys_of(Run(middle, middle + 1)), (keys,))
        total += (stop - start) * tokens_of(seen)
    return total

"""Who needs which keys of whom, and in which order they come: the communication schedule of a mask.

At hop t rank r reads what rank r - t holds, counted around the ring; hop 0 is its own. A hop that no rank needs isn't
made, and of a rank's keys only those that are needed travel, straight from their owner.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from attngen.parallel.layouts import Layout, Run
from attngen.parallel.needs import Needs, Runs, common, joined


@dataclass(slots=True)
class Ring:
    """The ranks of a call and what lies on each.

    Attributes:
        layout: how sequences are cut; queries and keys are cut alike, each by their own number.
        ranks: how many there are.
        N, M: queries and keys of the whole call.
        needs: what the mask needs.
    """

    layout: Layout
    ranks: int
    N: int
    M: int
    needs: Needs
    _visited: dict[tuple[int, int], tuple[Visit, ...]] = field(default_factory=dict)
    _joined: dict[tuple[str, int, int], Runs] = field(default_factory=dict)

    def queries(self, rank: int) -> Runs:
        """The queries of a rank."""
        return self.layout.runs(self.N, self.ranks, rank)

    def keys(self, rank: int) -> Runs:
        """The keys of a rank."""
        return self.layout.runs(self.M, self.ranks, rank)

    def visits(self, reader: int, owner: int) -> tuple[Visit, ...]:
        """The blocks of one rank's queries and another's keys that hold live pairs."""
        if (reader, owner) not in self._visited:
            self._visited[reader, owner] = tuple(self._visits(reader, owner))
        return self._visited[reader, owner]

    def travelling(self, reader: int, owner: int) -> Runs:
        """The owner's keys that a reader needs."""
        place = "keys", reader, owner
        if place not in self._joined:
            self._joined[place] = joined((visit.keys for visit in self.visits(reader, owner)), self.M)
        return self._joined[place]

    def asking(self, reader: int, owner: int) -> Runs:
        """The reader's queries that need some of the owner's keys."""
        place = "queries", reader, owner
        if place not in self._joined:
            self._joined[place] = joined((visit.queries for visit in self.visits(reader, owner)), self.N)
        return self._joined[place]

    def _visits(self, reader: int, owner: int) -> Iterator[Visit]:
        for queries in self.queries(reader):
            for keys in common(self.needs.keys_of(queries), self.keys(owner)):
                for part in common((queries,), self.needs.queries_of(keys)):
                    yield Visit(part, keys)


@dataclass(frozen=True, slots=True)
class Visit:
    """A block: queries of one rank and keys of one rank, as runs of the sequence."""

    queries: Run
    keys: Run

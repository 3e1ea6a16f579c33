"""An attention over pairs whose queries and keys are shared by ranks: what one rank does in a call.

Forward, keys and values travel to the queries that need them, and rows are merged as blocks come in. Backward, they
travel again and their gradients go back, or queries travel with what their gradients need and theirs come back
(BurstAttention, arXiv:2403.09347, section 3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from attngen.parallel.blocks import Block
from attngen.parallel.kernels import Operators
from attngen.parallel.layouts import Run
from attngen.parallel.merging import Added, Merged
from attngen.parallel.ranks import Ranks
from attngen.parallel.ring import Ring, Visit
from attngen.parallel.shares import Share
from attngen.parallel.travel import Hop, on_their_way, returned

DY, STATS, CENTRE = ".dy", ".stats", ".centre"
"""What travels with queries for gradients, by names that no input can have."""


@dataclass(slots=True)
class PairCall:
    """A call.

    Attributes:
        ring, ranks: who needs what, and the way to them.
        block: the variant that kernels compute.
        opening: its operators where what rows have once (a sink) is added, and `others` where it is not.
        numbers: what kernels take beside tensors and positions: parameters, `scale`, and how many keys and queries
            there are.
        offset: the position of query 0.
        inputs: the spec's, by name; this rank's share of those with a token axis.
        normalized: whether rows are divided by what they have seen.
        has_lse: whether these are sums of exponentials.
        added: what is added to sums of weights.
        sends_queries: whether queries travel backward, in place of keys.
    """

    ring: Ring
    ranks: Ranks
    block: Block
    opening: Operators
    others: Operators
    numbers: Mapping[str, Any]
    offset: int
    inputs: Mapping[str, Tensor]
    normalized: bool
    has_lse: bool
    added: Added
    sends_queries: bool

    @property
    def rank(self) -> int:
        return self.ranks.rank

    @property
    def shared(self) -> set[str]:
        """The inputs that every rank holds."""
        return {cut.of for cut in self.block.inputs if not cut.axes}

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Merged:
        """This rank's rows."""
        queries, keys = rows_of(self.block, self.ring, self.rank, {"q": q, "k": k, "v": v}, self.inputs)
        heads = max(q.shape[1], k.shape[1], v.shape[1])
        merged = Merged.nothing((q.shape[0], heads, q.shape[2], v.shape[3]), q.device, self.normalized, self.added)
        hops = self._travel(keys)  # the first is on its way from here on
        for visit in self._opening():
            merged.add(queries.place(visit.queries), *self.opening.rows(self._call(visit, queries, keys)))
        self._merge(merged, self.ring.visits(self.rank, self.rank), queries, keys)
        for hop in hops:
            if hop.came is not None:
                self._merge(merged, self.ring.visits(self.rank, hop.source), queries, hop.came)
        return merged

    def _merge(self, merged: Merged, visits: tuple[Visit, ...], queries: Share, keys: Share) -> None:
        for visit in visits:
            merged.add(queries.place(visit.queries), *self.others.rows(self._call(visit, queries, keys)))

    def backward(
        self, rows: Mapping[str, Tensor], of_rows: Mapping[str, Tensor], wanted: set[str]
    ) -> dict[str, Tensor]:
        """Gradients, summed in float32.

        Args:
            rows: q, k and v.
            of_rows: by the names below, dy in their dtype, and in float32 the stats of rows and their centres: what
                slopes are relative to, less the gradient by the log-sum-exp.
            wanted: by what: q, k, v and inputs of the spec.

        Returns:
            By name; those by inputs that every rank holds are this rank's part of a sum over ranks.
        """
        queries, keys = rows_of(self.block, self.ring, self.rank, rows, self.inputs)
        asked = {
            name for each in (self.opening, self.others) for name in each.trained if self._spec_name(name) in wanted
        }
        sums = _Sums(queries.zeros(asked), keys.zeros(asked), self._shared(asked))
        queries = Share({**queries.rows, **of_rows}, queries.runs, queries.axes)
        hops = self._travel(queries if self.sends_queries else keys)
        for visit in self._opening():
            self._differentiate(self.opening, visit, queries, keys, sums)
        self._add(self.rank, self.rank, queries, keys, sums)
        back = None
        for hop in hops:
            answer = None if hop.came is None else self._answered(hop, queries, keys, sums)
            mine = sums.queries if self.sends_queries else sums.keys
            following = returned(self.ranks, hop, answer, mine)
            if back is not None:
                back()
            back = following
        if back is not None:
            back()
        return self._by_spec(sums)

    def _answered(self, hop: Hop, queries: Share, keys: Share, sums: _Sums) -> Share:
        """The gradients of what has come, which its owner gets back."""
        assert hop.came is not None
        if self.sends_queries:
            back = hop.came.zeros(sums.queries.rows)
            self._add(hop.source, self.rank, hop.came, keys, _Sums(back, sums.keys, sums.shared))
        else:
            back = hop.came.zeros(sums.keys.rows)
            self._add(self.rank, hop.source, queries, hop.came, _Sums(sums.queries, back, sums.shared))
        return back

    def _add(self, reader: int, owner: int, queries: Share, keys: Share, sums: _Sums) -> None:
        for visit in self.ring.visits(reader, owner):
            self._differentiate(self.others, visit, queries, keys, sums)

    def _differentiate(self, operators: Operators, visit: Visit, queries: Share, keys: Share, sums: _Sums) -> None:
        """Add a block's part of the gradients."""
        call = self._call(visit, queries, keys)
        dy, stats, centre = call[DY], call[STATS].contiguous(), call[CENTRE]
        of_rows = dy, *self._centred(dy, centre), stats
        asked = [*sums.queries.rows, *sums.keys.rows, *sums.shared]
        found = operators.gradients(call, of_rows, asked)
        of_queries, of_keys = sums.queries.at(visit.queries), sums.keys.at(visit.keys)
        for name, gradient in found.items():
            place = {**of_queries, **of_keys, **sums.shared}[name]
            self._of_keys(name, place, visit.keys).add_(gradient)

    def _centred(self, dy: Tensor, centre: Tensor) -> tuple[Tensor | None, Tensor]:
        """What kernels take for the gradient by the log-sum-exp and for y: `dy . y` less the first is the centre."""
        nothing = torch.zeros_like(dy, memory_format=torch.contiguous_format)
        if self.has_lse:
            return -centre.contiguous(), nothing
        size = dy.float().square().sum(-1)
        share = torch.where(size > 0, centre / size, 0.0).unsqueeze(-1)
        return None, nothing.copy_(dy.float() * share)  # no longer than y, for that is what dy sees of it

    # ---- what lies where

    def _travel(self, rows: Share) -> Iterator[Hop]:
        """What other ranks have of these rows, as far as it is needed here."""
        ring, rank = self.ring, self.rank
        if "q" in rows.rows:
            sent, expected, way = (lambda to: ring.asking(rank, to)), (lambda source: ring.asking(source, rank)), -1
        else:
            sent, expected, way = (lambda to: ring.travelling(to, rank)), (lambda of: ring.travelling(rank, of)), 1
        return on_their_way(self.ranks, way, rows, sent, expected)

    def _opening(self) -> list[Visit]:
        """A block without keys for each run of queries, where rows have something once."""
        if self.opening is self.others:
            return []
        return [Visit(queries, Run(0, 0)) for queries in self.ring.queries(self.rank)]

    def _call(self, visit: Visit, queries: Share, keys: Share) -> dict[str, Any]:
        """A block's arguments, by name."""
        found: dict[str, Any] = {**self.numbers, **self.inputs, **queries.at(visit.queries), **keys.at(visit.keys)}
        for cut in self.block.inputs:
            found[cut.name] = self._of_keys(cut.name, found[cut.name], visit.keys)
        found["offset"] = visit.queries.start + self.offset - visit.keys.start
        found[self.block.first_key] = visit.keys.start
        return found

    def _of_keys(self, name: str, rows: Tensor, keys: Run) -> Tensor:
        """Of what lies along queries and keys, and is cut by queries, the part of some keys."""
        cut = next((cut for cut in self.block.inputs if cut.name == name), None)
        for axis, _ in () if cut is None else cut.axes[1:]:
            rows = rows.narrow(axis, keys.start, keys.tokens)
        return rows

    # ---- gradients by inputs

    def _spec_name(self, name: str) -> str:
        return next((cut.of for cut in self.block.inputs if cut.name == name), name)

    def _shared(self, asked: set[str]) -> dict[str, Tensor]:
        """Sums for inputs that every rank holds."""
        names = [cut.name for cut in self.block.inputs if not cut.axes and cut.name in asked]
        return {name: torch.zeros_like(self.inputs[name], dtype=torch.float32) for name in names}

    def _by_spec(self, sums: _Sums) -> dict[str, Tensor]:
        """An input along positions is read by queries and by keys."""
        found: dict[str, Tensor] = {}
        for name, gradient in {**sums.queries.rows, **sums.keys.rows, **sums.shared}.items():
            of = self._spec_name(name)
            found[of] = found[of] + gradient if of in found else gradient
        return found


def rows_of(
    block: Block, ring: Ring, rank: int, rows: Mapping[str, Tensor], inputs: Mapping[str, Tensor]
) -> tuple[Share, Share]:
    """What lies along a rank's queries, and along its keys: of q, k, v and the spec's inputs, which are its share."""
    sides = []
    for names, runs, travels in ((("q",), ring.queries(rank), False), (("k", "v"), ring.keys(rank), True)):
        cuts = [cut for cut in block.inputs if cut.axes and cut.travels is travels]
        held = {name: rows[name] for name in names} | {cut.name: inputs[cut.of] for cut in cuts}
        sides.append(Share(held, runs, {cut.name: cut.axes[0][0] for cut in cuts}))
    return sides[0], sides[1]


@dataclass(frozen=True, slots=True)
class _Sums:
    """Gradients along queries, along keys, and by what every rank holds."""

    queries: Share
    keys: Share
    shared: Mapping[str, Tensor]

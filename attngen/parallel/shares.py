"""What a rank holds of a sequence, or what a message carries of it: rows of some runs, one run after the other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from attngen.parallel.layouts import Layout, Run, tokens_of
from attngen.parallel.messages import Piece


@dataclass(frozen=True, slots=True)
class Share:
    """Tensors along the same tokens, by name.

    Attributes:
        rows: the tensors.
        runs: the tokens that they are of.
        axes: the axis of tokens, where it is not the third.
    """

    rows: Mapping[str, Tensor]
    runs: Sequence[Run]
    axes: Mapping[str, int]

    @property
    def tokens(self) -> int:
        return tokens_of(self.runs)

    def axis(self, name: str) -> int:
        return self.axes.get(name, 2)

    def place(self, run: Run) -> int:
        """Where tokens begin that are in one of the runs; some lie anywhere, if they are none."""
        starts = [0, *accumulate(own.tokens for own in self.runs)]
        for own, start in zip(self.runs, starts, strict=False):
            if own.start <= run.start and run.stop <= own.stop:
                return start + run.start - own.start
        if run.tokens:
            raise LookupError(f"tokens {run.start} to {run.stop} lie elsewhere")
        return 0

    def at(self, run: Run) -> dict[str, Tensor]:
        """The rows of tokens that are in one of the runs, as views."""
        start = self.place(run)
        return {name: rows.narrow(self.axis(name), start, run.tokens) for name, rows in self.rows.items()}

    def taken(self, runs: Sequence[Run]) -> Share:
        """The rows of some of the tokens."""
        parts = [self.at(run) for run in runs]
        rows = {name: torch.cat([part[name] for part in parts], self.axis(name)) for name in self.rows}
        return Share(rows, runs, self.axes)

    def pieces(self, tokens: int) -> list[Piece]:
        """What rows like these look like, of another number of tokens."""
        found = []
        for name, rows in self.rows.items():
            shape = [*rows.shape]
            shape[self.axis(name)] = tokens
            found.append(Piece(tuple(shape), rows.dtype))
        return found

    def zeros(self, names: Collection[str]) -> Share:
        """Sums in float32 for some of the rows, at which nothing is added yet."""
        rows = {name: torch.zeros_like(x, dtype=torch.float32) for name, x in self.rows.items() if name in names}
        return Share(rows, self.runs, self.axes)

    def add(self, other: Share) -> None:
        """Add rows of some of the tokens, which may lie in another order."""
        for run in other.runs:
            for name, rows in other.at(run).items():
                self.at(run)[name].add_(rows)


def positions(runs: Sequence[Run], device: torch.device | None = None) -> Tensor:
    """The places of a rank's tokens in their sequence: int64 [tokens]."""
    return torch.cat([torch.arange(0), *(torch.arange(*run) for run in runs)]).to(device)


def scattered(whole: Tensor, layout: Layout, ranks: int, rank: int, axis: int = 2) -> Tensor:
    """A rank's share of a tensor that every rank holds."""
    runs = layout.runs(whole.shape[axis], ranks, rank)
    return whole.index_select(axis, positions(runs, whole.device))


def put_together(shares: Sequence[Tensor], layout: Layout, tokens: int, axis: int = 2) -> Tensor:
    """The whole of the shares of all ranks, in the order of the sequence."""
    order = positions([run for rank in range(len(shares)) for run in layout.runs(tokens, len(shares), rank)])
    return torch.cat(list(shares), axis).index_select(axis, order.argsort().to(shares[0].device))

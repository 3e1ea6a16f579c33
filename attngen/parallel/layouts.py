"""Which tokens of a sequence lie on which rank.

A layout cuts a sequence into runs of tokens that follow each other and gives each rank some of them, in order. Lengths
need not divide by anything: runs differ by one token, or the last is short.

    contiguous    rank r holds one run: windows, documents and recurrences need neighbours alone
    zigzag        rank r holds the r-th run from the front and the r-th from the back: causal work is shared evenly
    striped       blocks are dealt out in turn: any work is shared evenly, and every rank needs all others
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

BLOCK = 256
"""Tokens of a stripe, unless said otherwise: whole tiles of kernels."""


class Run(NamedTuple):
    """Tokens [start, stop) of a sequence."""

    start: int
    stop: int

    @property
    def tokens(self) -> int:
        return self.stop - self.start


def tokens_of(runs: Iterable[Run]) -> int:
    """How many tokens some runs have."""
    return sum(run.tokens for run in runs)


@dataclass(frozen=True, slots=True)
class Layout:
    """How sequences are cut.

    Attributes:
        name: `contiguous`, `zigzag` or `striped`.
        block: tokens of a stripe; of no meaning to the others.
    """

    name: str
    block: int = BLOCK

    def __post_init__(self) -> None:
        if self.name not in LAYOUTS:
            raise ValueError(f"there is no layout `{self.name}`; choose one of {', '.join(LAYOUTS)}")
        if self.block < 1:
            raise ValueError(f"a stripe of {self.block} tokens makes no layout")

    def __str__(self) -> str:
        return f"striped({self.block})" if self.name == "striped" else self.name

    def runs(self, tokens: int, ranks: int, rank: int) -> tuple[Run, ...]:
        """The tokens of a rank, in order; runs without tokens are left out."""
        return tuple(run for run in LAYOUTS[self.name](tokens, ranks, rank, self.block) if run.start < run.stop)

    def count(self, tokens: int, ranks: int, rank: int) -> int:
        """How many they are."""
        return tokens_of(self.runs(tokens, ranks, rank))


def _share(tokens: int, parts: int, part: int) -> Run:
    """One of some parts that differ by one token at most."""
    return Run(part * tokens // parts, (part + 1) * tokens // parts)


def _contiguous(tokens: int, ranks: int, rank: int, _: int) -> tuple[Run, ...]:
    return (_share(tokens, ranks, rank),)


def _zigzag(tokens: int, ranks: int, rank: int, _: int) -> tuple[Run, ...]:
    front, back = _share(tokens, 2 * ranks, rank), _share(tokens, 2 * ranks, 2 * ranks - 1 - rank)
    return (Run(front.start, back.stop),) if front.stop == back.start else (front, back)


def _striped(tokens: int, ranks: int, rank: int, block: int) -> tuple[Run, ...]:
    if ranks == 1:
        return (Run(0, tokens),)
    starts = range(rank * block, tokens, ranks * block)
    return tuple(Run(start, min(start + block, tokens)) for start in starts)


LAYOUTS: dict[str, Callable[[int, int, int, int], tuple[Run, ...]]] = {
    "contiguous": _contiguous,
    "zigzag": _zigzag,
    "striped": _striped,
}

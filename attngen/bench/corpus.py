"""The masks that are measured: the specs of a folder, others beside them, and data for the inputs that masks read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import torch
from torch import Generator, Tensor

from attngen.ir.evaluate import Number
from attngen.ir.expr import TRUE, Read, distinct, mentions
from attngen.ir.load import load_all
from attngen.ir.nodes import Pairwise, Variant

HEADS = 4
"""Heads that are measured, where they differ."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A mask with everything that its call needs beside lengths."""

    variant: Variant
    parameters: Mapping[str, Number]
    heads: int
    inputs: Mapping[str, Tensor]
    outside: bool


def corpus(folder: Path, tokens: int) -> Iterator[Subject]:
    """The pairwise specs of a folder that have a mask, then the masks of the package."""
    own = files("attngen.bench").joinpath("masks.attn")
    for path in sorted(folder.glob("*.attn")):
        yield from (_subject(variant, tokens, outside=False) for variant in load_all(path) if _is_masked(variant))
    text = own.read_text(encoding="utf-8")
    yield from (_subject(variant, tokens, outside=True) for variant in load_all(text))


def _is_masked(variant: Variant) -> bool:
    return isinstance(variant.body, Pairwise) and variant.body.mask != TRUE


def _subject(variant: Variant, tokens: int, outside: bool) -> Subject:
    generator = Generator().manual_seed(0)
    mask = variant.pairwise.mask
    parameters: dict[str, Number] = {p.name: p.default for p in variant.parameters if p.default is not None}
    parameters |= {name: value for name, value in NEEDED.items() if name in {p.name for p in variant.parameters}}
    read = sorted({part.input for part in distinct(mask) if isinstance(part, Read)})
    axes = {axis for name in read for axis in variant.input(name).axes}
    heads = HEADS if mentions(mask, "h") or "h" in axes else 1
    draw = Draw(tokens, heads, parameters, generator)
    inputs = {name: DRAWS[name](draw) for name in read}
    return Subject(variant, parameters, heads, inputs, outside)


NEEDED: dict[str, Number] = {"width": 128}
"""Values for parameters without a default, and those that fit the length."""


@dataclass(frozen=True, slots=True)
class Draw:
    """What data is drawn for."""

    tokens: int
    heads: int
    parameters: Mapping[str, Number]
    generator: Generator

    def random(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator)

    def blocks(self, name: str) -> int:
        return -(-self.tokens // int(self.parameters[name]))

    def runs(self, mean: int) -> Tensor:
        """[1, tokens]: numbers of runs whose lengths have a mean."""
        return (self.random(1, self.tokens) < 1 / mean).long().cumsum(-1)

    def clusters(self, sorted_: bool) -> Tensor:
        """[1, heads, tokens]: one of 64 each."""
        found = (self.random(1, self.heads, self.tokens) * 64).long()
        return found.sort(-1).values if sorted_ else found


def _pictures(draw: Draw) -> Tensor:
    """Images of 256 tokens, numbered from 1, in text, which has 0."""
    position = torch.arange(draw.tokens)
    return torch.where(position % 1024 < 256, position // 1024 + 1, 0)[None]


def _some_blocks(draw: Draw, rows: str, columns: str, share: float) -> Tensor:
    return draw.random(draw.heads, draw.blocks(rows), draw.blocks(columns)) < share


def _sorted_positions(draw: Draw) -> Tensor:
    """The positions of tokens that are sorted by one of 64 hashes: rising inside of each."""
    hashed = (draw.random(1, draw.heads, draw.tokens) * 64).long()
    return torch.argsort(hashed, dim=-1, stable=True)


def _permutations(draw: Draw) -> Tensor:
    return torch.stack([draw.random(draw.blocks("block")).argsort() for _ in range(draw.heads)])


DRAWS: dict[str, Callable[[Draw], Tensor]] = {
    "dilation": lambda draw: torch.tensor([1, 2, 16, 64])[: draw.heads],
    "glob": lambda draw: torch.arange(draw.tokens)[None] < 64,
    "perm": _permutations,
    "random": lambda draw: _some_blocks(draw, "block", "block", 3 / draw.blocks("block")),
    "layout": lambda draw: _some_blocks(draw, "rows", "cols", 0.2),
    "chosen": lambda draw: _some_blocks(draw, "block", "block", 0.05),
    "prefix": lambda draw: torch.tensor([draw.tokens // 16]),
    "span": lambda draw: torch.tensor([100.0, 300.0, 1000.0, 3000.0])[: draw.heads],
    "picture": _pictures,
    "length": lambda draw: torch.tensor([draw.tokens * 2 // 3]),
    "doc": lambda draw: draw.runs(1500),
    "branch": lambda draw: draw.runs(700),
    "image": lambda draw: torch.arange(draw.tokens)[None] // 256,
    "last": lambda draw: torch.arange(draw.tokens)[None] // 300,
    "line": lambda draw: draw.random(draw.heads, draw.tokens) < 0.001,
    "cluster": lambda draw: draw.clusters(sorted_=False),
    "hq": lambda draw: draw.clusters(sorted_=True),
    "hk": lambda draw: draw.clusters(sorted_=True),
    "orig_q": _sorted_positions,
    "orig_k": _sorted_positions,
}
"""Data for the inputs that masks read, by name."""

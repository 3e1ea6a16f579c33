"""A variant as what kernels compute for a block: some queries and some keys that follow each other in a sequence.

Kernels count keys from 0. A block counts its own keys, and where it stands comes with the call: position j of the spec
is `j + first_key` there, and i likewise, because queries are placed relative to keys. `M` and `N` are what the whole
sequence has. All else (bounds, empty and full tiles, gradients) is derived from the moved equation, as from any other.

An input along positions is two: one that the block's queries read, and one that its keys read. Both are cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from attngen.analysis import algebra as al
from attngen.ir import nodes
from attngen.ir.expr import (
    Expr,
    Kind,
    Parameter,
    Read,
    Size,
    Variable,
    children,
    distinct,
    integer,
    with_children,
)

TOKEN_AXES = ("i", "j", "n")


@dataclass(frozen=True, slots=True)
class Cut:
    """An input of blocks that holds a part of the spec's input `of`.

    `axes` says at which of its axes it is cut, and to the rows of what: `i`, queries, or `j`, keys.
    """

    name: str
    of: str
    axes: tuple[tuple[int, str], ...]

    @property
    def travels(self) -> bool:
        """Whether it goes where keys go."""
        return all(rows == "j" for _, rows in self.axes) and bool(self.axes)


@dataclass(frozen=True, slots=True)
class Block:
    """A variant for blocks, whose parameters are the spec's and three more: how many keys and queries the sequence has,
    and where the block's first key stands in it."""

    variant: nodes.Variant
    first_key: str
    keys: str
    queries: str
    inputs: tuple[Cut, ...]


@lru_cache(maxsize=64)
def block_of(variant: nodes.Variant, opening: bool = False) -> Block:
    """The variant for blocks; `opening` says whether what a softmax has once for each row, a sink, is in it."""
    body = variant.pairwise
    taken = (
        {one.name for one in variant.parameters}
        | {one.name for one in variant.inputs}
        | {one.name for one in variant.lets}
    )
    first_key, keys, queries = added = [_fresh(name, taken) for name in ("first_key", "all_keys", "all_queries")]
    read_at = _read_at(variant)
    renamed = {(name, at): _fresh(f"{name}_{at}", taken) for name, at in sorted(read_at)}
    move = _Move(variant, first_key, {"M": keys, "N": queries}, renamed)
    inputs = [part for given in variant.inputs for part in _parts_of(given, renamed)]
    made = replace(
        variant,
        parameters=(*variant.parameters, *(nodes.Parameter(name, Kind.INT, 0, AT_LEAST_0) for name in added)),
        inputs=tuple(given for given, _ in inputs),
        assertions=tuple(replace(each, condition=move(each.condition)) for each in variant.assertions),
        order=None,  # and this about whole sequences
        body=replace(
            body, score=move(body.score), mask=move(body.mask), normalization=_normalization(body, move, opening)
        ),
        lets=tuple(nodes.Let(let.name, move(let.value)) for let in variant.lets),
    )
    return Block(made, first_key, keys, queries, tuple(cut for _, cut in inputs))


AT_LEAST_0 = nodes.Range(integer(0))


def _normalization(body: nodes.Pairwise, move: _Move, opening: bool) -> nodes.Normalization:
    """What can be merged: of a `sum`, blocks give the sums alone."""
    match body.normalization:
        case nodes.Softmax(sink=sink) if sink is not None:
            return nodes.Softmax(move(sink) if opening else None)
        case nodes.Sum():
            return nodes.Unnormalized()
    return body.normalization


def _parts_of(given: nodes.Input, renamed: Mapping[tuple[str, str], str]) -> list[tuple[nodes.Input, Cut]]:
    """What blocks have in place of an input, each with where it is cut."""
    if "n" not in given.axes:
        cut = tuple((number, axis) for number, axis in enumerate(given.axes) if axis in TOKEN_AXES)
        return [(given, Cut(given.name, given.name, cut))]
    place, found = given.axes.index("n"), []
    for (of, at), name in renamed.items():
        if of == given.name:
            axes = (*given.axes[:place], at, *given.axes[place + 1 :])
            found.append((replace(given, name=name, axes=axes), Cut(name, of, ((place, at),))))
    return found


def _read_at(variant: nodes.Variant) -> set[tuple[str, str]]:
    """The inputs along positions, and whether queries (`i`) or keys (`j`) read them."""
    found = set()
    for expr in _expressions(variant):
        for part in distinct(expr):
            if isinstance(part, Read):
                for axis, index in zip(variant.input(part.input).axes, part.indices, strict=True):
                    if axis == "n" and isinstance(index, Variable):
                        found.add((part.input, index.name))
    return found


def _expressions(variant: nodes.Variant) -> list[Expr]:
    body = variant.pairwise
    once = [getattr(body.normalization, name, None) for name in ("sink", "eps")]
    return [body.score, body.mask, *(expr for expr in once if expr is not None), *(let.value for let in variant.lets)]


@dataclass(slots=True)
class _Move:
    """From the positions and sizes of a sequence to those of a block."""

    variant: nodes.Variant
    first_key: str
    sizes: Mapping[str, str]
    renamed: Mapping[tuple[str, str], str]
    done: dict[Expr, Expr] = field(default_factory=dict)

    def __call__(self, expr: Expr) -> Expr:
        if expr not in self.done:
            self.done[expr] = self._moved(expr)
        return self.done[expr]

    def _moved(self, expr: Expr) -> Expr:
        match expr:
            case Variable(name="i" | "j"):
                return al.add(expr, Parameter(Kind.INT, name=self.first_key))
            case Size(axis="M" | "N"):
                return Parameter(Kind.INT, name=self.sizes[expr.axis], span=expr.span)
            case Read():
                return self._read(expr)
        return with_children(expr, tuple(map(self, children(expr))))

    def _read(self, expr: Read) -> Read:
        """An axis of tokens is read at the row of the block, whatever its position."""
        name, indices = expr.input, []
        for axis, index in zip(self.variant.input(expr.input).axes, expr.indices, strict=True):
            if axis == "n" and isinstance(index, Variable):
                name = self.renamed[expr.input, index.name]
            indices.append(index if axis in TOKEN_AXES else self(index))
        return replace(expr, input=name, indices=tuple(indices))


def _fresh(wanted: str, taken: set[str]) -> str:
    """A name that is not taken yet; it is now."""
    name, count = wanted, 2
    while name in taken:
        name, count = f"{wanted}_{count}", count + 1
    taken.add(name)
    return name

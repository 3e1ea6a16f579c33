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
from attngen.errors import CallError
from attngen.ir import nodes
from attngen.ir.bodies import expressions
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
    """A variant for blocks, whose parameters are the spec's and some more.

    Attributes:
        first_key: the name of the one that says where the block's first key stands in its sequence.
        all_keys, all_queries: of those that say how many the sequence has.
        added: of what kernels add to sums of weights, where they divide by these.
        inputs: what each input of the blocks is of the spec's.
    """

    variant: nodes.Variant
    first_key: str
    all_keys: str
    all_queries: str
    added: str
    inputs: tuple[Cut, ...]

    def numbers(
        self, keys: int = 0, queries: int = 0, first_key: int = 0, added: float = 1.0
    ) -> dict[str, int | float]:
        """Values for the parameters that blocks have beside the spec's."""
        values = {self.first_key: first_key, self.all_keys: keys, self.all_queries: queries, self.added: added}
        names = {parameter.name for parameter in self.variant.parameters}
        return {name: value for name, value in values.items() if name in names}


@lru_cache(maxsize=64)
def block_of(variant: nodes.Variant, opening: bool = False) -> Block:
    """The variant for blocks; `opening` says whether what a softmax has once for each row, a sink, is in it.

    Raises:
        CallError: an input has two axes of tokens that can't be cut yet.
    """
    body = variant.pairwise
    declared: tuple[nodes.Parameter | nodes.Input | nodes.Let, ...] = (
        *variant.parameters, *variant.inputs, *variant.lets
    )  # fmt: skip
    taken = {each.name for each in declared}
    names = first_key, keys, queries, added = [
        fresh(name, taken) for name in ("first_key", "all_keys", "all_queries", "added_to_sums")
    ]
    renamed = {(name, at): fresh(f"{name}_{at}", taken) for name, at in sorted(_read_at(variant))}
    move = _Move(variant, first_key, {"M": keys, "N": queries}, renamed)
    inputs = [part for given in variant.inputs for part in _parts_of(variant, given, renamed)]
    more = [nodes.Parameter(name, Kind.INT, 0, AT_LEAST_0) for name in names[:3]]
    if isinstance(body.normalization, nodes.Sum):
        more.append(nodes.Parameter(added, Kind.FLOAT, 1.0, nodes.Range()))
    normalization = _normalization(body, move, opening, added)
    made = replace(
        variant,
        parameters=(*variant.parameters, *more),
        inputs=tuple(given for given, _ in inputs),
        assertions=(),  # those are about whole calls
        order=None,  # and this about whole sequences
        body=replace(body, score=move(body.score), mask=move(body.mask), normalization=normalization),
        lets=tuple(nodes.Let(let.name, move(let.value)) for let in variant.lets),
    )
    return Block(made, first_key, keys, queries, added, tuple(cut for _, cut in inputs))


AT_LEAST_0 = nodes.Range(integer(0))


def _normalization(body: nodes.Pairwise, move: _Move, opening: bool, added: str) -> nodes.Normalization:
    """What can be merged. What is added to sums of weights is a number that the call gives."""
    match body.normalization:
        case nodes.Softmax(sink=sink) if sink is not None:
            return nodes.Softmax(move(sink) if opening else None)
        case nodes.Sum():
            return nodes.Sum(Parameter(Kind.FLOAT, name=added))
    return body.normalization


def _parts_of(
    variant: nodes.Variant, given: nodes.Input, renamed: Mapping[tuple[str, str], str]
) -> list[tuple[nodes.Input, Cut]]:
    """What blocks have in place of an input, each with where it is cut: at the axis of queries first."""
    cut = [(number, axis) for number, axis in enumerate(given.axes) if axis in TOKEN_AXES]
    if "n" not in given.axes:
        return [(given, Cut(given.name, given.name, tuple(sorted(cut, key=lambda each: each[1]))))]
    if len(cut) > 1:
        axes = ", ".join(given.axes)
        raise CallError(
            f"{variant.name}: ranks can't share `{given.name}` [{axes}] yet, which has a position beside another axis"
            f" of tokens: give it the axes i and j ({given.span})"
        )
    place, found = given.axes.index("n"), []
    for (of, at), name in renamed.items():
        if of == given.name:
            axes_here = (*given.axes[:place], at, *given.axes[place + 1 :])
            found.append((replace(given, name=name, axes=axes_here), Cut(name, of, ((place, at),))))
    return found


def _read_at(variant: nodes.Variant) -> set[tuple[str, str]]:
    """The inputs along positions, and whether queries (`i`) or keys (`j`) read them."""
    found = set()
    for expr in (*expressions(variant.body), *(let.value for let in variant.lets)):
        for part in distinct(expr):
            if isinstance(part, Read):
                for axis, index in zip(variant.input(part.input).axes, part.indices, strict=True):
                    if axis == "n" and isinstance(index, Variable):
                        found.add((part.input, index.name))
    return found


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


def fresh(wanted: str, taken: set[str]) -> str:
    """A name that is not taken yet; it is now."""
    name, count = wanted, 2
    while name in taken:
        name, count = f"{wanted}_{count}", count + 1
    taken.add(name)
    return name

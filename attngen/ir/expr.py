"""Checked expressions: every name is looked up, every kind is known, every promotion is explicit.

A value has a kind (int, float, bool) and channel axes: a scalar has none, `q` and `k` have `c`, `v` has `e`, a
matrix-valued state has both. Spans take no part in equality: two equal expressions are one computation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeAlias

from attngen.errors import NOWHERE, Span


class Kind(Enum):
    BOOL = "bool"
    INT = "int"
    FLOAT = "float"


@dataclass(frozen=True, slots=True)
class Node:
    kind: Kind
    channels: tuple[str, ...] = ()
    span: Span = field(default=NOWHERE, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Constant(Node):
    """A number or truth value of its kind."""

    value: int | float | bool = 0


@dataclass(frozen=True, slots=True)
class Variable(Node):
    """`b h i j t`, a channel (`c`, `e` or an own axis: its channels name itself), or a bound variable."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class Size(Node):
    """`B H N M D E`, or the length of an input's own axis."""

    axis: str = ""


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """A parameter of the attention, or `scale`."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class Row(Node):
    """`q` at the query, `k` and `v` at the key, or a state by its name."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class Read(Node):
    """An element of an input; one index per axis, channel axes included."""

    input: str = ""
    indices: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Rechannel(Node):
    """`row` evaluated at another channel: its axis `axis` is replaced by the value of `index`."""

    row: Expr = None  # type: ignore[assignment]
    axis: str = ""
    index: Expr = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Apply(Node):
    """A function of `functions.py` and its arguments."""

    function: str = ""
    arguments: tuple[Expr, ...] = ()


Expr: TypeAlias = Constant | Variable | Size | Parameter | Row | Read | Rechannel | Apply

TRUE = Constant(Kind.BOOL, value=True)
FALSE = Constant(Kind.BOOL, value=False)


def integer(value: int) -> Constant:
    return Constant(Kind.INT, value=value)


def variable(name: str) -> Variable:
    return Variable(Kind.INT, name=name)


def size(axis: str) -> Size:
    return Size(Kind.INT, axis=axis)


def children(expr: Expr) -> tuple[Expr, ...]:
    match expr:
        case Apply():
            return expr.arguments
        case Read():
            return expr.indices
        case Rechannel():
            return expr.row, expr.index
        case _:
            return ()


def with_children(expr: Expr, new: tuple[Expr, ...]) -> Expr:
    match expr:
        case Apply():
            return replace(expr, arguments=new)
        case Read():
            return replace(expr, indices=new)
        case Rechannel():
            return replace(expr, row=new[0], index=new[1])
        case _:
            return expr


def walk(expr: Expr) -> Iterator[Expr]:
    """The expression and everything below it, parents first."""
    yield expr
    for child in children(expr):
        yield from walk(child)


def rewrite(expr: Expr, rule: Callable[[Expr], Expr]) -> Expr:
    """Apply `rule` to every node, leaves first."""
    below = children(expr)
    new = tuple(rewrite(child, rule) for child in below)
    return rule(expr if new == below else with_children(expr, new))


def variables(expr: Expr) -> frozenset[str]:
    """The names of all variables in the expression; rows count as the position they stand at."""
    return frozenset(node.name for node in walk(expr) if isinstance(node, Variable)) | frozenset(
        ROW_POSITION[node.name] for node in walk(expr) if isinstance(node, Row) and node.name in ROW_POSITION
    )


ROW_POSITION = {"q": "i", "k": "j", "v": "j"}


def mentions(expr: Expr, *names: str) -> bool:
    return not variables(expr).isdisjoint(names)

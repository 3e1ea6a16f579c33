"""Checked expressions: every name is looked up, every kind is known, every promotion is explicit.

A value has a kind (int, float, bool) and channel axes: a scalar has none, `q` and `k` have `c`, `v` has `e`, a
matrix-valued state has both. Spans take no part in equality: two equal expressions are one computation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, KeysView
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any, TypeAlias, TypeVar

from attngen.errors import NOWHERE, Span


class Kind(Enum):
    __hash__ = object.__hash__  # members are singletons

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"


NodeType = TypeVar("NodeType", bound="type[Node]")


def compared_once(cls: NodeType) -> NodeType:
    """Keep the hash of a node, and which nodes were found equal to it.

    Trees are looked up far more often than they are made, and they share parts: without memory, comparing two that are
    equal takes as many steps as they have paths.
    """
    compute, compare = cls.__hash__, cls.__eq__

    def __hash__(self: Node) -> int:  # noqa: N807
        if self._hash == 0:
            object.__setattr__(self, "_hash", compute(self))
        return self._hash

    def __eq__(self: Node, other: object) -> bool:  # noqa: N807
        if self is other:
            return True
        if other.__class__ is not cls or hash(self) != hash(other):
            return False
        assert isinstance(other, Node)
        mine, others = _first(self), _first(other)
        if mine is not others:
            if not compare(self, other):
                return False
            first, second = (mine, others) if id(mine) < id(others) else (others, mine)  # in any thread the same
            object.__setattr__(second, "_same", first)
        return True

    cls.__hash__ = __hash__  # type: ignore[method-assign, assignment]
    cls.__eq__ = __eq__  # type: ignore[method-assign, assignment]
    return cls


def _first(node: Node) -> Node:
    """The node that all nodes found equal lead to."""
    while (same := node._same) is not None:
        if same._same is not None:
            object.__setattr__(node, "_same", same._same)  # the way gets shorter
        node = same
    return node


@dataclass(frozen=True, slots=True)
class Node:
    kind: Kind
    channels: tuple[str, ...] = ()
    span: Span = field(default=NOWHERE, compare=False, repr=False, kw_only=True)
    _hash: int = field(default=0, init=False, compare=False, repr=False)
    _same: Node | None = field(default=None, init=False, compare=False, repr=False)
    _names: frozenset[str] | None = field(default=None, init=False, compare=False, repr=False)

    def __reduce__(self) -> tuple[Callable[..., Node], tuple[object, ...]]:
        """A hash holds in its own process alone, so what is kept on disk is made anew."""
        given = (getattr(self, one.name) for one in fields(self) if one.init and not one.kw_only)
        return _made, (type(self), self.span, *given)


def _made(cls: type[Node], span: Span, *given: Any) -> Node:
    return cls(*given, span=span)


@compared_once
@dataclass(frozen=True, slots=True)
class Constant(Node):
    """A number or truth value of its kind."""

    value: int | float | bool = 0


@compared_once
@dataclass(frozen=True, slots=True)
class Variable(Node):
    """`b h i j t`, a channel (`c`, `e` or an own axis: its channels name itself), or a bound variable."""

    name: str = ""


@compared_once
@dataclass(frozen=True, slots=True)
class Size(Node):
    """`B H N M D E`, or the length of an input's own axis."""

    axis: str = ""


@compared_once
@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """A parameter of the attention, or `scale`."""

    name: str = ""


@compared_once
@dataclass(frozen=True, slots=True)
class Row(Node):
    """`q` at the query, `k` and `v` at the key, or a state by its name."""

    name: str = ""


@compared_once
@dataclass(frozen=True, slots=True)
class Read(Node):
    """An element of an input; one index per axis, channel axes included."""

    input: str = ""
    indices: tuple[Expr, ...] = ()


@compared_once
@dataclass(frozen=True, slots=True)
class Rechannel(Node):
    """`row` evaluated at another channel: its axis `axis` is replaced by the value of `index`."""

    row: Expr = None  # type: ignore[assignment]
    axis: str = ""
    index: Expr = None  # type: ignore[assignment]


@compared_once
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


EARLIER = variable("earlier")
"""The token before, in the order of time; before the first token of a call it is itself. `prev` of an input reads
there."""


def of_token(read: Read) -> Read:
    """The element that the token itself reads, of one that the token before does."""
    return replace(read, indices=tuple(variable("t") if index == EARLIER else index for index in read.indices))


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


def distinct(*exprs: Expr) -> KeysView[Expr]:
    """The different expressions in some expressions, in an order that is always the same: shared parts are met once."""
    found: dict[Expr, None] = {}
    waiting = list(exprs)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found[node] = None
            waiting.extend(children(node))
    return found.keys()


def rewrite(expr: Expr, rule: Callable[[Expr], Expr], kept: Callable[[Expr], bool] = lambda _: False) -> Expr:
    """Apply `rule` to every node, leaves first; equal parts are rewritten once, and what is `kept` stays as it is."""
    done: dict[Expr, Expr] = {}

    def visit(node: Expr) -> Expr:
        if node not in done and kept(node):
            done[node] = node
        elif node not in done:
            below = children(node)
            new = tuple(visit(child) for child in below)
            done[node] = rule(node if new == below else with_children(node, new))
        return done[node]

    return visit(expr)


def variables(expr: Expr) -> frozenset[str]:
    """The names of all variables in the expression; rows count as the position they stand at."""
    if expr._names is None:
        object.__setattr__(expr, "_names", _own_names(expr).union(*map(variables, children(expr))))
    assert expr._names is not None
    return expr._names


def _own_names(expr: Expr) -> frozenset[str]:
    if isinstance(expr, Variable):
        return frozenset((expr.name,))
    if isinstance(expr, Row) and expr.name in ROW_POSITION:
        return frozenset((ROW_POSITION[expr.name],))
    return frozenset()


ROW_POSITION = {"q": "i", "k": "j", "v": "j", "dq": "i", "dk": "j", "dy": "i"}
"""Where rows stand; `dq` and `dk` are the gradients by what a product makes of q and k, and `dy` is that by y."""


def mentions(expr: Expr, *names: str) -> bool:
    return not variables(expr).isdisjoint(names)

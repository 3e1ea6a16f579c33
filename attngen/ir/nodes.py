"""The checked tree of an attention variant. It fits on one screen; expressions are in `expr.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from attngen.errors import NOWHERE, Diagnostic, Span
from attngen.ir.expr import Expr, Kind


@dataclass(frozen=True, slots=True)
class Range:
    """Values from `low` to `high`; `None` where there is no end. Ends are expressions over constants and parameters."""

    low: Expr | None = None
    high: Expr | None = None
    closed_low: bool = True
    closed_high: bool = True


@dataclass(frozen=True, slots=True)
class Parameter:
    """A compile-time value; `default` is `None` where the call must give one."""

    name: str
    kind: Kind
    default: int | float | bool | None
    range: Range
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Input:
    """A tensor that the call gives beside q, k and v."""

    name: str
    axes: tuple[str, ...]
    kind: Kind
    range: Range
    sorted: bool
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Softmax:
    """Divide e^score by its sum over the unmasked keys, plus e^sink if there is one."""

    sink: Expr | None = None


@dataclass(frozen=True, slots=True)
class Sum:
    """Divide by the sum of the weights over the unmasked keys, plus eps."""

    eps: Expr


@dataclass(frozen=True, slots=True)
class Count:
    """Divide by the number of unmasked keys."""


@dataclass(frozen=True, slots=True)
class Unnormalized:
    """Do not divide."""


AXIS_SIZES = {"b": "B", "h": "H", "i": "N", "j": "M", "n": "M", "t": "N", "c": "D", "e": "E"}
"""The size of each axis of inputs that has a meaning; any other axis is an input's own, and sized at the call."""


Normalization: TypeAlias = Softmax | Sum | Count | Unnormalized


@dataclass(frozen=True, slots=True)
class Order:
    """Position `variable` is visited at step `step`; over h, parameters, sizes and per-head inputs."""

    name: str
    variable: str
    step: Expr
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Pairwise:
    """A weight for every pair (i, j): e^score if `logit`, else `score` itself; masked pairs weigh nothing."""

    score: Expr
    logit: bool
    mask: Expr
    normalization: Normalization


@dataclass(frozen=True, slots=True)
class State:
    """A row or matrix that is updated at every position; `update` is in terms of all states before it."""

    name: str
    channels: tuple[str, ...]
    update: Expr
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Recurrent:
    """States that run along the positions, and the row that is read from them."""

    states: tuple[State, ...]
    out: Expr


Body: TypeAlias = Pairwise | Recurrent


@dataclass(frozen=True, slots=True)
class Let:
    """A name that the author gave to an expression, kept so that generated code can use it."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Assertion:
    condition: Expr
    text: str
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Partition:
    """How ranks share sequences, as far as the author says; the rest is found at `kernel.on`.

    `layout` says which tokens lie on which rank, `block` how many make a stripe, and `send` what travels backward.
    """

    layout: str | None = None
    block: int | None = None
    send: str | None = None


@dataclass(frozen=True, slots=True)
class Variant:
    """One attention: its face (parameters, inputs) and what it computes."""

    name: str
    doc: str
    parameters: tuple[Parameter, ...]
    inputs: tuple[Input, ...]
    assertions: tuple[Assertion, ...]
    order: Order | None
    body: Body
    lets: tuple[Let, ...]
    partition: Partition | None = None
    text: tuple[str, ...] = ()
    warnings: tuple[Diagnostic, ...] = field(default=(), compare=False)
    span: Span = field(default=NOWHERE, compare=False, repr=False)

    def input(self, name: str) -> Input:
        return next(given for given in self.inputs if given.name == name)

    def parameter(self, name: str) -> Parameter:
        return next(given for given in self.parameters if given.name == name)

    @property
    def pairwise(self) -> Pairwise:
        """The body of a pairwise variant; asking a recurrent one is a mistake of the compiler."""
        assert isinstance(self.body, Pairwise)
        return self.body

    @property
    def recurrent(self) -> Recurrent:
        """The body of a recurrent variant; asking a pairwise one is a mistake of the compiler."""
        assert isinstance(self.body, Recurrent)
        return self.body

"""The tree of a spec as it was written: frozen, with spans, unchecked.

Spans take no part in equality, so that trees can be compared across formatting. Nothing here has been looked up
or typed: `attngen.ir` holds the checked tree, and the two share no type.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from attngen.errors import NOWHERE, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Word(Node):
    """A name where it is defined or where a word of the language stands: a type, an axis, a method."""

    text: str


# ---------------------------------------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class Number(Node):
    """`text` is kept as written, so that formatting never changes a constant."""

    text: str

    @property
    def value(self) -> int | float:
        return int(self.text) if self.text.isdigit() else float(self.text)


@dataclass(frozen=True, slots=True)
class Truth(Node):
    value: bool


@dataclass(frozen=True, slots=True)
class Name(Node):
    text: str


@dataclass(frozen=True, slots=True)
class Call(Node):
    function: Word
    arguments: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Index(Node):
    name: Word
    indices: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`operator` is `-` or `not`."""

    operator: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`operator` is one of `+ - * / ^ div mod and or`."""

    operator: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """A chain `a < b <= c`: `operators[k]` stands between `operands[k]` and `operands[k + 1]`."""

    operands: tuple[Expr, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    condition: Expr
    then: Expr
    otherwise: Expr


Expr: TypeAlias = Number | Truth | Name | Call | Index | Unary | Binary | Compare | Conditional


# -------------------------------------------------------------------------------------------------- clauses


@dataclass(frozen=True, slots=True)
class Range(Node):
    """`in [low, high)`; a closed end includes its value."""

    low: Expr
    high: Expr
    closed_low: bool
    closed_high: bool


@dataclass(frozen=True, slots=True)
class Bound(Node):
    """`>= 0` behind the type of an input."""

    operator: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    name: Word
    type: Word
    default: Expr | None
    range: Range | None


@dataclass(frozen=True, slots=True)
class Hint(Node):
    name: Word
    value: Expr | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item(Node):
    """What comments attach to: lines before it (empty ones are blank), and the rest of its last line."""

    leading: tuple[str, ...] = ()
    trailing: str = ""


@dataclass(frozen=True, slots=True)
class Doc(Item):
    text: str


@dataclass(frozen=True, slots=True)
class Let(Item):
    name: Word
    value: Expr


@dataclass(frozen=True, slots=True)
class State(Item):
    name: Word
    value: Expr


@dataclass(frozen=True, slots=True)
class Def(Item):
    name: Word
    parameters: tuple[Word, ...]
    body: Expr


@dataclass(frozen=True, slots=True)
class Order(Item):
    name: Word
    parameter: Word
    body: Expr


@dataclass(frozen=True, slots=True)
class Input(Item):
    name: Word
    axes: tuple[Word, ...]
    type: Word
    range: Range | Bound | None
    flag: Word | None


@dataclass(frozen=True, slots=True)
class Plain(Item):
    """A clause that is a word and an expression: `score weight mask sink out assert`."""

    word: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Normalize(Item):
    method: Word
    argument: Expr | None


@dataclass(frozen=True, slots=True)
class Partition(Item):
    method: Word
    hints: tuple[Hint, ...]


@dataclass(frozen=True, slots=True)
class Schedule(Item):
    hints: tuple[Hint, ...]


Clause: TypeAlias = Doc | Let | State | Def | Order | Input | Plain | Normalize | Partition | Schedule


@dataclass(frozen=True, slots=True)
class Attention(Item):
    """`closing` holds the comments between the last clause and the brace."""

    name: Word
    parameters: tuple[Parameter, ...]
    clauses: tuple[Clause, ...]
    closing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class File(Node):
    """`closing` holds the comments behind the last item."""

    items: tuple[Def | Let | Attention, ...]
    closing: tuple[str, ...] = ()

    @property
    def attentions(self) -> tuple[Attention, ...]:
        return tuple(item for item in self.items if isinstance(item, Attention))

"""The functions of the language: what they take and what they give. Legality is data.

Every table elsewhere that has a case per function (interpreter, host evaluation, intervals, printers) is tested
against `FUNCTIONS`, so that a function which is added here and forgotten there fails a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from attngen.ir.expr import Kind


class Takes(Enum):
    """What the arguments must be, beyond their number."""

    NUMBERS = "ints or floats, promoted to one kind"
    INTS = "ints"
    FLOATS = "floats; ints are promoted"
    ALIKE = "two ints, two floats or two bools"
    ORDERED = "two ints or two floats"
    BOOLS = "bools"
    CHOICE = "a bool and two values of one kind"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Function:
    """`gives` is `None` where the result has the kind of the (promoted) arguments."""

    name: str
    arity: int
    takes: Takes
    gives: Kind | None = None


def _all(names: str, arity: int, takes: Takes, gives: Kind | None = None) -> list[Function]:
    return [Function(name, arity, takes, gives) for name in names.split()]


FUNCTIONS: dict[str, Function] = {
    function.name: function
    for function in [
        *_all("+ - * min max", 2, Takes.NUMBERS),
        *_all("neg abs", 1, Takes.NUMBERS),
        *_all("clamp", 3, Takes.NUMBERS),
        *_all("div mod", 2, Takes.INTS, Kind.INT),
        *_all("/ ^", 2, Takes.FLOATS, Kind.FLOAT),
        *_all("< <= > >=", 2, Takes.ORDERED, Kind.BOOL),
        *_all("== !=", 2, Takes.ALIKE, Kind.BOOL),
        *_all("and or", 2, Takes.BOOLS, Kind.BOOL),
        *_all("not", 1, Takes.BOOLS, Kind.BOOL),
        *_all("if", 3, Takes.CHOICE),
        *_all("exp log log2 tanh sigmoid softplus relu elu silu sqrt rsqrt sin cos", 1, Takes.FLOATS, Kind.FLOAT),
        *_all("floor ceil", 1, Takes.FLOATS, Kind.INT),
        *_all("float", 1, Takes.INTS, Kind.FLOAT),
        *_all("dot outer", 2, Takes.ROWS, Kind.FLOAT),
        *_all("l2norm prev", 1, Takes.ROWS, Kind.FLOAT),
    ]
}

OPERATORS = frozenset("+ - * / ^ div mod < <= > >= == != and or".split())
"""Functions that are written between their arguments."""

CALLABLE = frozenset(
    "min max abs exp log log2 tanh sigmoid softplus relu elu silu sqrt rsqrt sin cos floor ceil clamp "
    "dot outer l2norm prev".split()
)
"""Functions that are called by name; `neg`, `not`, `if` and `float` have a syntax of their own or none."""

SCALAR = frozenset(name for name, function in FUNCTIONS.items() if function.takes is not Takes.ROWS)
"""Functions that work element by element."""

"""How many bits ints have in Triton, and where a sum needs more than its parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import IntEnum

from attngen.ir.expr import Apply, Constant, Expr, Kind, Parameter, Size, Variable

FAR, FILLED = "far", "filled"
"""What is printed as a cast, and as a tensor of a number of Python's: functions of printers alone."""
SUMS = ("+", "-", "*", "neg")
MADE_TENSORS = ("if", "min", "max", "clamp", "abs", "div", "mod")
"""Functions of ints that give tensors even of Python's own numbers."""
COMPARED = ("<", "<=", ">", ">=", "==", "!=")


class Bits(IntEnum):
    """Python's own ints have no end, but a function that makes a tensor of one takes the fewest bits."""

    PYTHON = 0
    NARROW = 32
    WIDE = 64


class Widths:
    """Of the ints in a kernel of pairs: positions and sizes, and what is read, have 64 bits if any int needs them.

    Parameters are Python's own numbers: each may fit into 32 bits, and their sum may not.
    """

    growing: tuple[str, ...] = ()
    """Variables and sizes whose products grow beyond 32 bits, where they have only these."""

    def defined(self, name: str) -> Expr | None:
        """What stands behind the name of a value that is computed earlier."""
        del name
        return None

    def bits_of(self, name: str) -> Bits:
        """Of a variable, or of a size by its axis."""
        return Bits.PYTHON if name in ("D", "E") else Bits.WIDE

    def bits(self, expr: Expr) -> Bits:
        """Of an int as it is printed."""
        match expr:
            case Constant() | Parameter():
                return Bits.PYTHON
            case Size():
                return self.bits_of(expr.axis)
            case Variable():
                made = self.defined(expr.name)
                return self.bits_of(expr.name) if made is None else self.bits(made)
            case Apply() if expr.kind is Kind.INT and expr.function not in ("floor", "ceil"):
                found = max((self.bits(part) for part in _values(self.widened(expr))), default=Bits.PYTHON)
                return max(found, Bits.NARROW) if expr.function in MADE_TENSORS else found
        return Bits.WIDE

    def widened(self, expr: Apply) -> Apply:
        """The same, with arguments that have as many bits as it needs."""
        if FAR in _functions(expr) or not expr.arguments or any(part.kind is not Kind.INT for part in _values(expr)):
            return expr
        bits = [self.bits(part) for part in _values(expr)]
        if expr.function in SUMS and max(bits) == Bits.NARROW and self._grows(expr):
            first = bits.index(Bits.NARROW)
            return _with(expr, first, FAR)
        if expr.function in (*MADE_TENSORS, *COMPARED) and max(bits) < Bits.WIDE:
            for place, part in enumerate(_values(expr)):
                sums = isinstance(part, Apply) or expr.function == "abs"
                if bits[place] is Bits.PYTHON and sums and self._grows(part):
                    expr = _with(expr, place, FILLED)
        return expr

    def _grows(self, expr: Expr) -> bool:
        """Whether it may be larger than 32 bits hold, where nothing in it is."""
        leaves = [*self._leaves(expr)]
        several = (
            isinstance(expr, Apply)
            and expr.function == "*"
            and sum(_named(leaf) in self.growing for leaf in leaves) > 1
        )
        return several or any(isinstance(leaf, Parameter) for leaf in leaves)

    def _leaves(self, expr: Expr) -> Iterator[Expr]:
        made = self.defined(expr.name) if isinstance(expr, Variable) else None
        if made is not None:
            yield from self._leaves(made)
        elif isinstance(expr, Apply) and expr.kind is Kind.INT:
            for part in _values(expr):
                yield from self._leaves(part)
        else:
            yield expr


def _values(expr: Apply) -> tuple[Expr, ...]:
    """The arguments, conditions apart."""
    return expr.arguments[expr.function == "if" :]


def _with(expr: Apply, place: int, function: str) -> Apply:
    """The value at a place inside of a function."""
    arguments = list(expr.arguments)
    place += expr.function == "if"
    arguments[place] = Apply(Kind.INT, function=function, arguments=(arguments[place],))
    return replace(expr, arguments=tuple(arguments))


def _functions(expr: Apply) -> set[str]:
    """Of the arguments."""
    return {part.function for part in expr.arguments if isinstance(part, Apply)}


def _named(expr: Expr) -> str:
    """A variable, or a size by its axis."""
    return expr.name if isinstance(expr, Variable) else expr.axis if isinstance(expr, Size) else ""

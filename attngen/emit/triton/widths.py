"""How many bits ints have in Triton, and where a sum needs more than its parts."""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum
from typing import NamedTuple

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


class Facts(NamedTuple):
    """Of an int: how many bits it has, whether it is made of parameters, and of how many positions, up to two."""

    bits: Bits
    parameters: bool = False
    positions: int = 0


class Widths:
    """Of the ints in a kernel of pairs: positions and sizes, and what is read, have 64 bits if any int needs them.

    Parameters are Python's own numbers: each may fit into 32 bits, and their sum may not.
    """

    growing: tuple[str, ...] = ()
    """Variables and sizes whose products grow beyond 32 bits, where they have only these."""

    def __init__(self) -> None:
        self._facts: dict[Expr, Facts] = {}

    def defined(self, name: str) -> Expr | None:
        """What stands behind the name of a value that is computed earlier."""
        del name
        return None

    def bits_of(self, name: str) -> Bits:
        """Of a variable, or of a size by its axis."""
        return Bits.PYTHON if name in ("D", "E") else Bits.WIDE

    def widened(self, expr: Apply) -> Apply:
        """The same, with arguments that have as many bits as it needs."""
        values = _values(expr)
        if expr.function in (FAR, FILLED) or not values or any(part.kind is not Kind.INT for part in values):
            return expr
        found = [self.facts(part) for part in values]
        bits = [each.bits for each in found]
        if expr.function in SUMS and max(bits) == Bits.NARROW and _grows(expr, found):
            return _with(expr, bits.index(Bits.NARROW), FAR)
        if expr.function in (*MADE_TENSORS, *COMPARED) and max(bits) < Bits.WIDE:
            for place, (part, each) in enumerate(zip(values, found, strict=True)):
                sums = isinstance(part, Apply) or expr.function == "abs"
                if each.bits is Bits.PYTHON and sums and each.parameters:
                    expr = _with(expr, place, FILLED)
        return expr

    def facts(self, expr: Expr) -> Facts:
        """Of an int; found once for each, for names stand for what may be large."""
        if expr not in self._facts:
            self._facts[expr] = self._found(expr)
        return self._facts[expr]

    def _found(self, expr: Expr) -> Facts:
        match expr:
            case Constant():
                return Facts(Bits.PYTHON)
            case Parameter():
                return Facts(Bits.PYTHON, parameters=True)
            case Size():
                return Facts(self.bits_of(expr.axis), positions=int(expr.axis in self.growing))
            case Variable():
                made = self.defined(expr.name)
                own = Facts(self.bits_of(expr.name), positions=int(expr.name in self.growing))
                return own if made is None else self.facts(made)
            case Apply() if expr.kind is Kind.INT and expr.function not in ("floor", "ceil"):
                return self._of(expr)
        return Facts(Bits.WIDE)

    def _of(self, expr: Apply) -> Facts:
        """What its arguments make of it, as it is printed."""
        found = [self.facts(part) for part in _values(expr)]
        bits = max((each.bits for each in found), default=Bits.PYTHON)
        if self.widened(expr) is not expr:
            bits = Bits.WIDE
        elif expr.function in MADE_TENSORS:
            bits = max(bits, Bits.NARROW)
        return Facts(bits, any(each.parameters for each in found), min(2, sum(each.positions for each in found)))


def _grows(expr: Apply, values: list[Facts]) -> bool:
    """Whether it may be larger than 32 bits hold, where no value in it is."""
    multiplied = expr.function == "*" and sum(each.positions for each in values) > 1
    return multiplied or any(each.parameters for each in values)


def _values(expr: Apply) -> tuple[Expr, ...]:
    """The arguments, conditions apart."""
    return expr.arguments[expr.function == "if" :]


def _with(expr: Apply, place: int, function: str) -> Apply:
    """The value at a place inside of a function."""
    arguments = list(expr.arguments)
    place += expr.function == "if"
    arguments[place] = Apply(Kind.INT, function=function, arguments=(arguments[place],))
    return replace(expr, arguments=tuple(arguments))

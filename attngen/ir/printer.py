"""Expressions to text, with as few parentheses as the target language needs.

A target is a table: for each function a form (infix with its tightness, or a template), and how leaves are written.
Backends and the language itself share this one walk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from attngen.ir.expr import Apply, Constant, Expr, Parameter, Read, Rechannel, Row, Size, Variable

COMPARISONS = frozenset(("<", "<=", ">", ">=", "==", "!="))
ATOM = 100
"""The tightness of what never needs parentheses."""


@dataclass(frozen=True, slots=True)
class Infix:
    """`left symbol right`; operands that bind looser get parentheses, on the right also those that bind alike."""

    symbol: str
    tightness: int
    associative: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A template over the arguments, `{0}`, `{1}`...; `inner` is how tight each must bind where it stands."""

    template: str
    tightness: int = ATOM
    inner: int = 0


Table: TypeAlias = Mapping[str, Infix | Form]


class Printer:
    """Writes expressions in one language; a subclass gives the table and the leaves."""

    table: Table

    def text(self, expr: Expr) -> str:
        return self.tight(expr, 0)

    def tight(self, expr: Expr, outer: int) -> str:
        """The text, in parentheses if it binds looser than its surroundings ask."""
        text, tightness = self.part(expr)
        return f"({text})" if tightness < outer else text

    def part(self, expr: Expr) -> tuple[str, int]:
        """The text of a node and how tight it binds."""
        match expr:
            case Constant():
                return self.constant(expr)
            case Variable() | Parameter() | Row():
                return self.name(expr), ATOM
            case Size():
                return self.size(expr), ATOM
            case Read():
                return self.read(expr), ATOM
            case Rechannel():
                return f"{self.tight(expr.row, ATOM)}[{self.text(expr.index)}]", ATOM
            case Apply():
                return self.apply(expr)

    def apply(self, expr: Apply) -> tuple[str, int]:
        form = self.form(expr)
        if isinstance(form, Infix):
            left, right = expr.arguments
            rest = form.tightness + (0 if form.associative else 1)
            # `a < b != c` would be a chain: a comparison under a comparison always gets parentheses.
            first = rest if form.symbol in COMPARISONS else form.tightness
            left_text, right_text = self.tight(left, first), self.tight(right, rest)
            return f"{left_text} {form.symbol} {right_text}", form.tightness
        return form.template.format(*(self.tight(part, form.inner) for part in expr.arguments)), form.tightness

    def either(self, expr: Apply) -> tuple[str, int]:
        """`a | (b & c)`: nobody should have to know which binds tighter."""
        tightness = {side: 6 if isinstance(side, Apply) and side.function == "or" else 9 for side in expr.arguments}
        return " | ".join(self.tight(side, tightness[side]) for side in expr.arguments), 6

    def form(self, expr: Apply) -> Infix | Form:
        return self.table[expr.function]

    def constant(self, expr: Constant) -> tuple[str, int]:
        raise NotImplementedError

    def name(self, expr: Variable | Parameter | Row) -> str:
        return expr.name

    def size(self, expr: Size) -> str:
        return expr.axis

    def read(self, expr: Read) -> str:
        return f"{expr.input}[{', '.join(self.text(index) for index in expr.indices)}]"

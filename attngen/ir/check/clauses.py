"""What the clauses of an attention have in common: how they are found, and where their names have a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from attngen.errors import Span, suggest
from attngen.ir.check.elaborate import Elaborator
from attngen.ir.check.report import Report, written
from attngen.ir.check.scope import Scope
from attngen.ir.check.typing import an, listed_axes, to_float
from attngen.ir.expr import EARLIER, Apply, Expr, Kind, Read, Row, Variable, children
from attngen.language import ast

ItemType = TypeVar("ItemType", bound=ast.Item)
MOST_STRANGE = 20
"""Parts without a value that are reported in one clause."""
REPEATABLE = ("let", "def", "input", "state", "assert")


@dataclass(frozen=True, slots=True)
class Place:
    """What has a value in a clause, beside parameters, sizes and channels."""

    variables: frozenset[str]
    inputs: bool = True
    rows: bool = False
    previous: bool = False

    def has(self, part: Expr) -> bool:
        match part:
            case Row():
                return self.rows
            case Read():
                return self.inputs
            case Apply(function="prev"):
                return self.previous
            case Variable():
                name = "t" if part == EARLIER else part.name
                return name in self.variables or bool(part.channels)
            case _:
                return True

    def __str__(self) -> str:
        what = [f"`{name}`" for name in sorted(self.variables)]
        what += ["rows"] * self.rows + ["inputs"] * self.inputs + ["parameters", "sizes"]
        return ", ".join(what[:-1]) + " and " + what[-1]


PAIR = Place(frozenset("bhij"), rows=True)
PLACES = {
    "score": PAIR,
    "weight": PAIR,
    "mask": PAIR,
    "sink": Place(frozenset("bh")),
    "assert": Place(frozenset("h"), inputs=False),
    "order": Place(frozenset("h")),
    "normalize": Place(frozenset(), inputs=False),
    "state": Place(frozenset("bht"), rows=True),
    "out": Place(frozenset("bht"), rows=True, previous=True),
}


@dataclass(slots=True)
class Clauses:
    """The clauses of an attention, and what is known about its names. `single`: those that stand once, by word."""

    node: ast.Attention
    names: Scope
    report: Report
    elaborator: Elaborator
    single: dict[str, ast.Item] = field(default_factory=dict)
    _strange: dict[tuple[str, int], tuple[Expr, tuple[Expr, ...]]] = field(default_factory=dict)

    def all(self, kind: type[ItemType]) -> list[ItemType]:
        return [clause for clause in self.node.clauses if isinstance(clause, kind)]

    def one(self, kind: type[ItemType]) -> ItemType | None:
        return next((clause for clause in self.single.values() if isinstance(clause, kind)), None)

    def plain(self, word: str) -> ast.Plain | None:
        found = self.single.get(word)
        return found if isinstance(found, ast.Plain) else None

    def expr(self, word: str, value: ast.Expr, names: Scope | None = None) -> Expr | None:
        """An expression of a clause, over what has a value there; the names of `names` always have one."""
        expr = self.elaborator.expr(value, names or self.names)
        if expr is None:
            return None
        bound = frozenset[str]() if names is None else frozenset(names.bindings)
        strange = self._strange_in(expr, word, bound)
        for part in strange:
            self._no_value(word, part, value.span)
        return None if strange else expr

    def _strange_in(self, expr: Expr, word: str, bound: frozenset[str]) -> tuple[Expr, ...]:
        """The parts of an expression that have no value in a clause, parents first; of very many the first ones.

        Clauses share what `let` names, so what was found is kept, with the expression: no other one gets its id.
        """
        known = self._strange.get((word, id(expr)))
        if known is None:
            has_value = PLACES[word].has(expr) or (isinstance(expr, Variable) and expr.name in bound)
            found = [] if has_value else [expr]
            for child in children(expr):
                found += self._strange_in(child, word, bound)
            known = self._strange[word, id(expr)] = (expr, tuple(found[:MOST_STRANGE]))
        return known[1]

    def scalar(self, word: str, value: ast.Expr, kind: Kind, names: Scope | None = None) -> Expr | None:
        """An expression without channels, of one kind (ints are promoted)."""
        expr = self.expr(word, value, names)
        if expr is not None and expr.channels:
            label, help = f"this has the channels {listed_axes(expr)}", "`dot(x, y)` sums over channels"
            self.report.error("E0209", f"`{word}` is one value, not a row", value.span, label=label, help=help)
            return None
        return None if expr is None else self.of_kind(kind, expr, word, value.span)

    def of_kind(self, kind: Kind, expr: Expr, word: str, span: Span) -> Expr | None:
        """The expression in the kind that a clause has; ints are promoted."""
        promoted = to_float(expr) if kind is Kind.FLOAT and expr.kind is Kind.INT else expr
        if promoted.kind is not kind:
            self.report.error("E0204", f"`{word}` is {an(kind)}, not {an(expr.kind)}", span)
            return None
        return promoted

    def _no_value(self, word: str, part: Expr, span: Span) -> None:
        """Reported in the clause, even where the part stands in a definition that the clause uses."""
        inside = part.span.source == span.source and span.start <= part.span.start and part.span.stop <= span.stop
        message = f"`{written(part.span)}` has no value in `{word}`"
        notes = () if inside else ((f"`{written(part.span)}` comes from a definition", part.span),)
        place = part.span if inside else span
        self.report.error("E0212", message, place, help=f"it may depend on {PLACES[word]}", notes=notes)


def once(node: ast.Attention, report: Report) -> dict[str, ast.Item]:
    """The clauses that may stand once, by their word."""
    single: dict[str, ast.Item] = {}
    for clause in node.clauses:
        word = clause.word if isinstance(clause, ast.Plain) else type(clause).__name__.lower()
        if word in REPEATABLE:
            continue
        first = single.setdefault(word, clause)
        if first is not clause:
            span = Span(clause.span.source, clause.span.start, clause.span.start + len(word))
            help = "join them with `and`" if word == "mask" else "keep one"
            label = f"first on line {first.span.line}"
            report.error("E0301", f"`{word}` is given twice", span, label=label, help=help)
    return single


def known(word: ast.Word, ways: tuple[str, ...], what: str, report: Report) -> bool:
    """Whether a clause names one of the ways there are."""
    if word.text in ways:
        return True
    help = suggest(word.text, ways) or "there is " + ", ".join(f"`{name}`" for name in ways)
    report.error("E0306", f"there is no way to {what} called `{word.text}`", word.span, help=help)
    return False

"""What a name means, and where.

Scopes nest: prelude, file, attention, and the arguments of a definition that is being expanded. A definition sees
the names of the place where it was written, so the names of an attention can't leak into the prelude.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from attngen.errors import Diagnostic, Span
from attngen.ir import nodes
from attngen.ir.expr import Expr
from attngen.ir.functions import CALLABLE
from attngen.language import ast

SIZES = ("B", "H", "N", "M", "D", "E")
POSITIONS = ("b", "h", "i", "j", "t")
CHANNELS = ("c", "e")
ROWS = {"q": ("c",), "k": ("c",), "v": ("e",)}
RESERVED = frozenset((*SIZES, *POSITIONS, *CHANNELS, *ROWS, "scale", "inf", "n"))
PYTHON_KEYWORDS = frozenset(
    "False None True and as assert async await break class continue def del elif else except finally for from "
    "global if import in is lambda nonlocal not or pass raise return try while with yield".split()
)


@dataclass(frozen=True, slots=True)
class Value:
    """An argument of a definition, already elaborated; `None` if it was wrong."""

    expr: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Definition:
    """A `let` (no parameters), a `def` or an `order`, to be expanded where it is used."""

    name: str
    parameters: tuple[str, ...]
    body: ast.Expr
    scope: Scope
    span: Span


@dataclass(frozen=True, slots=True)
class StateName:
    """A state of a recurrence and the channels it is known to have so far."""

    name: str
    channels: tuple[str, ...]
    span: Span


Binding: TypeAlias = Value | Definition | StateName | nodes.Parameter | nodes.Input


@dataclass(slots=True)
class Scope:
    """Names and what they are bound to; unknown names are looked up in `outer`."""

    outer: Scope | None = None
    bindings: dict[str, Binding] = field(default_factory=dict)

    def find(self, name: str) -> Binding | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.bindings:
                return scope.bindings[name]
            scope = scope.outer
        return None

    def names(self) -> Iterator[str]:
        scope: Scope | None = self
        while scope is not None:
            yield from scope.bindings
            scope = scope.outer


@dataclass(slots=True)
class Report:
    """Collects what is wrong, once for each place."""

    diagnostics: list[Diagnostic] = field(default_factory=list)
    notes: list[tuple[str, Span]] = field(default_factory=list)

    def error(self, code: str, message: str, span: Span, label: str = "", help: str = "") -> None:
        self._add(Diagnostic(code, message, span, label, help, tuple(self.notes)))

    def warning(self, code: str, message: str, span: Span, label: str = "", help: str = "") -> None:
        self._add(Diagnostic(code, message, span, label, help, tuple(self.notes), severity="warning"))

    def _add(self, diagnostic: Diagnostic) -> None:
        known = {(d.code, d.span.source.name, d.span.start, d.message) for d in self.diagnostics}
        key = (diagnostic.code, diagnostic.span.source.name, diagnostic.span.start, diagnostic.message)
        if key not in known:
            self.diagnostics.append(diagnostic)


def declare(scope: Scope, word: ast.Word, binding: Binding, report: Report) -> None:
    """Bind a name that an author chose, if it may be chosen."""
    name = word.text
    if name in RESERVED:
        report.error(
            "E0202", f"`{name}` always has a meaning and can't be defined", word.span, help="choose another name"
        )
    elif name in PYTHON_KEYWORDS:
        report.error(
            "E0202", f"`{name}` is a keyword of Python", word.span, help=f"generated code is Python: call it `{name}_`"
        )
    elif name in CALLABLE and isinstance(binding, Definition):
        report.error("E0202", f"`{name}` is a function of the language", word.span, help="choose another name")
    elif name in scope.bindings:
        before = scope.bindings[name]
        line = before.span.line
        report.error("E0202", f"`{name}` is defined twice", word.span, label=f"first on line {line}", help="rename one")
    else:
        scope.bindings[name] = binding

"""Where a text comes from, where in it something stands, and what is wrong there.

Everything that attngen says about a spec is a `Diagnostic`: a code, a message, a span with a caret under it,
and a way out. This module is the bottom layer; it imports nothing of attngen.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Source:
    """A text and the name under which it is reported (a path, or `<text>`)."""

    name: str
    text: str = field(repr=False)

    def line(self, number: int) -> str:
        """Line `number` (1-based) without its line break; empty beyond the end."""
        lines = self.text.split("\n")
        return lines[number - 1].rstrip("\r") if number <= len(lines) else ""


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, stop) of a source; lines and columns are 1-based."""

    source: Source = field(repr=False)
    start: int
    stop: int

    @property
    def line(self) -> int:
        return self.source.text.count("\n", 0, self.start) + 1

    @property
    def column(self) -> int:
        return self.start - self.source.text.rfind("\n", 0, self.start)

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.stop]

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    def to(self, other: Span) -> Span:
        """From the start of this span to the end of the other."""
        return Span(self.source, self.start, other.stop)


NOWHERE = Span(Source("<attngen>", ""), 0, 0)
"""The span of what no text wrote: implicit clauses and trees made by passes."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that is wrong (or, with `severity="warning"`, suspect) in a spec.

    `code` names the rule (`docs/diagnostics.md` lists them), `label` stands behind the caret,
    `help` is the way out and `notes` say what else led here, such as the definition that was expanded.
    """

    code: str
    message: str
    span: Span
    label: str = ""
    help: str = ""
    notes: tuple[tuple[str, Span], ...] = ()
    severity: str = "error"

    def __str__(self) -> str:
        lines = [f"{self.severity}[{self.code}]: {self.message}", *_excerpt(self.span, self.label)]
        for text, span in self.notes:
            lines.append(f"    = note: {text} at {span}")
        if self.help:
            lines.append(f"    = help: {self.help}")
        return "\n".join(lines)

    def as_json(self) -> dict[str, object]:
        return {
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
            "file": self.span.source.name,
            "line": self.span.line,
            "column": self.span.column,
            "label": self.label,
            "help": self.help,
        }


def _excerpt(span: Span, label: str) -> list[str]:
    """The place, the line and the caret under it."""
    number, column = span.line, span.column
    text = span.source.line(number)
    width = max(1, min(span.stop - span.start, len(text) - column + 1))
    margin = " " * max(3, len(str(number)))
    before = "".join("\t" if character == "\t" else " " for character in text[: column - 1])
    return [
        f"  --> {span}",
        f"{margin} |",
        f"{number:>{len(margin)}} | {text}",
        f"{margin} | {before}{'^' * width} {label}".rstrip(),
    ]


class SpecError(ValueError):
    """A spec that cannot be used; `diagnostics` holds everything that is wrong with it."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n\n".join(str(diagnostic) for diagnostic in self.diagnostics))


class CallError(ValueError):
    """A call that cannot be served: a wrong shape, dtype, device, input or parameter."""


def suggest(name: str, known: Iterable[str]) -> str:
    """`did you mean ...?` for the closest known name, or an empty text."""
    close = difflib.get_close_matches(name, sorted(set(known)), n=1, cutoff=0.6)
    return f"did you mean `{close[0]}`?" if close else ""

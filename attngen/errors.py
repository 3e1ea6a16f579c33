"""Where a text comes from, where in it something stands, and what is wrong there.

Everything that attngen says about a spec is a `Diagnostic`: a code, a message, a span with a caret under it,
and a way out. This module is the bottom layer; it imports nothing of attngen.
"""

from __future__ import annotations

import difflib
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, islice

MOST_SHOWN = 100
"""Diagnostics of one run that are shown; nobody reads more, and each costs a few lines."""
WIDEST = 200
"""Characters of a line or a text that a diagnostic quotes: many mistakes may stand on one long line."""
MOST_NAMES = 300
"""Names among which the one that was meant is looked for."""


@dataclass(frozen=True, slots=True)
class Source:
    """A text and the name under which it is reported (a path, or `<text>`)."""

    name: str
    text: str = field(repr=False)

    def line(self, number: int) -> str:
        """Line `number` (1-based) without its line break; empty beyond the end."""
        return self.text[slice(*self.bounds(number))].rstrip("\r")

    def bounds(self, number: int) -> tuple[int, int]:
        """Where line `number` starts and its line break stands."""
        starts, length = _line_starts(self.text), len(self.text)
        start = starts[number - 1] if number <= len(starts) else length
        return start, starts[number] - 1 if number < len(starts) else length


@lru_cache(maxsize=16)
def _line_starts(text: str) -> Sequence[int]:
    """Where the lines of a text start, found once: every span asks."""
    lengths = (len(line) + 1 for line in text.split("\n"))
    return array("q", list(accumulate(lengths, initial=0))[:-1])


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, stop) of a source; lines and columns are 1-based."""

    source: Source = field(repr=False)
    start: int
    stop: int

    @property
    def line(self) -> int:
        return bisect_right(_line_starts(self.source.text), self.start)

    @property
    def column(self) -> int:
        return self.start - _line_starts(self.source.text)[self.line - 1] + 1

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
    """The place, the line and the caret under it; of a long line what stands around the caret."""
    number = span.line
    start, stop = span.source.bounds(number)
    first = max(start, min(span.start - WIDEST // 2, stop - WIDEST))
    last = min(first + WIDEST, stop)
    text = span.source.text[first:last].rstrip("\r")
    left, right = "..." * (first > start), "..." * (last < stop)
    width = max(1, min(span.stop - span.start, first + len(text) - span.start))
    margin = " " * max(3, len(str(number)))
    before = "".join("\t" if character == "\t" else " " for character in left + text[: max(0, span.start - first)])
    return [
        f"  --> {span}",
        f"{margin} |",
        f"{number:>{len(margin)}} | {left}{text}{right}",
        f"{margin} | {before}{'^' * width} {label}".rstrip(),
    ]


def shortened(text: str) -> str:
    """A text that a message quotes, cut where it is very long."""
    return text if len(text) <= WIDEST else f"{text[:WIDEST]}..."


def shown(diagnostics: Sequence[Diagnostic]) -> Iterator[str]:
    """The texts of diagnostics; of very many the first ones, errors before warnings, and how many are left."""
    if len(diagnostics) > MOST_SHOWN:
        diagnostics = sorted(diagnostics, key=lambda one: one.severity != "error")
    yield from map(str, diagnostics[:MOST_SHOWN])
    if len(diagnostics) > MOST_SHOWN:
        yield f"and {len(diagnostics) - MOST_SHOWN} more"


class SpecError(ValueError):
    """A spec that cannot be used; `diagnostics` holds everything that is wrong with it."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return "\n\n".join(shown(self.diagnostics))


class CallError(ValueError):
    """A call that cannot be served: a wrong shape, dtype, device, input or parameter."""


def suggest(name: str, known: Iterable[str]) -> str:
    """`did you mean ...?` for the closest known name, or an empty text."""
    close = difflib.get_close_matches(name, sorted(set(islice(known, MOST_NAMES))), n=1, cutoff=0.6)
    return f"did you mean `{close[0]}`?" if close else ""

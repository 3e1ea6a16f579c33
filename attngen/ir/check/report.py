"""Collects what is wrong with a file, once for each place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from attngen.errors import MOST_SHOWN, WIDEST, Diagnostic, Span, shortened, suggest

Note = tuple[str, Span]
MOST_NOTES = 4
MOST_READ = 4 * WIDEST
"""Characters of a text that is quoted which are read, line breaks and all."""


@dataclass(slots=True)
class Report:
    """`notes` are added to every diagnostic: the calls of the definitions that are being expanded."""

    diagnostics: list[Diagnostic] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    _known: set[tuple[str, str, int, str]] = field(default_factory=set)
    _searches: int = 0

    def error(
        self, code: str, message: str, span: Span, label: str = "", help: str = "", notes: tuple[Note, ...] = ()
    ) -> None:
        self._add(Diagnostic(code, message, span, label, help, (*notes, *self._calls())))

    def warning(self, code: str, message: str, span: Span, label: str = "", help: str = "") -> None:
        self._add(Diagnostic(code, message, span, label, help, self._calls(), severity="warning"))

    def suggestion(self, name: str, known: Iterable[str]) -> str:
        """`did you mean ...?`, for as many mistakes as are shown: a search takes as long as there are names."""
        self._searches += 1
        return suggest(name, known) if self._searches <= MOST_SHOWN else ""

    def failed(self, since: int = 0) -> bool:
        """Whether there are errors among the diagnostics from number `since` on."""
        return any(diagnostic.severity == "error" for diagnostic in self.diagnostics[since:])

    def _calls(self) -> tuple[Note, ...]:
        """The calls that led here, innermost first; of a long chain the first ones and the last."""
        inward = self.notes[::-1]
        return tuple(inward if len(inward) <= MOST_NOTES else [*inward[: MOST_NOTES - 1], inward[-1]])

    def _add(self, diagnostic: Diagnostic) -> None:
        span = diagnostic.span
        key = (diagnostic.code, span.source.name, span.start, diagnostic.message)
        if key not in self._known:
            self._known.add(key)
            self.diagnostics.append(diagnostic)


def written(span: Span) -> str:
    """The text of a span on one line, for messages."""
    start = span.source.text[span.start : min(span.stop, span.start + MOST_READ)]
    return shortened(" ".join(start.split()))

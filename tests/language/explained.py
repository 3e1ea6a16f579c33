"""What is wrong with a text, for the tests of syntax errors."""

from __future__ import annotations

from attngen.errors import Diagnostic, Source, SpecError
from attngen.language.parse import parse


def mistakes(text: str) -> tuple[Diagnostic, ...]:
    """The diagnostics of a text; none if it parses. Each lies inside the text and can be rendered."""
    diagnostics: tuple[Diagnostic, ...] = ()
    try:
        parse(Source("<test>", text))
    except SpecError as error:
        diagnostics = error.diagnostics
        explained = bool(diagnostics)
    else:
        explained = True
    assert explained
    for diagnostic in diagnostics:
        assert 0 <= diagnostic.span.start <= diagnostic.span.stop <= len(text)
        assert diagnostic.message in str(diagnostic)
    return diagnostics


def places(text: str) -> list[tuple[str, int, int]]:
    return [(diagnostic.code, diagnostic.span.line, diagnostic.span.column) for diagnostic in mistakes(text)]


def only(text: str) -> Diagnostic:
    """The single mistake of a text."""
    (diagnostic,) = mistakes(text)
    return diagnostic

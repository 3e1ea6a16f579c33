"""Specs with their mistakes marked: under the place stands `^^^^ CODE label`."""

from __future__ import annotations

import re

from attngen.errors import Diagnostic, Source, SpecError
from attngen.ir import nodes
from attngen.ir.check import check

MARKER = re.compile(r"( *)(\^+) ([EW]\d{4}) ?(.*)")
Place = tuple[int, int, int, str, str]


def checked(text: str) -> nodes.Variant:
    """The only variant of a text."""
    (variant,) = check(Source("spec.attn", text))
    return variant


def diagnostics(text: str) -> tuple[Diagnostic, ...]:
    """What is said about a text: the errors, or the warnings if there are none."""
    try:
        variants = check(Source("spec.attn", text))
    except SpecError as error:
        return error.diagnostics
    return tuple(warning for variant in variants for warning in variant.warnings)


def only(text: str) -> Diagnostic:
    (diagnostic,) = diagnostics(text)
    return diagnostic


def split(marked: str) -> tuple[str, list[Place]]:
    """The spec and the places that are marked in it: line, column, width, code and label."""
    lines: list[str] = []
    places: list[Place] = []
    for line in marked.strip("\n").split("\n"):
        if marker := MARKER.fullmatch(line):
            before, carets, code, label = marker.groups()
            places.append((len(lines), len(before) + 1, len(carets), code, label))
        else:
            lines.append(line)
    return "\n".join(lines), places


def place(diagnostic: Diagnostic) -> Place:
    span = diagnostic.span
    width = max(1, len(span.text.split("\n")[0]))
    return span.line, span.column, width, diagnostic.code, diagnostic.label


def assert_marked(marked: str) -> None:
    """Exactly the marked diagnostics are given, in order."""
    text, places = split(marked)
    found = diagnostics(text)
    assert [place(diagnostic) for diagnostic in found] == sorted(places), "\n\n".join(map(str, found))

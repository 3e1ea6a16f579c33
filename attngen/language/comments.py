"""Comments find the item that they speak of: the one whose last line they end, or else the next one.

An empty comment stands for a blank line behind a comment: it keeps paragraphs apart.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from attngen.errors import Source, Span
from attngen.language import ast

Placed = TypeVar("Placed", bound=ast.Item)


STRING_OR_COMMENT = re.compile(r'"[^"]*"|(#[^\n]*)')
BLANK_LINE = re.compile(r"[ \t]*\n[ \t]*\n")


def find(source: Source) -> list[Span]:
    """The comments of a text; a `#` inside a string starts none."""
    matches = STRING_OR_COMMENT.finditer(source.text)
    return [Span(source, match.start(1), match.end(1)) for match in matches if match.group(1)]


def attach(file: ast.File, comments: Sequence[Span]) -> ast.File:
    """The same file with every comment on an item, or in the `closing` of what holds it."""
    starts = [comment.start for comment in comments]
    outside: list[Span] = []
    attached: list[ast.Def | ast.Let | ast.Attention] = []
    done = 0
    for item in file.items:
        if isinstance(item, ast.Attention):
            first, stop = (bisect_left(starts, place) for place in (item.span.start, item.span.stop))
            outside += comments[done:first]
            item, done = _attach_inside(item, comments[first:stop]), stop
        attached.append(item)
    placed, closing = _place(attached, [*outside, *comments[done:]])
    return replace(file, items=tuple(placed), closing=closing)


def _attach_inside(attention: ast.Attention, comments: Sequence[Span]) -> ast.Attention:
    last = attention.parameters[-1] if attention.parameters else attention.name
    brace = _brace(attention.span.source.text, last.span.stop, comments)
    header = [_text(comment) for comment in comments if comment.start < brace]
    clauses, closing = _place(attention.clauses, comments[len(header) :])
    return replace(attention, leading=(*attention.leading, *header), clauses=tuple(clauses), closing=closing)


def _brace(text: str, start: int, comments: Iterable[Span]) -> int:
    """Where the first `{` behind `start` is that stands in no comment."""
    for comment in comments:
        if comment.start >= start:
            if (found := text.find("{", start, comment.start)) >= 0:
                return found
            start = comment.stop
    return text.index("{", start)


def _place(items: Sequence[Placed], comments: Sequence[Span]) -> tuple[list[Placed], tuple[str, ...]]:
    """Give each comment to one of the items in a row; what stands behind all of them is returned."""
    stops = [item.span.stop for item in items]
    trailing: dict[int, str] = {}
    leading: list[list[str]] = [[] for _ in range(len(items) + 1)]
    for comment in comments:
        following = bisect_right(stops, comment.start)
        last = following - 1
        if last >= 0 and last not in trailing and _line_end(items[last].span) == comment.line:
            trailing[last] = _text(comment)
        else:
            leading[following] += _paragraph(comment)
    placed = [
        replace(item, leading=(*leading[k], *item.leading), trailing=trailing.get(k, ""))
        for k, item in enumerate(items)
    ]
    closing = leading[-1]
    return placed, tuple(closing[:-1] if closing and not closing[-1] else closing)


def _paragraph(comment: Span) -> list[str]:
    """A comment on lines of its own, and the blank line behind it, if there is one."""
    blank = BLANK_LINE.match(comment.source.text, comment.stop) is not None
    return [_text(comment), *[""] * blank]


def _text(comment: Span) -> str:
    return comment.text.rstrip()


def _line_end(span: Span) -> int:
    return Span(span.source, max(span.start, span.stop - 1), span.stop).line

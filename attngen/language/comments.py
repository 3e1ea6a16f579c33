"""Comments find the item that they speak of: the one whose last line they end, or else the next one.

An empty comment stands for a blank line behind a comment: it keeps paragraphs apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from attngen.errors import Source, Span
from attngen.language import ast

Placed = TypeVar("Placed", bound=ast.Item)


STRING_OR_COMMENT = re.compile(r'"[^"]*"|(#[^\n]*)')


def find(source: Source) -> list[Span]:
    """The comments of a text; a `#` inside a string starts none."""
    matches = STRING_OR_COMMENT.finditer(source.text)
    return [Span(source, match.start(1), match.end(1)) for match in matches if match.group(1)]


def attach(file: ast.File, comments: Iterable[Span]) -> ast.File:
    """The same file with every comment on an item, or in the `closing` of what holds it."""
    remaining = list(comments)
    attentions = [item for item in file.items if isinstance(item, ast.Attention)]
    taken = [_take(remaining, item.span.start, item.span.stop) for item in attentions]
    placed, closing = _place(file.items, remaining)
    inside = iter(taken)
    items = [_attach_inside(item, next(inside)) if isinstance(item, ast.Attention) else item for item in placed]
    return replace(file, items=tuple(items), closing=closing)


def _attach_inside(attention: ast.Attention, comments: list[Span]) -> ast.Attention:
    last = attention.parameters[-1] if attention.parameters else attention.name
    brace = _brace(attention.span.source.text, last.span.stop, comments)
    header = [_text(comment) for comment in _take(comments, attention.span.start, brace)]
    clauses, closing = _place(list(attention.clauses), comments)
    return replace(attention, leading=(*attention.leading, *header), clauses=tuple(clauses), closing=closing)


def _brace(text: str, start: int, comments: Iterable[Span]) -> int:
    """Where the first `{` behind `start` is that stands in no comment."""
    for comment in comments:
        if comment.start >= start and text.find("{", start, comment.start) < 0:
            start = comment.stop
    return text.index("{", start)


def _place(items: Sequence[Placed], comments: Sequence[Span]) -> tuple[list[Placed], tuple[str, ...]]:
    """Give each comment to one of the items in a row; what stands behind all of them is returned."""
    placed = list(items)
    closing: list[str] = []
    for comment in comments:
        before = [k for k, item in enumerate(items) if item.span.stop <= comment.start]
        last = before[-1] if before else None
        if last is not None and _line_end(items[last].span) == comment.line and not placed[last].trailing:
            placed[last] = replace(placed[last], trailing=_text(comment))
            continue
        following = 0 if last is None else last + 1
        if following == len(items):
            closing += _paragraph(comment)
        else:
            leading = (*placed[following].leading, *_paragraph(comment))
            placed[following] = replace(placed[following], leading=leading)
    return placed, tuple(closing[:-1] if closing and not closing[-1] else closing)


def _take(comments: list[Span], start: int, stop: int) -> list[Span]:
    """Remove from the list, and return, the comments inside [start, stop)."""
    inside = [comment for comment in comments if start <= comment.start < stop]
    comments[:] = [comment for comment in comments if comment not in inside]
    return inside


def _paragraph(comment: Span) -> list[str]:
    """A comment on lines of its own, and the blank line behind it, if there is one."""
    rest = comment.source.text[comment.stop :]
    blank = re.match(r"[ \t]*\n[ \t]*\n", rest) is not None
    return [_text(comment), *[""] * blank]


def _text(comment: Span) -> str:
    return comment.text.rstrip()


def _line_end(span: Span) -> int:
    return Span(span.source, max(span.start, span.stop - 1), span.stop).line

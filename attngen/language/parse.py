"""Text to tree. Every syntax error of a file is reported, not only the first.

A clause that does not parse is blanked out (so that positions stay) and the text is parsed again; clauses are
short and start with a reserved word, so one mistake never hides another.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.exceptions import VisitError

from attngen.errors import Diagnostic, Source, Span, SpecError
from attngen.language import ast, expected
from attngen.language.build import TreeBuilder
from attngen.language.comments import attach, find

CLAUSE_WORDS = frozenset("DOC LET STATE DEF ORDER INPUT PLAIN NORMALIZE PARTITION SCHEDULE ATTENTION".split())


@cache
def grammar() -> Lark:
    """The LALR parser. Building its tables takes some 50 ms, once per process."""
    text = files("attngen.language").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", lexer="basic", maybe_placeholders=True, propagate_positions=True)


def parse(source: Source) -> ast.File:
    """The unchecked tree of a text.

    Raises:
        SpecError: with one diagnostic for every clause that does not parse.
    """
    text = source.text
    diagnostics: list[Diagnostic] = []
    while True:
        try:
            tree = grammar().parse(text)
            break
        except UnexpectedInput as error:
            diagnostic, hole = _explain(source, text, error)
            diagnostics.append(diagnostic)
            if hole is None or not text[hole.start : hole.stop].strip():
                raise SpecError(diagnostics) from None
            text = _blank(text, hole)
    if diagnostics:
        raise SpecError(diagnostics)
    return _build(source, tree)


def _build(source: Source, tree: Any) -> ast.File:
    try:
        file: ast.File = TreeBuilder(source).transform(tree)
    except (RecursionError, VisitError) as error:
        if isinstance(error, VisitError) and not isinstance(error.orig_exc, RecursionError):
            raise
        raise SpecError([_too_deep(source)]) from None
    return attach(file, find(source))


def _too_deep(source: Source) -> Diagnostic:
    return Diagnostic(
        "E0104",
        "an expression is nested too deeply to be read",
        Span(source, 0, 1),
        help="name its parts with `let`",
    )


def _explain(source: Source, text: str, error: UnexpectedInput) -> tuple[Diagnostic, Span | None]:
    """What to say about a syntax error, and the part of the text to blank out before going on."""
    if isinstance(error, UnexpectedCharacters):
        return _bad_character(source, text, error)
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        start = error.token.start_pos or 0
        span = Span(source, start, error.token.end_pos or start + 1)
        found = f"`{span.text}`"
    else:
        start = len(source.text.rstrip())
        span = Span(source, max(start - 1, 0), start)
        found = "the end of the text"
    wanted = expected.describe(error.accepts or error.expected if isinstance(error, UnexpectedToken) else ())
    diagnostic = Diagnostic(
        "E0101",
        f"{found} can't stand here",
        span,
        label=f"expected {wanted}" if wanted else "",
        help=expected.way_out(error, before=source.text[:start]),
    )
    return diagnostic, _hole_around(source, text, span)


def _bad_character(source: Source, text: str, error: UnexpectedCharacters) -> tuple[Diagnostic, Span | None]:
    start = error.pos_in_stream or 0
    span = Span(source, start, start + 1)
    character = span.text
    if character == '"':
        diagnostic = Diagnostic("E0103", "this string is never closed", span, help='close it with `"`')
        return diagnostic, Span(source, start, len(source.text))
    diagnostic = Diagnostic(
        "E0102",
        f"the character `{character}` has no meaning here",
        span,
        help=expected.CHARACTERS.get(character, expected.CHARACTER),
    )
    return diagnostic, _hole_around(source, text, span) or span


def _hole_around(source: Source, text: str, span: Span) -> Span | None:
    """What to blank out so that the rest of the text can be read: the clause or header that holds a mistake."""
    tokens = _tokens(text)
    marks = [token for token in tokens if token.type in CLAUSE_WORDS | {"LBRACE", "RBRACE"}]
    before = [token for token in marks if _start(token) < span.start]
    following = [_start(token) for token in marks if _start(token) >= span.start]
    start, stop = span.start, following[0] if following else len(text)
    last = before[-1] if before else None
    if any(_start(token) == span.start and token.type == "ATTENTION" for token in marks):
        return None
    if last is not None and last.type == "ATTENTION":
        header = [token for token in tokens if token.type == "LPAR" and _start(token) > _start(last)]
        start = _start(header[0]) if header and _start(header[0]) <= span.start else span.start
    elif last is not None and last.type in CLAUSE_WORDS:
        start = _start(last)
    return Span(source, start, max(stop, span.stop) if stop == span.start and start == stop else stop)


def _start(token: Token) -> int:
    return token.start_pos or 0


def _tokens(text: str) -> list[Token]:
    """The tokens of a text, up to the first one that does not lex."""
    tokens: list[Token] = []
    try:
        tokens.extend(grammar().lex(text))
    except UnexpectedCharacters:
        pass
    return tokens


def _blank(text: str, hole: Span) -> str:
    blank = "".join(c if c == "\n" else " " for c in text[hole.start : hole.stop])
    return text[: hole.start] + blank + text[hole.stop :]

"""What is wrong with a text that does not parse: one diagnostic for every piece that holds a mistake.

The text is cut before the words that start a clause and each piece is parsed on its own, so that a mistake in
one clause neither hides a mistake in another nor is reported there again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lark import Lark, Token, UnexpectedCharacters, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from attngen.errors import Diagnostic, Source, Span, shortened
from attngen.language import expected

STARTS = frozenset("DOC LET STATE DEF ORDER INPUT PLAIN NORMALIZE PARTITION SCHEDULE ATTENTION".split())
BEFORE_NAME = frozenset("ATTENTION LET STATE DEF ORDER LPAR COMMA".split())
BEHIND_NAME = frozenset("EQUAL COLON COMMA LPAR RPAR LBRACE".split())
END = "$END"
UNREADABLE = "UNREADABLE"
AROUND = 200
"""Characters before and behind a mistake that are looked at to find what was meant."""
UNREADABLE_TEXT = re.compile(r'"[^\n]*|[0-9][\w.]*|.', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens that make sense on their own: a header up to its brace, a clause, a closing brace.

    `inside` and `inside_after` say whether an attention is open before and behind them.
    """

    tokens: Sequence[Token]
    inside: bool
    inside_after: bool
    following: Token


def mistakes(grammar: Lark, source: Source) -> list[Diagnostic]:
    """The first mistake of every piece of a text, in order."""
    outside = grammar.parse_interactive("")
    inside = _copy(outside)
    for kind in ("ATTENTION", "NAME", "LBRACE"):
        inside.feed_token(Token(kind, ""))
    diagnostics: dict[int, Diagnostic] = {}
    for piece in _pieces(_tokens(grammar, source.text)):
        mistake = _mistake(inside if piece.inside else outside, piece)
        if mistake is not None:
            token, wanted = mistake
            diagnostics.setdefault(id(token), _explain(source, token, wanted))
    return list(diagnostics.values())


def _tokens(grammar: Lark, text: str) -> list[Token]:
    """All tokens of a text and the end; what does not lex becomes a token of its own."""
    parser = grammar.parse_interactive(text)
    lexer = parser.lexer_thread
    tokens: list[Token] = []
    while True:
        try:
            for token in lexer.lex(parser.parser_state):  # type: ignore[no-untyped-call]
                tokens.append(token)  # noqa: PERF402 (what came before an exception is kept)
            break
        except UnexpectedCharacters as error:
            start = error.pos_in_stream or 0
            match = UNREADABLE_TEXT.match(text, start)
            assert match is not None and lexer.state is not None
            tokens.append(Token(UNREADABLE, match.group(), start_pos=start, end_pos=match.end()))
            lexer.state.line_ctr.feed(match.group())
    stop = (tokens[-1].end_pos or 0) if tokens else 0
    return [*tokens, Token(END, "", start_pos=max(stop - 1, 0), end_pos=stop)]


def _pieces(tokens: Sequence[Token]) -> Iterator[Piece]:
    """The tokens cut into pieces; the end is a piece, and a mistake, if an attention is still open there."""
    inside, start = False, 0
    while tokens[start].type != END:
        first = tokens[start]
        if inside and first.type == "ATTENTION":
            yield Piece([first], inside, False, tokens[start + 1])
            inside = False
        stop = _stop(tokens, start, inside)
        following = tokens[stop]
        if inside:
            after = first.type != "RBRACE"
        else:
            forgotten = first.type == "ATTENTION" and following.type not in {"ATTENTION", END}
            after = tokens[stop - 1].type == "LBRACE" or forgotten
        yield Piece(tokens[start:stop], inside, after, following)
        inside, start = after, stop
    if inside:
        yield Piece([tokens[start]], inside, False, tokens[start])


def _stop(tokens: Sequence[Token], start: int, inside: bool) -> int:
    """Behind the piece that begins at `start`. Inside an attention, a clause may hold braces of its own."""
    depth = 0
    for k in range(start, len(tokens)):
        kind = tokens[k].type
        if k > start and (kind == END or _starts(tokens, k) or (kind == "RBRACE" and depth == 0)):
            return k
        if kind == "RBRACE" and depth == 0:
            return k + 1
        if kind == "LBRACE" and not inside:
            return k + 1
        depth += (kind == "LBRACE") - (kind == "RBRACE")
    return len(tokens)


def _starts(tokens: Sequence[Token], k: int) -> bool:
    """Whether a clause starts here: `let mask = 1` misuses a clause word as a name, which starts nothing."""
    misused = tokens[k - 1].type in BEFORE_NAME and tokens[k + 1].type in BEHIND_NAME
    return tokens[k].type in STARTS and not misused


def _mistake(start: InteractiveParser, piece: Piece) -> tuple[Token, set[str]] | None:
    """The first token that can't stand where it does, and what could; None if the piece is right."""
    parser = _copy(start)
    for token in piece.tokens:
        try:
            parser.feed_token(token)
        except UnexpectedToken:
            return token, _wanted(parser)
    finished = _copy(parser)
    try:
        for kind in ("RBRACE", END) if piece.inside_after else (END,):
            finished.feed_token(Token(kind, ""))
    except UnexpectedToken:
        return piece.following, _wanted(parser)
    return None


def _copy(parser: InteractiveParser) -> InteractiveParser:
    """Shallow: what was parsed so far may be deep, and nobody looks at it."""
    copied: InteractiveParser = parser.copy(deepcopy_values=False)  # type: ignore[no-untyped-call]
    return copied


def _wanted(parser: InteractiveParser) -> set[str]:
    terminals: set[str] = parser.accepts()  # type: ignore[no-untyped-call]
    return terminals


def _explain(source: Source, token: Token, wanted: set[str]) -> Diagnostic:
    span = Span(source, token.start_pos or 0, token.end_pos or 0)
    if token.type == UNREADABLE:
        return _unreadable(span)
    found = {END: "the end of the text", "STRING": "a string"}.get(token.type, f"`{shortened(span.text)}`")
    before, after = source.text[max(0, span.start - AROUND) : span.start], source.text[span.stop : span.stop + AROUND]
    words = expected.describe(wanted)
    return Diagnostic(
        "E0101",
        f"{found} can't stand here",
        span,
        label=f"expected {words}" if words else "",
        help=expected.way_out(token, wanted, before, after),
    )


def _nothing_in_string(span: Span) -> Span | None:
    """The character that no file of code may hold, if the string that begins there holds it."""
    text = span.source.text
    at, end = text.find("\0", span.start), text.find('"', span.start + 1)
    return Span(span.source, at, at + 1) if 0 <= at < (len(text) if end < 0 else end) else None


def _unreadable(span: Span) -> Diagnostic:
    text = span.text
    first = Span(span.source, span.start, span.start + 1)
    if text.startswith('"'):
        if (nothing := _nothing_in_string(span)) is not None:
            return Diagnostic("E0102", "a string can't hold the character U+0000", nothing, help="leave it out")
        return Diagnostic("E0103", "this string is never closed", first, help='close it with `"`')
    if text[0].isdigit() and text[0].isascii():
        return Diagnostic("E0102", f"`{shortened(text)}` is no number", span, help=expected.CHARACTER)
    shown = text if text.isprintable() else f"U+{ord(text):04X}"
    way_out = expected.CHARACTERS.get(text, expected.CHARACTER)
    return Diagnostic("E0102", f"the character `{shown}` has no meaning here", first, help=way_out)

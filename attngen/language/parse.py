"""Text to tree. Every syntax error of a file is reported, not only the first."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from importlib.resources import files
from io import BytesIO

import lark
from lark import Lark, Token, Tree, UnexpectedInput

from attngen.cache import GRAMMARS
from attngen.errors import Diagnostic, Source, Span, SpecError
from attngen.language import ast, recover
from attngen.language.build import TreeBuilder
from attngen.language.comments import attach, find

MAX_DEPTH = 100
"""How deep a clause may nest: the passes are recursive, and Python's stack holds about ten calls per level."""
MAX_LENGTH = 1_000_000
"""Characters of a text; the longest spec there is has a thousand."""
MAX_NAME = 100
"""Characters of a name: files and functions are called by it, and a name of a file has 255 at most."""


@cache
def grammar() -> Lark:
    """The LALR parser. Building its tables takes some 100 ms, so they are kept."""
    text = files("attngen.language").joinpath("grammar.lark").read_text(encoding="utf-8")
    made_of = "\0".join([text, lark.__version__, sys.version])
    entry = f"{hashlib.sha256(made_of.encode()).hexdigest()[:20]}.lark"
    if kept := GRAMMARS.read(entry):
        return Lark.load(BytesIO(kept))
    made = Lark(text, parser="lalr", lexer="basic", maybe_placeholders=True, propagate_positions=True)
    tables = BytesIO()
    made.save(tables)
    GRAMMARS.write(entry, tables.getvalue())
    return made


def parse(source: Source) -> ast.File:
    """The unchecked tree of a text.

    Raises:
        SpecError: with one diagnostic for every clause that does not parse, or what is too long or too deep.
    """
    if len(source.text) > MAX_LENGTH:
        raise SpecError([_too_long(source)])
    try:
        tree = grammar().parse(source.text)
    except UnexpectedInput:
        raise SpecError(recover.mistakes(grammar(), source)) from None
    too_deep = [_too_deep(source, clause) for clause in _clauses(tree) if _depth(clause) > MAX_DEPTH]
    if too_deep:
        raise SpecError(too_deep)
    if long_names := [_long_name(source, name) for name in tree.scan_values(_is_long_name)]:
        raise SpecError(long_names)
    file: ast.File = TreeBuilder(source).transform(tree)
    return attach(file, find(source))


def _clauses(tree: Tree[Token]) -> list[Tree[Token]]:
    """The definitions, parameters and clauses of a file, in order."""
    items = [item for item in tree.children if isinstance(item, Tree)]
    return [
        part
        for item in items
        for part in (item.children if item.data == "attention" else [item])
        if isinstance(part, Tree)
    ]


def _depth(tree: Tree[Token]) -> int:
    """How many levels of nodes a tree has, counted without recursion."""
    depth = 0
    level = [tree]
    while level:
        depth += 1
        level = [child for node in level for child in node.children if isinstance(child, Tree)]
    return depth


def _too_deep(source: Source, clause: Tree[Token]) -> Diagnostic:
    return Diagnostic(
        "E0104",
        f"this is nested more than {MAX_DEPTH} levels deep",
        Span(source, clause.meta.start_pos, clause.meta.end_pos),
        help="name its parts with `let`",
    )


def _too_long(source: Source) -> Diagnostic:
    message = f"a text has at most {MAX_LENGTH} characters, and this has {len(source.text)}"
    return Diagnostic(
        "E0105", message, Span(source, MAX_LENGTH, MAX_LENGTH + 1), help="put attentions into several files"
    )


def _is_long_name(token: object) -> bool:
    return isinstance(token, Token) and token.type == "NAME" and len(token) > MAX_NAME


def _long_name(source: Source, name: Token) -> Diagnostic:
    span = Span(source, name.start_pos or 0, name.end_pos or 0)
    return Diagnostic("E0106", f"a name has at most {MAX_NAME} characters, and this has {len(name)}", span)

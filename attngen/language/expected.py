"""The grammar's terminals in a reader's words, and the usual way out of a syntax error."""

from __future__ import annotations

from collections.abc import Iterable, Set

from lark import Token

WORDS = {
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": "a string",
    "CMP": "a comparison",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "EQUAL": "`=`",
    "COLON": "`:`",
    "COMMA": "`,`",
    "THEN": "`then`",
    "ELSE": "`else`",
    "IN": "`in`",
    "ATTENTION": "`attention`",
    "DEF": "`def`",
    "LET": "`let`",
}

EXPRESSION = frozenset("NAME NUMBER LPAR".split())
OPERATORS = frozenset("PLUS MINUS TIMES DIVMOD POW CMP AND OR".split())
CLAUSES = frozenset("DOC STATE ORDER INPUT PLAIN NORMALIZE PARTITION SCHEDULE".split())

CHARACTER = "names are ASCII letters, digits and `_`; numbers are `1`, `0.5` or `1e-6`"
CHARACTERS = {
    "%": "the remainder is written `a mod b`",
    "&": "conjunction is written `a and b`",
    "|": "disjunction is written `a or b`",
    "!": "negation is written `not a`",
    "≤": "write `<=`",
    "≥": "write `>=`",
    "≠": "write `!=`",
    "·": "write `*`, or `dot(x, y)` for a dot product",
    "⌊": "floor division is written `a div b`",
    ";": "clauses need no separator",
    "'": 'strings stand between `"`',
    ".": "numbers are `0.5` or `1e-6`; names hold no dots",
}


def describe(terminals: Iterable[str]) -> str:
    """`a name, a number or `(``: what could have stood there, in a few words."""
    names = set(terminals)
    words: list[str] = []
    if EXPRESSION <= names:
        words.append("an expression")
        names -= EXPRESSION | {"MINUS", "NOT", "IF", "TRUTH"}
    elif OPERATORS <= names:
        words.append("an operator")
        names -= OPERATORS
    if len(names & CLAUSES) > 1:
        words.append("a clause")
        names -= CLAUSES | {"LET", "DEF"}
    words += sorted(WORDS[name] for name in names if name in WORDS)
    return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def way_out(found: Token, wanted: Set[str], before: str) -> str:
    """What the writer most likely meant; `before` is the text up to the mistake."""
    if "RBRACE" in wanted and found.type == "$END":
        return "close the attention with `}`"
    if "RBRACE" in wanted and found.type == "ATTENTION":
        return "close the attention before it with `}`"
    if before.endswith("*") and found == "*":
        return "powers are written `x ^ y`"
    if before.endswith("/") and found == "/":
        return "floor division is written `a div b`"
    if found.type == "EQUAL":
        return "equality is written `==`"
    if "NAME" in wanted and "NUMBER" not in wanted and found.isidentifier():
        return f"`{found}` is a word of the language; choose another name"
    if found.type == "IF":
        return "put parentheses around an `if` inside an operation"
    return ""

"""The grammar's terminals in a reader's words, and the usual way out of a syntax error."""

from __future__ import annotations

from collections.abc import Iterable, Set

from lark import Token

from attngen.errors import suggest

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
    "?": "a choice is written `if condition then a else b`",
    "@": "the product of two rows is written `dot(q, k)`",
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


CLAUSE_WORDS = (
    "attention assert def doc input let mask normalize order out partition schedule score sink state weight".split()
)
BEHIND = {
    "mask": "write the condition behind the word: `mask j <= i`",
    "score": "write the expression behind the word: `score scale * dot(q, k)`",
    "weight": "write the expression behind the word: `weight dot(q, k)`",
}
"""What a clause with `=` is told."""


def way_out(found: Token, wanted: Set[str], before: str, after: str) -> str:
    """What the writer most likely meant; `before` is what stands before the mistake, `after` what follows it."""
    last = before.split()[-1] if before.split() else ""
    for applies, advice in (
        ("RBRACE" in wanted and found.type == "$END", "close the attention with `}`"),
        ("RBRACE" in wanted and found.type == "ATTENTION", "close the attention before it with `}`"),
        (before.endswith("*") and found == "*", "powers are written `x ^ y`"),
        (before.endswith("/") and found == "/", "floor division is written `a div b`"),
        (found == "/" and after.startswith("/"), "comments start with `#`"),
        (found.type == "EQUAL" and "LSQB" in wanted and "COLON" not in wanted, "equality is written `==`"),
        (found.type == "EQUAL" and "COLON" in wanted, "a parameter has a type: `name: int = 3`"),
        (found.type == "EQUAL" and last in BEHIND, BEHIND.get(last, "")),
        (found.type == "EQUAL", "equality is written `==`"),
        (found.type == "COLON" and wanted == {"LSQB"}, "an input has axes, as in `input bias[h]: float`; "
         "a single number is a parameter: `attention name(x: float)`"),
        (found.type == "IN" and "PLAIN" in wanted, "ranges are for parameters; comparisons chain: `0 <= x < w`"),
        (found.type == "COMMA" and "PLAIN" in wanted, "a clause holds one expression; conditions are joined by `and`"),
        (wanted >= {"ELSE"}, "a choice has two sides: `if condition then a else b`"),
        ("NAME" in wanted and "NUMBER" not in wanted and found.isidentifier(),
         f"`{found}` is a word of the language; choose another name"),
        (found.type == "IF", "put parentheses around an `if` inside an operation"),
        (found.type == "NAME" and "PLAIN" in wanted, _clause_word(found, after)),
        (found.type == "NAME" and "ATTENTION" in wanted, suggest(found, ("attention", "def", "let"))),
        (found.type in CLAUSES and "ATTENTION" in wanted, "clauses stand inside of `attention name { ... }`"),
    ):  # fmt: skip
        if applies:
            return advice
    return ""


def _clause_word(found: str, after: str) -> str:
    """Where a clause should start, and starts with a name."""
    if after.lstrip().startswith("=") and not after.lstrip().startswith("=="):
        return f"a value gets a name with `let {found} = ...`"
    if found == "dropout":
        return "kernels are deterministic: the language has no dropout"
    return suggest(found, CLAUSE_WORDS)

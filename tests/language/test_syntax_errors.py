"""Every syntax error: its code, its place and its way out; and one mistake hides no other."""

from __future__ import annotations

import pytest
from explained import only, places
from hypothesis import given
from hypothesis import strategies as st

# ---------------------------------------------------------------------------------------------- one mistake


@pytest.mark.parametrize(
    ("clause", "column", "found", "label", "way_out"),
    [
        ("mask j <= *", 13, "`*`", "expected an expression", ""),
        ("score q ** 2", 12, "`*`", "expected an expression", "powers are written `x ^ y`"),
        ("mask i // 2", 11, "`/`", "expected an expression", "floor division is written `a div b`"),
        ("mask i = j", 10, "`=`", "expected an operator, a clause, `(`, `[` or `}`", "equality is written `==`"),
        ("score 1 + if a then b else c", 13, "`if`", "expected an expression", "put parentheses around an `if`"),
        ("let mask = 3", 7, "`mask`", "expected a name", "`mask` is a word of the language; choose another name"),
        ("let if = 3", 7, "`if`", "expected a name", "`if` is a word of the language; choose another name"),
        ("let 3 = x", 7, "`3`", "expected a name", ""),
        ('mask "j"', 8, "a string", "expected an expression", ""),
        ("doc j", 7, "`j`", "expected a string", ""),
        ("input x[]: int", 11, "`]`", "expected a name", ""),
        ("input x[h] int", 14, "`int`", "expected `:`", ""),
        ("score f()", 11, "`)`", "expected an expression", ""),
        ("score a < b <", 1, "`}`", "expected an expression", ""),
        ("score if a then b", 1, "`}`", "expected an operator, `(`, `[` or `else`", "a choice has two sides"),
        ("scroe dot(q, k)", 3, "`scroe`", "expected a clause or `}`", "did you mean `score`?"),
        ("normalise softmax", 3, "`normalise`", "expected a clause or `}`", "did you mean `normalize`?"),
        ("dropout 0.1", 3, "`dropout`", "expected a clause or `}`", "kernels are deterministic"),
        ("x = i - j", 3, "`x`", "expected a clause or `}`", "a value gets a name with `let x = ...`"),
        ("mask = j <= i", 8, "`=`", "expected an expression", "write the condition behind the word: `mask j <= i`"),
        ("score = 1.0", 9, "`=`", "expected an expression", "write the expression behind the word"),
        (
            "mask i - j in [0, w)",
            14,
            "`in`",
            "expected a clause or `}`",
            "ranges are for parameters; comparisons chain",
        ),
        ("mask j <= i, i < 3", 14, "`,`", "expected a clause or `}`", "a clause holds one expression"),
        ("input x: float", 10, "`:`", "expected `[`", "an input has axes"),
        ("// causal", 3, "`/`", "expected a clause or `}`", "comments start with `#`"),
        ("schedule { a = 1", 1, "the end of the text", "expected a clause or `}`", "close the attention with `}`"),
    ],
)
def test_what_cannot_stand_in_a_clause(clause: str, column: int, found: str, label: str, way_out: str) -> None:
    text = f"attention a {{\n  {clause}\n}}"
    diagnostic = only(text)
    assert diagnostic.code == "E0101"
    assert (diagnostic.span.line, diagnostic.span.column) == (2 if column > 1 else 3, column)
    assert diagnostic.message == f"{found} can't stand here"
    assert diagnostic.label == label
    assert diagnostic.help.startswith(way_out) and bool(diagnostic.help) == bool(way_out)


@pytest.mark.parametrize(
    ("text", "column", "label", "way_out"),
    [
        ("attention { mask j }", 11, "expected a name", ""),
        ("attention (x: int) {}", 11, "expected a name", ""),
        ("attention a x: int) {}", 13, "expected `(` or `{`", ""),
        ("attention a(x: int = , y: int) {}", 22, "expected an expression", ""),
        ("attention a(mask: int) {}", 13, "expected `)` or a name", "`mask` is a word of the language"),
        ("attention a mask true }", 13, "expected `(` or `{`", ""),
        ("attenton a { mask true }", 1, "expected `attention`, `def` or `let`", "did you mean `attention`?"),
        ("attention a {} }", 16, "expected `attention`, `def` or `let`", ""),
        ("mask j <= i", 1, "expected `attention`, `def` or `let`", "clauses stand inside of `attention name { ... }`"),
        ("attention a(group = 3) {}", 19, "expected `:`", "a parameter has a type: `name: int = 3`"),
        ("def f() = 1", 7, "expected a name", ""),
        ("let a = (1", 10, "expected an operator or `)`", ""),
    ],
)
def test_what_cannot_stand_outside(text: str, column: int, label: str, way_out: str) -> None:
    diagnostic = only(text)
    assert (diagnostic.code, diagnostic.span.column, diagnostic.label) == ("E0101", column, label)
    assert diagnostic.help.startswith(way_out) and bool(diagnostic.help) == bool(way_out)


@pytest.mark.parametrize(
    ("expression", "column", "message", "way_out"),
    [
        ("i % 2", 11, "the character `%` has", "the remainder is written `a mod b`"),
        ("a ? b", 11, "the character `?` has", "a choice is written `if condition then a else b`"),
        ("q @ k", 11, "the character `@` has", "the product of two rows is written `dot(q, k)`"),
        ("a && b", 11, "the character `&` has", "conjunction is written `a and b`"),
        ("j ≤ i", 11, "the character `≤` has", "write `<=`"),
        ("q · k", 11, "the character `·` has", "write `*`, or `dot(x, y)` for a dot product"),
        ("x.y", 10, "the character `.` has", "numbers are `0.5` or `1e-6`; names hold no dots"),
        ("größe", 11, "the character `ö` has", "names are ASCII letters"),
        ("\x00", 9, "the character `U+0000` has", "names are ASCII letters"),
        ("1.", 9, "`1.` is no number", "names are ASCII letters"),
        ("2x", 9, "`2x` is no number", "names are ASCII letters"),
        ("1.2.3", 9, "`1.2.3` is no number", "names are ASCII letters"),
        ("٣", 9, "the character `٣` has", "names are ASCII letters"),
    ],
)
def test_unreadable_characters(expression: str, column: int, message: str, way_out: str) -> None:
    diagnostic = only(f"let x = {expression}")
    assert (diagnostic.code, diagnostic.span.line, diagnostic.span.column) == ("E0102", 1, column)
    assert diagnostic.message.startswith(message)
    assert diagnostic.help.startswith(way_out)


def test_an_unclosed_string() -> None:
    diagnostic = only('attention a {\n  mask true\n  doc "abc\n}\n')
    assert (diagnostic.code, diagnostic.span.line, diagnostic.span.column) == ("E0103", 3, 7)
    assert diagnostic.help == 'close it with `"`'


def test_an_unclosed_attention_at_the_end() -> None:
    diagnostic = only("attention a {\n  mask j <= i # so\n\n")
    assert (diagnostic.code, diagnostic.span.line, diagnostic.span.column) == ("E0101", 2, 13)
    assert diagnostic.message == "the end of the text can't stand here"
    assert diagnostic.help == "close the attention with `}`"


def test_an_unclosed_attention_before_another() -> None:
    diagnostic = only("attention a {\n  mask j <= i\nattention b {\n  mask j <= i\n}")
    assert (diagnostic.code, diagnostic.span.line, diagnostic.span.column) == ("E0101", 3, 1)
    assert diagnostic.help == "close the attention before it with `}`"


# ----------------------------------------------------------------------------------------- several mistakes

MANY = """\
let a = 1 % 2
def f(x) =
attention b(x: int = , y: float) {
  doc "fine"
  mask é == é and é
  score q ** k
  let I = i div
  schedule { tile = * }
  weight (1 + 2
}
}
attention c {
  mask j < = i
  doc "never closed
  out 1 2
"""


def test_no_mistake_hides_another() -> None:
    assert places(MANY) == [
        ("E0102", 1, 11),
        ("E0101", 3, 1),
        ("E0101", 3, 22),
        ("E0102", 5, 8),
        ("E0101", 6, 12),
        ("E0101", 8, 3),
        ("E0101", 8, 21),
        ("E0101", 10, 1),
        ("E0101", 11, 1),
        ("E0101", 13, 12),
        ("E0103", 14, 7),
        ("E0101", 15, 9),
        ("E0101", 15, 9),
    ]


RIGHT = ["mask j <= i", 'doc "x"', "input doc[h]: int", "schedule { a }"]
WRONG = ["mask *", "let x = )", "score 1 %", "out 2 +", 'mask "x"', "schedule { a = }", "order p(x, y) = x"]


@given(st.lists(st.sampled_from(WRONG), max_size=8).flatmap(lambda wrong: st.permutations(wrong + RIGHT)))
def test_each_wrong_clause_is_reported_on_its_line(clauses: list[str]) -> None:
    text = "\n".join(["attention a {", *clauses, "let end = 1", "}"])
    # What is missing at the end of a clause is noticed at the start of the next.
    lines = [line + (clause == "out 2 +") for line, clause in enumerate(clauses, start=2) if clause in WRONG]
    assert [line for _, line, _ in places(text)] == lines

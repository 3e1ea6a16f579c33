"""No text makes the parser fail in another way than by a diagnostic."""

from __future__ import annotations

import pytest
from explained import mistakes, only, places
from hypothesis import assume, given
from hypothesis import strategies as st
from trees import files

from attngen.errors import Source
from attngen.language import ast
from attngen.language.format import format_file
from attngen.language.parse import MAX_DEPTH, MAX_LENGTH, MAX_NAME, parse


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 10000 + "1" + ")" * 10000,
        "-" * 10000 + "1",
        "not " * 10000 + "a",
        "1" + " - 1" * 10000,
        "2 ^ " * 9999 + "2",
    ],
    ids=["parentheses", "minus", "not", "sum", "power"],
)
def test_deep_nesting_is_reported(expression: str) -> None:
    diagnostics = mistakes(f"let a = 1\nlet b = {expression}\nattention c {{\n  mask {expression}\n}}")
    assert [(d.code, d.span.line, d.span.column) for d in diagnostics] == [("E0104", 2, 1), ("E0104", 4, 3)]
    assert diagnostics[0].help == "name its parts with `let`"


@pytest.mark.parametrize("expression", ["(" * 10000, "(" * 10000 + "%" + ")" * 10000, "-" * 10000], ids=str.__len__)
def test_deep_nesting_with_a_mistake_is_reported(expression: str) -> None:
    assert len(mistakes(f"let b = {expression}")) == 1


def test_the_depth_that_is_allowed_can_be_formatted() -> None:
    for expression in ("-" * (MAX_DEPTH - 2) + "1", "(" * (MAX_DEPTH - 2) + "1" + ")" * (MAX_DEPTH - 2)):
        file = parse(Source("<test>", f"let b = {expression}"))
        assert parse(Source("<test>", format_file(file))) == file
        assert only(f"let b = -{expression}").code == "E0104"


def test_a_long_text_is_not_looked_at() -> None:
    text = "attention a {\n}"
    assert mistakes(text + " " * (MAX_LENGTH - len(text))) == ()
    assert places(text + " " * (MAX_LENGTH - len(text) + 1)) == [("E0105", 2, MAX_LENGTH - 13)]


def test_long_names_are_refused_wherever_they_stand() -> None:
    """Files are called by names of attentions, and arguments by those of inputs."""
    name = "x" * MAX_NAME
    assert mistakes(f"attention {name} {{ let {name} = 1 score {name} }}") == ()
    found = mistakes(f"attention {name}x {{\n  score {name}y # {name}z\n}}")
    assert [(one.code, one.span.line, one.span.column) for one in found] == [("E0106", 1, 11), ("E0106", 2, 9)]
    assert found[0].message == "a name has at most 100 characters, and this has 101"


def test_carriage_returns_and_tabs_count_as_one_column() -> None:
    text = "attention a {\r\n\tmask j <= *\r\n\tscore q ** k\r\n}\r\n"
    assert places(text) == [("E0101", 2, 12), ("E0101", 3, 11)]
    assert str(mistakes(text)[0]).split("\n")[3:5] == [
        "  2 | \tmask j <= *",
        "    | \t          ^ expected an expression",
    ]


def test_any_characters_may_stand_in_comments_and_docs() -> None:
    text = 'attention a { # Σ ⌊x⌋ " é\r\n doc "Σ ⌊x⌋ # é\t\n\U0001f600" mask true }'
    assert mistakes(text) == ()
    assert places(text.replace("true", "*")) == [("E0101", 3, 9)]


def test_no_character_of_a_doc_ends_a_file() -> None:
    """Generated files hold docs, and Python reads no file with U+0000 in it."""
    text = 'attention a {\n  doc "x\0y"\n  mask true }'
    assert places(text) == [("E0102", 2, 9)]
    assert only(text).help == "leave it out"
    assert mistakes(text.replace("\0", "").replace("true", "true # \0\n")) == ()


@given(st.text(max_size=200))
def test_any_text_parses_or_is_explained(text: str) -> None:
    mistakes(text)


PARTS = (
    'attention doc let def input mask schedule if then else in div not a 1 1. { } ( ) [ ] , : = < - * " # \n é'.split(
        " "
    )
)


@given(st.lists(st.sampled_from(PARTS), max_size=60))
def test_any_words_parse_or_are_explained(parts: list[str]) -> None:
    mistakes(" ".join(parts))


@given(files, st.data())
def test_a_damaged_spec_parses_or_is_explained(tree: ast.File, data: st.DataObject) -> None:
    text = format_file(tree)
    assume(text)
    for _ in range(data.draw(st.integers(1, 3))):
        at, to = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        piece = data.draw(st.one_of(st.sampled_from(PARTS), st.characters(exclude_categories=["Cs"])))
        damaged = {
            "delete": text[:at] + text[min(at + 1, to) :],
            "insert": text[:at] + piece + text[at:],
            "swap": text[:at] + text[to : to + 1] + text[at + 1 : to] + text[at : at + 1] + text[to + 1 :],
        }
        text = damaged[data.draw(st.sampled_from(sorted(damaged)))]
        mistakes(text)

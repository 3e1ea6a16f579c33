"""How a diagnostic reads, as text and as JSON."""

from __future__ import annotations

import json
import pickle

import pytest

from attngen.errors import NOWHERE, Diagnostic, Source, Span, SpecError, shortened, shown, suggest


def at(text: str, marked: str) -> Span:
    """The span of the first occurrence of `marked`."""
    start = text.index(marked)
    return Span(Source("a.attn", text), start, start + len(marked))


def carets(diagnostic: Diagnostic) -> str:
    """The line under the quoted one, without its margin."""
    return str(diagnostic).split("\n")[4].split("| ", 1)[1]


def test_a_whole_diagnostic() -> None:
    text = "attention a {\n  mask i - j < window\n}\n"
    diagnostic = Diagnostic(
        "E0203",
        "an int meets a float",
        at(text, "window"),
        label="this is `window: float`",
        help="declare it as an int",
        notes=(("expanded", at(text, "mask")),),
    )
    assert str(diagnostic).split("\n") == [
        "error[E0203]: an int meets a float",
        "  --> a.attn:2:16",
        "    |",
        "  2 |   mask i - j < window",
        "    |                ^^^^^^ this is `window: float`",
        "    = note: expanded at a.attn:2:3",
        "    = help: declare it as an int",
    ]


def test_a_warning_without_label_and_help() -> None:
    diagnostic = Diagnostic("W0001", "odd", at("mask true", "true"), severity="warning")
    assert str(diagnostic).split("\n") == [
        "warning[W0001]: odd",
        "  --> a.attn:1:6",
        "    |",
        "  1 | mask true",
        "    |      ^^^^",
    ]


def test_tabs_are_kept_before_the_caret() -> None:
    assert carets(Diagnostic("E0101", "", at("\tmask\tx", "x"))) == "\t    \t^"


def test_the_caret_behind_the_last_character() -> None:
    source = Source("a.attn", "mask\n")
    assert carets(Diagnostic("E0101", "", Span(source, 4, 4))) == "    ^"
    assert carets(Diagnostic("E0101", "", Span(source, 5, 5))) == "^"


def test_the_carets_of_a_multi_line_span_stop_at_the_end_of_the_line() -> None:
    assert carets(Diagnostic("E0101", "", at("mask j <=\n  i", "j <=\n  i"), label="here")) == "     ^^^^ here"


@pytest.mark.parametrize("text", ["a\r\nmask x\r\n", "a\nmask x\n", "a\nmask x"])
def test_line_endings_do_not_show(text: str) -> None:
    lines = str(Diagnostic("E0101", "", at(text, "x"))).split("\n")
    assert lines[1:] == ["  --> a.attn:2:6", "    |", "  2 | mask x", "    |      ^"]


def test_the_margin_grows_with_the_line_number() -> None:
    lines = str(Diagnostic("E0101", "", at("\n" * 9999 + "x", "x"))).split("\n")
    assert lines[2:] == ["      |", "10000 | x", "      | ^"]


def test_as_json() -> None:
    diagnostic = Diagnostic("E0101", "wrong", at("a\n b", "b"), label="here", help="do")
    assert json.loads(json.dumps(diagnostic.as_json())) == {
        "severity": "error",
        "code": "E0101",
        "message": "wrong",
        "file": "a.attn",
        "line": 2,
        "column": 2,
        "label": "here",
        "help": "do",
    }


def test_nowhere_can_be_rendered() -> None:
    assert "  --> <attngen>:1:1" in str(Diagnostic("E0101", "wrong", NOWHERE))


def test_spans_join_and_slice() -> None:
    text = "mask j <= i"
    joined = at(text, "j").to(at(text, "i"))
    assert (joined.text, joined.line, joined.column) == ("j <= i", 1, 6)


@pytest.mark.parametrize(("number", "line"), [(1, "a"), (2, ""), (3, "b"), (4, ""), (5, "")])
def test_lines_of_a_source(number: int, line: str) -> None:
    assert Source("a.attn", "a\n\r\nb\n").line(number) == line


def test_a_spec_error_says_everything() -> None:
    first, second = (Diagnostic("E0101", message, at("x", "x")) for message in ("one", "two"))
    error = SpecError(iter([first, second]))
    assert error.diagnostics == (first, second)
    assert str(error) == f"{first}\n\n{second}"
    assert isinstance(error, ValueError)


def test_a_spec_error_survives_its_process() -> None:
    error = SpecError([Diagnostic("E0101", "one", at("x", "x"))])
    again = pickle.loads(pickle.dumps(error))
    assert again.diagnostics == error.diagnostics and str(again) == str(error)


def test_of_very_many_the_first_are_shown() -> None:
    few = [Diagnostic("E0101", f"number {n}", at("x", "x")) for n in range(100)]
    assert list(shown(few)) == [str(one) for one in few]
    many = [Diagnostic("W0201", "odd", at("x", "x"), severity="warning"), *few]
    assert list(shown(many)) == [*(str(one) for one in few), "and 1 more"]
    assert str(SpecError(many)).endswith("\n\nand 1 more") and len(SpecError(many).diagnostics) == 101


@pytest.mark.parametrize(
    ("before", "behind", "line", "column"),
    [
        (3, 1000, "...x" + "." * 196 + "...", 3),
        (600, 600, "..." + "." * 100 + "x" + "." * 99 + "...", 103),
        (1000, 2, "..." + "." * 197 + "x..", 200),
    ],
)
def test_a_long_line_is_quoted_around_the_caret(before: int, behind: int, line: str, column: int) -> None:
    lines = str(Diagnostic("E0101", "", at("." * before + "x" + "." * behind, "x"))).split("\n")
    assert lines[1] == f"  --> a.attn:1:{before + 1}"
    assert lines[3:] == [f"  1 | {line}", f"    | {' ' * column}^"]


def test_long_texts_are_shortened() -> None:
    assert shortened("x" * 200) == "x" * 200
    assert shortened("x" * 201) == "x" * 200 + "..."


@pytest.mark.parametrize(
    ("name", "answer"),
    [("windw", "did you mean `window`?"), ("scope", "did you mean `slope`?"), ("q", ""), ("", "")],
)
def test_suggest(name: str, answer: str) -> None:
    assert suggest(name, ["window", "slope", "gamma", "window"]) == answer
    assert suggest(name, []) == ""

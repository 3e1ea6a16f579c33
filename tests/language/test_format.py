"""The canonical form: it loses nothing, is stable, and looks as these examples do."""

from __future__ import annotations

import pytest
from hypothesis import given
from trees import expressions, files

from attngen.errors import Source
from attngen.language import ast
from attngen.language.format import format_file
from attngen.language.format_expr import WIDTH, format_expr
from attngen.language.parse import parse


def parsed(text: str) -> ast.File:
    return parse(Source("<test>", text))


def formatted(text: str) -> str:
    return format_file(parsed(text))


def expression(text: str) -> ast.Expr:
    item = parsed(f"let x = {text}").items[0]
    assert isinstance(item, ast.Let)
    return item.value


@given(files)
def test_parsing_undoes_formatting(tree: ast.File) -> None:
    assert parsed(format_file(tree)) == tree


@given(files)
def test_formatting_twice_changes_nothing(tree: ast.File) -> None:
    text = format_file(tree)
    assert formatted(text) == text


@given(expressions)
def test_one_line_of_an_expression_means_the_same(tree: ast.Expr) -> None:
    text = format_expr(tree)
    assert "\n" not in text
    assert expression(text) == tree


@given(files)
def test_the_text_ends_in_one_line_break(tree: ast.File) -> None:
    text = format_file(tree)
    assert text == "" or (text.endswith("\n") and not text.startswith("\n"))


UGLY = """
# windows
attention local( window:int=4096 in [1,inf) ,cap : float=50.0 ){ doc "Local
attention"   input slope[ h ]:float>=0 sorted score cap*tanh( scale*dot(q,k)/cap )-slope[h]
 mask 0<=i-j<window # causal
 normalize sum(1e-6) schedule{ tile=128,unroll } partition ring( a )
 # the end
} # local
"""

NEAT = """\
# windows
attention local(window: int = 4096 in [1, inf), cap: float = 50.0) {
  doc   "Local
attention"
  input slope[h]: float >= 0 sorted
  score cap * tanh(scale * dot(q, k) / cap) - slope[h]
  mask  0 <= i - j < window  # causal
  normalize sum(1e-6)
  schedule { tile = 128, unroll }
  partition ring(a)
  # the end
}  # local
"""


def test_clauses_are_aligned_behind_their_words() -> None:
    # A word longer than `weight` sticks out.
    assert formatted(UGLY) == NEAT


def test_definitions_of_a_kind_stand_together() -> None:
    text = "let a=1 let b=2\ndef f(x)=x def g(x, y)=x*y\nattention a{}attention b{mask true}"
    assert formatted(text) == (
        "let a = 1\nlet b = 2\n\ndef f(x) = x\ndef g(x, y) = x * y\n\nattention a {}\n\nattention b {\n  mask true\n}\n"
    )


LONG = (
    "attention a { mask j <= i and segment_of_query[b, i] == segment_of_key[b, j] or document[b, i] == document[b, j]"
    " or abs(i div block - j div block) <= 1 }"
)


def test_a_long_expression_is_broken_before_its_loosest_operators() -> None:
    assert (
        formatted(LONG)
        == """\
attention a {
  mask (j <= i and segment_of_query[b, i] == segment_of_key[b, j])
       or document[b, i] == document[b, j]
       or abs(i div block - j div block) <= 1
}
"""
    )


def test_a_long_conditional_is_broken_before_its_words() -> None:
    name = "a_long_name_for_a_head"
    text = f"let x = if {name} > 1 then {name} * {name} else if {name} < 0 then 1 else {name} + {name} + {name}"
    assert formatted(text) == (
        f"let x = if {name} > 1\n        then {name} * {name}\n"
        f"        else if {name} < 0\n             then 1\n             else {name} + {name} + {name}\n"
    )


def test_a_long_header_lists_its_parameters() -> None:
    header = ", ".join(f"parameter_{k}: float = 1 in (0, 10]" for k in range(3))
    assert formatted(f"attention a({header}) {{ mask true }}") == (
        "attention a(\n"
        "  parameter_0: float = 1 in (0, 10],\n"
        "  parameter_1: float = 1 in (0, 10],\n"
        "  parameter_2: float = 1 in (0, 10]\n"
        ") {\n  mask true\n}\n"
    )


@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "and", "or", "<"])
def test_breakable_lines_fit(operator: str) -> None:
    text = formatted("let x = " + f" {operator} ".join(f"operand_{k}" for k in range(40)))
    assert max(map(len, text.splitlines())) <= WIDTH
    assert len(text.splitlines()) == 40


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("a and b or c and d", "(a and b) or (c and d)"),
        ("(a or b) and c", "(a or b) and c"),
        ("a or (b or c)", "a or (b or c)"),
        ("((a)) or (b) or c", "a or b or c"),
        ("a * b div c", "(a * b) div c"),
        ("a div b mod c", "(a div b) mod c"),
        ("a * (b div c)", "a * (b div c)"),
        ("a / b * c", "a / b * c"),
        ("a - (b - c)", "a - (b - c)"),
        ("(a - b) - c", "a - b - c"),
        ("(-a) ^ b", "(-a) ^ b"),
        ("-(a ^ b)", "-a ^ b"),
        ("(a ^ b) ^ c", "(a ^ b) ^ c"),
        ("not (a < b)", "not a < b"),
        ("(a < b) == c", "(a < b) == c"),
        ("1 + (if a then b else c)", "1 + (if a then b else c)"),
        ("f((if a then b else c))", "f(if a then b else c)"),
        ("(if a then b else c) ^ 2", "(if a then b else c) ^ 2"),
        ("007 + 1.50E+03", "007 + 1.50E+03"),
    ],
)
def test_parentheses_that_help_the_reader(written: str, canonical: str) -> None:
    assert format_expr(expression(written)) == canonical


COMMENTED = """\
# above the let
let a = 1  # beside the let

# above the attention
# two lines { of it
attention b {
  # above the first clause
  doc  "a # that starts no comment"
  # above the mask
  mask j <= i  # beside the mask
  # at the end of b
}  # beside the brace

# at the end of the file
"""


def test_comments_are_kept() -> None:
    assert formatted(COMMENTED) == COMMENTED


def test_comments_inside_a_clause_or_a_header_move_above_it() -> None:
    text = "# one\nattention a( # two {\n x: int # three {\n) # four\n{ # five\n mask j # six\n <= i }"
    assert formatted(text) == (
        "# one\n# two {\n# three {\n# four\nattention a(x: int) {\n  # five\n  # six\n  mask j <= i\n}\n"
    )


def test_nothing_is_formatted_to_nothing() -> None:
    assert formatted(" \n\t") == ""
    assert formatted("# alone  \n") == "# alone\n"


def test_paragraphs_of_comments_stay_apart() -> None:
    text = "# The file.\n\n# One.\nlet one = 1\nlet two = 2\n\n# Three.\nlet three = 3\n\n# The\n\n# end.\n"
    assert formatted(text) == text
    assert formatted(text.replace("\n\n", "\n \n\n\n").replace("let three", "\nlet three")) == text.replace(
        "# Three.\n", "# Three.\n\n"
    )

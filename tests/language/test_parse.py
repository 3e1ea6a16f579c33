"""What each form of the language parses to, and that its grammar has no conflicts."""

from __future__ import annotations

import logging
from importlib.resources import files

import pytest
from lark import Lark, logger

from attngen.errors import Source
from attngen.language import ast
from attngen.language.parse import parse

QUERY, KEY, A, B, C = (ast.Name(text) for text in "ijabc")


def parsed(text: str) -> ast.File:
    return parse(Source("<test>", text))


def expression(text: str) -> ast.Expr:
    item = parsed(f"let x = {text}").items[0]
    assert isinstance(item, ast.Let)
    return item.value


def clause(text: str) -> ast.Clause:
    (attention,) = parsed(f"attention a {{ {text} }}").attentions
    (only,) = attention.clauses
    return only


def word(text: str) -> ast.Word:
    return ast.Word(text)


def number(text: str) -> ast.Number:
    return ast.Number(text)


# ------------------------------------------------------------------------------------------ the grammar


def test_the_grammar_is_lalr_without_conflicts(caplog: pytest.LogCaptureFixture) -> None:
    text = files("attngen.language").joinpath("grammar.lark").read_text(encoding="utf-8")
    with caplog.at_level(logging.DEBUG, logger=logger.name):
        Lark(text, parser="lalr", lexer="basic", maybe_placeholders=True, propagate_positions=True, debug=True)
    assert not [record.getMessage() for record in caplog.records if "conflict" in record.getMessage().lower()]


def test_a_conflict_would_be_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger=logger.name):
        Lark('start: sum\nsum: sum "+" sum | "1"', parser="lalr", debug=True)
    assert any("Shift/Reduce conflict" in record.getMessage() for record in caplog.records)


# ------------------------------------------------------------------------------------------ expressions


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("a or b and c", "a or (b and c)"),
        ("not a and b", "(not a) and b"),
        ("not a < b", "not (a < b)"),
        ("not not a", "not (not a)"),
        ("a < b and b < c", "(a < b) and (b < c)"),
        ("a + b < c", "(a + b) < c"),
        ("a + b * c", "a + (b * c)"),
        ("a - b - c", "(a - b) - c"),
        ("a / b * c", "(a / b) * c"),
        ("a * b div c", "(a * b) div c"),
        ("a div b mod c", "(a div b) mod c"),
        ("a mod b * c", "(a mod b) * c"),
        ("-a * b", "(-a) * b"),
        ("a * -b", "a * (-b)"),
        ("a - -b", "a - (-b)"),
        ("--a", "-(-a)"),
        ("-a ^ b", "-(a ^ b)"),
        ("a ^ b ^ c", "a ^ (b ^ c)"),
        ("a ^ -b ^ c", "a ^ (-(b ^ c))"),
        ("a * b ^ c", "a * (b ^ c)"),
        ("f(a) ^ b[c]", "(f(a)) ^ (b[c])"),
        ("if a then b else if b then c else a", "if a then b else (if b then c else a)"),
        ("if a or b then a else b + c", "if (a or b) then a else (b + c)"),
    ],
)
def test_precedence(text: str, grouped: str) -> None:
    assert expression(text) == expression(grouped)


def test_grouping_the_other_way_differs() -> None:
    assert expression("a - (b - c)") != expression("a - b - c")
    assert expression("(a ^ b) ^ c") != expression("a ^ b ^ c")
    assert expression("(-a) ^ b") != expression("-a ^ b")
    assert expression("not (a and b)") != expression("not a and b")


def test_power_is_right_associative() -> None:
    assert expression("a ^ b ^ c") == ast.Binary("^", A, ast.Binary("^", B, C))


def test_minus_binds_looser_than_power() -> None:
    assert expression("-a ^ b") == ast.Unary("-", ast.Binary("^", A, B))


def test_comparisons_chain() -> None:
    chain = ast.Compare((number("0"), ast.Binary("-", QUERY, KEY), A), ("<=", "<"))
    assert expression("0 <= i - j < a") == chain
    assert expression("(a < b) == c") == ast.Compare((ast.Compare((A, B), ("<",)), C), ("==",))


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">=", "==", "!="])
def test_each_comparison(operator: str) -> None:
    assert expression(f"a{operator}b") == ast.Compare((A, B), (operator,))


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("007", 7), ("4096", 4096), ("0.5", 0.5), ("1e-6", 1e-6), ("2E3", 2000.0), ("1.5e+2", 150.0)],
)
def test_numbers_keep_their_text(text: str, value: float) -> None:
    tree = expression(text)
    assert tree == number(text)
    assert isinstance(tree, ast.Number) and tree.value == value and type(tree.value) is type(value)


def test_truths_calls_and_indices() -> None:
    assert expression("true") == ast.Truth(True)
    assert expression("false") == ast.Truth(False)
    assert expression("f(a, b)") == ast.Call(word("f"), (A, B))
    assert expression("x[a, b]") == ast.Index(word("x"), (A, B))
    assert expression("trueish") == ast.Name("trueish")


@pytest.mark.parametrize("name", ["doc", "state", "input", "order", "mask", "out", "score", "let", "attention"])
def test_a_clause_word_before_a_bracket_is_a_name(name: str) -> None:
    given, mask = (
        parsed(f"attention a {{ input {name}[b, n]: int mask {name}[b, i] == {name} [b, j] }}").attentions[0].clauses
    )
    sides = tuple(ast.Index(word(name), (B, position)) for position in (QUERY, KEY))
    assert given == ast.Input(word(name), (word("b"), word("n")), word("int"), None, None)
    assert mask == ast.Plain("mask", ast.Compare(sides, ("==",)))


# ---------------------------------------------------------------------------------------------- clauses

H, X, FLOAT = word("h"), word("x"), word("float")
UNIT = ast.Range(number("0"), number("1"), False, True)
ABOVE = ast.Bound(">=", number("0"))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ('doc "a # no\ncomment"', ast.Doc("a # no\ncomment")),
        ("let x = a", ast.Let(X, A)),
        ("state x = a", ast.State(X, A)),
        ("def x(h) = a", ast.Def(X, (H,), A)),
        ("def x(h, float) = a", ast.Def(X, (H, FLOAT), A)),
        ("order x(h) = a", ast.Order(X, H, A)),
        ("input x[h]: float", ast.Input(X, (H,), FLOAT, None, None)),
        ("input x[h, x]: float in (0, 1]", ast.Input(X, (H, X), FLOAT, UNIT, None)),
        ("input x[h]: float >= 0", ast.Input(X, (H,), FLOAT, ABOVE, None)),
        ("input x[h]: float sorted", ast.Input(X, (H,), FLOAT, None, word("sorted"))),
        ("input x[h]: float in (0, 1] sorted", ast.Input(X, (H,), FLOAT, UNIT, word("sorted"))),
        ("input x[h]: float >= 0 sorted", ast.Input(X, (H,), FLOAT, ABOVE, word("sorted"))),
        *((f"{name} a", ast.Plain(name, A)) for name in ("score", "weight", "mask", "sink", "out", "assert")),
        ("normalize softmax", ast.Normalize(word("softmax"), None)),
        ("normalize sum(a)", ast.Normalize(word("sum"), A)),
        ("partition ring", ast.Partition(word("ring"), ())),
        ("partition ring()", ast.Partition(word("ring"), ())),
        ("partition ring(h, x = a)", ast.Partition(word("ring"), (ast.Hint(H, None), ast.Hint(X, A)))),
        ("schedule {}", ast.Schedule(())),
        ("schedule { x = a, h }", ast.Schedule((ast.Hint(X, A), ast.Hint(H, None)))),
    ],
)
def test_each_clause(text: str, tree: ast.Clause) -> None:
    assert clause(text) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("x: float", ast.Parameter(X, FLOAT, None, None)),
        ("x: float = a", ast.Parameter(X, FLOAT, A, None)),
        ("x: float in (0, 1]", ast.Parameter(X, FLOAT, None, UNIT)),
        ("x: float = a in [a, b)", ast.Parameter(X, FLOAT, A, ast.Range(A, B, True, False))),
    ],
)
def test_parameters(text: str, tree: ast.Parameter) -> None:
    (attention,) = parsed(f"attention a({text}, h: float) {{}}").attentions
    assert attention.parameters == (tree, ast.Parameter(H, FLOAT, None, None))


# ------------------------------------------------------------------------------------------------ files

LOCAL = "let w = 2 attention a ( x : int = 1 ) { let I = i div w input doc [ b , n ] : int mask doc[b, i] <= I }"


def test_line_breaks_carry_no_meaning() -> None:
    broken = "\n".join(LOCAL.split())
    assert broken.count("\n") > 20
    assert parsed(broken) == parsed(LOCAL) == parsed(broken.replace("\n", "\r\n\t"))


def test_definitions_stand_at_the_top_too() -> None:
    file = parsed("let a = b\ndef x(h) = a\nattention a {}\nattention b() {}")
    assert file.items[:2] == (ast.Let(word("a"), B), ast.Def(X, (H,), A))
    assert file.attentions == (ast.Attention(word("a"), (), ()), ast.Attention(word("b"), (), ()))


@pytest.mark.parametrize("text", ["", " \n\t\r\n", "\n" * 9])
def test_an_empty_file_has_no_items(text: str) -> None:
    assert parsed(text) == ast.File(())


def test_comments_belong_to_items() -> None:
    file = parsed("# a\nattention a { # b\n mask true # c\n # d\n} # e\n# f")
    mask = ast.Plain("mask", ast.Truth(True), leading=("# b",), trailing="# c")
    attention = ast.Attention(word("a"), (), (mask,), closing=("# d",), leading=("# a",), trailing="# e")
    assert file == ast.File((attention,), closing=("# f",))


def test_spans_are_where_the_text_is() -> None:
    (attention,) = parsed("\nattention a {\n  mask j <= f(i)\n}").attentions
    (mask,) = attention.clauses
    assert isinstance(mask, ast.Plain) and isinstance(mask.value, ast.Compare)
    assert (mask.span.text, mask.span.line, mask.span.column) == ("mask j <= f(i)", 3, 3)
    assert [operand.span.text for operand in mask.value.operands] == ["j", "f(i)"]
    assert (attention.name.span.text, str(attention.name.span)) == ("a", "<test>:2:11")

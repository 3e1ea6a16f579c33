"""Hypothesis strategies for arbitrary well-formed trees: anything that the grammar can express."""

from __future__ import annotations

import copy
import string

from hypothesis import strategies as st

from attngen.language import ast

CLAUSE_WORDS = frozenset(
    "attention doc let state def order input score weight mask sink out assert normalize partition schedule".split()
)
OPERATOR_WORDS = frozenset("if then else and or not in div mod true false".split())
PLAIN_WORDS = ("score", "weight", "mask", "sink", "out", "assert")
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
BINARIES = ("+", "-", "*", "/", "^", "div", "mod", "and", "or")

LETTERS = string.ascii_letters + "_"
ALMOST_RESERVED = ("maskx", "iff", "in_", "_if", "If", "div2", "notx", "docs", "True")

names = st.one_of(
    st.sampled_from(("i", "j", "h", "q", "k", "scale", *ALMOST_RESERVED)),
    st.builds("".join, st.tuples(st.sampled_from(LETTERS), st.text(LETTERS + string.digits, max_size=8))).filter(
        lambda name: name not in CLAUSE_WORDS | OPERATOR_WORDS
    ),
)
words = st.builds(ast.Word, names)
# A clause word in front of `[` is a name.
indexed = st.builds(ast.Word, st.one_of(names, st.sampled_from(sorted(CLAUSE_WORDS))))

digits = st.text(string.digits, min_size=1, max_size=4)
fractions = st.one_of(st.just(""), digits.map(lambda text: f".{text}"))
exponents = st.one_of(
    st.just(""),
    st.builds(lambda e, sign, text: e + sign + text, st.sampled_from("eE"), st.sampled_from(("", "+", "-")), digits),
)
numbers = st.builds(lambda *parts: ast.Number("".join(parts)), digits, fractions, exponents)
leaves = st.one_of(numbers, st.builds(ast.Name, names), st.builds(ast.Truth, st.booleans()))


def tuples_of(elements: st.SearchStrategy, least: int = 0, most: int = 3) -> st.SearchStrategy:
    """A tuple of between `least` and `most` elements."""
    return st.lists(elements, min_size=least, max_size=most).map(tuple)


def compares(operands: st.SearchStrategy) -> st.SearchStrategy:
    """Chains of one to three comparisons."""

    def chain(first: ast.Expr, rest: tuple[tuple[str, ast.Expr], ...]) -> ast.Compare:
        return ast.Compare((first, *(operand for _, operand in rest)), tuple(operator for operator, _ in rest))

    return st.builds(chain, operands, tuples_of(st.tuples(st.sampled_from(COMPARISONS), operands), least=1))


def operations(operands: st.SearchStrategy) -> st.SearchStrategy:
    """One level of every kind of expression above `operands`."""
    return st.one_of(
        st.builds(ast.Call, words, tuples_of(operands, least=1)),
        st.builds(ast.Index, indexed, tuples_of(operands, least=1)),
        st.builds(ast.Unary, st.sampled_from(("-", "not")), operands),
        st.builds(ast.Binary, st.sampled_from(BINARIES), operands, operands),
        st.builds(ast.Binary, st.sampled_from(BINARIES), operands, operands),
        compares(operands),
        st.builds(ast.Conditional, operands, operands, operands),
    )


@st.composite
def printed_at_once(draw: st.DrawFn, strategy: st.SearchStrategy) -> object:
    """A copy, for Hypothesis prints what it built itself level by level anew, and takes minutes to show a deep tree."""
    return copy.deepcopy(draw(strategy))


expressions = printed_at_once(st.recursive(leaves, operations, max_leaves=10))
values = st.one_of(st.none(), expressions)

ranges = st.builds(ast.Range, expressions, expressions, st.booleans(), st.booleans())
bounds = st.builds(ast.Bound, st.sampled_from(COMPARISONS), expressions)
hints = st.builds(ast.Hint, words, values)
parameters = st.builds(ast.Parameter, words, words, values, st.one_of(st.none(), ranges))

# `\r` and the like may stand in a comment or a doc, but a comment keeps no blanks at its end.
comment_texts = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=12)
comments = comment_texts.map(lambda text: f"#{text}".rstrip())
doc_texts = st.text(st.characters(exclude_characters='"\0', exclude_categories=["Cs"]), max_size=20)
paragraphs = st.one_of(comments.map(lambda text: (text,)), comments.map(lambda text: (text, "")))
leadings = tuples_of(paragraphs, most=2).map(lambda parts: sum(parts, ()))
closings = leadings.map(lambda texts: texts[:-1] if texts and not texts[-1] else texts)
commented = {"leading": leadings, "trailing": st.one_of(st.just(""), comments)}

lets = st.builds(ast.Let, words, expressions, **commented)
defs = st.builds(ast.Def, words, tuples_of(words, least=1), expressions, **commented)
clauses = st.one_of(
    st.builds(ast.Doc, doc_texts, **commented),
    lets,
    st.builds(ast.State, words, expressions, **commented),
    defs,
    st.builds(ast.Order, words, words, expressions, **commented),
    st.builds(
        ast.Input,
        indexed,
        tuples_of(words, least=1),
        words,
        st.one_of(st.none(), ranges, bounds),
        st.one_of(st.none(), words),
        **commented,
    ),
    st.builds(ast.Plain, st.sampled_from(PLAIN_WORDS), expressions, **commented),
    st.builds(ast.Normalize, words, values, **commented),
    st.builds(ast.Partition, words, tuples_of(hints), **commented),
    st.builds(ast.Schedule, tuples_of(hints), **commented),
)
attentions = st.builds(
    ast.Attention, words, tuples_of(parameters), tuples_of(clauses, most=4), closing=closings, **commented
)
files = printed_at_once(st.builds(ast.File, tuples_of(st.one_of(lets, defs, attentions)), closing=closings))

"""Expressions as trees: children, rewriting, equality, what they mention."""

from __future__ import annotations

from typing import get_args

from marked import checked

from attngen.errors import Source, Span
from attngen.ir.expr import (
    Apply,
    Constant,
    Expr,
    Kind,
    Parameter,
    Read,
    Rechannel,
    Row,
    Size,
    children,
    integer,
    mentions,
    rewrite,
    size,
    variable,
    variables,
    walk,
    with_children,
)
from attngen.ir.functions import CALLABLE, FUNCTIONS, OPERATORS, SCALAR

Q = Row(Kind.FLOAT, ("c",), name="q")
EXAMPLES: tuple[Expr, ...] = (
    integer(1),
    variable("i"),
    size("M"),
    Parameter(Kind.INT, name="w"),
    Q,
    Read(Kind.INT, input="table", indices=(variable("b"), variable("j"))),
    Rechannel(Kind.FLOAT, ("c",), row=Q, axis="c", index=variable("i")),
    Apply(Kind.INT, function="+", arguments=(variable("i"), integer(1))),
)


def test_examples_are_complete() -> None:
    assert {type(example) for example in EXAMPLES} == set(get_args(Expr))


def test_children_are_put_back() -> None:
    for example in EXAMPLES:
        assert with_children(example, children(example)) == example
        assert [*walk(example)] == [example, *children(example)]


def test_spans_take_no_part_in_equality() -> None:
    assert integer(1) == Constant(Kind.INT, value=1, span=Span(Source("a", "xyz"), 0, 2))
    assert hash(integer(1)) == hash(Constant(Kind.INT, value=1, span=Span(Source("a", "xyz"), 0, 2)))
    assert integer(1) != Constant(Kind.FLOAT, value=1.0)


def test_trees_that_share_their_parts_compare_at_once() -> None:
    """As paths they are of 2^60 nodes."""

    def shared(bottom: int) -> Expr:
        expr: Expr = integer(bottom)
        for _ in range(60):
            expr = Apply(Kind.INT, function="+", arguments=(expr, expr))
        return expr

    left, right, third, other = shared(1), shared(1), shared(1), shared(2)
    assert left == right
    assert right == third
    assert left == third
    assert left != other
    assert len({left, right, third, other}) == 2


def test_rewriting_starts_at_the_leaves() -> None:
    doubled = checked("attention a { mask 1 + 2 < i }").pairwise.mask
    seen: list[Expr] = []

    def rule(expr: Expr) -> Expr:
        seen.append(expr)
        return integer(2 * int(expr.value)) if isinstance(expr, Constant) else expr

    assert rewrite(doubled, rule) == checked("attention a { mask 2 + 4 < i }").pairwise.mask
    assert seen[0] == integer(1) and isinstance(seen[-1], Apply)


def test_rows_count_as_their_positions() -> None:
    score = checked("attention a { score dot(q, k) + dot(v, v) + h }").pairwise.score
    assert variables(score) == {"i", "j", "h"}
    assert mentions(score, "i") and not mentions(score, "t", "b")
    assert variables(size("M")) == frozenset()


def test_the_sets_of_functions() -> None:
    assert set(FUNCTIONS) >= OPERATORS | CALLABLE
    assert set(FUNCTIONS) - OPERATORS - CALLABLE == {"neg", "not", "if", "float"}
    assert set(FUNCTIONS) - SCALAR == {"dot", "outer", "l2norm", "prev"}
    assert all(name == function.name for name, function in FUNCTIONS.items())
    assert Size(Kind.INT, axis="M") == size("M")

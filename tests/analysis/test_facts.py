"""What is proved from declared ranges is true for all numbers in them, and the usual proofs are found."""

from __future__ import annotations

from itertools import product

import pytest
from expressions import LEAVES, RANGES, G, H, M, S, W, apply, environments, ints
from hypothesis import given
from predicates import MORE, variant

from attngen.analysis import algebra as al
from attngen.analysis.facts import FIRST, LAST, Facts
from attngen.analysis.rules import Interval
from attngen.errors import Source
from attngen.ir.check import check
from attngen.ir.evaluate import evaluate
from attngen.ir.expr import Constant, Expr, Kind, Parameter, Read, Size, integer, size, variable

FACTS = Facts.of(variant("j < length[b] and near[i] < w and g < s"))
INTS = ints(LEAVES)


@MORE
@given(a=INTS, b=INTS, names=environments())
def test_nothing_false_is_proved(a: Expr, b: Expr, names: dict[str, int | float | bool]) -> None:
    x, y = evaluate(a, names), evaluate(b, names)
    for least in (-3, 0, 1):
        assert not FACTS.at_least(a, least) or x >= least
    assert not FACTS.ordered(a, b) or x <= y
    for expr in (a, b, apply("min", apply("max", a, b), a), apply("max", b, apply("min", a, M))):
        assert evaluate(FACTS.tidy(expr), names) == evaluate(expr, names)


PROVED = [
    (W, 0),
    (G, 1),
    (H, 1),
    (M, 0),
    (size("m"), 0),
    (variable("h"), 0),
    (al.subtract(LAST, FIRST), 0),
    (apply("+", apply("*", W, G), integer(2)), 2),
    (apply("max", S, integer(3)), 3),
    (apply("min", W, G), 0),
    (apply("mod", S, G), 0),
    (apply("abs", S), 0),
    (apply("div", W, G), 0),
    (apply("-", FIRST, apply("*", apply("div", FIRST, G), G)), 0),
    (apply("-", apply("*", G, apply("+", apply("div", LAST, G), integer(1))), FIRST), 1),
    (Read(Kind.INT, input="length", indices=(variable("b"),)), 1),
    (Constant(Kind.FLOAT, value=0.5), 0),
]
NOT_PROVED = [
    (W, 1),
    (G, 2),
    (S, -100),
    (M, 1),
    (size("m"), 1),
    (FIRST, 0),
    (al.subtract(LAST, FIRST), 1),
    (apply("*", W, S), 0),
    (apply("min", W, S), 0),
    (apply("mod", S, W), 0),
    (apply("-", apply("*", apply("div", FIRST, G), G), FIRST), 0),
    (apply("-", apply("*", apply("div", FIRST, S), S), FIRST), -100),
    (Parameter(Kind.INT, name="unknown"), 0),
    (Constant(Kind.FLOAT, value=0.5), 1),
]


@pytest.mark.parametrize(("expr", "least"), PROVED)
def test_proofs_that_are_found(expr: Expr, least: int) -> None:
    assert FACTS.at_least(expr, least)


@pytest.mark.parametrize(("expr", "least"), NOT_PROVED)
def test_what_is_not_known(expr: Expr, least: int) -> None:
    assert not FACTS.at_least(expr, least)


def test_floats_keep_their_fractions() -> None:
    """x - 0.5 is not above 0 for x in [0, inf), although the whole part of 0.5 is 0."""
    facts = Facts.of(check(Source("x", "attention a(x: float in [0, inf)) { score x  mask j < i }"))[0])
    x, half = Parameter(Kind.FLOAT, name="x"), Constant(Kind.FLOAT, value=0.5)
    assert facts.at_least(x, 0)
    assert not facts.at_least(apply("-", x, half), 0)
    assert facts.at_least(apply("+", x, half), 0)
    assert not facts.at_least(apply("*", half, apply("-", x, half)), 0)


def test_declared_ends() -> None:
    text = """attention a(low: int in (2, 9), closed: int in [2, 9], x: float in (0, 1), some: int, flag: bool) {
      mask low + closed + some < j and x < 1.0 and flag }"""
    parameters = Facts.of(check(Source("x", text))[0]).parameters
    assert parameters["low"] == Interval(integer(3), integer(8))
    assert parameters["closed"] == Interval(integer(2), integer(9))
    assert parameters["x"] == Interval(Constant(Kind.FLOAT, value=0.0), Constant(Kind.FLOAT, value=1.0))
    assert parameters["some"] == parameters["flag"] == Interval(None, None)


def test_order_through_extremes() -> None:
    assert FACTS.ordered(FIRST, apply("max", LAST, S))
    assert FACTS.ordered(apply("min", FIRST, S), LAST)
    assert not FACTS.ordered(apply("max", FIRST, S), LAST)
    assert not FACTS.ordered(FIRST, apply("min", LAST, S))


def test_tidy_drops_what_makes_no_difference() -> None:
    assert FACTS.tidy(apply("max", W, integer(0))) == W
    assert FACTS.tidy(apply("min", LAST, FIRST)) == FIRST
    assert FACTS.tidy(apply("max", apply("max", FIRST, S), LAST)) == apply("max", S, LAST)
    assert FACTS.tidy(apply("min", W, S)) == apply("min", W, S)
    assert FACTS.tidy(apply("+", apply("max", G, integer(1)), S)) == apply("+", G, S)


def test_what_holds_whatever_the_data_is() -> None:
    """Data is not checked on a GPU, so what must hold there can't rest on it."""
    length = Read(Kind.INT, input="length", indices=(variable("b"),))
    assert FACTS.at_least(length, 1)
    assert not FACTS.before_data().at_least(length, 0)
    assert FACTS.before_data().at_least(G, 1)


def test_ranges_of_the_tests_are_those_of_the_facts() -> None:
    names = [Parameter(Kind.INT, name=name) for name in "wg"] + [Size(Kind.INT, axis=axis) for axis in "MH"]
    for expr, bound in product(names, (0,)):
        low = RANGES[expr.name if isinstance(expr, Parameter) else expr.axis][bound]
        assert FACTS.at_least(expr, low) and not FACTS.at_least(expr, low + 1)

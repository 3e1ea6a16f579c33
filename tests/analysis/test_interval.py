"""Intervals and truth against brute force: every pair of a box lies in them."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from expressions import COMPARISONS, G, S, W, apply, bools, compare, floats, ints
from hypothesis import given
from hypothesis import strategies as st
from predicates import MORE, variant

from attngen.analysis.facts import Facts
from attngen.analysis.interval import SOMETIMES, Truth, interval, truth
from attngen.analysis.rules import RULES, Interval
from attngen.analysis.solve import Solver
from attngen.ir.evaluate import Environment, evaluate
from attngen.ir.expr import FALSE, TRUE, Constant, Expr, Kind, Parameter, Read, Row, integer, size, variable
from attngen.ir.functions import SCALAR
from attngen.ir.show import show_expr

QUERY, KEY = variable("i"), variable("j")
NEAR = Read(Kind.INT, input="near", indices=(QUERY,))
FACTS = Facts.of(variant("true"))
LEAVES = (QUERY, KEY, QUERY, KEY, W, G, S, size("M"), NEAR, variable("h"))


def solver() -> Solver:
    return Solver(FACTS, must=True)


@st.composite
def boxes(draw: st.DrawFn) -> tuple[dict[str, Any], list[Environment], list[int]]:
    """The names that ends are made of, and the pairs of the box."""
    first, count, keys = draw(st.integers(-4, 9)), draw(st.integers(1, 5)), draw(st.integers(1, 6))
    values = {"w": draw(st.integers(0, 5)), "g": draw(st.integers(1, 5)), "s": draw(st.integers(-4, 5))}
    names = {**values, "q0": first, "q1": first + count - 1, "M": keys, "h": draw(st.integers(0, 2))}
    pairs = [{**names, "i": first + a, "j": b} for a in range(count) for b in range(keys)]
    return names, pairs, [draw(st.integers(0, 3)) for _ in range(count)]


def value(expr: Expr, pair: Environment, near: list[int]) -> Any:
    return evaluate(expr, pair, lambda _, indices: near[indices[0] - int(pair["q0"])])


@MORE
@given(expr=ints(LEAVES), box=boxes())
def test_every_value_lies_in_the_interval(expr: Expr, box: tuple[dict[str, Any], list[Environment], list[int]]) -> None:
    names, pairs, near = box
    found = interval(expr, solver())
    values = [value(expr, pair, near) for pair in pairs]
    assert found.low is None or evaluate(found.low, names) <= min(values)
    assert found.high is None or evaluate(found.high, names) >= max(values)


X, Y = (Parameter(Kind.FLOAT, name=name) for name in "xy")
"""Parameters in [0, inf), and anywhere."""
FLOAT_LEAVES = (*(apply("float", leaf, kind=Kind.FLOAT) for leaf in (QUERY, KEY, QUERY, S)), X, Y)


@MORE
@given(expr=floats(FLOAT_LEAVES), box=boxes(), x=st.sampled_from((0.0, 0.75, 3.0)), y=st.sampled_from((-2.0, 0.0, 1.5)))
def test_every_float_lies_in_the_interval(
    expr: Expr, box: tuple[dict[str, Any], list[Environment], list[int]], x: float, y: float
) -> None:
    """Rounding keeps order, so that ends are exact, too."""
    names, pairs, near = box
    zero = Constant(Kind.FLOAT, value=0.0)
    found = interval(expr, Solver(Facts({**FACTS.parameters, "x": Interval(zero, None)}, FACTS.inputs), must=True))
    values = [value(expr, {**pair, "x": x, "y": y}, near) for pair in pairs]
    assert found.low is None or evaluate(found.low, {**names, "x": x, "y": y}) <= min(values)
    assert found.high is None or evaluate(found.high, {**names, "x": x, "y": y}) >= max(values)


@MORE
@given(expr=bools(LEAVES), box=boxes())
def test_truth_never_says_too_much(expr: Expr, box: tuple[dict[str, Any], list[Environment], list[int]]) -> None:
    names, pairs, near = box
    held = truth(expr, solver())
    values = [value(expr, pair, near) for pair in pairs]
    assert not evaluate(held.always, names) or all(values)
    assert evaluate(held.possible, names) or not any(values)


SEEN = compare("<=", KEY, QUERY)
FORMS = [
    SEEN,
    apply("not", SEEN),
    apply("and", SEEN, compare(">", QUERY, S)),
    apply("or", apply("not", SEEN), compare("==", KEY, S)),
    apply("if", SEEN, compare("!=", QUERY, S), compare("<", KEY, W)),
    apply("if", compare("<", S, W), SEEN, apply("not", SEEN)),
    *(compare(operator, apply("-", QUERY, KEY), S) for operator in COMPARISONS),
]


@pytest.mark.parametrize("form", FORMS, ids=show_expr)
def test_truth_of_each_form(form: Expr) -> None:
    """Never too much, and everything where the box is one pair."""
    held = truth(form, solver())
    for first, last, keys, s in product(range(-2, 4), range(3), range(1, 4), range(-2, 3)):
        names = {"q0": first, "q1": first + last, "M": keys, "s": s, "w": 1, "g": 2, "h": 0}
        pairs = [{**names, "i": i, "j": j} for i in range(first, first + last + 1) for j in range(keys)]
        values = [evaluate(form, pair) for pair in pairs]
        assert not evaluate(held.always, names) or all(values)
        assert evaluate(held.possible, names) or not any(values)
        if len(pairs) == 1:
            assert evaluate(held.always, names) == evaluate(held.possible, names) == values[0]


TIGHT = {
    "[q0, q1]": QUERY,
    "[0, M - 1]": KEY,
    "[0, 3]": NEAR,
    "[-q1 - s, -q0 - s]": apply("-", apply("neg", QUERY), S),
    "[2 * q0, 2 * q1]": apply("*", integer(2), QUERY),
    "[q0 * g, q1 * g]": apply("*", G, QUERY),
    "[q0 div g, q1 div g]": apply("div", QUERY, G),
    "[min(q0, w), min(q1, w)]": apply("min", QUERY, W),
    "[max(q0, w), max(q1, w)]": apply("max", QUERY, W),
    "[max(q0, -q1, 0), max(q1, -q0)]": apply("abs", QUERY),
    "[min(max(q0, 1), w), min(max(q1, 1), w)]": apply("clamp", QUERY, integer(1), W),
    "[s, s]": S,
    "[s div g, s div g]": apply("div", S, G),
}


@pytest.mark.parametrize("text", TIGHT)
def test_tight_intervals(text: str) -> None:
    found = interval(TIGHT[text], solver())
    assert found.low is not None and found.high is not None
    assert f"[{show_expr(found.low)}, {show_expr(found.high)}]" == text


@given(first=st.integers(-20, 20), count=st.integers(1, 9), period=st.integers(1, 9))
def test_a_remainder_inside_of_one_period(first: int, count: int, period: int) -> None:
    """Exact inside of one period; anything below the divisor across several."""
    found = interval(apply("mod", QUERY, G), solver())
    names = {"q0": first, "q1": first + count - 1, "g": period}
    assert found.low is not None and found.high is not None
    ends = evaluate(found.low, names), evaluate(found.high, names)
    values = [(first + k) % period for k in range(count)]
    inside = first // period == (first + count - 1) // period
    assert ends == ((min(values), max(values)) if inside else (0, period - 1))


BELOW, ABOVE = (apply("-", variable(name), W) for name in ("q1", "q0"))
TRUTHS = [
    (compare("<", QUERY, W), Truth(compare("<", BELOW, integer(0)), compare("<", ABOVE, integer(0)))),
    (compare("!=", NEAR, integer(4)), Truth(TRUE, TRUE)),
    (compare("==", NEAR, integer(4)), Truth(FALSE, FALSE)),
    (compare("<", W, S), Truth(compare("<", W, S), compare("<", W, S))),
    (compare("==", QUERY, QUERY), Truth(TRUE, TRUE)),
    (Read(Kind.BOOL, input="seen", indices=(QUERY,)), SOMETIMES),
    (compare("==", Read(Kind.BOOL, input="seen", indices=(QUERY,)), TRUE), SOMETIMES),
]


@pytest.mark.parametrize(("expr", "wanted"), TRUTHS)
def test_what_is_decided(expr: Expr, wanted: Truth) -> None:
    assert truth(expr, solver()) == wanted


def test_the_sign_of_a_float_factor() -> None:
    """A factor of unknown sign, or one below 0, may turn an interval around."""
    half = Constant(Kind.FLOAT, value=0.5)
    position = apply("float", QUERY, kind=Kind.FLOAT)
    found = interval(apply("floor", apply("*", position, half), kind=Kind.INT), solver())
    assert found.low is not None and found.high is not None
    assert evaluate(found.low, {"q0": -3, "q1": 5}) == -2 and evaluate(found.high, {"q0": -3, "q1": 5}) == 2
    box = Solver(Facts({"x": Interval(Constant(Kind.FLOAT, value=0.0), None)}, {}), must=True)
    found = interval(apply("*", position, apply("-", X, half)), box)
    assert found.low is not None and found.high is not None
    assert evaluate(found.low, {"q0": 1, "q1": 4, "x": 0.0}) == -2
    assert evaluate(found.high, {"q0": 1, "q1": 4, "x": 0.0}) == -0.5


def test_rows_and_unknown_functions_are_unbounded() -> None:
    row = Row(Kind.FLOAT, ("c",), name="q")
    assert interval(row, solver()) == Interval(None, None)
    assert interval(apply("sin", apply("float", QUERY, kind=Kind.FLOAT)), solver()) == Interval(None, None)
    assert interval(apply("exp", apply("float", QUERY, kind=Kind.FLOAT)), solver()).low is not None
    assert set(RULES) <= SCALAR


@pytest.mark.parametrize(
    ("operator", "wanted"),
    [("<", (False, True)), ("<=", (True, True)), (">", (False, False)), (">=", (False, True)), ("==", (False, True))],
)
def test_floats_whose_intervals_touch(operator: str, wanted: tuple[bool, bool]) -> None:
    """One lies in [0, 1], the other in [1, 2]: they may be equal."""

    def at_most_one_above(low: float, name: str) -> Expr:
        ends = (Constant(Kind.FLOAT, value=low), Constant(Kind.FLOAT, value=low + 1))
        return apply("clamp", apply("float", variable(name), kind=Kind.FLOAT), *ends, kind=Kind.FLOAT)

    found = truth(compare(operator, at_most_one_above(0.0, "i"), at_most_one_above(1.0, "j")), solver())
    names = {"q0": -5, "q1": 5, "M": 9}
    assert (evaluate(found.always, names), evaluate(found.possible, names)) == wanted

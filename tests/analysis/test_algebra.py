"""Every constructor keeps the value, and sums, extremes and truth come out in their short form."""

from __future__ import annotations

import pytest
from expressions import COMPARISONS, LEAVES, G, M, S, W, apply, bools, compare, environments, ints
from hypothesis import given
from hypothesis import strategies as st
from predicates import MORE

from attngen.analysis import algebra as al
from attngen.analysis.sums import fold, from_linear, linear
from attngen.ir.evaluate import evaluate
from attngen.ir.expr import FALSE, TRUE, Apply, Constant, Expr, Kind, integer, rewrite, variable
from attngen.ir.show import show_expr

INTS, BOOLS = ints(LEAVES), bools(LEAVES)
Q0, Q1 = variable("q0"), variable("q1")


@MORE
@given(a=INTS, b=INTS, names=environments())
def test_constructors_of_numbers_keep_the_value(a: Expr, b: Expr, names: dict[str, int | float | bool]) -> None:
    x, y = evaluate(a, names), evaluate(b, names)
    assert evaluate(al.add(a, b), names) == x + y
    assert evaluate(al.subtract(a, b), names) == x - y
    assert evaluate(al.multiply(a, b), names) == x * y
    assert evaluate(al.negate(a), names) == -x
    assert evaluate(al.smallest(a, b, Q0, integer(2)), names) == min(x, y, names["q0"], 2)
    assert evaluate(al.largest(b, a, a, integer(-1), integer(-3)), names) == max(x, y, -1)
    for divisor in (G, integer(1), integer(4)):
        d = int(evaluate(divisor, names))
        assert evaluate(al.floor_divide(a, divisor), names) == x // d
        assert evaluate(al.ceil_divide(a, divisor), names) == -(-x // d)
        assert evaluate(al.modulo(a, divisor), names) == x % d


@MORE
@given(a=INTS, names=environments())
def test_a_sum_is_its_linear_form(a: Expr, names: dict[str, int | float | bool]) -> None:
    terms, constant = linear(a)
    assert sum(factor * evaluate(term, names) for term, factor in terms.items()) + constant == evaluate(a, names)
    assert evaluate(from_linear(terms, constant), names) == evaluate(a, names)
    assert linear(from_linear(terms, constant)) == (terms, constant)
    assert al.subtract(a, a) == al.ZERO


@MORE
@given(p=BOOLS, q=BOOLS, a=INTS, b=INTS, names=environments())
def test_constructors_of_truth_keep_the_value(
    p: Expr, q: Expr, a: Expr, b: Expr, names: dict[str, int | float | bool]
) -> None:
    x, y = evaluate(p, names), evaluate(q, names)
    assert evaluate(al.both(p, q), names) == (x and y)
    assert evaluate(al.either(p, q), names) == (x or y)
    assert evaluate(al.inverse(p), names) == (not x)
    assert evaluate(al.choose(p, a, b), names) == evaluate(a if x else b, names)
    for operator in COMPARISONS:
        assert evaluate(al.compare(operator, a, b), names) == evaluate(compare(operator, a, b), names)
        assert evaluate(al.compare(operator, a, al.add(a, integer(1))), names) == (operator in ("<", "<=", "!="))


@MORE
@given(a=INTS | BOOLS, names=environments())
def test_rebuilding_keeps_the_value(a: Expr, names: dict[str, int | float | bool]) -> None:
    rebuilt = rewrite(a, lambda node: al.build(node) if isinstance(node, Apply) else node)
    assert evaluate(rebuilt, names) == evaluate(a, names)
    assert rebuilt.kind is a.kind


@given(value=st.integers(-40, 40), divisor=st.integers(1, 9))
def test_numbers_stay_numbers(value: int, divisor: int) -> None:
    a, d = integer(value), integer(divisor)
    assert al.floor_divide(a, d) == integer(value // divisor)
    assert al.ceil_divide(a, d) == integer(-(-value // divisor))
    assert al.modulo(a, d) == integer(value % divisor)
    assert al.choose(al.compare("<", a, d), a, d) == integer(min(value, divisor))


SHORT = {
    "q1 - 1": al.subtract(al.add(Q0, Q1), al.add(Q0, al.ONE)),
    "2 * s - q0 + 3": al.add(al.subtract(S, Q0), al.add(S, integer(3))),
    "-q0": al.negate(Q0),
    "2 * q0 - 6": al.multiply(integer(2), al.subtract(Q0, integer(3))),
    "min(q0 - 1, w)": al.smallest(al.add(Q0, integer(2)), al.smallest(W, al.subtract(Q0, al.ONE)), Q0),
    "max(q0 + 2, 4)": al.largest(Q0, integer(4), al.add(Q0, integer(2)), integer(1)),
    "max(q0 + 1, s - 1)": al.subtract(al.largest(al.add(Q0, integer(2)), S), al.ONE),
    "(q0 + g - 1) div g": al.ceil_divide(Q0, G),
    "q0": al.choose(TRUE, Q0, Q1),
    "M": al.choose(compare("<", W, S), M, M),
    "w < s": al.both(TRUE, al.inverse(al.inverse(compare("<", W, S)))),
    "w <= s": al.either(compare("<=", W, S), compare("<=", W, S)),
}


@pytest.mark.parametrize("text", SHORT)
def test_short_forms(text: str) -> None:
    assert show_expr(SHORT[text]) == text


def test_decided_truth_is_a_constant() -> None:
    open_ = compare("<", W, S)
    assert al.both(open_, FALSE) == al.both(FALSE, open_) == FALSE
    assert al.either(open_, TRUE) == al.either(TRUE, open_) == TRUE
    assert al.compare("<", Q0, al.add(Q0, al.ONE)) == TRUE
    assert al.compare(">=", Q0, al.add(Q0, al.ONE)) == FALSE


def test_floats_are_folded_and_never_reordered() -> None:
    """(x + 0.1) - 0.1 is not x; what has no finite value stays as it is written."""
    x = Constant(Kind.FLOAT, value=0.1)
    y = apply("float", S, kind=Kind.FLOAT)
    assert al.subtract(al.add(y, x), x) != y
    assert al.add(x, x) == Constant(Kind.FLOAT, value=0.2)
    assert isinstance(fold("/", Kind.FLOAT, x, Constant(Kind.FLOAT, value=0.0)), Apply)
    assert isinstance(fold("div", Kind.INT, integer(1), integer(0)), Apply)
    assert isinstance(fold("log", Kind.FLOAT, Constant(Kind.FLOAT, value=-1.0)), Apply)

"""Scalars on the host, against numpy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marked import checked

from attngen.ir.evaluate import HOST, evaluate
from attngen.ir.expr import Apply, Constant, Kind, Read, Row, Size, integer, variable
from attngen.ir.functions import FUNCTIONS, SCALAR, Takes

NUMPY: dict[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.power,
    "div": np.floor_divide,
    "mod": np.mod,
    "neg": np.negative,
    "abs": np.abs,
    "min": np.minimum,
    "max": np.maximum,
    "clamp": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
    "float": np.float64,
    "floor": np.floor,
    "ceil": np.ceil,
    "exp": np.exp,
    "log": np.log,
    "log2": np.log2,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(x, 0.0),
    "relu": lambda x: np.maximum(x, 0.0),
    "elu": lambda x: x if x > 0 else np.expm1(x),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sin": np.sin,
    "cos": np.cos,
}
INTS = st.integers(-(2**31), 2**31)
FLOATS = (
    st.floats(-1e6, 1e6) | st.floats(-4, 4) | st.sampled_from([0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan])
)
FINITE = st.floats(-1e6, 1e6)
VALUES = {
    Takes.NUMBERS: [INTS, FLOATS],
    Takes.INTS: [INTS],
    Takes.FLOATS: [FLOATS],
    Takes.ALIKE: [INTS, FLOATS, st.booleans()],
    Takes.ORDERED: [INTS, FLOATS],
    Takes.BOOLS: [st.booleans()],
}


def test_every_scalar_function_has_a_value() -> None:
    assert set(HOST) == SCALAR - {"if"}
    assert set(NUMPY) == set(HOST)


@pytest.mark.parametrize("name", sorted(HOST))
@given(data=st.data())
def test_numpy_agrees(name: str, data: st.DataObject) -> None:
    function = FUNCTIONS[name]
    values = data.draw(st.sampled_from(VALUES[function.takes]))
    if name in ("floor", "ceil"):
        values = FINITE
    arguments = [data.draw(values) for _ in range(function.arity)]
    if name in ("div", "mod") and arguments[1] == 0:
        arguments[1] = 1
    found = evaluate(_applied(name, arguments), {})
    kinds = {bool: np.bool_, int: np.int64, float: np.float64}
    with np.errstate(all="ignore"):
        expected = NUMPY[name](*(kinds[type(argument)](argument) for argument in arguments))
    np.testing.assert_allclose(float(found), float(expected), rtol=1e-12, atol=1e-300)


def _applied(name: str, arguments: list[Any]) -> Apply:
    kinds = {bool: Kind.BOOL, int: Kind.INT, float: Kind.FLOAT}
    constants = tuple(Constant(kinds[type(argument)], value=argument) for argument in arguments)
    return Apply(FUNCTIONS[name].gives or constants[0].kind, function=name, arguments=constants)


@pytest.mark.parametrize(
    ("x", "y", "quotient", "rest"), [(7, 2, 3, 1), (-7, 2, -4, 1), (7, -2, -4, -1), (-7, -2, 3, -1), (-1, 64, -1, 63)]
)
def test_div_and_mod_floor(x: int, y: int, quotient: int, rest: int) -> None:
    assert evaluate(_applied("div", [x, y]), {}) == quotient
    assert evaluate(_applied("mod", [x, y]), {}) == rest


@given(INTS, INTS.filter(bool))
def test_div_and_mod_belong_together(x: int, y: int) -> None:
    quotient, rest = (evaluate(_applied(name, [x, y]), {}) for name in ("div", "mod"))
    assert quotient * y + rest == x and abs(rest) < abs(y) and (rest == 0 or (rest > 0) == (y > 0))


@pytest.mark.parametrize("name", ["floor", "ceil"])
@pytest.mark.parametrize("value", [2.5, -2.5, 3.0, -0.5])
def test_rounding_gives_ints(name: str, value: float) -> None:
    found = evaluate(_applied(name, [value]), {})
    assert type(found) is int and found == getattr(math, name)(value)


@pytest.mark.parametrize("name", sorted(name for name in HOST if FUNCTIONS[name].gives is Kind.FLOAT))
@pytest.mark.parametrize("value", [0.0, -0.0, 1e308, -1e308, 5e-324, 710.0, -746.0, math.inf, -math.inf, math.nan])
def test_floats_never_fail(name: str, value: float) -> None:
    for other in (0.0, -0.0, -3.0, 1e308, 0.5, math.inf, math.nan):
        arguments = [value, other][: FUNCTIONS[name].arity]
        if name == "^" and (value, other) == (-math.inf, 0.5):
            continue  # infinity in C, NaN where numpy has vector code of its own
        with np.errstate(all="ignore"):
            expected = float(NUMPY[name](*map(np.float64, arguments)))
        np.testing.assert_allclose(float(evaluate(_applied(name, arguments), {})), expected, rtol=1e-12)


def test_only_the_branch_that_is_taken_is_evaluated() -> None:
    zero = _applied("div", [1, 0])
    condition = Constant(Kind.BOOL, value=False)
    assert evaluate(Apply(Kind.INT, function="if", arguments=(condition, zero, integer(3))), {}) == 3
    with pytest.raises(ZeroDivisionError):
        evaluate(zero, {})


def test_names_sizes_and_reads_are_looked_up() -> None:
    read = Read(Kind.INT, input="table", indices=(variable("h"), Size(Kind.INT, axis="M")))
    assert evaluate(read, {"h": 2, "M": 9}, lambda name, indices: len(name) + sum(indices)) == 16
    for expr in (read, variable("nowhere"), Row(Kind.FLOAT, ("c",), name="q")):
        with pytest.raises(KeyError):
            evaluate(expr, {"h": 2, "M": 9})


@pytest.mark.parametrize("heads", [8, 12])
def test_the_slopes_of_alibi(heads: int) -> None:
    """The published rule: a geometric sequence, then every other slope of the next power of two."""
    slope = checked("attention a { sink alibi_slope(h) }").pairwise.normalization
    floor = 2 ** math.floor(math.log2(heads))
    expected = [2 ** (-8 * (n + 1) / floor) for n in range(floor)]
    expected += [2 ** (-8 * (n + 1) / (2 * floor)) for n in range(0, 2 * floor, 2)][: heads - floor]
    found = [evaluate(slope.sink, {"h": h, "H": heads}) for h in range(heads)]  # type: ignore[union-attr,arg-type]
    assert found == pytest.approx(expected, rel=1e-12)

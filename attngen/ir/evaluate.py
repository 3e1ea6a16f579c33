"""Scalar expressions on numbers: floor semantics for `div` and `mod`, float64 for floats, Python's own ints.

This is what happens on the host: parameters, sizes and bounds. The meaning of attention is in `attngen.reference`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from attngen.ir.expr import Apply, Constant, Expr, Parameter, Read, Size, Variable

Number = int | float | bool
Environment = Mapping[str, Number]
Reader = Callable[[str, tuple[int, ...]], Number]


def _power(x: float, y: float) -> float:
    try:
        return math.pow(x, y)
    except (OverflowError, ValueError):
        if x < 0 and not y.is_integer():
            return math.nan
        # Too large, or zero to a negative power; an odd power keeps the sign.
        return math.copysign(math.inf, x) if y % 2 == 1 else math.inf


def _divide(x: float, y: float) -> float:
    if y != 0:
        return x / y
    return math.nan if x == 0 or math.isnan(x) else math.copysign(math.inf, x) * math.copysign(1.0, y)


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _log(x: float) -> float:
    return math.log(x) if x > 0 else (-math.inf if x == 0 else math.nan)


def _log2(x: float) -> float:
    return math.log2(x) if x > 0 else (-math.inf if x == 0 else math.nan)


def _sigmoid(x: float) -> float:
    return 1 / (1 + _exp(-x)) if x >= 0 else _exp(x) / (1 + _exp(x))


def _sqrt(x: float) -> float:
    return x if x == 0 else (math.sqrt(x) if x > 0 else math.nan)


def _sin(x: float) -> float:
    return math.sin(x) if math.isfinite(x) else math.nan


def _cos(x: float) -> float:
    return math.cos(x) if math.isfinite(x) else math.nan


def _min(x: Number, y: Number) -> Number:
    """The smaller one; NaN wins, as in torch."""
    return x if x <= y or x != x else y


def _max(x: Number, y: Number) -> Number:
    return x if x >= y or x != x else y


HOST: dict[str, Callable[..., Number]] = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": _divide,
    "^": _power,
    "div": lambda x, y: x // y,
    "mod": lambda x, y: x % y,
    "neg": lambda x: -x,
    "abs": abs,
    "min": _min,
    "max": _max,
    "clamp": lambda x, low, high: _min(_max(x, low), high),
    "<": lambda x, y: x < y,
    "<=": lambda x, y: x <= y,
    ">": lambda x, y: x > y,
    ">=": lambda x, y: x >= y,
    "==": lambda x, y: x == y,
    "!=": lambda x, y: x != y,
    "and": lambda x, y: x and y,
    "or": lambda x, y: x or y,
    "not": lambda x: not x,
    "float": float,
    "floor": math.floor,
    "ceil": math.ceil,
    "exp": _exp,
    "log": _log,
    "log2": _log2,
    "tanh": math.tanh,
    "sigmoid": _sigmoid,
    "softplus": lambda x: max(x, 0.0) + math.log1p(_exp(-abs(x))),
    "relu": lambda x: max(x, 0.0),
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "silu": lambda x: x * _sigmoid(x),
    "sqrt": _sqrt,
    "rsqrt": lambda x: _divide(1.0, _sqrt(x)),
    "sin": _sin,
    "cos": _cos,
}


def named(parameters: Mapping[str, Number], sizes: Mapping[str, Number] | None = None) -> dict[str, Number]:
    """An environment in which parameters, and sizes of axes, are found even where a variable is called alike.

    Authors choose these names, and the ends of tiles and runs have names too (q0, start): what is added to the
    environment under such a name is a variable, and hides no parameter.
    """
    sizes = sizes or {}
    kept = {f"parameter {name}": value for name, value in parameters.items()}
    return {**sizes, **parameters, **kept, **{f"size {axis}": size for axis, size in sizes.items()}}


def evaluate(expr: Expr, environment: Environment, read: Reader | None = None) -> Number:
    """The value of a scalar expression.

    `environment` gives variables, sizes and parameters by name (`named`); `read` gives elements of inputs.

    Raises:
        KeyError: a name is not in the environment.
        ZeroDivisionError: `div` or `mod` by zero.
        ArithmeticError, ValueError: `floor` or `ceil` of what is not finite.
    """
    match expr:
        case Constant():
            return expr.value
        case Variable():
            return environment[expr.name]
        case Parameter():
            kept = f"parameter {expr.name}"
            return environment[kept if kept in environment else expr.name]
        case Size():
            kept = f"size {expr.axis}"
            return environment[kept if kept in environment else expr.axis]
        case Read() if read is not None:
            return read(expr.input, tuple(int(evaluate(index, environment, read)) for index in expr.indices))
    if not isinstance(expr, Apply):
        raise KeyError(f"{type(expr).__name__} has no value on the host")
    if expr.function == "if":
        condition, then, otherwise = expr.arguments
        return evaluate(then if evaluate(condition, environment, read) else otherwise, environment, read)
    return HOST[expr.function](*(evaluate(argument, environment, read) for argument in expr.arguments))

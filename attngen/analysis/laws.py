"""The chain rule, one law beside each function: how a gradient by a value becomes one by its arguments.

A law gets g, the gradient by y = f(x, ...), then y, then the arguments. It gives the gradient by each argument, `None`
for a truth value. At corners (ties of min, max and clamp; abs, relu and elu at 0) the laws do as PyTorch does.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from attngen.ir.expr import Apply, Constant, Expr, Kind

Law = Callable[..., tuple[Expr | None, ...]]

ROW_SUM = "row_sum"
"""The sum of a row over its channels: a function that the compiler makes, not the author."""

ZERO, HALF, ONE, TWO = (Constant(Kind.FLOAT, value=value) for value in (0.0, 0.5, 1.0, 2.0))
LN2 = Constant(Kind.FLOAT, value=math.log(2))


def _joined(kind: Kind, function: str, *arguments: Expr) -> Expr:
    channels = tuple(sorted({axis for argument in arguments for axis in argument.channels}))
    return Apply(kind, channels, function=function, arguments=arguments)


def of(function: str, *arguments: Expr) -> Expr:
    """A float, with the channels of all arguments."""
    return _joined(Kind.FLOAT, function, *arguments)


def holds(function: str, left: Expr, right: Expr) -> Expr:
    """A comparison, or `and` and `or` of two."""
    return _joined(Kind.BOOL, function, left, right)


def plus(x: Expr, y: Expr) -> Expr:
    return of("+", x, y)


def minus(x: Expr, y: Expr) -> Expr:
    return of("-", x, y)


def times(x: Expr, y: Expr) -> Expr:
    return of("*", x, y)


def over(x: Expr, y: Expr) -> Expr:
    return of("/", x, y)


def negative(x: Expr) -> Expr:
    return of("neg", x)


def where(condition: Expr, then: Expr, otherwise: Expr = ZERO) -> Expr:
    return of("if", condition, then, otherwise)


def _power(g: Expr, y: Expr, a: Expr, b: Expr) -> tuple[Expr, Expr]:
    by_base = times(g, times(b, of("^", a, minus(b, ONE))))  # (a^b)' = b a^(b - 1), 0 where b = 0
    by_exponent = times(g, times(y, of("log", a)))  # (a^b)' = a^b log a, 0 where a = 0
    return where(holds("==", b, ZERO), ZERO, by_base), where(holds("==", a, ZERO), ZERO, by_exponent)


def _extreme(first: str, g: Expr, a: Expr, b: Expr) -> tuple[Expr, Expr]:
    """All to the one that is chosen, half to each of two that are equal; `first` holds where `a` is chosen."""
    tied = where(holds("==", a, b), times(HALF, g))
    return where(holds(first, a, b), g, tied), where(holds(first, b, a), g, tied)


def _clamp(g: Expr, y: Expr, x: Expr, low: Expr, high: Expr) -> tuple[Expr, Expr, Expr]:
    """All to x where it is inside, ends included; to an end where x is beyond it; to `high` where the ends cross."""
    crossed = holds("<", high, low)
    inside = holds("and", holds("<=", low, x), holds("<=", x, high))
    below = holds("and", holds("<", x, low), holds("<", low, high))
    return where(inside, g), where(below, g), where(holds("or", holds("<", high, x), crossed), g)


def _slope_of_silu(x: Expr) -> Expr:
    """(x s)' = s (1 + x (1 - s)), where 1 - s is nothing if x is large; in x s + s (1 - x s) the 1 would be lost."""
    share = of("sigmoid", x)
    return times(share, plus(ONE, times(x, minus(ONE, share))))


LAWS: dict[str, Law] = {
    "+": lambda g, y, a, b: (g, g),
    "-": lambda g, y, a, b: (g, negative(g)),
    "*": lambda g, y, a, b: (times(g, b), times(g, a)),
    "/": lambda g, y, a, b: (over(g, b), negative(over(times(g, y), b))),  # (a / b)' = -a / b² by b
    "^": _power,
    "neg": lambda g, y, x: (negative(g),),
    "abs": lambda g, y, x: (where(holds(">", x, ZERO), g, where(holds("<", x, ZERO), negative(g))),),
    "min": lambda g, y, a, b: _extreme("<", g, a, b),
    "max": lambda g, y, a, b: _extreme(">", g, a, b),
    "clamp": _clamp,
    "if": lambda g, y, condition, a, b: (None, where(condition, g), where(condition, ZERO, g)),
    "exp": lambda g, y, x: (times(g, y),),
    "log": lambda g, y, x: (over(g, x),),
    "log2": lambda g, y, x: (over(g, times(LN2, x)),),
    "tanh": lambda g, y, x: (times(g, minus(ONE, times(y, y))),),  # tanh' = 1 - tanh²
    "sigmoid": lambda g, y, x: (times(g, times(y, minus(ONE, y))),),
    "softplus": lambda g, y, x: (times(g, of("sigmoid", x)),),
    "relu": lambda g, y, x: (where(holds(">", x, ZERO), g),),
    "elu": lambda g, y, x: (where(holds(">", x, ZERO), g, times(g, plus(y, ONE))),),  # (e^x - 1)' = y + 1
    "silu": lambda g, y, x: (times(g, _slope_of_silu(x)),),
    "sqrt": lambda g, y, x: (over(g, times(TWO, y)),),
    "rsqrt": lambda g, y, x: (negative(over(times(g, y), times(TWO, x))),),  # (x^(-1/2))' = -x^(-1/2) / 2x
    "sin": lambda g, y, x: (times(g, of("cos", x)),),
    "cos": lambda g, y, x: (negative(times(g, of("sin", x))),),
    ROW_SUM: lambda g, y, x: (g,),
}
"""Every function that gives a float of floats. Products of rows are sums over channels before they are derived."""

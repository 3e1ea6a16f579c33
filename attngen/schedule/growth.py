"""Rows that grow or shrink with their position, as in xPos, without numbers too large for float32.

    dot(x e^(a i + u), y e^(b j + v))  =  dot(x e^(a (i - s)) e^(a s + u + b t + v), y e^(b (j - t)))

With an anchor s near the queries of a tile and t near its keys, a row of keys stays near y, and the bridge between
s and t is as large as what the score makes of the two. The left side overflows far out: 0.3^(-j/512) is more than
float32 holds from j = 38,000 on.
"""

from __future__ import annotations

from dataclasses import dataclass

from attngen.ir.expr import Apply, Constant, Expr, Kind, Variable, distinct, integer, variable
from attngen.passes.fold import folded

GROWING = ("exp", "^")
"""Functions that overflow where their exponent grows with the position."""
KEYS_PER_ANCHOR = 128
"""A multiple of every key tile, so that the keys of a tile have one anchor."""
GENTLE = 0.1
"""The largest rate per token, in either direction: over half an anchor's keys a row of keys changes by e^6.4 at most,
which float16 holds. A launcher asks for it."""

ONE, ZERO = Constant(Kind.FLOAT, value=1.0), Constant(Kind.FLOAT, value=0.0)


@dataclass(frozen=True, slots=True)
class Growth:
    """A row as `steady * e^(rate * position + shift)`; rate and shift hold channels, h and what the host knows."""

    steady: Expr
    rate: Expr
    shift: Expr


def grows(expr: Expr) -> bool:
    """Whether a position itself is in an exponent."""
    parts = (part for part in distinct(expr) if isinstance(part, Apply) and part.function in GROWING)
    return any(_stands_at(part.arguments[-1]) for part in parts)


def growth(row: Expr, position: str) -> Growth | None:
    """The growth of a whole row, a rate of 0 included; nothing if it has none in common, or none that is known."""
    if not grows(row):
        return Growth(row, ZERO, ZERO)
    match row:
        case Apply(function="*" | "/" | "+" | "-", arguments=(left, right)):
            both = growth(left, position), growth(right, position)
            return None if both[0] is None or both[1] is None else _together(row, both[0], both[1])
        case Apply(function="neg", arguments=(inner,)):
            found = growth(inner, position)
            return found and Growth(_apply("neg", found.steady), found.rate, found.shift)
        case Apply(function="exp", arguments=(exponent,)):
            return _power(None, exponent, position)
        case Apply(function="^", arguments=(base, exponent)) if not _stands_at(base):
            return _power(base, exponent, position)
    return None


def since_anchors(query: Expr, key: Expr) -> dict[str, Expr]:
    """What rows of queries and of keys with these rates are multiplied by."""
    return {
        "query": _apply("exp", _times(query, _float(QUERY_TOKENS))),
        "key": _apply("exp", _times(key, _float(KEY_TOKENS))),
    }


def names(query: Expr, key: Expr) -> dict[Expr, str]:
    """What generated code calls rates and distances."""
    distances = dict.fromkeys(map(_float, (QUERY_TOKENS, KEY_TOKENS)), "since_anchor")
    return {query: "query_rate", key: "key_rate", **distances, _float(APART): "between_anchors"}


def bridge_exponent(query: Growth, key: Growth) -> tuple[Expr, bool]:
    """What e is taken to between two anchors, and whether that needs float64.

    Where rates and shifts cancel, as in xPos, it is a rate times a distance, and loses no digit far out.
    """
    apart = _times(key.rate, _float(APART))
    if _cancel(query.rate, key.rate) and _cancel(query.shift, key.shift):
        return apart, False
    common = ZERO if _cancel(query.rate, key.rate) else _times(_plus(query.rate, key.rate), _float(QUERY_ANCHOR))
    shift = ZERO if _cancel(query.shift, key.shift) else _plus(query.shift, key.shift)
    return _plus(_plus(common, shift), apart), True


def _cancel(x: Expr, y: Expr) -> bool:
    """Whether two terms have the sum 0 in any arithmetic."""
    factor, rest = _factor(x)
    return (-factor, rest) == _factor(y)


def magnitude(rate: Expr) -> Expr:
    """The rate without its sign: the same for rates that cancel."""
    factor, rest = _factor(rate)
    return _times(Constant(Kind.FLOAT, value=abs(factor)), rest)


def _factor(rate: Expr) -> tuple[float, Expr]:
    """A rate as a number times what is no number."""
    match rate:
        case Apply(function="*", arguments=(Constant() as factor, rest)):
            return float(factor.value), rest
        case Apply(function="neg", arguments=(inner,)):
            number, rest = _factor(inner)
            return -number, rest
        case Constant():
            return float(rate.value), ONE
    return 1.0, rate


def _together(row: Apply, left: Growth, right: Growth) -> Growth | None:
    steady = _apply(row.function, left.steady, right.steady)
    match row.function:
        case "*":
            return Growth(steady, _plus(left.rate, right.rate), _plus(left.shift, right.shift))
        case "/":
            return Growth(steady, _minus(left.rate, right.rate), _minus(left.shift, right.shift))
    same = (left.rate, left.shift) == (right.rate, right.shift)
    return Growth(steady, left.rate, left.shift) if same else None


def _power(base: Expr | None, exponent: Expr, position: str) -> Growth | None:
    """base^(m x + t) = e^(m log(base) x + t log(base))."""
    line = _line(exponent, position)
    if line is None or base is None:
        return line and Growth(ONE, *line)
    slope, rest = line
    logarithm = _apply("log", base)
    return Growth(ONE, _times(slope, logarithm), _times(rest, logarithm))


def _line(expr: Expr, position: str) -> tuple[Expr, Expr] | None:
    """A float as slope * position + rest, neither of which holds a position."""
    if not _stands_at(expr):
        return ZERO, _float(expr)
    match expr:
        case Variable() if expr.name == position:
            return ONE, ZERO
        case Apply(function="float", arguments=(inner,)):
            return _line(inner, position)
        case Apply(function="neg", arguments=(inner,)):
            line = _line(inner, position)
            return line and (_apply("neg", line[0]), _apply("neg", line[1]))
        case Apply(function="+" | "-" as function, arguments=(x, y)):
            lines = _line(x, position), _line(y, position)
            if lines[0] is None or lines[1] is None:
                return None
            return _apply(function, lines[0][0], lines[1][0]), _apply(function, lines[0][1], lines[1][1])
        case Apply(function="*", arguments=(x, y)) if not _stands_at(x):
            line = _line(y, position)
            return line and (_times(_float(x), line[0]), _times(_float(x), line[1]))
        case Apply(function="*", arguments=(x, y)) if not _stands_at(y):
            line = _line(x, position)
            return line and (_times(_float(y), line[0]), _times(_float(y), line[1]))
        case Apply(function="/", arguments=(x, y)) if not _stands_at(y):
            line = _line(x, position)
            return line and (_apply("/", line[0], _float(y)), _apply("/", line[1], _float(y)))
    return None


def _stands_at(expr: Expr) -> bool:
    """Whether a position itself is in an expression, and not only a row that stands there."""
    return any(isinstance(part, Variable) and part.name in ("i", "j") for part in distinct(expr))


def _times(x: Expr, y: Expr) -> Expr:
    return ZERO if ZERO in (x, y) else _apply("*", x, y)


def _plus(x: Expr, y: Expr) -> Expr:
    return y if x == ZERO else _apply("+", x, y)


def _minus(x: Expr, y: Expr) -> Expr:
    return _apply("neg", y) if x == ZERO else _apply("-", x, y)


def _float(expr: Expr) -> Expr:
    if expr.kind is Kind.FLOAT:
        return expr
    if isinstance(expr, Constant):
        return Constant(Kind.FLOAT, value=float(expr.value))
    return Apply(Kind.FLOAT, expr.channels, function="float", arguments=(expr,))


def _apply(function: str, *arguments: Expr) -> Expr:
    kind = Kind.INT if all(argument.kind is Kind.INT for argument in arguments) else Kind.FLOAT
    channels = tuple(sorted({name for argument in arguments for name in argument.channels}))
    return folded(Apply(kind, channels, function=function, arguments=arguments))


QUERY_ANCHOR, KEY_ANCHOR = variable("query_anchor"), variable("key_anchor")
"""A position near the middle of a tile of queries; the middle of the keys that share an anchor."""
QUERY_TOKENS = _apply("-", variable("i"), QUERY_ANCHOR)
KEY_TOKENS = _apply("-", _apply("mod", variable("j"), integer(KEYS_PER_ANCHOR)), integer(KEYS_PER_ANCHOR // 2))
APART = _apply("-", KEY_ANCHOR, QUERY_ANCHOR)
"""How far a query and a key are from their anchors, and these from each other."""

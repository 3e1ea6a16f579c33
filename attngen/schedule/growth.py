"""Rows that grow or shrink with their position, as in xPos, without numbers too large for float32.

    dot(x e^(a i), y e^(b j))  =  dot(x e^(a (i - s)) e^(a s + b t), y e^(b (j - t)))

With an anchor s near the queries of a tile and t near its keys no factor on the right gets far from 1, but for the
bridge e^(a s + b t), and that only where the score itself does. The left side overflows far out: 0.3^(-j/512) is more
than float32 holds from j = 38,000 on.
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
"""The largest rate per token, in either direction: over half an anchor's keys a row changes by e^6.4 at most, which
float16 holds. A launcher asks for it."""

ONE, ZERO = Constant(Kind.FLOAT, value=1.0), Constant(Kind.FLOAT, value=0.0)


@dataclass(frozen=True, slots=True)
class Growth:
    """A row as `steady * e^(rate * position)`; the rate holds channels, h and what the host knows."""

    steady: Expr
    rate: Expr


def grows(expr: Expr) -> bool:
    """Whether a position itself is in an exponent."""
    parts = (part for part in distinct(expr) if isinstance(part, Apply) and part.function in GROWING)
    return any(_stands_at(part.arguments[-1]) for part in parts)


def growth(row: Expr, position: str) -> Growth | None:
    """The growth of a whole row, a rate of 0 included; nothing if it has none in common, or none that is known."""
    if not grows(row):
        return Growth(row, ZERO)
    match row:
        case Apply(function="*" | "/" | "+" | "-", arguments=(left, right)):
            both = growth(left, position), growth(right, position)
            return None if both[0] is None or both[1] is None else _together(row, both[0], both[1])
        case Apply(function="neg", arguments=(inner,)):
            found = growth(inner, position)
            return found and Growth(_apply("neg", found.steady), found.rate)
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


def bridge(query: Expr, key: Expr) -> Expr:
    """The factor between two anchors, of rates of queries and keys: where these cancel, it loses no digit far out."""
    apart = _times(key, _float(APART))
    factor, rate = _factor(query)
    if (-factor, rate) == _factor(key):
        return _apply("exp", apart)
    common = _times(_apply("+", query, key), _float(QUERY_ANCHOR))
    return _apply("exp", _apply("+", common, apart))


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
    match row.function:
        case "*":
            return Growth(_apply("*", left.steady, right.steady), _apply("+", left.rate, right.rate))
        case "/":
            return Growth(_apply("/", left.steady, right.steady), _minus(left.rate, right.rate))
    return Growth(_apply(row.function, left.steady, right.steady), left.rate) if left.rate == right.rate else None


def _power(base: Expr | None, exponent: Expr, position: str) -> Growth | None:
    """base^(m x + t) = base^t e^(m log(base) x)."""
    line = _line(exponent, position)
    if line is None:
        return None
    slope, rest = line
    if base is None:
        return Growth(ONE if rest == ZERO else _apply("exp", rest), slope)
    return Growth(ONE if rest == ZERO else _apply("^", base, rest), _times(slope, _apply("log", base)))


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

"""Weights over pairs that are a function of i times one of j times powers of i - j: those are recurrences.

    w(i, j) = f(i) dot(x_i, y_j) g(j) a^(i - j)   is   S <- a S + outer(y, g v),   out f dot(x, S)

"Transformers are RNNs", arXiv:2006.16236; retention, arXiv:2307.08621. A sum of such weights has a state for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from attngen.analysis.factored import MINUS_ONE, expanded, factors, product, times, total
from attngen.analysis.laws import ONE, of
from attngen.analysis.recurrence import Carried, Reading, Recurrence
from attngen.analysis.sums import from_linear, linear
from attngen.errors import Span
from attngen.ir import nodes
from attngen.ir.expr import (
    TRUE,
    Apply,
    Constant,
    Expr,
    Kind,
    Read,
    Row,
    distinct,
    integer,
    rewrite,
    variable,
    variables,
)

AT_QUERY, AT_KEY = variable("i"), variable("j")
QUERY, KEY = frozenset("i"), frozenset("j")
JOINED = "a factor is no function of i times one of j"


class NotSeparable(Exception):
    """A factor joins i and j in a way that no state can carry; `span` is where it stands."""

    def __init__(self, reason: str, span: Span) -> None:
        super().__init__(reason)
        self.reason, self.span = reason, span


@dataclass(frozen=True, slots=True)
class Separated:
    """A weight: `query(i) * dot(row(i), key(j)) * value(j) * decay^(i - j)`; without a product, row and key are 1."""

    query: Expr
    row: Expr
    key: Expr
    value: Expr
    decay: Expr


def recurrence_of(variant: nodes.Variant) -> Recurrence:
    """The recurrence that a pairwise variant is.

    Raises:
        NotSeparable: it is none.
    """
    body = variant.pairwise
    if body.logit:
        raise NotSeparable("softmax joins all keys of a row", variant.span)
    within = _segments(variant, body.mask)
    separated = [_separated(parts) for parts in expanded(body.score, _is_open)]
    summed = _summed("S", separated, Row(Kind.FLOAT, ("e",), name="v"), within)
    if isinstance(body.normalization, nodes.Unnormalized):
        return summed
    if isinstance(body.normalization, nodes.Sum):
        below, extra = _summed("z", separated, ONE, within), [body.normalization.eps]
    else:
        below, extra = _summed("count", [Separated(ONE, ONE, ONE, ONE, ONE)], ONE, within), []
    under = total([below.out, *extra])
    return Recurrence((*summed.states, *below.states), (*summed.readings, *below.readings), of("/", summed.out, under))


def _summed(name: str, weights: list[Separated], value: Expr, within: tuple[Expr, ...]) -> Recurrence:
    """The sum of some values by weight."""
    states, readings, terms = [], [], []
    for number, weight in enumerate(weights):
        state = name if number == 0 else f"{name}_{number}"
        key, row, scaled = (_at_token(each) for each in (weight.key, weight.row, times(weight.value, value)))
        key_axis = next(iter(key.channels), None)
        states.append(
            Carried(
                state, key_axis, next(iter(value.channels), None), _at_token(weight.decay), key, scaled, within=within
            )
        )
        readings.append(Reading(f"{state}_read", state, row, before=False))
        read = Row(Kind.FLOAT, value.channels, name=f"{state}_read")
        terms.append(times(_at_token(weight.query), read))
    return Recurrence(tuple(states), tuple(readings), total(terms))


def _at_token(expr: Expr) -> Expr:
    """The expression of one token, who is query and key."""
    return rewrite(expr, lambda node: variable("t") if node in (AT_QUERY, AT_KEY) else node)


def _segments(variant: nodes.Variant, mask: Expr) -> tuple[Expr, ...]:
    """What keys and queries have in common where a mask is `j <= i` and equalities of sorted inputs."""
    found, causal = [], False
    for part in _conjuncts(mask):
        match part:
            case Apply(function="<=", arguments=(x, y)) if (x, y) == (AT_KEY, AT_QUERY):
                causal = True
            case Apply(function=">=", arguments=(x, y)) if (x, y) == (AT_QUERY, AT_KEY):
                causal = True
            case Apply(function="==", arguments=(Read() as x, Read() as y)) if _sorted_twins(variant, x, y):
                found.append(_at_token(x))
            case _:
                raise NotSeparable("only `j <= i` and equal `sorted` inputs can be carried along", part.span)
    if not causal:
        raise NotSeparable("a query sees keys behind it: only `mask j <= i` can be carried along", variant.span)
    return tuple(found)


def _conjuncts(mask: Expr) -> list[Expr]:
    if isinstance(mask, Apply) and mask.function == "and":
        return [part for argument in mask.arguments for part in _conjuncts(argument)]
    return [] if mask == TRUE else [mask]


def _sorted_twins(variant: nodes.Variant, x: Read, y: Read) -> bool:
    """Whether one sorted input is read at i and at j."""
    twins = x.input == y.input and _at_token(x) == _at_token(y) and variables(x) ^ variables(y) == {"i", "j"}
    return twins and variant.input(x.input).sorted


def _is_open(weight: Expr) -> bool:
    """Whether a weight is taken apart: rows are in products only."""
    return not (isinstance(weight, Apply) and weight.function == "if") and _has_rows(weight)


def _has_rows(expr: Expr) -> bool:
    return any(isinstance(part, Row) for part in distinct(expr))


def _separated(parts: list[Expr]) -> Separated:
    """One term, factor by factor."""
    query: list[Expr] = []
    value: list[Expr] = []
    decay: list[Expr] = []
    rows: tuple[Expr, Expr] | None = None
    for part in parts:
        sides = variables(part) & (QUERY | KEY)
        if sides <= QUERY:
            query.append(part)
        elif sides <= KEY:
            value.append(part)
        elif (split := _split_product(part)) is not None:
            if rows is not None:
                raise NotSeparable("two products of q and k are multiplied with each other", part.span)
            rows = split
        else:
            powers = _powers(part)
            query += powers.query
            value += powers.value
            decay += powers.decay
    row, key = rows or (ONE, ONE)
    return Separated(product(query), row, key, product(value), times(*decay))


def _split_product(part: Expr) -> tuple[Expr, Expr] | None:
    """The row of the query and that of the key, of a dot product of both."""
    match part:
        case Apply(function="dot", arguments=(x, y)):
            for row, key in ((x, y), (y, x)):
                if variables(row) & KEY == frozenset() and variables(key) & QUERY == frozenset():
                    return row, key
    return None


@dataclass(frozen=True, slots=True)
class _Powers:
    """Factors of i, factors of j, and what decays from one position to the next."""

    query: tuple[Expr, ...] = ()
    value: tuple[Expr, ...] = ()
    decay: tuple[Expr, ...] = ()


def _powers(part: Expr) -> _Powers:
    """Of `base^(a * (i - j) + c)`, and of the exponential of a sum of such terms, terms in i and terms in j."""
    match part:
        case Apply(function="exp", arguments=(exponent,)):
            found = [_exponential(term, part) for term in _summands(exponent)]
            return _Powers(*(tuple(each for one in found for each in getattr(one, side)) for side in _Powers.__slots__))
        case Apply(function="^", arguments=(base, exponent)) if not variables(base) & (QUERY | KEY):
            return _power(exponent, lambda times_: of("^", base, times_), part)
    raise NotSeparable(JOINED, part.span)


def _exponential(term: Expr, whole: Expr) -> _Powers:
    """The exponential of one term of a sum."""
    sides = variables(term) & (QUERY | KEY)
    if sides <= QUERY:
        return _Powers(query=(of("exp", term),))
    if sides <= KEY:
        return _Powers(value=(of("exp", term),))
    distances = [part for part in factors(term) if variables(part) & (QUERY | KEY)]
    others = product(part for part in factors(term) if part not in distances)
    if len(distances) != 1:
        raise NotSeparable(JOINED, whole.span)
    return _power(distances[0], lambda exponent: of("exp", times(exponent, others)), whole)


def _power(exponent: Expr, raised: Callable[[Expr], Expr], whole: Expr) -> _Powers:
    """Something to the power of `n * (i - j)` and a rest that is the same for all pairs."""
    match exponent:
        case Apply(function="float", arguments=(distance,)):
            parts, constant = linear(_not_negative(distance))
            n = parts.pop(AT_QUERY, 0)
            if n and parts.pop(AT_KEY, 0) == -n and not any(variables(part) & (QUERY | KEY) for part in parts):
                rest = from_linear(parts, constant)
                same = () if rest == integer(0) else (raised(of("float", rest)),)
                return _Powers(query=same, decay=(raised(Constant(Kind.FLOAT, value=float(n))),))
    raise NotSeparable(JOINED, whole.span)


def _not_negative(distance: Expr) -> Expr:
    """`abs(i - j)` and `max(i - j, 0)` are `i - j` where no key stands behind its query."""
    match distance:
        case Apply(function="abs", arguments=(x,)):
            return x if _is_forward(x) else distance
        case Apply(function="max", arguments=(x, y)) if integer(0) in (x, y):
            inner = y if x == integer(0) else x
            return inner if _is_forward(inner) else distance
    return distance


def _is_forward(distance: Expr) -> bool:
    """Whether an int is a positive multiple of i - j."""
    parts, constant = linear(distance)
    n = parts.get(AT_QUERY, 0)
    return constant >= 0 and n > 0 and parts == {AT_QUERY: n, AT_KEY: -n}


def _summands(expr: Expr) -> list[Expr]:
    """The terms of a sum, and of a sum with factors."""
    match expr:
        case Apply(function="+", arguments=(x, y)):
            return _summands(x) + _summands(y)
        case Apply(function="-", arguments=(x, y)):
            return _summands(x) + [times(MINUS_ONE, part) for part in _summands(y)]
        case Apply(function="neg", arguments=(x,)):
            return [times(MINUS_ONE, part) for part in _summands(x)]
    return [expr]

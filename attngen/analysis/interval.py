"""Expressions over a box of positions: what values they can take, and whether a predicate holds never, sometimes
or always.

An interval's ends are expressions, so the same rules give numbers for one tile and formulas for all tiles. What has
no rule is unbounded, or holds "sometimes": the analysis is sound by construction.
"""

from __future__ import annotations

from dataclasses import dataclass

from attngen.analysis import algebra as al
from attngen.analysis.rules import RULES, UNBOUNDED, Box, Interval, greatest_of, least_of
from attngen.analysis.sums import fold, from_linear, linear
from attngen.ir.expr import FALSE, TRUE, Apply, Expr, Kind, Read, Row, children, distinct, integer, mentions, variables


@dataclass(frozen=True, slots=True)
class Truth:
    """Two bool expressions: does a predicate hold for all pairs of a box, and can it hold for one?"""

    always: Expr
    possible: Expr


SOMETIMES = Truth(FALSE, TRUE)


INCREASING = frozenset("float floor ceil exp tanh sigmoid softplus relu elu".split())
"""Functions that keep order, everywhere. (`log` and `sqrt` keep it where they are defined.)"""


def is_uniform(expr: Expr) -> bool:
    """Whether an expression has one value per batch row and head: no position, no row, no channel."""
    return (
        not expr.channels and not any(isinstance(part, Row) for part in distinct(expr)) and not mentions(expr, "i", "j")
    )


def interval(expr: Expr, box: Box) -> Interval:
    """The values that an int or float expression can take over a box."""
    if expr not in box.intervals:
        box.intervals[expr] = _computed(expr, box)
    return box.intervals[expr]


def _computed(expr: Expr, box: Box) -> Interval:
    given = box.leaf(expr)
    if given is not None:
        return given
    if isinstance(expr, Read):
        return Interval.point(expr) if is_uniform(expr) else UNBOUNDED
    if not isinstance(expr, Apply):
        return UNBOUNDED if isinstance(expr, Row) or expr.channels else Interval.point(expr)
    if expr.kind is Kind.INT and expr.function in ("+", "-", "neg", "*"):
        terms, constant = linear(expr)
        if list(terms) != [expr]:
            return _sum(terms, constant, box)
    below = [interval(argument, box) for argument in expr.arguments if argument.kind is not Kind.BOOL]
    if expr.function == "if":
        return _choice(expr, below, box)
    if all(part.low is not None and part.low == part.high for part in below):
        return Interval.point(al.build(Apply(expr.kind, function=expr.function, arguments=_ends(below))))
    if expr.function in INCREASING:
        return Interval(*(None if end is None else fold(expr.function, expr.kind, end) for end in _both(below[0])))
    rule = RULES.get(expr.function)
    return UNBOUNDED if rule is None else rule(box, *below)


def truth(expr: Expr, box: Box) -> Truth:
    """Whether a bool expression holds for all pairs of a box, and whether it can hold for any."""
    if _stands_for_itself(expr, box):
        return Truth(expr, expr)
    known = box.leaf(expr)
    if known is not None and known.low is not None and known.high is not None:
        return Truth(known.low, known.high)
    match expr:
        case Apply(function="not", arguments=(operand,)):
            inner = truth(operand, box)
            return Truth(al.inverse(inner.possible), al.inverse(inner.always))
        case Apply(function="and" | "or", arguments=(left, right)):
            a, b = truth(left, box), truth(right, box)
            join = al.both if expr.function == "and" else al.either
            return Truth(join(a.always, b.always), join(a.possible, b.possible))
        case Apply(function="if", arguments=(condition, then, otherwise)):
            c, a, b = truth(condition, box), truth(then, box), truth(otherwise, box)
            taken = al.either(al.both(c.always, a.always), al.both(al.inverse(c.possible), b.always))
            can = al.either(al.both(c.possible, a.possible), al.both(al.inverse(c.always), b.possible))
            return Truth(al.either(taken, al.both(a.always, b.always)), can)
        case Apply(function="<" | "<=" | ">" | ">=" | "==" | "!=", arguments=(left, right)) if (
            left.kind is not Kind.BOOL
        ):
            return _comparison(expr.function, left, right, box)
    return SOMETIMES


def _stands_for_itself(expr: Expr, box: Box) -> bool:
    """Whether a predicate is the same for the whole box, and known to it by its own name."""
    leaves = (part for part in distinct(expr) if not children(part) or isinstance(part, Read))
    return is_uniform(expr) and all(box.leaf(leaf) is None for leaf in leaves)


def _comparison(operator: str, left: Expr, right: Expr, box: Box) -> Truth:
    """Compare through the difference, so that what both sides share cancels."""
    if left.kind is Kind.INT:
        difference, zero = interval(al.subtract(left, right), box), Interval.point(integer(0))
        below, not_above = _less("<", difference, zero), _less("<=", difference, zero)
        above, not_below = _less("<", zero, difference), _less("<=", zero, difference)
    else:
        a, b = interval(left, box), interval(right, box)
        if a.low == a.high and b.low == b.high and a.low is not None and b.low is not None:
            exact = al.compare(operator, a.low, b.low)
            return Truth(exact, exact)
        below, not_above = _less("<", a, b), _less("<=", a, b)
        above, not_below = _less("<", b, a), _less("<=", b, a)
    match operator:
        case "<":
            return Truth(below, al.inverse(not_below))
        case "<=":
            return Truth(not_above, al.inverse(above))
        case ">":
            return Truth(above, al.inverse(not_above))
        case ">=":
            return Truth(not_below, al.inverse(below))
    apart = al.either(below, above)
    zero_only = al.both(not_above, not_below)
    return Truth(zero_only, al.inverse(apart)) if operator == "==" else Truth(apart, al.inverse(zero_only))


def _less(operator: str, a: Interval, b: Interval) -> Expr:
    """Whether every value of a is below (`<`) or not above (`<=`) every value of b; not, if an end is NaN."""
    if a.high is None or b.low is None:
        return FALSE
    if a.high == integer(0):
        return al.compare(MIRRORED[operator], b.low, a.high)
    return al.compare(operator, a.high, b.low)


MIRRORED = {"<": ">", "<=": ">="}


def _sum(terms: dict[Expr, int], constant: int, box: Box) -> Interval:
    low: Expr | None = integer(constant)
    high: Expr | None = integer(constant)
    for term, factor in _together(terms, box).items():
        part = interval(term, box)
        down, up = (part.low, part.high) if factor > 0 else (part.high, part.low)
        scale = integer(factor)
        low = None if low is None or down is None else al.add(low, al.multiply(scale, down))
        high = None if high is None or up is None else al.add(high, al.multiply(scale, up))
    return Interval(low, high)


def _together(terms: dict[Expr, int], box: Box) -> dict[Expr, int]:
    """The terms of a sum; those of one position as one, where the box knows their sum better than each."""
    for position in ("i", "j"):
        mine = {term: factor for term, factor in terms.items() if variables(term) & {"i", "j"} == {position}}
        if len(mine) > 1:
            total = from_linear(mine, 0)
            if box.leaf(total) is not None:
                terms = {**{term: factor for term, factor in terms.items() if term not in mine}, total: 1}
    return terms


def _choice(expr: Apply, below: list[Interval], box: Box) -> Interval:
    """An `if`: the branch, where the condition is decided; else anything between both."""
    condition, value, _ = expr.arguments
    taken = truth(condition, box)
    then, otherwise = below[-2:]
    match condition:
        case Apply(function="<", arguments=(smaller, larger)) if smaller == value and value.kind is Kind.INT:
            end = interval(larger, box).high
            if end is not None:  # where the branch is taken, the value is below what it is compared with
                below_it = al.subtract(end, al.ONE)
                then = Interval(then.low, below_it if then.high is None else al.smallest(then.high, below_it))
    if taken.always == taken.possible:
        ends = [
            None if a is None or b is None else al.choose(taken.always, a, b)
            for a, b in ((then.low, otherwise.low), (then.high, otherwise.high))
        ]
        return Interval(*ends)
    return Interval(least_of(then.low, otherwise.low), greatest_of(then.high, otherwise.high))


def _ends(below: list[Interval]) -> tuple[Expr, ...]:
    return tuple(part.low for part in below if part.low is not None)


def _both(part: Interval) -> tuple[Expr | None, Expr | None]:
    return part.low, part.high

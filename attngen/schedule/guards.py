"""Where a pair has no value: an input read outside of its axes, an int divided by 0.

A condition with the short circuits of `and`, `or` and `if`: what is not looked at can't be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

from attngen.analysis import algebra as al
from attngen.analysis.facts import Facts
from attngen.ir import nodes
from attngen.ir.expr import FALSE, Apply, Expr, Kind, Read, Size, Variable, children, distinct, size
from attngen.schedule.host import is_of_host
from attngen.schedule.rows import products


def outside(expr: Expr, variant: nodes.Variant) -> Expr:
    """A predicate: evaluating `expr` reads an input outside, or divides by 0. `FALSE` if it can't.

    What is checked before the launch (`demands`) is taken for granted.
    """
    return _faults(expr, variant, frozenset(demands(variant)))


def _faults(expr: Expr, variant: nodes.Variant, checked: frozenset[Expr]) -> Expr:
    if _is_product(expr):
        return FALSE  # its rows are computed ahead, and `demands` sees to their reads
    below = [_faults(child, variant, checked) for child in children(expr)]
    if isinstance(expr, Apply) and expr.function in ("and", "or"):
        left = expr.arguments[0]
        reached = left if expr.function == "and" else al.inverse(left)
        return al.either(below[0], al.both(reached, below[1]))
    if isinstance(expr, Apply) and expr.function == "if":
        return al.either(below[0], al.choose(expr.arguments[0], below[1], below[2]))
    fault = _own_fault(expr, variant)
    found: Expr = FALSE
    for part in below if fault in checked else [*below, fault]:
        found = al.either(found, part)
    return found


def demands(variant: nodes.Variant) -> dict[Expr, Expr]:
    """Faults that the host knows and that every pair or token would have, with the division or read.

    They are checked before a launch.
    """
    found: dict[Expr, Expr] = {}
    for part in dict.fromkeys(part for expr in _computed(variant.body) for part in _certain(expr)):
        fault = _own_fault(part, variant, empty=True)
        if fault != FALSE and is_of_host(fault, "c"):
            found.setdefault(fault, part)
    return found


def _computed(body: nodes.Body) -> list[Expr]:
    """What is computed for all pairs, rows of products among it, or for all tokens."""
    if isinstance(body, nodes.Recurrent):
        return [*(state.update for state in body.states), body.out]
    return [body.mask, body.score, *products(body.score)]


def unguarded(product: Expr, variant: nodes.Variant) -> Expr | None:
    """A read or division in the rows of a product whose fault nobody would see."""
    return doubtful(product, variant, frozenset(demands(variant)))


def doubtful(expr: Expr, variant: nodes.Variant, checked: frozenset[Expr] = frozenset()) -> Expr | None:
    """The first read or division that may be at fault, but for faults that are checked elsewhere."""
    parts = sorted(distinct(expr), key=lambda part: part.span.start)
    return next((part for part in parts if _own_fault(part, variant) not in (FALSE, *checked)), None)


def suspects(variant: nodes.Variant) -> Iterator[Expr]:
    """The reads and divisions that may have no value, beyond those that are checked before the launch."""
    checked = demands(variant)
    body = variant.pairwise
    for part in (*distinct(body.mask), *distinct(body.score)):
        if _own_fault(part, variant) not in (FALSE, *checked):
            yield part


def _certain(expr: Expr) -> Iterator[Expr]:
    """The parts that no condition can keep from being looked at."""
    yield expr
    reached = children(expr)
    if isinstance(expr, Apply) and expr.function in ("and", "or", "if"):
        reached = reached[:1]
        if expr.function != "if" and not _settled_on_host(expr.arguments[0]):
            reached = expr.arguments
    for child in reached:
        yield from _certain(child)


def _settled_on_host(condition: Expr) -> bool:
    """Whether a condition may be there to guard against a fault: it asks for nothing but parameters, sizes and h."""
    if isinstance(condition, Apply) and condition.function in ("and", "or", "not"):
        return any(map(_settled_on_host, condition.arguments))
    return is_of_host(condition)


def _own_fault(expr: Expr, variant: nodes.Variant, empty: bool = False) -> Expr:
    """When a division or a read has no value, its parts having one; `FALSE` if never.

    Where it stands for a pair, there is a token; before the launch it is not known (`empty`).
    """
    if isinstance(expr, Apply) and expr.function in ("div", "mod"):
        divisor = expr.arguments[1]
        if isinstance(divisor, Size) and divisor.axis in "BHNM" and not empty:
            return FALSE  # a pair has a batch row, a head, a query and a key
        return FALSE if Facts.of(variant).at_least(divisor, 1) else _compared("==", divisor, al.ZERO)
    fault: Expr = FALSE
    if isinstance(expr, Read):
        for axis, index in zip(variant.input(expr.input).axes, expr.indices, strict=True):
            # The indices of the others are positions, and those are checked; a channel of an own axis stands on it.
            if axis not in nodes.AXIS_SIZES and index != Variable(Kind.INT, (axis,), name=axis):
                beyond = al.either(_compared("<", index, al.ZERO), _compared(">=", index, size(axis)))
                fault = al.either(fault, beyond)
    return fault


def _is_product(expr: Expr) -> bool:
    return isinstance(expr, Apply) and expr.function == "dot"


def _compared(symbol: str, left: Expr, right: Expr) -> Expr:
    return Apply(Kind.BOOL, function=symbol, arguments=(left, right))

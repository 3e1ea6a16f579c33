"""Expressions built with the laws of integers applied: the same code runs on numbers and prints formulas.

Every constructor folds constants, so an analysis that is given numbers gives numbers; given names it gives a short
formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attngen.analysis.sums import fold, from_linear, linear
from attngen.ir.evaluate import HOST
from attngen.ir.expr import FALSE, TRUE, Apply, Constant, Expr, Kind, integer

ZERO, ONE = integer(0), integer(1)


def add(left: Expr, right: Expr) -> Expr:
    if Kind.FLOAT in (left.kind, right.kind):
        return fold("+", Kind.FLOAT, left, right)
    # max(x, y) + c = max(x + c, y + c), and the same for min: ends of ranges stay in one form
    if isinstance(left, Apply) and left.function in ("min", "max") and isinstance(right, Constant):
        return Apply(Kind.INT, function=left.function, arguments=tuple(add(part, right) for part in left.arguments))
    terms, constant = linear(left)
    more, extra = linear(right)
    for term, factor in more.items():
        terms[term] = terms.get(term, 0) + factor
    return from_linear(terms, constant + extra)


def negate(operand: Expr) -> Expr:
    if operand.kind is Kind.FLOAT:
        return fold("neg", Kind.FLOAT, operand)
    terms, constant = linear(operand)
    return from_linear({term: -factor for term, factor in terms.items()}, -constant)


def subtract(left: Expr, right: Expr) -> Expr:
    return fold("-", Kind.FLOAT, left, right) if left.kind is Kind.FLOAT else add(left, negate(right))


def multiply(left: Expr, right: Expr) -> Expr:
    if left.kind is Kind.FLOAT:
        return fold("*", Kind.FLOAT, left, right)
    for constant, other in ((left, right), (right, left)):
        if isinstance(constant, Constant):
            terms, offset = linear(other)
            factor = int(constant.value)
            return from_linear({term: value * factor for term, value in terms.items()}, offset * factor)
    return fold("*", Kind.INT, left, right)


def floor_divide(left: Expr, right: Expr) -> Expr:
    if right == ONE:  # x div 1 = x
        return left
    if left == ZERO:  # 0 div x = 0 for x != 0
        return ZERO
    return fold("div", Kind.INT, left, right)


def ceil_divide(left: Expr, right: Expr) -> Expr:
    """The least integer that is not below left / right, for right > 0."""
    if right == ONE or left == ZERO:
        return left
    return floor_divide(subtract(add(left, right), ONE), right)


def modulo(left: Expr, right: Expr) -> Expr:
    return ZERO if right == ONE or left == ZERO else fold("mod", Kind.INT, left, right)


# order


def smallest(*operands: Expr) -> Expr:
    return _extreme("min", operands)


def largest(*operands: Expr) -> Expr:
    return _extreme("max", operands)


def _extreme(function: str, operands: Iterable[Expr]) -> Expr:
    """min or max with equal operands once, nested ones in one row, and constants folded."""
    flat: list[Expr] = []
    for operand in operands:
        same = isinstance(operand, Apply) and operand.function == function and operand.kind is Kind.INT
        flat += _flattened(function, operand) if same else [operand]
    constants = [item for item in flat if isinstance(item, Constant)]
    others: list[Expr] = list(dict.fromkeys(item for item in flat if not isinstance(item, Constant)))
    kept = _undominated(function, others)
    if constants:
        kept.append((min if function == "min" else max)(constants, key=lambda item: item.value))
    total = kept[0]
    for other in kept[1:]:
        total = Apply(total.kind, function=function, arguments=(total, other))
    return total


def _flattened(function: str, expr: Expr) -> list[Expr]:
    if isinstance(expr, Apply) and expr.function == function:
        return [part for argument in expr.arguments for part in _flattened(function, argument)]
    return [expr]


def _undominated(function: str, operands: list[Expr]) -> list[Expr]:
    """Without those that differ from another only by a constant that makes them irrelevant."""
    kept: list[Expr] = []
    for operand in operands:
        if operand.kind is not Kind.INT:
            kept.append(operand)
            continue
        for k, other in enumerate(kept):
            difference = subtract(operand, other)
            if isinstance(difference, Constant):
                if (difference.value < 0) == (function == "min"):
                    kept[k] = operand
                break
        else:
            kept.append(operand)
    return kept


def compare(operator: str, left: Expr, right: Expr) -> Expr:
    """A comparison of ints or floats; decided where the difference is constant."""
    if left.kind is Kind.INT:
        difference = subtract(left, right)
        if isinstance(difference, Constant):
            return Constant(Kind.BOOL, value=HOST[operator](difference.value, 0))
    return fold(operator, Kind.BOOL, left, right)


# truth


def both(left: Expr, right: Expr) -> Expr:
    if left == TRUE or left == right:
        return right
    if right == TRUE:
        return left
    return FALSE if FALSE in (left, right) else Apply(Kind.BOOL, function="and", arguments=(left, right))


def either(left: Expr, right: Expr) -> Expr:
    if left == FALSE or left == right:
        return right
    if right == FALSE:
        return left
    return TRUE if TRUE in (left, right) else Apply(Kind.BOOL, function="or", arguments=(left, right))


OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
"""The comparison of ints that holds where another does not. (Of floats, none may hold.)"""


def inverse(operand: Expr) -> Expr:
    if isinstance(operand, Constant):
        return Constant(Kind.BOOL, value=not operand.value)
    if isinstance(operand, Apply) and operand.function == "not":
        return operand.arguments[0]
    if isinstance(operand, Apply) and operand.function in ("and", "or"):
        join = either if operand.function == "and" else both
        return join(*map(inverse, operand.arguments))
    if isinstance(operand, Apply) and operand.function in OPPOSITE and operand.arguments[0].kind is Kind.INT:
        return Apply(Kind.BOOL, function=OPPOSITE[operand.function], arguments=operand.arguments)
    return Apply(Kind.BOOL, function="not", arguments=(operand,))


def choose(condition: Expr, then: Expr, otherwise: Expr) -> Expr:
    if then == otherwise:
        return then
    if isinstance(condition, Constant):
        return then if condition.value else otherwise
    if then.kind is Kind.BOOL and isinstance(then, Constant):
        return either(condition, otherwise) if then.value else both(inverse(condition), otherwise)
    if otherwise.kind is Kind.BOOL and isinstance(otherwise, Constant):
        return either(inverse(condition), then) if otherwise.value else both(condition, then)
    return Apply(then.kind, function="if", arguments=(condition, then, otherwise))


CONSTRUCTORS: dict[str, Callable[..., Expr]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "neg": negate,
    "div": floor_divide,
    "mod": modulo,
    "and": both,
    "or": either,
    "not": inverse,
    "if": choose,
}
"""The constructor for each function that has laws; others are only folded."""


def build(expr: Apply) -> Expr:
    """The node again, with the laws applied to it; its arguments are taken as they are."""
    if expr.channels:
        return expr
    if expr.function in ("min", "max") and expr.kind is Kind.INT:
        return _extreme(expr.function, expr.arguments)
    if expr.function in ("<", "<=", ">", ">=", "==", "!=") and expr.arguments[0].kind is Kind.INT:
        left, right = expr.arguments
        decided = compare(expr.function, left, right)
        return decided if isinstance(decided, Constant) else expr
    constructor = CONSTRUCTORS.get(expr.function)
    if constructor is not None and expr.kind is not Kind.FLOAT:
        return constructor(*expr.arguments)
    if expr.function not in HOST and expr.function != "if":
        return expr
    return fold(expr.function, expr.kind, *expr.arguments)


def parts(function: str, expr: Expr) -> list[Expr]:
    """The operands of a nested min or max; the expression itself if it is none."""
    return _flattened(function, expr)

"""Masks that are legal and hardly meant: warnings."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from attngen.analysis.proofs import sees_no_later_key, sees_nothing
from attngen.errors import Diagnostic
from attngen.ir.evaluate import evaluate
from attngen.ir.expr import Apply, Expr, Kind, Read, distinct, mentions, rewrite, variable
from attngen.ir.nodes import Pairwise, Variant

Polynomial = tuple[Fraction, Fraction, Fraction]
"""Coefficients of g^2, g and 1."""

MOST_DOUBTED = 120
"""Expressions of a mask about which something may be found out while a spec is checked; masks have up to sixty."""


def doubts(variant: Variant) -> tuple[Diagnostic, ...]:
    """What is probably a mistake in the mask of a variant."""
    if not isinstance(variant.body, Pairwise):
        return ()
    mask = variant.body.mask
    if len(distinct(mask)) > MOST_DOUBTED:
        return ()
    if sees_nothing(variant, mask):
        text = "no query can see any key: every row of the result is 0"
        help = "one part of the mask excludes another"
        return (Diagnostic("W0301", text, mask.span, "this never holds", help, severity="warning"),)
    return tuple(_leaks(variant, mask))


def _leaks(variant: Variant, mask: Expr) -> Iterator[Diagnostic]:
    """`p(j) <= p(i)` looks causal; where p does not keep the order of positions, it is not."""
    parts = sorted(distinct(mask), key=lambda part: part.span.start)
    part = next(filter(_compares_places, parts), None)
    if part is not None and not sees_no_later_key(variant, mask):
        counted = _counted(variant, mask)
        text = f"the mask lets queries see later keys{f': {counted}' if counted else ''}"
        help = "add `j <= i` if that is not meant"
        yield Diagnostic("W0302", text, part.span, "this is no `j <= i`", help, severity="warning")


def _compares_places(part: Expr) -> bool:
    """Whether a part orders i and j by where a function with a remainder puts them."""
    if not isinstance(part, Apply) or part.function not in ("<", "<=", ">", ">="):
        return False
    left, right = part.arguments
    swap: dict[Expr, Expr] = {variable("i"): variable("j"), variable("j"): variable("i")}
    mirrored = rewrite(left, lambda node: swap.get(node, node)) == right
    folds = any(isinstance(node, Apply) and node.function == "mod" for node in distinct(left))
    by_data = any(isinstance(node, Read) for node in distinct(left))
    return mirrored and folds and not by_data and mentions(part, "i") and mentions(part, "j")


def _counted(variant: Variant, mask: Expr) -> str:
    """How many pairs that is: for a mask over one int parameter, a formula that every small case obeys."""
    ints = [given for given in variant.parameters if given.kind is Kind.INT and _mentions_parameter(mask, given.name)]
    if len(ints) != 1 or any(isinstance(part, Read) for part in distinct(mask)):
        return ""
    name, default = ints[0].name, ints[0].default
    found = []
    for head in range(2):
        cases = {(g, g * k): _future(mask, name, g, g * k, head) for g, k in ((2, 4), (4, 4), (6, 4), (8, 2), (6, 3))}
        formula = _fitted([(g, count) for (g, keys), count in cases.items() if keys == 4 * g])
        if any(_value(formula, g) != count for (g, _), count in cases.items()):
            return ""
        if any(formula):
            shown = f"{_text(formula, name)} pairs" + (f", {_value(formula, int(default))}" if default else "")
            found.append(f"{shown} where {name} divides M, in head {head} of 2")
    return "; ".join(found)


def _mentions_parameter(expr: Expr, name: str) -> bool:
    return any(getattr(part, "name", "") == name for part in distinct(expr))


def _future(mask: Expr, name: str, value: int, keys: int, head: int) -> int:
    """Pairs with i < j that are live."""
    fixed = {name: value, "M": keys, "N": keys, "H": 2, "B": 1, "h": head, "b": 0}
    pairs = ((i, j) for j in range(keys) for i in range(j))
    return sum(bool(evaluate(mask, {**fixed, "i": i, "j": j})) for i, j in pairs)


def _fitted(points: list[tuple[int, int]]) -> Polynomial:
    """The parabola through three points."""
    total = [Fraction(0)] * 3
    for k, (x, y) in enumerate(points):
        a, b = (other for m, (other, _) in enumerate(points) if m != k)
        scale = Fraction(y, (x - a) * (x - b))
        total = [total[0] + scale, total[1] - scale * (a + b), total[2] + scale * a * b]
    return total[0], total[1], total[2]


def _value(formula: Polynomial, g: int) -> Fraction:
    return formula[0] * g * g + formula[1] * g + formula[2]


def _text(formula: Polynomial, name: str) -> str:
    """`(1/4) * group^2`."""
    units = (f" * {name}^2", f" * {name}", "")
    parts = [f"{f'({c})' if c.denominator > 1 else c}{unit}" for c, unit in zip(formula, units, strict=True) if c]
    return " + ".join(parts)

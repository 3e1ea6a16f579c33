"""What is proved about a mask before any call: that rows see a key, that some pair is live at all."""

from __future__ import annotations

from collections.abc import Iterator

from attngen.analysis import algebra as al
from attngen.analysis.bounds import key_bounds
from attngen.analysis.facts import FIRST, LAST, Facts
from attngen.analysis.interval import truth
from attngen.ir.expr import TRUE, Apply, Expr, rewrite, variable
from attngen.ir.nodes import Variant


def sees_itself(variant: Variant, mask: Expr) -> bool:
    """Whether every query that stands in the key sequence sees its own key: then its row is not empty."""
    return _always(variant, _substituted(mask, "j", variable("i")))


def sees_the_first_key(variant: Variant, mask: Expr) -> bool:
    """Whether every query sees key 0, if there is one."""
    return _always(variant, _substituted(mask, "j", al.ZERO))


def sees_nothing(variant: Variant, mask: Expr) -> bool:
    """Whether no query can see any key, whatever the call: certainly a mistake."""
    if sees_itself(variant, mask) or sees_the_first_key(variant, mask):
        return False  # most masks, and proved sooner
    return all(_at_most(variant, stop, start) for start, stop in _keys_of_one_query(variant, mask))


def sees_no_later_key(variant: Variant, mask: Expr) -> bool:
    """Whether the closed form says that no query sees a key behind its own."""
    return all(_at_most(variant, stop, al.add(FIRST, al.ONE)) for _, stop in _keys_of_one_query(variant, mask))


def _keys_of_one_query(variant: Variant, mask: Expr) -> Iterator[tuple[Expr, Expr]]:
    """The hull of a tile that holds one query only."""
    for segment in key_bounds(variant, mask).hull:
        assert segment.start is not None and segment.stop is not None
        yield _substituted(segment.start, LAST.name, FIRST), _substituted(segment.stop, LAST.name, FIRST)


def _at_most(variant: Variant, stop: Expr, start: Expr) -> bool:
    """Whether `stop <= start` is proved, by one part of the min and one of the max that they are."""
    facts = Facts.of(variant)
    pairs = ((low, high) for low in al.parts("max", start) for high in al.parts("min", stop))
    return any(facts.at_least(al.subtract(low, high), 0) for low, high in pairs)


def _always(variant: Variant, predicate: Expr) -> bool:
    """Whether a predicate over i, h and b alone holds for all queries in the key sequence."""
    return truth(predicate, Facts.of(variant)).always == TRUE


def _substituted(expr: Expr, name: str, value: Expr) -> Expr:
    """The expression with a value for a variable, simplified."""
    place = variable(name)

    def rule(part: Expr) -> Expr:
        if part == place:
            return value
        return al.build(part) if isinstance(part, Apply) else part

    return rewrite(expr, rule)

"""What was found out about a variant, kept for the layers of a model that all build the same spec."""

from __future__ import annotations

from functools import lru_cache

from attngen.analysis.doubts import doubts
from attngen.errors import Diagnostic
from attngen.ir.nodes import Variant
from attngen.schedule.plan import Plan, plan

MOST = 64
"""Variants that are remembered."""


class _This:
    """A variant by its identity: equal ones may come from different texts, whose places messages name."""

    __slots__ = ("variant",)

    def __init__(self, variant: Variant) -> None:
        self.variant = variant

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _This) and self.variant is other.variant

    def __hash__(self) -> int:
        return id(self.variant)


def kept_plan(variant: Variant) -> Plan:
    """The plan of a variant.

    Raises:
        SpecError: it cannot be compiled yet.
    """
    return _plan(_This(variant))


def kept_doubts(variant: Variant) -> tuple[Diagnostic, ...]:
    """What is probably a mistake in its mask."""
    return _doubts(_This(variant))


@lru_cache(maxsize=MOST)
def _plan(this: _This) -> Plan:
    return plan(this.variant)


@lru_cache(maxsize=MOST)
def _doubts(this: _This) -> tuple[Diagnostic, ...]:
    return doubts(this.variant)

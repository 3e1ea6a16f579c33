"""What a random spec is tried with, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from attngen.fuzz.campaign import Failure
from attngen.fuzz.language.damage import Misfit
from attngen.fuzz.language.ledger import Ledger
from attngen.fuzz.recipes import Recipe
from attngen.fuzz.ways import Way


@dataclass(frozen=True, slots=True)
class Wrong:
    """A spec that is compiled wrongly, or at which the compiler fails.

    Attributes:
        failure: the call of its kernel that is wrong, if there is one.
    """

    text: str
    message: str
    failure: Failure | None = None
    error: Exception | None = field(default=None, compare=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Between processes, errors are words."""
        return Wrong, (self.text, self.message, self.failure)

    def said(self, message: str) -> Wrong:
        """The same with another message."""
        failure = None if self.failure is None else replace(self.failure, message=message)
        return replace(self, message=message, failure=failure)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A call, how it is computed, and whether gradients are."""

    recipe: Recipe
    way: Way
    backward: bool


@dataclass(frozen=True, slots=True)
class Drawn:
    """The calls of a spec, if it is one; what it becomes when it is damaged; and what is wrong by construction."""

    calls: list[Attempt]
    damaged: list[str] = field(default_factory=list)
    misfits: list[Misfit] = field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    """What came of a campaign: how far it is now, specs of interest by what they are kept for, and what is wrong."""

    ledger: Ledger
    specs: int = 0
    kept: dict[str, str] = field(default_factory=dict)
    wrong: Wrong | None = None

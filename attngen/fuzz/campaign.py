"""Many examples of one spec, and the smallest that fails."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from typing import Any

from hypothesis import HealthCheck, Phase, given, reject, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky, Unsatisfiable

import attngen
from attngen.emit.backends import decide
from attngen.errors import CallError, SpecError
from attngen.fuzz.attempt import assert_right
from attngen.fuzz.call import Call
from attngen.fuzz.choices import choices
from attngen.fuzz.guarded import Guarded
from attngen.fuzz.making import NotAcceptedError, NotDueError, made
from attngen.fuzz.oracle import Disagreement
from attngen.fuzz.recipes import DTYPES, Limits, Recipe, recipes
from attngen.fuzz.ways import WAYS, Way, ways
from attngen.ir import nodes
from attngen.ir.evaluate import Number
from attngen.runtime.checks import check_parameters

LIMITS = {
    "cpp": Limits(tokens=200, pairs=1 << 13, channels=80, batch=3, heads=6, tile=64, far=2**31),
    "triton": Limits(tokens=400, pairs=1 << 15, channels=80, batch=3, heads=6, tile=64, far=2**31),
    "interpreted": Limits(tokens=70, pairs=1 << 10, channels=20, batch=2, heads=2, tile=16),
}
"""Of calls on each backend; `interpreted` is Triton without a GPU."""
NOTHING = "NoneType"
"""A decision that was not to be made."""
ROUND = 100
"""Examples of one seed."""


class OverError(BaseException):
    """Time is over; not an `Exception`, for those are what is searched for."""


def searching(examples: int) -> settings:
    """New examples each time, and the smallest of those that fail."""
    return settings(
        max_examples=examples,
        database=None,
        deadline=None,
        print_blob=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=[*HealthCheck],
        report_multiple_bugs=False,
    )


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that is wrong, after shrinking.

    Attributes:
        message: what is wrong with it.
        backward: whether gradients were asked for.
    """

    message: str
    call: Call
    way: Way
    backward: bool


@dataclass(slots=True)
class Report:
    """What came of a campaign.

    Attributes:
        plan: what was decided for the spec.
        examples: calls that were judged.
        refused: why others were not: what the spec asks of calls, and how often a recipe didn't fit.
        seen: what the calls reached.
    """

    spec: str
    backend: str
    seed: int
    plan: tuple[str, ...] = ()
    examples: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    failure: Failure | None = None

    def as_json(self) -> dict[str, Any]:
        failure = None
        if self.failure is not None:
            failure = {"message": self.failure.message, "call": repr(self.failure.call), "way": str(self.failure.way)}
        return {
            "spec": self.spec, "backend": self.backend, "seed": self.seed,
            "plan": self.plan, "examples": self.examples,
            "seconds": round(self.seconds, 2), "refused": dict(self.refused), "seen": dict(self.seen),
            "failure": failure,
        }  # fmt: skip


def built(variant: nodes.Variant, backend: str, parameters: Mapping[str, Number]) -> attngen.Kernel:
    """The kernel of a spec that `check` accepts, with parameters in their ranges.

    Raises:
        SpecError: the spec can't be compiled for the backend.
        Disagreement: it can't be built, and there is no diagnostic that says why.
    """
    try:
        return attngen.build(variant, backend=backend, **dict[str, Any](parameters))
    except SpecError:
        raise
    except Exception as error:
        raise Disagreement(f"it can't be built: {type(error).__name__}: {error}") from error


@dataclass
class Campaign(Guarded[Report]):
    """Examples of a variant on a backend.

    Attributes:
        variant: the checked spec.
        backend: cpp or triton.
        limits: of calls.
        first: the seed; with it, examples come again.
    """

    variant: nodes.Variant
    backend: str
    limits: Limits
    first: int = 0
    _last: Failure | None = None
    _until: float = inf

    def run(self, examples: int, seconds: float | None = None) -> Report:
        """So many examples, or fewer if time is over, or one fails; then it is shrunk.

        Raises:
            SpecError: the spec can't be compiled for the backend.
        """
        plan = tuple(sorted(each for each in choices(decide(self.variant)) if not each.endswith(NOTHING)))
        report, started = Report(self.variant.name, self.backend, self.first, plan), time.perf_counter()
        self._until = inf if seconds is None else started + seconds
        number = 0
        with suppress(OverError):
            while report.failure is None and report.examples < examples and (report.examples or not number):
                self._round(report, min(ROUND, examples - report.examples), self.first + number)
                number += 1
        report.seconds = time.perf_counter() - started
        return report

    def lost(self, examples: int, last: Failure, message: str) -> Report:
        """What to say where the process of a campaign has ended."""
        failure = replace(last, message=message)
        return Report(self.variant.name, self.backend, self.first, examples=examples, failure=failure)

    def message(self, outcome: Report) -> str:
        """What failed, if anything did."""
        return "" if outcome.failure is None else outcome.failure.message

    def _round(self, report: Report, examples: int, number: int) -> None:
        self._last = None

        @seed(number)
        @searching(examples)
        @given(recipes(self.variant, self.limits, DTYPES), ways(WAYS[self.backend]), st.booleans())
        def examples_of(recipe: Recipe, way: Way, backward: bool) -> None:
            self._example(recipe, way, backward, report)

        try:
            examples_of()
        except Disagreement:
            report.failure = self._last
        except Flaky:
            if self._last is None:
                raise
            report.failure = replace(self._last, message=f"not always: {self._last.message}")
        except Unsatisfiable:
            report.refused["no recipe fits"] += 1

    def _example(self, recipe: Recipe, way: Way, backward: bool, report: Report) -> None:
        if self._last is None and time.perf_counter() > self._until:  # what is found is shrunk all the same
            raise OverError
        try:
            check_parameters(self.variant, recipe.parameters)
            call = made(self.variant, recipe)
        except NotDueError as fault:
            self._last = Failure(str(fault), fault.call, way, backward)
            raise
        except (CallError, NotAcceptedError) as refusal:
            report.refused[str(refusal).split(" (")[0]] += 1
            reject()
        self.trying(Failure("", call, way, backward))
        try:
            kernel = built(self.variant, self.backend, recipe.parameters)
            report.seen += self.judge(partial(assert_right, kernel, call, way, backward=backward))
        except Disagreement as fault:
            self._last = Failure(str(fault), call, way, backward)
            raise
        report.examples += 1
        self.told(report.examples)

"""Many random specs, and the smallest that the compiler gets wrong."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial

from hypothesis import given, seed
from hypothesis import strategies as st
from hypothesis.errors import Flaky

import attngen
from attngen.errors import Source, SpecError
from attngen.fuzz.attempt import assert_right
from attngen.fuzz.campaign import Failure, built, searching
from attngen.fuzz.guarded import Guarded
from attngen.fuzz.language.corpus import is_wanted
from attngen.fuzz.language.damage import damaged, ill_typed
from attngen.fuzz.language.findings import Attempt, Drawn, Outcome, Wrong
from attngen.fuzz.language.front import (
    Front,
    accepted,
    assert_front,
    assert_generated,
    assert_refused,
    explained,
    planned,
)
from attngen.fuzz.language.ledger import Ledger
from attngen.fuzz.language.specs import specs
from attngen.fuzz.oracle import Disagreement
from attngen.fuzz.recipes import DTYPES, Limits, recipes
from attngen.fuzz.ways import WAYS, ways
from attngen.ir.check import check

ROUND = {"front": 50, "cpp": 10, "triton": 5}
"""Specs that one seed makes."""
LIMITS = {
    "front": Limits(tokens=24, pairs=500, channels=4, batch=1, heads=2, tile=8),
    "cpp": Limits(tokens=150, pairs=5000, channels=20, batch=2, heads=3, tile=64, far=2**31),
    "triton": Limits(tokens=40, pairs=800, channels=16, batch=1, heads=2, tile=16),
}
DAMAGED, MISFITS = 3, 2
"""How often each spec is damaged, and how many that are wrong by construction are made of each right one."""
CALLS = 2
"""Calls of each spec."""


@dataclass
class Language(Guarded[Outcome]):
    """Random specs through one stage.

    Attributes:
        stage: `front` (checks, passes, analysis, tiles, generated code), `cpp` or `triton` (that and kernels).
        ledger: what was run before; it goes on.
        held: what there are specs of already, and how long those are: others are kept.
    """

    stage: str
    ledger: Ledger
    held: dict[str, int] = field(default_factory=dict)
    _last: Wrong | None = None
    _known: dict[str, attngen.Variant | None] = field(default_factory=dict)
    _fresh: dict[str, str] = field(default_factory=dict)

    def run(self, examples: int, seconds: float | None = None) -> Outcome:
        """So many different specs, or fewer if time is over or one is wrong; then it is shrunk."""
        started, outcome = time.perf_counter(), Outcome(self.ledger)
        while outcome.wrong is None and outcome.specs < examples:
            if seconds is not None and time.perf_counter() - started > seconds:
                break
            begun, before = time.perf_counter(), deepcopy(self.ledger)
            outcome.wrong = self._round()
            outcome.specs += len(self._known)
            if outcome.wrong is None:
                outcome.kept |= self._fresh
                self._count(len(self._known), time.perf_counter() - begun)
            else:  # this seed is to be run again
                self.ledger = outcome.ledger = before
            self.told(outcome.specs)
            self._known.clear()
            self._fresh.clear()
        return outcome

    def lost(self, examples: int, last: Wrong, message: str) -> Outcome:
        """What to say where the process of a campaign has ended."""
        return Outcome(self.ledger, examples, wrong=last.said(message))

    def message(self, outcome: Outcome) -> str:
        """What is wrong with a spec, if one is."""
        return "" if outcome.wrong is None else outcome.wrong.message

    def _count(self, texts: int, seconds: float) -> None:
        stage = self.ledger.stage(self.stage)
        stage.seed += 1
        stage.specs += texts
        stage.seconds = round(stage.seconds + seconds, 1)

    def _round(self) -> Wrong | None:
        """One seed."""
        self._last = None

        @seed(self.ledger.stage(self.stage).seed)
        @searching(ROUND[self.stage])
        @given(st.data())
        def examples_of(data: st.DataObject) -> None:
            self._example(data)

        try:
            examples_of()
        except Flaky:
            if self._last is None:
                raise
            return self._last.said(f"not always: {self._last.message}")
        except Exception:
            if self._last is None:
                raise
            return self._last
        return None

    def _example(self, data: st.DataObject) -> None:
        text = data.draw(specs())
        # What is known is drawn again, for else shrinking goes astray, and nothing is looked at; unless what was found
        # is shrunk: then the same text may fail with other calls.
        if self._last is None and text in self._known:
            self._drawn(self._known[text], text, data)
            return
        with self._blaming(text):
            self._through(text, data)

    @contextmanager
    def _blaming(self, text: str) -> Iterator[None]:
        """What fails now fails because of this text, unless it fails because of another within."""
        self.trying(Wrong(text, ""))
        try:
            yield
        except Exception as error:
            if self._last is None or self._last.error is not error:
                self._last = Wrong(text, _story(error), error=error)
            raise

    def _drawn(self, variant: attngen.Variant | None, text: str, data: st.DataObject) -> Drawn:
        calls = [] if variant is None else data.draw(_calls(variant, self.stage))
        if self.stage != "front":
            return Drawn(calls)
        misfits = [] if variant is None else [data.draw(ill_typed(text)) for _ in range(MISFITS)]
        return Drawn(calls, [data.draw(damaged(text)) for _ in range(DAMAGED)], [each for each in misfits if each])

    def _through(self, text: str, data: st.DataObject) -> None:
        stage = self.ledger.stage(self.stage)
        front = planned(text)
        drawn = self._drawn(front.variant, text, data)
        judged = [(made_of, each) for each in drawn.calls if (made_of := accepted(front, each.recipe)) is not None]
        for call, _ in judged:
            assert_front(front, call)
        assert_generated(front, text)
        for wrong in drawn.damaged:
            with self._blaming(wrong):
                self._damage(wrong)
        for misfit in drawn.misfits:
            with self._blaming(misfit.text):
                assert_refused(misfit)
        for call, each in judged if self.stage != "front" else ():
            assert front.variant is not None
            self._judge(front.variant, text, Failure("", call, each.way, each.backward))
        if self._last is not None:
            return
        stage.refused += bool(front.codes)
        stage.calls += len(judged)
        stage.mutants += len(drawn.damaged)
        stage.misfits += len(drawn.misfits)
        self._known[text] = front.variant
        self._keep(text, front)

    def _judge(self, variant: attngen.Variant, text: str, tried: Failure) -> None:
        """One call of a kernel, which is compiled if it is new."""
        self.trying(Wrong(text, "", tried))
        call = tried.call
        try:
            kernel = built(variant, self.stage, call.parameters)
            self.judge(partial(assert_right, kernel, call, tried.way, backward=tried.backward))
        except Disagreement as fault:
            self._last = Wrong(text, str(fault), replace(tried, message=str(fault)), fault)
            raise

    def _damage(self, text: str) -> None:
        """It gets diagnostics with places, or means something else, of which code can be made."""
        try:
            check(Source("random.attn", text))
        except SpecError as error:
            explained(error, text)
            for code in {each.code for each in error.diagnostics}:
                self._count_code(text, code)
            return
        self.ledger.stage(self.stage).accepted += 1
        front = planned(text)
        assert_generated(front, text)
        self._keep(text, front)

    def _keep(self, text: str, front: Front) -> None:
        """What was decided of a spec, or why it is refused."""
        for code in front.codes:
            self._count_code(text, code)
        if front.features:
            self.ledger.count(self.ledger.features, front.decisions)
            self._offer(text, front.decisions)

    def _count_code(self, text: str, code: str) -> None:
        self.ledger.count(self.ledger.codes, code)
        self._offer(text, code)

    def _offer(self, text: str, why: str) -> None:
        """Specs are kept of which there is none, or a longer one."""
        if is_wanted(self.held, why, text):
            self.held[why] = len(text.strip())
            self._fresh[why] = text


@st.composite
def _calls(draw: st.DrawFn, variant: attngen.Variant, stage: str) -> list[Attempt]:
    """Of one dtype: compiling takes most of the time."""
    own = recipes(variant, LIMITS[stage], (draw(st.sampled_from(DTYPES)),))
    one = st.builds(Attempt, own, ways(WAYS.get(stage, ("at once",))), st.booleans())
    return [draw(one) for _ in range(CALLS)]


def _story(error: Exception) -> str:
    """What failed, and where."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "attngen" in frame.filename] or frames
    where = f"{own[-1].filename.rsplit('attngen/', 1)[-1]}:{own[-1].lineno}"
    return f"{type(error).__name__}: {error} ({where})"

"""A campaign in a process of its own: a kernel that crashes or hangs is a finding, and not the end of the command."""

from __future__ import annotations

import multiprocessing
import pickle
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

import torch

from attngen.errors import SpecError
from attngen.fuzz.apart import ENDED, ENDLESS, Verdict, how, is_of_one_kind, judge_apart

PATIENCE = 180.0
"""Seconds of one example, its compilation too, after which it is taken to hang."""
AGAIN = 60
"""The same where it is run again to be shrunk."""
Outcome = TypeVar("Outcome")


def _nobody(_: object) -> None:
    """Is told."""


@dataclass(kw_only=True)
class Guarded(ABC, Generic[Outcome]):
    """What can be run so.

    Attributes:
        told: is told how many examples were judged.
        trying: is told of each example before it is computed, for those that never come back.
        apart: seconds that an example may take in a process of its own; none has one unless given.
    """

    told: Callable[[int], None] = _nobody
    trying: Callable[[Any], None] = _nobody
    apart: int | None = None

    @abstractmethod
    def run(self, examples: int, seconds: float | None = None) -> Outcome:
        """So many examples, or fewer if time is over, or one fails; then it is shrunk."""

    @abstractmethod
    def lost(self, examples: int, last: Any, message: str) -> Outcome:
        """What to say where the process has ended; `last` is the last example that it tried."""

    @abstractmethod
    def message(self, outcome: Outcome) -> str:
        """What failed, if anything did."""

    def judge(self, judge: Callable[[], Verdict]) -> Verdict:
        """An example of this campaign, by what raises `Disagreement`.

        Returns:
            What that gives.

        Raises:
            Disagreement: it is wrong; where it is judged apart, it ends the process or hangs, too.
        """
        return judge() if self.apart is None else judge_apart(judge, self.apart)


def run_guarded(
    campaign: Guarded[Outcome],
    examples: int,
    seconds: float | None,
    told: Callable[[int], None],
    patience: float = PATIENCE,
) -> Outcome:
    """The report of a campaign; where a call ends the process or hangs, of the smallest example that does.

    Args:
        told: is told how many examples were judged.

    Raises:
        SpecError: the spec can't be compiled for the backend.
        RuntimeError: the process failed in another way than by a kernel.
    """
    started = time.monotonic()
    outcome, is_lost = _in_a_process(campaign, examples, seconds, told, patience)
    if not is_lost:
        return outcome
    # The same examples again: most kernels are compiled by now, so that it takes no longer.
    until = 2 * (time.monotonic() - started) + AGAIN
    try:
        smaller, is_lost = _in_a_process(replace(campaign, apart=AGAIN), examples, until, told, patience)
    except RuntimeError:
        return outcome
    # Copies may fail for another reason, as on a GPU, which they can't use.
    is_the_same = is_of_one_kind(campaign.message(smaller), campaign.message(outcome))
    return smaller if is_the_same and not is_lost else outcome


def _in_a_process(
    campaign: Guarded[Outcome], examples: int, seconds: float | None, told: Callable[[int], None], patience: float
) -> tuple[Outcome, bool]:
    """What came of it, and whether the process was lost on the way."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(there, campaign, examples, seconds), daemon=True)
    process.start()
    there.close()
    try:
        return _followed(here, campaign, told, patience, process)
    finally:
        process.kill()
        process.join()


def _followed(
    here: Connection, campaign: Guarded[Outcome], told: Callable[[int], None], patience: float, process: BaseProcess
) -> tuple[Outcome, bool]:
    """What the process says, until it is done or says no more."""
    said: Any
    last, examples = None, 0
    while True:
        try:
            message = f"{ENDLESS} {patience:.0f} seconds"
            kind, said = pickle.loads(here.recv_bytes()) if here.poll(patience) else ("lost", None)
        except (EOFError, ConnectionResetError):
            process.join()
            kind, said, message = "lost", None, f"{ENDED}: {how(process.exitcode)}"
        match kind:
            case "judged":
                examples = said
                told(said)
            case "trying":
                last = said
            case "done":
                return said, False
            case "lost" if last is not None:
                return campaign.lost(examples, last, message), True
            case "lost":
                raise RuntimeError(f"before any example: {message}")
            case _:
                raise said


def _run(there: Connection, campaign: Guarded[Any], examples: int, seconds: float | None) -> None:
    """In the process."""

    def say(kind: str, what: object) -> None:
        there.send_bytes(pickle.dumps((kind, what)))

    warnings.simplefilter("ignore")  # specs that are fuzzed may well be suspect
    if campaign.apart is not None:
        torch.set_num_threads(1)  # threads are not there in copies of a process
    campaign.told, campaign.trying = partial(say, "judged"), partial(say, "trying")
    try:
        say("done", campaign.run(examples, seconds))
    except SpecError as error:
        say("error", error)
    except Exception as error:
        say("error", RuntimeError(f"{type(error).__name__}: {error}"))

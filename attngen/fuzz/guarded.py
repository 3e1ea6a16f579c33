"""A campaign in a process of its own: a kernel that crashes or hangs is a finding, and not the end of the command."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection

from attngen.errors import SpecError
from attngen.fuzz.campaign import Campaign, Failure, Report

PATIENCE = 180.0
"""Seconds of one example, its compilation too, after which it is taken to hang."""


def run_guarded(
    campaign: Campaign,
    examples: int,
    seconds: float | None,
    told: Callable[[int], None],
    patience: float = PATIENCE,
) -> Report:
    """The report of a campaign.

    Args:
        told: is told how many examples were judged.

    Raises:
        SpecError: the spec can't be compiled for the backend.
        RuntimeError: the process failed in another way than by a kernel.
    """
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
    here: Connection,
    campaign: Campaign,
    told: Callable[[int], None],
    patience: float,
    process: multiprocessing.process.BaseProcess,
) -> Report:
    """What the process says, until it is done or says no more."""
    last: Failure | None = None
    report = Report(campaign.variant.name, campaign.backend, campaign.first)
    while True:
        try:
            if not here.poll(patience):
                return _lost(report, last, f"the call does not end within {patience:.0f} seconds")
            said = pickle.loads(here.recv_bytes())
        except (EOFError, ConnectionResetError):
            process.join()
            return _lost(report, last, f"the call ends the process: {_signal(process.exitcode)}")
        match said:
            case int(count):
                report.examples = count
                told(count)
            case Failure():
                last = said
            case Report():
                return said
            case SpecError():
                raise said
            case _:
                raise RuntimeError(said)


def _lost(report: Report, last: Failure | None, message: str) -> Report:
    if last is None:
        raise RuntimeError(f"{report.spec}: before any call: {message}")
    report.failure = replace(last, message=message)
    return report


def _signal(code: int | None) -> str:
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


def _run(there: Connection, campaign: Campaign, examples: int, seconds: float | None) -> None:
    """In the process."""

    def say(what: object) -> None:
        there.send_bytes(pickle.dumps(what))

    campaign.told = campaign.trying = say
    try:
        say(campaign.run(examples, seconds))
    except SpecError as error:
        say(error)
    except Exception as error:
        say(f"{type(error).__name__}: {error}")

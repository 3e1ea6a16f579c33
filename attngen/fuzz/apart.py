"""One example in a process of its own, which a kernel may end: what fails so can be shrunk as anything else."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, TypeVar

from attngen.fuzz.oracle import Disagreement

ENDED, ENDLESS = "it ends the process", "it does not end within"
"""How a message begins that says so."""
Verdict = TypeVar("Verdict")


def judge_apart(judge: Callable[[], Verdict], patience: int) -> Verdict:
    """Call it in a copy of this process, in which nothing has run on several threads yet, nor on a GPU.

    Args:
        judge: raises `Disagreement`, ends the process, or hangs, if something is wrong.
        patience: seconds until it is taken to hang.

    Returns:
        What it gives.

    Raises:
        Disagreement: what it raised, or that it ends the process, or does not end.
        RuntimeError: it raised something else.
    """
    here, there = os.pipe()
    copy = os.fork()
    if copy == 0:
        os.close(here)
        _answer(judge, patience, there)
    os.close(there)
    with open(here, "rb") as answers:
        said = answers.read()
    code = os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])
    with suppress(ProcessLookupError):
        os.killpg(copy, signal.SIGKILL)  # a compiler may still be there
    if code == -signal.SIGALRM:
        raise Disagreement(f"{ENDLESS} {patience} seconds")
    if code or not said:
        raise Disagreement(f"{ENDED}: {how(code)}")
    kind, found = pickle.loads(said)
    if kind == "wrong":
        raise Disagreement(found)
    if kind == "failed":
        raise RuntimeError(found)
    verdict: Verdict = found
    return verdict


def is_of_one_kind(message: str, other: str) -> bool:
    """Whether two messages say that a process has ended, or that it has not."""
    return any(message.startswith(kind) and other.startswith(kind) for kind in (ENDED, ENDLESS))


def how(code: int | None) -> str:
    """A process ended: the name of the signal, or its exit code."""
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


def _answer(judge: Callable[[], object], patience: int, there: int) -> NoReturn:
    """In the copy, which ends here whatever happens: it has the files and locks of the one that it was made of."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(patience)
    try:
        said: tuple[str, object]
        try:
            said = ("right", judge())
        except Disagreement as fault:
            said = ("wrong", str(fault))
        except Exception as error:
            said = ("failed", f"{type(error).__name__}: {error}")
        with open(there, "wb") as answers:
            answers.write(pickle.dumps(said))
        os._exit(0)
    finally:
        os._exit(1)

"""One example in a process of its own, which a kernel may end: what fails so can be shrunk as anything else."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable
from typing import NoReturn

from attngen.fuzz.oracle import Disagreement


def judge_apart(judge: Callable[[], object], patience: int) -> None:
    """Call it in a copy of this process, in which nothing has run on several threads yet.

    Args:
        judge: raises `Disagreement`, ends the process, or hangs, if something is wrong.
        patience: seconds until it is taken to hang.

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
    if code == -signal.SIGALRM:
        raise Disagreement(f"it does not end within {patience} seconds")
    if code or not said:
        raise Disagreement(f"it ends the process: {how(code)}")
    kind, message = pickle.loads(said)
    if kind == "wrong":
        raise Disagreement(message)
    if kind == "failed":
        raise RuntimeError(message)


def how(code: int | None) -> str:
    """A process ended: the name of the signal, or its exit code."""
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


def _answer(judge: Callable[[], object], patience: int, there: int) -> NoReturn:
    """In the copy, which ends here whatever happens: it has the files and locks of the one that it was made of."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(patience)
    try:
        said = ("right", "")
        try:
            judge()
        except Disagreement as fault:
            said = ("wrong", str(fault))
        except Exception as error:
            said = ("failed", f"{type(error).__name__}: {error}")
        with open(there, "wb") as answers:
            answers.write(pickle.dumps(said))
        os._exit(0)
    finally:
        os._exit(1)

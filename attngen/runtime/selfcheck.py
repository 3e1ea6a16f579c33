"""The self-check of `attngen doctor`: kernels of each backend that runs here, compared in processes of their own.

A kernel that crashes takes its process along and not the report, and Triton's interpreter and its compiler don't live
in one process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from queue import Queue
from threading import Timer

import torch

from attngen.runtime.comparison import Check, count

PATIENCE = 600.0
"""Seconds after which a process has failed."""


@dataclass(frozen=True, slots=True)
class Job:
    """A process of the self-check.

    Attributes:
        kind: what it does, as `comparison` calls it.
        checks: how many it makes.
        interpreted: whether it interprets Triton.
    """

    kind: str
    checks: int
    interpreted: bool = False


def jobs() -> list[Job]:
    """What can be checked here: C++, and Triton on a GPU, or else interpreted and compiled for a GPU elsewhere."""
    found = [Job("cpp", count("cpp"))]
    if find_spec("triton") is None:
        return found
    if torch.cuda.is_available():
        return [*found, Job("triton", count("triton"))]
    if find_spec("numpy") is not None:  # which the interpreter computes with
        found.append(Job("triton", count("triton"), interpreted=True))
    return [*found, Job("cross", count("cross"))]


def run(given: Sequence[Job]) -> Iterator[Check]:
    """Do them at once; checks come as they are done."""
    found: Queue[Check | None] = Queue()
    with ThreadPoolExecutor(len(given)) as pool:
        for job in given:
            pool.submit(_follow, job, found)
        ended = 0
        while ended < len(given):
            check = found.get()
            if check is None:
                ended += 1
            else:
                yield check


def _follow(job: Job, found: Queue[Check | None]) -> None:
    """Put the checks of a process into the queue, and None behind the last; a process that fails is a failed check."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_INTERPRET": "1"} if job.interpreted else {}
    environment |= {"TRITON_ALWAYS_COMPILE": "1"} if job.kind == "cross" else {}
    command = [sys.executable, "-m", "attngen.runtime.comparison", job.kind]
    done = 0
    try:
        with (
            tempfile.TemporaryFile("w+") as errors,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as process,
        ):
            timer = Timer(PATIENCE, process.kill)
            timer.start()
            assert process.stdout is not None
            for line in process.stdout:
                found.put(Check(**json.loads(line)))
                done += 1
            code = process.wait()
            timer.cancel()
            errors.seek(0)
            said = errors.read().strip().splitlines()
        if code or done < job.checks:
            text = f"the process ended with code {code} after {done} of {job.checks}: {said[-1] if said else ''}"
            found.put(Check(job.kind, "all", False, text, 0.0))
    except Exception as error:
        found.put(Check(job.kind, "all", False, f"{type(error).__name__}: {error}", 0.0))
    finally:
        found.put(None)

"""Work that is not timed, in several processes: compiling takes most of it, and a crash ends one task alone."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 600.0
"""Seconds without any result after which the rest is given up: a process that was killed gives none."""


def in_processes(
    function: Callable[..., T], tasks: Sequence[tuple[object, ...]], workers: int, until: float
) -> Iterator[T]:
    """What the function gives for each task, in any order, until `time.monotonic()` passes a moment.

    Args:
        function: of a module, so that other processes can import it.
        workers: processes; with one, tasks are done here.
    """
    if workers == 1:
        for task in tasks:
            if time.monotonic() >= until:
                return
            yield function(*task)
        return
    with multiprocessing.get_context("spawn").Pool(workers, maxtasksperchild=1) as pool:
        results = pool.imap_unordered(_applied, [(function, task) for task in tasks])
        for _ in tasks:
            try:
                yield results.next(timeout=max(0.0, min(PATIENCE, until - time.monotonic())))
            except multiprocessing.TimeoutError:
                return


def _applied(given: tuple[Callable[..., T], tuple[object, ...]]) -> T:
    function, task = given
    return function(*task)

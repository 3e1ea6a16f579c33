"""Work that takes seconds for each part, done by several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress

Job = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function of a module, and its arguments."""


def in_processes(workers: int, progress: Progress, name: str, jobs: Iterable[Job]) -> Iterator[Any]:
    """What comes of jobs, in their order, with a bar; by new processes, which read files as they are now."""
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        futures = [pool.submit(function, *arguments) for function, arguments in jobs]
        yield from progress.track((future.result() for future in futures), total=len(futures), description=name)

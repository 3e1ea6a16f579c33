"""Work that takes seconds for each part, done by several processes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

    from attngen.runtime.inspect.starting import Job

PROCESSES = os.cpu_count() or 1
Workers = Annotated[int, typer.Option(help="Processes that compile.")]


def in_processes(workers: int, progress: Progress, name: str, jobs: Iterable[Job]) -> Iterator[Any]:
    """What comes of jobs, in their order, with a bar; by new processes, which read files as they are now."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        futures = [pool.submit(function, *arguments) for function, arguments in jobs]
        yield from progress.track((future.result() for future in futures), total=len(futures), description=name)

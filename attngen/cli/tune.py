"""`attngen tune`: the sizes of tiles and launches, with a GPU and without one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attngen.cli.options import fail

if TYPE_CHECKING:
    from rich.progress import Progress

    from attngen.runtime.inspect.starting import Job


def tune(
    specs: Annotated[Path, typer.Argument(help="The folder of the specs.")] = Path("specs"),
    static: Annotated[
        bool, typer.Option("--static", help="Make the table of defaults anew; no GPU is needed.")
    ] = False,
    workers: Annotated[int, typer.Option(help="Processes that compile.")] = os.cpu_count() or 1,
) -> None:
    """Find the sizes that kernels run with.

    With --static every kernel is compiled for all GPUs that attngen knows: sizes that don't fit or spill registers are
    left out, the others are ordered by the cycles that their inner loop is predicted to take.
    """
    if os.environ.get("TRITON_INTERPRET") == "1":
        fail("Triton can't compile where TRITON_INTERPRET=1 is set: unset it for this command")
    if static:
        _static(specs, workers)


def _static(specs: Path, workers: int) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from attngen.ir.load import load_all
    from attngen.runtime.inspect.starting import Table, fitted, fitted_recurrences, searched
    from attngen.schedule.defaults import PATH

    variants = [variant for path in sorted(specs.glob("*.attn")) for variant in load_all(path)]
    plain = next((each for each in variants if each.name == "causal"), None)
    if plain is None:
        fail(f"{specs} holds no `causal`, with which sizes are searched")
    table = Table(json.loads(PATH.read_text(encoding="utf-8"))["skeletons"])
    with Progress(console=Console(stderr=True)) as progress:
        found = searched(plain, partial(_done, workers, progress, "kernels of pairs"), table)
        _write(table, PATH)  # kernels are generated with what stands there
        left = fitted(variants, found, partial(_done, workers, progress, "specs"), table)
        left += fitted_recurrences(variants, partial(_done, workers, progress, "recurrences"), table)
    _write(table, PATH)
    for each in left:
        print(f"no sizes fit: {each}")


def _done(workers: int, progress: Progress, name: str, jobs: Iterable[Job]) -> Iterator[Any]:
    """What comes of jobs, in their order, with a bar."""
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        futures = [pool.submit(function, *arguments) for function, arguments in jobs]
        yield from progress.track((future.result() for future in futures), total=len(futures), description=name)


def _write(table: Any, path: Path) -> None:
    """One line for each cell of a skeleton."""
    text = json.dumps({"skeletons": table.skeletons, "specs": table.specs}, indent=1, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")

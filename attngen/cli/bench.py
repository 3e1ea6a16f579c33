"""`attngen bench`: what is measured, side by side with what is possible."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attngen.cli.bench_build import build
from attngen.cli.bench_cpu import cpu
from attngen.cli.bench_gpu import gpu
from attngen.cli.bench_parallel import parallel
from attngen.cli.bench_resources import resources
from attngen.cli.options import AsJson

if TYPE_CHECKING:
    from rich.table import Table

    from attngen.bench.structure import Row, Truth

bench = typer.Typer(no_args_is_help=True, help="Measure how good the compiler and its kernels are.")


@bench.callback()
def _bench() -> None:
    """One command for each thing that is measured."""


bench.command()(build)
bench.command()(cpu)
bench.command()(gpu)
bench.command()(parallel)
bench.command()(resources)


@bench.command()
def structure(
    specs: Annotated[Path, typer.Argument(help="The folder of the specs.")] = Path("specs"),
    tokens: Annotated[int, typer.Option(help="Queries and keys; a multiple of 512.")] = 16384,
    only: Annotated[list[str], typer.Option(help="Only masks whose name holds this; may be repeated.")] = [],  # noqa: B006
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
) -> None:
    """Count the tiles that kernels visit against those that hold a live pair, for tiles of 32, 64 and 128."""
    from rich.console import Console
    from rich.progress import track

    from attngen.bench.corpus import corpus
    from attngen.bench.structure import ROWS, measured, summary

    if tokens < ROWS or tokens % ROWS:
        raise typer.BadParameter(f"{tokens} is no multiple of {ROWS}", param_hint="--tokens")
    subjects = [each for each in corpus(specs, tokens) if not only or any(word in each.variant.name for word in only)]
    if not subjects:
        raise typer.BadParameter(f"{specs} holds no spec of that name", param_hint="--only")
    stages = track(subjects, description="masks", console=Console(stderr=True), disable=as_json)
    truths: dict[object, Truth] = {}
    rows = [measured(subject, tokens, truths) for subject in stages]
    if as_json:
        print(json.dumps({"summary": summary(rows), "masks": [row.as_json() for row in rows]}, indent=2))
        return
    if markdown:
        lines = [HEADS, ["---"] * len(HEADS), *map(_cells, rows)]
        print("\n".join(f"| {' | '.join(line)} |" for line in lines), end="\n\n")
    else:
        Console().print(_table(rows))
    for name, value in summary(rows).items():
        print(f"{'* ' if markdown else ''}{name}: {value:.4g}")


HEADS = ["mask", "walk", "visited/live", "full found", "pairs/live", "forced", "analysis", "fallbacks"]


def _table(rows: list[Row]) -> Table:
    """One line for each mask."""
    from rich.table import Table

    table = Table(*HEADS, caption="tiles of 32, 64, 128; pairs at the best of them; forced: pairs of live tiles")
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: Row) -> list[str]:
    best = row.best
    live_pairs = max(best.live_pairs, 1)
    return [
        row.name + (" *" if row.outside else ""),
        row.walk + (", ordered" if row.ordered else ""),
        " ".join(f"{counts.visited / max(counts.live, 1):.3f}" for counts in row.counts),
        " ".join(f"{counts.full_found / max(counts.full, 1):.2f}" if counts.full else "-" for counts in row.counts),
        f"{best.pairs / live_pairs:.2f}",
        f"{best.live * best.tile**2 / live_pairs:.2f}",
        f"{row.analysis_ms:.0f} ms",
        str(row.fallbacks),
    ]

"""`attngen bench parallel`: sequences shared by real ranks, against one process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attngen.cli.options import AsJson, fail

if TYPE_CHECKING:
    from attngen.bench.partitions import Row

HEADS = ["spec", "layout", "travels back", "ranks", "y", "gradients", "messages", "bytes"]


def parallel(
    specs: Annotated[Path, typer.Argument(help="The folder of the specs.")] = Path("specs"),
    only: Annotated[list[str], typer.Option(help="Only specs of this name; may be repeated.")] = [],  # noqa: B006
    ranks: Annotated[list[int], typer.Option(min=1, help="Processes; may be repeated.")] = [2, 3, 4, 8],  # noqa: B006
    output: Annotated[Path | None, typer.Option("-o", help="Write OUTPUT.json and .md.")] = None,
    as_json: AsJson = False,
) -> None:
    """Share sequences of every spec among processes of this machine, in every layout, and compare with one process.

    Shown are errors, as parts of the largest number, and what all ranks sent, forward and backward. Times say nothing
    here: ranks share the processors, and gloo copies what it sends.
    """
    from rich.console import Console
    from rich.progress import Progress

    from attngen.bench.partitions import choices, measured
    from attngen.cli.bench_report import table
    from attngen.ir.load import load_all

    paths = [path for path in sorted(specs.glob("*.attn")) if not only or path.stem in only]
    if not paths:
        fail(f"{specs} holds no spec of that name")
    count = sum(len(choices(variant)) for path in paths for variant in load_all(path))
    rows: list[Row] = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for number in ranks:
            rows += progress.track(measured(paths, number), total=count, description=f"{number} ranks")
    if output is not None:
        _write(output, rows)
    if as_json:
        print(json.dumps([row.as_json() for row in rows], indent=1))
    else:
        print(table(HEADS, map(_cells, rows), "errors as parts of the largest number; sent by all ranks together"))


def _cells(row: Row) -> list[str]:
    numbers = [f"{row.y:.1e}", f"{row.gradients:.1e}", str(row.messages), str(row.bytes)]
    return [row.spec, row.layout, row.send, str(row.ranks), *numbers]


def _write(output: Path, rows: list[Row]) -> None:
    """The rows for programs; for people, the worst error of each spec and layout over all numbers of ranks."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".json").write_text(
        json.dumps([row.as_json() for row in rows], indent=1) + "\n", encoding="utf-8"
    )
    counts = sorted({row.ranks for row in rows})
    heads = ["spec", "layout", "travels back", "y", "gradients", *(f"bytes, {count} ranks" for count in counts)]
    lines = [heads, ["---"] * len(heads)]
    for key in dict.fromkeys((row.spec, row.layout, row.send) for row in rows):
        same = {row.ranks: row for row in rows if (row.spec, row.layout, row.send) == key}
        worst = [f"{max(row.y for row in same.values()):.1e}", f"{max(row.gradients for row in same.values()):.1e}"]
        lines.append([*key, *worst, *(str(same[count].bytes) if count in same else "" for count in counts)])
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    output.with_suffix(".md").write_text(text, encoding="utf-8")

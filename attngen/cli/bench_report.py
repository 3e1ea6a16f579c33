"""How benchmarks are shown: a table on the terminal, and files for programs and people."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attngen.view.scene import Scene


def table(heads: Sequence[str], lines: Iterable[Sequence[str]], caption: str) -> str:
    """A table for the terminal, as wide as it is: broken cells are hard to read, and a terminal can be made wider."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(*heads, caption=caption)
    for line in lines:
        shown.add_row(*line)
    console = Console(width=500)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


def write(
    output: Path,
    report: dict[str, Any],
    numbers: Iterable[Sequence[object]],
    lines: Sequence[Sequence[str]],
    notes: Iterable[str],
    chart: Scene,
) -> None:
    """OUTPUT.json with the report, .csv with the numbers, .md with the lines and notes, .svg with the chart.

    Args:
        numbers, lines: of a table each, with its heads in front.
    """
    from attngen.view.svg import svg

    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    with output.with_suffix(".csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(numbers)
    heads, *rest = lines
    text = "".join(f"| {' | '.join(line)} |\n" for line in (heads, ["---"] * len(heads), *rest))
    text += "\n" + "".join(f"* {note}\n" for note in notes)
    output.with_suffix(".md").write_text(text, encoding="utf-8")
    output.with_suffix(".svg").write_text(svg(chart), encoding="utf-8")

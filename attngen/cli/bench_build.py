"""`attngen bench build`: how long a user waits for a kernel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attngen.cli.options import AsJson

if TYPE_CHECKING:
    from attngen.bench.builds import Row

HEADS = ["spec", "backend", "build, cold", "warm", "again", "first call, cold", "warm"]


def build(
    specs: Annotated[Path, typer.Argument(help="The folder of the specs.")] = Path("specs"),
    only: Annotated[list[str], typer.Option(help="Only specs of this name; may be repeated.")] = [],  # noqa: B006
    rounds: Annotated[int, typer.Option(help="How often each is measured; medians are shown.")] = 5,
    output: Annotated[Path | None, typer.Option("-o", help="Write OUTPUT.json and .md.")] = None,
    as_json: AsJson = False,
) -> None:
    """Time `attngen.build` and the first call in fresh processes, with an empty cache and with a full one.

    Without a GPU, the first call of Triton is compiling its kernels for a GPU that is not here.
    """
    from rich.console import Console
    from rich.progress import track

    from attngen.bench.builds import BACKENDS, SPECS, measured

    paths = [specs / f"{name}.attn" for name in only or SPECS]
    if missing := [str(path) for path in paths if not path.exists()]:
        raise typer.BadParameter(f"{missing[0]} is not there", param_hint="--only")
    jobs = [(path, backend) for path in paths for backend in BACKENDS]
    stages = track(jobs, description="builds", console=Console(stderr=True), disable=as_json)
    rows = [measured(path, backend, rounds) for path, backend in stages]
    report = {"machine": _machine(), "rounds": rounds, "builds": [row.as_json() for row in rows]}
    text = _text(rows, report)
    if output is not None:
        output.with_suffix(".md").write_text(f"{text}\n", encoding="utf-8")
        output.with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2) if as_json else text)


def _machine() -> dict[str, str]:
    from attngen.runtime.machine import compiler_version, cpu_name, devices, installed

    return {
        "cpu": cpu_name(),
        "gpu": ", ".join(each.name for each in devices()),
        "compiler": compiler_version(),
        **{name: installed(name) for name in ("torch", "triton")},
    }


def _text(rows: list[Row], report: dict[str, Any]) -> str:
    """A table in Markdown, and what else there is to know."""
    import statistics

    machine = report["machine"]
    imports = {
        name: statistics.median(seconds[name] for row in rows for seconds in (row.cold, row.warm))
        for name in ("torch", "attngen")
    }
    lines = [f"| {' | '.join(cells)} |" for cells in (HEADS, ["---"] * len(HEADS), *map(_cells, rows))]
    notes = [
        f"{machine['cpu']}, {machine['gpu'] or 'no GPU'}; {machine['compiler']}; torch {machine['torch']},"
        f" triton {machine['triton']}; medians of {report['rounds']}",
        "cold: a fresh process with an empty cache; warm: one with what that has left; again: the second build of a"
        " process",
        "build makes the generated files and imports them; with Triton, that imports Triton",
        *(
            []
            if machine["gpu"]
            else ["first call of Triton: compiling the kernels of the forward pass for cuda:90, as none runs here"]
        ),
        f"before that, importing torch takes {imports['torch']:.1f} s, and attngen {imports['attngen']:.1f} s",
    ]
    return "\n".join([*lines, "", *(f"* {note}" for note in notes)])


def _cells(row: Row) -> list[str]:
    cold, warm = ({"call": seconds.get("cross"), **seconds} for seconds in (row.cold, row.warm))
    found = (cold["build"], warm["build"], warm["again"], cold["call"], warm["call"])
    return [row.variant, row.backend, *(_time(seconds) for seconds in found if seconds is not None)]


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"

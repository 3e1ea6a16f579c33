"""`attngen bench resources`: what every kernel takes of GPUs that are not here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attngen.cli.jobs import PROCESSES, Workers, in_processes
from attngen.cli.options import AsJson, require_compiler

if TYPE_CHECKING:
    from attngen.bench.resources import Place, Row
    from attngen.ir.nodes import Variant

Targets = Annotated[
    list[str], typer.Option("--target", help="cuda:80, cuda:90, cuda:100, hip:gfx942; may be repeated.")
]
Widths = Annotated[list[int], typer.Option("--width", help="Channels of a head; may be repeated.")]
Dtypes = Annotated[list[str], typer.Option("--dtype", help="float32, bfloat16 or float16; may be repeated.")]
Only = Annotated[list[str], typer.Option(help="Only variants whose name holds this; may be repeated.")]
Every = Annotated[bool, typer.Option("--all", help="Compile also what OUTPUT.json has from the same kernels.")]


def resources(
    specs: Annotated[Path, typer.Argument(help="The folder of the specs.")] = Path("specs"),
    target: Targets = ["cuda:80", "cuda:90", "cuda:100", "hip:gfx942"],  # noqa: B006
    width: Widths = [64],  # noqa: B006
    dtype: Dtypes = ["bfloat16"],  # noqa: B006
    only: Only = [],  # noqa: B006
    every: Every = False,
    workers: Workers = PROCESSES,
    output: Annotated[Path | None, typer.Option("-o", help="Write OUTPUT.json and .md.")] = None,
    as_json: AsJson = False,
) -> None:
    """Registers, spilled bytes, shared memory and inner loops of all kernels with the sizes they start with.

    No GPU is needed. What OUTPUT.json has is kept where the digest says that it came from the same kernels, and what
    it has of others than those that are asked for.
    """
    from attngen.bench.resources import as_json as for_programs
    from attngen.bench.resources import as_markdown, known
    from attngen.ir.load import load_all
    from attngen.runtime.cross import TARGETS

    if unknown := [each for each in target if each not in TARGETS]:
        raise typer.BadParameter(f"choose one of {', '.join(TARGETS)}, not {unknown[0]}", param_hint="--target")
    require_compiler()
    variants = [variant for path in sorted(specs.glob("*.attn")) for variant in load_all(path)]
    chosen = [variant for variant in variants if not only or any(word in variant.name for word in only)]
    places = {
        (variant.name, each, kind, size): variant
        for size in width
        for kind in dtype
        for variant in chosen
        for each in target
    }
    kept = known(output.with_suffix(".json")) if output is not None else {}
    rows = _rows(places, {} if every else kept, workers)
    if output is not None:
        names = {variant.name for variant in variants}
        others = [row for place, of in kept.items() if place not in places and place[0] in names for row in of]
        rows = sorted([*rows, *others], key=lambda row: (*_order(row, variants), row["dtype"], row["width"]))
        output.with_suffix(".md").write_text(as_markdown(rows), encoding="utf-8")
        output.with_suffix(".json").write_text(for_programs(rows), encoding="utf-8")
    print(for_programs(rows) if as_json else as_markdown(rows))


def _order(row: Row, variants: list[Variant]) -> tuple[int, int]:
    """By spec, then by target, as they are listed elsewhere."""
    from attngen.runtime.cross import TARGETS

    return [variant.name for variant in variants].index(row["variant"]), [*TARGETS].index(row["target"])


def _rows(places: dict[Place, Variant], before: dict[Place, list[Row]], workers: int) -> list[Row]:
    """Those that are known of the same kernels, and others compiled."""
    from rich.console import Console
    from rich.progress import Progress

    from attngen.bench.resources import is_stale, measured

    with Progress(console=Console(stderr=True)) as progress:
        looked = progress.track(places.items(), description="what has changed")
        stale = [place for place, variant in looked if place not in before or is_stale(variant, place, before[place])]
        jobs = ((measured, (places[place], *place[1:])) for place in stale)
        found = dict(zip(stale, in_processes(workers, progress, "kernels", jobs), strict=True))
    return [row for place in places for row in (found[place] if place in found else before[place])]

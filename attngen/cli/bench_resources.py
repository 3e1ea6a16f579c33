"""`attngen bench resources`: what the kernels of the backward pass take of a GPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attngen.cli.options import AsJson

if TYPE_CHECKING:
    from attngen.bench.resources import Row

HEADS = [
    "variant",
    "kernel",
    "dtype",
    "D",
    "tile, warps, stages",
    "registers",
    "spilled",
    "shared",
    "at first",
]
Widths = Annotated[list[int], typer.Option("--width", help="Channels of a head; may be repeated.")]
Dtypes = Annotated[list[str], typer.Option("--dtype", help="float32, bfloat16 or float16; may be repeated.")]
Only = Annotated[list[str], typer.Option(help="Only variants whose name holds this; may be repeated.")]


def resources(
    specs: Annotated[Path, typer.Argument(help="The folder of the specs.")] = Path("specs"),
    target: Annotated[str, typer.Option(help="cuda:80, cuda:90 or cuda:100.")] = "cuda:90",
    width: Widths = [64],  # noqa: B006
    dtype: Dtypes = ["bfloat16"],  # noqa: B006
    only: Only = [],  # noqa: B006
    output: Annotated[Path | None, typer.Option("-o", help="Write OUTPUT.json and .md.")] = None,
    as_json: AsJson = False,
) -> None:
    """Registers, spilled bytes and shared memory of kernels of backward passes, and of recurrences; no GPU is needed.

    A kernel that spills with the sizes that it starts with is compiled for the others that are searched. Tiles are
    queries and keys, or tokens and channels of values.
    """
    from rich.console import Console
    from rich.progress import track

    from attngen.bench.resources import measured
    from attngen.ir.load import load_all
    from attngen.runtime.inspect.usage import ARCHITECTURES

    if target not in ARCHITECTURES:
        raise typer.BadParameter(f"choose one of {', '.join(ARCHITECTURES)}", param_hint="--target")
    variants = [variant for path in sorted(specs.glob("*.attn")) for variant in load_all(path)]
    chosen = [variant for variant in variants if not only or any(word in variant.name for word in only)]
    jobs = [(variant, kind, size) for size in width for kind in dtype for variant in chosen]
    stages = track(jobs, description="kernels", console=Console(stderr=True), disable=as_json)
    rows = [row for variant, kind, size in stages for row in measured(variant, target, kind, size)]
    text = _text(rows, target)
    if output is not None:
        output.with_suffix(".md").write_text(f"{text}\n", encoding="utf-8")
        output.with_suffix(".json").write_text(_json(rows, target) + "\n", encoding="utf-8")
    print(_json(rows, target) if as_json else text)


def _json(rows: list[Row], target: str) -> str:
    return json.dumps({"target": target, "kernels": [row.as_json() for row in rows]}, indent=2)


def _text(rows: list[Row], target: str) -> str:
    """A table in Markdown, and what it comes to."""
    import triton

    lines = [f"| {' | '.join(cells)} |" for cells in (HEADS, ["---"] * len(HEADS), *map(_cells, rows))]
    spilling = [row for row in rows if row.spilled]
    names = ", ".join(f"{row.kernel} of {row.variant}" for row in spilling)
    found = f"{len(spilling)} spill in all configurations{': ' + names if names else ''}"
    return "\n".join(
        [
            *lines,
            "",
            f"* {target}, triton {triton.__version__}; bytes of a thread that spill, and of shared memory of a program",
            "* where a kernel spills with the sizes it starts with, sizes with which it doesn't are shown, and what it"
            " spills at first",
            f"* {len(rows)} kernels, of which {found}",
        ]
    )


def _cells(row: Row) -> list[str]:
    tiles = ", ".join(map(str, row.tiles))
    numbers = [row.registers, row.spilled, row.shared, row.at_first or "-"]
    return [row.variant, row.kernel, row.dtype, str(row.width), tiles, *map(str, numbers)]

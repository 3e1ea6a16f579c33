"""`attngen bench cpu`: kernels beside PyTorch's own."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attngen.cli.bench_recurrent import Job, recurrent
from attngen.cli.bench_report import table, write
from attngen.cli.options import AsJson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attngen.bench.cpu import Decoding, Length, Peaks, Row


class Family(StrEnum):
    """What is timed."""

    PAIRWISE = "pairwise"
    RECURRENT = "recurrent"


Families = Annotated[Family, typer.Option(help="Attention over pairs, or recurrences.")]
Widths = Annotated[
    list[int], typer.Option("--width", help="Channels of a head; may be repeated. 64 and 128; recurrent: 64.")
]
Dtypes = Annotated[
    list[str], typer.Option("--dtype", help="May be repeated. bfloat16 and float32; recurrent: float32.")
]
Peers = Annotated[list[str], typer.Option("--peer", help="Of pairs: eager, sdpa or flex; may be repeated.")]
Only = Annotated[list[str], typer.Option(help="Only variants whose name holds this; may be repeated.")]


def cpu(
    specs: Annotated[Path, typer.Argument(help="The folder of the specs.")] = Path("specs"),
    family: Families = Family.PAIRWISE,
    tokens: Annotated[int, typer.Option(min=16, help="Queries and keys.")] = 4096,
    heads: Annotated[int, typer.Option(min=1, help="Heads.")] = 8,
    width: Widths = [],  # noqa: B006
    dtype: Dtypes = [],  # noqa: B006
    peer: Peers = ["eager", "sdpa", "flex"],  # noqa: B006
    only: Only = [],  # noqa: B006
    rounds: Annotated[int, typer.Option(min=2, help="How often each contestant runs; they take turns.")] = 7,
    long: Annotated[bool, typer.Option(help="Also long sequences, and one query or token at a time.")] = True,
    backward: Annotated[bool, typer.Option("--backward", help="Forward and backward; recurrent: always both.")] = False,
    output: Annotated[Path | None, typer.Option("-o", help="Write OUTPUT.json, .csv, .svg and .md.")] = None,
    as_json: AsJson = False,
) -> None:
    """Time kernels against eager PyTorch, SDPA and compiled FlexAttention, in one process and by turns."""
    if set(dtype) - {"float32", "bfloat16"}:
        raise typer.BadParameter("dtypes are float32 and bfloat16")
    if family is Family.RECURRENT:
        job = Job(specs, tokens, heads, width or [64], dtype or ["float32"], only, rounds, long)
        recurrent(job, output, as_json)
        return
    import torch
    from rich.console import Console
    from rich.progress import Progress

    from attngen.bench import cpu as bench
    from attngen.bench.peers import Sizes
    from attngen.bench.timing import keep_memory
    from attngen.bench.variants import subjects

    if set(peer) - set(bench.PEERS):
        raise typer.BadParameter(f"peers are {', '.join(bench.PEERS)}")
    keep_memory()
    width = width or [64, 128]
    dtypes = tuple(getattr(torch, name) for name in dtype or ["bfloat16", "float32"])
    chosen = [each for each in subjects(specs, tokens, heads) if not only or any(word in each.name for word in only)]
    jobs = [
        (each, size, kind) for size in width for kind in dtypes for each in chosen if each.plain or size == width[0]
    ]
    long = long and not backward
    rows: list[Row] = []
    with Progress(console=Console(stderr=True), disable=as_json, transient=True) as progress:
        task = progress.add_task("peaks", total=len(jobs) + 1 + 2 * long)
        limits = bench.peaks(dtypes)
        for subject, size, kind in jobs:
            progress.update(task, advance=1, description=f"{subject.name} {bench.name_of(kind)} {size}")
            rows.append(bench.measured(subject, Sizes(heads, tokens, size), kind, rounds, limits, set(peer), backward))
        progress.update(task, advance=1, description="long windows")
        windows = list(bench.lengths(specs, heads, width[0], rounds)) if long else []
        progress.update(task, advance=1, description="one query")
        decoded = [bench.decoding(specs, kind, heads, width[0], 3 * rounds) for kind in dtypes] if long else []
    report = _report(limits, rows, windows, decoded)
    notes = _notes(report, rows, limits, windows, decoded)
    if backward:
        notes.append("forward and backward, to q, k and v; FlexAttention can't train on a CPU")
    if output is not None:
        _write(output, report, rows, limits, notes)
    shown = table(HEADS, [_cells(row, limits) for row in rows], "ratios: how many times as long a peer takes")
    print(json.dumps(report, indent=2) if as_json else "\n".join([shown, *notes]))


def _report(limits: Peaks, rows: list[Row], windows: list[Length], decoded: list[Decoding]) -> dict[str, Any]:
    from dataclasses import asdict
    from datetime import UTC, datetime

    from attngen.bench.cpu import PEERS, machine, mean_ratio

    by_dtype = {name: [row for row in rows if row.dtype == name] for name in limits.product}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "peaks": asdict(limits),
        "mean ratios": {name: {peer: mean_ratio(found, peer) for peer in PEERS} for name, found in by_dtype.items()},
        "variants": [row.as_json() for row in rows],
        "long windows": [asdict(length) for length in windows],
        "one query": [asdict(found) for found in decoded],
    }


HEADS = ["variant", "dtype", "D", "live", "attngen", "GFLOP/s", "of product", "of fma", "eager", "sdpa", "flex"]


def _cells(row: Row, limits: Peaks) -> list[str]:
    time, speed = row.times["attngen"], row.speed("attngen")
    ratios = [f"{ratio:.2f} x" if (ratio := row.ratio(peer)) is not None else "-" for peer in HEADS[-3:]]
    spread = f"{1e3 * time.median:.1f} ms ± {50 * time.spread:.0f} %"
    shares = [f"{100 * speed / limits.product_of(row.dtype):.0f} %", f"{100 * speed / limits.multiply_add:.0f} %"]
    return [row.name, row.dtype, str(row.width), f"{row.live:.3f}", spread, f"{speed / 1e9:.0f}", *shares, *ratios]


def _notes(
    report: dict[str, Any], rows: list[Row], limits: Peaks, windows: Sequence[Length], decoded: Sequence[Decoding]
) -> list[str]:
    facts = report["machine"]
    notes = [f"{facts['cpu']}, {facts['vectors']}, {facts['threads']} threads; torch {facts['torch']}"]
    products = ", ".join(f"{name} {value / 1e9:.1f}" for name, value in limits.product.items())
    notes.append(f"matrix product: {products} GFLOP/s; multiply-adds {limits.multiply_add / 1e9:.0f} GFLOP/s")
    for name, ratios in report["mean ratios"].items():
        means = [f"{mean:.2f} x {peer}" for peer, mean in ratios.items() if mean is not None]
        if means:
            notes.append(f"{name}, geometric means over masked and scored variants: {', '.join(means)}")
    for name in ("attngen", "flex"):
        lists = [(row.listed[name], row.name) for row in rows if row.listed.get(name)]
        if lists:
            seconds, where = max(lists)
            notes.append(f"live tiles are listed ahead; that takes {name} at most {1e3 * seconds:.1f} ms ({where})")
    for length in windows:
        micro = 1e6 * length.seconds / length.tokens
        notes.append(f"window 512, {length.tokens} tokens: {micro:.2f} us a token, {length.memory / 2**20:.1f} MB more")
    for each in decoded:
        rates = ", ".join(f"{name} {rate / 1e9:.1f}" for name, rate in each.rates.items())
        share = 100 * each.rates["attngen"] / each.rates["copy"]
        notes.append(f"one query, {each.keys} keys, {each.dtype}: {rates} GB/s; {share:.0f} % of a copy")
    return notes


def _write(output: Path, report: dict[str, Any], rows: list[Row], limits: Peaks, notes: list[str]) -> None:
    """The report for programs, the table for people, and a chart."""
    from attngen.bench.cpu import PEERS
    from attngen.view.bars import bars

    names = ("attngen", *PEERS)
    numbers = [["variant", "dtype", "width", "live", *(f"{name} ms" for name in names)]]
    for row in rows:
        times = [f"{1e3 * row.times[n].median:.3f}" if n in row.times else "" for n in names]
        numbers.append([row.name, row.dtype, str(row.width), f"{row.live:.4f}", *times])
    groups = [
        (f"{row.name}, {row.dtype}, {row.width}", [row.speed(n) / 1e9 if n in row.times else None for n in names])
        for row in rows
    ]
    chart = bars("GFLOP/s of live pairs; longer is faster", groups, names)
    write(output, report, numbers, [HEADS, *(_cells(row, limits) for row in rows)], notes, chart)

"""`attngen bench cpu --family recurrent`: recurrences beside PyTorch's chunked forms and causal attention."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from attngen.cli.bench_report import table, write

if TYPE_CHECKING:
    from attngen.bench.cpu import Peaks
    from attngen.bench.recurrences import Beside, Length, Row, Step
    from attngen.bench.timing import Timing

HEADS = [
    "recurrence",
    "dtype",
    "D",
    "attngen",
    "GFLOP/s",
    "of product",
    "chunked",
    "sdpa",
    "trained",
    "chunked trained",
]
PEERS = ("attngen", "chunked", "sdpa")


class Job(NamedTuple):
    """What is asked for; `only`: parts of names, and `long`: whether also growth, attention and single tokens."""

    specs: Path
    tokens: int
    heads: int
    widths: list[int]
    dtypes: list[str]
    only: list[str]
    rounds: int
    long: bool


@dataclass(slots=True)
class Found:
    """All that was measured."""

    limits: Peaks
    rows: list[Row] = field(default_factory=list)
    growth: list[Length] = field(default_factory=list)
    beside: list[Beside] = field(default_factory=list)
    step: Step | None = None


def recurrent(job: Job, output: Path | None, as_json: bool) -> None:
    """Measure, then print the table and notes, or the report, and write files if asked to.

    Raises:
        BadParameter: the tokens are no whole chunks, or no recurrence has such a name.
    """
    from attngen.bench.timing import keep_memory

    if job.tokens % 16:
        raise typer.BadParameter(f"{job.tokens} is no multiple of 16, the shortest chunks", param_hint="--tokens")
    keep_memory()
    found = _measured(job, quiet=as_json)
    report = _report(found)
    notes = _notes(report, found, job)
    lines = [_cells(row, found.limits) for row in found.rows]
    if output is not None:
        write(output, report, _numbers(found.rows), [HEADS, *lines], notes, _chart(found.rows))
    shown = table(HEADS, lines, "ratios: how many times as long a peer takes; in brackets: tokens of its chunks")
    print(json.dumps(report, indent=2) if as_json else "\n".join([shown, *notes]))


def _measured(job: Job, quiet: bool) -> Found:
    import torch
    from rich.console import Console
    from rich.progress import Progress

    from attngen.bench import recurrences as bench
    from attngen.bench.cpu import peaks
    from attngen.bench.peers import Sizes
    from attngen.bench.recurrent_peers import SUBJECTS

    chosen = [each for each in SUBJECTS if not job.only or any(word in each.name for word in job.only)]
    if not chosen:
        raise typer.BadParameter("there is no recurrence of that name", param_hint="--only")
    dtypes = tuple(getattr(torch, name) for name in job.dtypes)
    rows = [(each, size, kind) for size in job.widths for kind in dtypes for each in chosen]
    heads, width, rounds = job.heads, job.widths[0], job.rounds
    with Progress(console=Console(stderr=True), disable=quiet, transient=True) as progress:
        task = progress.add_task("peaks", total=len(rows) + 1 + 3 * job.long)
        found = Found(peaks(dtypes))
        for subject, size, kind in rows:
            progress.update(task, advance=1, description=f"{subject.name} {size}")
            found.rows.append(bench.measured(job.specs, subject, Sizes(heads, job.tokens, size), kind, rounds))
        if job.long:
            progress.update(task, advance=1, description="long sequences")
            found.growth = list(bench.growth(job.specs, heads, width, rounds))
            progress.update(task, advance=1, description="beside attention")
            found.beside = list(bench.beside_attention(job.specs, heads, width, 5 * rounds))
            progress.update(task, advance=1, description="one token")
            found.step = bench.decoding(job.specs, 3 * rounds)
    return found


def _report(found: Found) -> dict[str, Any]:
    from datetime import UTC, datetime

    from attngen.bench.cpu import machine
    from attngen.bench.recurrences import crossing

    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "peaks": asdict(found.limits),
        "recurrences": [row.as_json() for row in found.rows],
        "growth": [asdict(each) for each in found.growth],
        "beside attention": [asdict(each) for each in found.beside],
        "faster than attention from": crossing(found.beside),
        "one token": None if found.step is None else asdict(found.step),
    }


def _cells(row: Row, limits: Peaks) -> list[str]:
    from attngen.bench.recurrences import ratio

    forward, trained = (f"{ratio(times, 'chunked'):.2f} x" for times in (row.times, row.trained))
    return [
        row.name,
        row.dtype,
        str(row.width),
        _time(row.times["attngen"]),
        f"{row.speed / 1e9:.0f}",
        f"{100 * row.speed / limits.product_of(row.dtype):.0f} %",
        f"{forward} ({row.chunks[0]})",
        f"{ratio(row.times, 'sdpa'):.1f} x",
        _time(row.trained["attngen"]),
        f"{trained} ({row.chunks[1]})",
    ]


def _time(time: Timing) -> str:
    return f"{1e3 * time.median:.2f} ms ± {50 * time.spread:.0f} %"


def _notes(report: Mapping[str, Any], found: Found, job: Job) -> list[str]:
    facts = report["machine"]
    notes = [f"{facts['cpu']}, {facts['vectors']}, {facts['threads']} threads; torch {facts['torch']}"]
    products = ", ".join(f"{name} {value / 1e9:.1f}" for name, value in found.limits.product.items())
    notes.append(f"{job.tokens} tokens, {job.heads} heads; trained: forward and backward, to all that is given")
    notes.append(
        f"GFLOP/s count 4 N H D E, a product of D by E to write and one to read; with the delta rule 6; a matrix "
        f"product makes {products}"
    )
    notes += _growth_notes(found.growth)
    if found.beside:
        times = ", ".join(f"{x.tokens} tokens {1e6 * x.attngen:.0f} and {1e6 * x.sdpa:.0f} us" for x in found.beside)
        start = report["faster than attention from"]
        faster = "not faster at any length" if start is None else f"faster from {start} tokens on"
        notes.append(f"mamba2 beside causal SDPA, float32: {faster} ({times})")
    if (step := found.step) is not None:
        rates = ", ".join(f"{name} {rate / 1e9:.1f}" for name, rate in step.rates.items())
        share = 100 * step.rates["attngen"] / step.rates["copy"]
        notes.append(f"one token, {step.size / 1e6:.0f} MB of states: {rates} GB/s; {share:.0f} % of a copy")
        notes.append(f"one token, one state of 16 by 16: {1e6 * step.call:.0f} us, which a call costs by itself")
    return notes


def _growth_notes(growth: Sequence[Length]) -> list[str]:
    """How times grow where the same recurrence takes more tokens."""
    return [
        f"{after.name}, {after.tokens} tokens: {1e3 * after.seconds:.1f} ms, {after.seconds / before.seconds:.2f} x"
        f" what {before.tokens} take"
        for before, after in pairwise(growth)
        if before.name == after.name
    ]


def _numbers(rows: Sequence[Row]) -> list[list[str]]:
    """Milliseconds, with their heads."""
    heads = ["recurrence", "dtype", "width", "tokens", *(f"{name} ms" for name in PEERS)]
    heads += ["attngen trained ms", "chunked trained ms"]
    lines = [heads]
    for row in rows:
        times = [row.times[name] for name in PEERS] + [row.trained[name] for name in ("attngen", "chunked")]
        numbers = [f"{1e3 * time.median:.3f}" for time in times]
        lines.append([row.name, row.dtype, str(row.width), str(row.tokens), *numbers])
    return lines


def _chart(rows: Sequence[Row]) -> Any:
    """A group of bars for each recurrence, forward, and one for training it."""
    from attngen.view.bars import bars

    groups = [
        (f"{row.name}{what}, {row.dtype}", [row.tokens / times[n].median / 1e3 if n in times else None for n in PEERS])
        for row in rows
        for what, times in (("", row.times), (" trained", row.trained))
    ]
    return bars("thousand tokens a second; longer is faster", groups, PEERS)

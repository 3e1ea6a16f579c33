"""`attngen bench gpu`: every spec on this machine's GPU, checked, and timed beside its peers."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attngen.cli.bench_gpu_report import Found, cells, notes, report, saved, written
from attngen.cli.bench_report import table
from attngen.cli.options import AsJson, fail

if TYPE_CHECKING:
    from rich.progress import Progress

    from attngen.bench.gpu.clock import Clock
    from attngen.bench.gpu.subjects import Job
    from attngen.ir.nodes import Variant

Only = Annotated[list[str], typer.Option(help="Only specs whose name holds this; may be repeated.")]
Tokens = Annotated[list[int], typer.Option(help="Queries and keys; may be repeated. 1024, 4096, 16384 and 65536.")]
Widths = Annotated[list[int], typer.Option("--width", help="Channels of a head; may be repeated. 64 and 128.")]
Heads = Annotated[list[str], typer.Option(help="HEADS or HEADS,KEY_HEADS; may be repeated. 16, and 16,4.")]
Dtypes = Annotated[list[str], typer.Option("--dtype", help="May be repeated. bfloat16.")]
NO_GPU = """there is no GPU here, as far as torch can see, and Triton kernels are measured on one.
  attngen bench gpu --interpret              tries this command on small calls, in Triton's interpreter
  attngen show SPEC --resources              what a kernel takes of a GPU that is not here
  attngen compile SPEC --target cuda:90      compiles one for it
  attngen bench cpu                          measures the kernels of this CPU"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be done; `workers`: processes that check kernels, and `until`: when to stop."""

    chosen: list[tuple[Path, Variant]]
    jobs: list[Job]
    clock: Clock
    interpreted: bool
    check: bool
    backward: bool
    workers: int
    started: float
    until: float
    output: Path | None

    def until_part(self, part: float) -> float:
        """When a part of the time is over."""
        return self.started + part * (self.until - self.started)


def gpu(
    specs: Annotated[Path, typer.Argument(help="The folder of the specs.")] = Path("specs"),
    only: Only = [],  # noqa: B006
    tokens: Tokens = [],  # noqa: B006
    width: Widths = [],  # noqa: B006
    heads: Heads = [],  # noqa: B006
    dtype: Dtypes = [],  # noqa: B006
    rounds: Annotated[int, typer.Option(min=2, help="How often each contestant runs; they take turns.")] = 20,
    budget: Annotated[float, typer.Option(min=0, help="Minutes; the most important rows come first. 0: no end.")] = 0,
    forward_only: Annotated[bool, typer.Option("--forward-only", help="No backward passes.")] = False,
    check: Annotated[bool, typer.Option(help="First compare many small calls of each spec.")] = True,
    workers: Annotated[int, typer.Option(min=0, help="Processes that compile and check; 0: one for each CPU.")] = 0,
    interpret: Annotated[
        bool, typer.Option("--interpret", help="Try the command in Triton's interpreter; says nothing of speed.")
    ] = False,
    output: Annotated[Path | None, typer.Option("-o", help="Write OUTPUT.json, .csv, .svg and .md.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check every kernel on this GPU, and time it beside SDPA, FlexAttention, flash-linear-attention and mamba.

    What is known is written to OUTPUT.json after each row. The exit code is 1 where a kernel is wrong.
    """
    started = time.monotonic()
    if interpret:
        _interpret()
    import torch

    from attngen.bench.gpu.clock import Clock
    from attngen.bench.gpu.subjects import jobs, variants_of
    from attngen.runtime.draws import dtype_of

    if not interpret and not torch.cuda.is_available():
        fail(NO_GPU)
    kinds = dtype or (["float32"] if interpret else ["bfloat16"])
    for kind in kinds:
        dtype_of(kind)
    chosen = variants_of(specs, only)
    if not chosen:
        raise typer.BadParameter(f"{specs} holds no spec of that name", param_hint="--only")
    lengths = tokens or ([64] if interpret else [1024, 4096, 16384, 65536])
    widths = width or ([16] if interpret else [64, 128])
    counts = heads or (["2"] if interpret else ["16", "16,4"])
    asked = Asked(
        chosen,
        jobs(chosen, lengths, widths, [_heads(each) for each in counts], kinds),
        Clock("cpu", min(rounds, 2)) if interpret else Clock("cuda", rounds),
        interpret,
        check,
        not forward_only,
        workers or (1 if interpret else os.cpu_count() or 1),
        started,
        started + 60 * budget if budget else math.inf,
        output,
    )
    found = _measured(asked, quiet=as_json)
    _show(found, as_json)
    if not found.fine:
        raise typer.Exit(1)


def _interpret() -> None:
    """Triton reads this when it is imported."""
    if "triton" in sys.modules and os.environ.get("TRITON_INTERPRET") != "1":
        fail("--interpret: triton is loaded already; run `attngen bench gpu --interpret` as a command of its own")
    os.environ["TRITON_INTERPRET"] = "1"


def _heads(text: str) -> tuple[int, int]:
    """Heads of queries and of keys."""
    parts = text.split(",")
    if len(parts) > 2 or not all(part.strip().isdigit() and int(part) for part in parts):
        fail(f"--heads {text}: give HEADS or HEADS,KEY_HEADS")
    count, keys = int(parts[0]), int(parts[-1])
    if count % keys:
        fail(f"--heads {text}: {keys} does not divide {count}")
    return count, keys


def _measured(asked: Asked, quiet: bool) -> Found:
    """Check, compile ahead, and time; each step says how far it is."""
    import torch
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from attngen.bench.gpu.device import facts
    from attngen.runtime.draws import dtype_of

    found = Found(facts(asked.clock.device), asked.interpreted, asked.clock.rounds, rows_asked=len(asked.jobs))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as progress:
        if asked.check:
            _check(asked, found, progress)
        if not asked.interpreted:
            _compile(asked, progress)
        for kind in dict.fromkeys(job.dtype for job in asked.jobs):
            found.products[kind] = asked.clock.matrix_product(dtype_of(kind))
        _time(asked, found, progress)
    if asked.output is not None:
        written(asked.output, found)
    torch._dynamo.reset()
    return found


def _check(asked: Asked, found: Found, progress: Progress) -> None:
    """Small calls of every spec, in one dtype after the other; they may take a third of the time."""
    from attngen.bench.gpu.correctness import checked
    from attngen.bench.gpu.processes import in_processes

    dtypes, long = (["float32"], 40) if asked.interpreted else (["bfloat16", "float32", "float16"], 200)
    size = (asked.jobs[0].sizes.width, long, asked.clock.device)
    tasks = [(path, variant.name, dtype, *size) for dtype in dtypes for path, variant in asked.chosen]
    found.checks_asked = len(tasks)
    stage = progress.add_task("checked", total=len(tasks))
    for outcomes in in_processes(checked, tasks, asked.workers, asked.until_part(1 / 3)):
        found.outcomes += outcomes
        found.checks_done += 1
        progress.advance(stage)
        _save(asked, found)


def _compile(asked: Asked, progress: Progress) -> None:
    """Fill caches for the first rows, many at a time: a budget would go by with compiling one after the other."""
    from attngen.bench.gpu.processes import in_processes
    from attngen.bench.gpu.rows import warmed

    tasks = [(job, asked.clock.device, asked.backward) for job in asked.jobs[: len(asked.chosen)]]
    stage = progress.add_task("compiled", total=len(tasks))
    for _ in in_processes(warmed, tasks, asked.workers, asked.until_part(0.6)):
        progress.advance(stage)


def _time(asked: Asked, found: Found, progress: Progress) -> None:
    """Row by row, as long as another one fits."""
    from attngen.bench.gpu.rows import measured

    stage = progress.add_task("rows", total=len(asked.jobs))
    for job in _while_there_is_time(asked.jobs, asked.until, time.monotonic):
        progress.update(stage, description=f"{job.name} {job.sizes.tokens} {job.sizes.width}{_left(asked.until)}")
        found.rows.append(measured(job, asked.clock, asked.interpreted, asked.backward))
        progress.advance(stage)
        _save(asked, found)


def _while_there_is_time(jobs: list[Job], until: float, now: Callable[[], float]) -> Iterator[Job]:
    """Jobs, until one that takes as long as those before would end too late."""
    begun = now()
    for number, job in enumerate(jobs):
        spent = now() - begun
        if begun + spent + spent / max(number, 1) >= until:
            return
        yield job


def _left(until: float) -> str:
    """How long it may still take."""
    return "" if math.isinf(until) else f", {max(0.0, until - time.monotonic()) / 60:.1f} minutes left"


def _save(asked: Asked, found: Found) -> None:
    """What is known so far: this process may be killed at any moment."""
    if asked.output is not None:
        saved(asked.output, report(found))


def _show(found: Found, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report(found), indent=2))
        return
    heads, *lines = cells(found)
    print("\n".join([table(heads, lines, "ratios: how many times as long the fastest peer takes"), *notes(found)]))

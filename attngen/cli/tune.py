"""`attngen tune`: the sizes of tiles and launches, with a GPU and without one."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attngen.cli.jobs import PROCESSES, Workers, in_processes
from attngen.cli.options import AsJson, NoSet, Set, fail, parameters, require_compiler, shape_of

if TYPE_CHECKING:
    from rich.progress import Progress

    from attngen.runtime.tuned import Tiles, Tuned
    from attngen.tuning.tuner import Candidate, Tuner

NO_GPU = """there is no GPU here, as far as torch can see, and kernels are tuned on one.
  attngen tune --static                      makes the table of defaults, by compiling for GPUs that are not here
  attngen tune SPEC --interpret              tries this command on small calls, in Triton's interpreter"""
Static = Annotated[bool, typer.Option("--static", help="Make the table of defaults anew; no GPU is needed.")]
Interpret = Annotated[bool, typer.Option("--interpret", help="Try the command in Triton's interpreter; keeps nothing.")]
Shapes = Annotated[list[str], typer.Option("--shape", help="B,H,N,D or B,H,Hk,N,M,D,E; may be repeated.")]
Targets = Annotated[list[str], typer.Option("--target", help="With --static: these alone, cuda:90 for instance.")]
Widths = Annotated[list[int], typer.Option("--width", help="With --static: these widths of heads alone.")]
Kernels = Annotated[list[str], typer.Option("--kernel", help="forward, by_queries, by_keys; all if not given.")]
Take = Annotated[Path | None, typer.Option("--import", help="Put what a file holds into the cache, and stop.")]


def tune(
    spec: Annotated[Path, typer.Argument(help="A spec; with --static, the folder of specs.")] = Path("specs"),
    name: Annotated[str | None, typer.Option(help="Which attention, where the spec holds several.")] = None,
    static: Static = False,
    shape: Shapes = ["1,16,4096,64"],  # noqa: B006
    dtype: Annotated[
        str, typer.Option(help="float32, bfloat16 (the default) or float16; with --static: this alone, if given.")
    ] = "",
    kernel: Kernels = [],  # noqa: B006
    rounds: Annotated[int, typer.Option(help="How often each candidate is timed.")] = 20,
    workers: Workers = PROCESSES,
    target: Targets = [],  # noqa: B006
    width: Widths = [],  # noqa: B006
    interpret: Interpret = False,
    take: Take = None,
    output: Annotated[Path | None, typer.Option("-o", help="Write what was found there, too.")] = None,
    settings: Set = NoSet,
    as_json: AsJson = False,
) -> None:
    """Find the sizes that kernels are fastest with.

    On a GPU: candidates are tried in the order of predictions, and each is compared with the interpreter before it may
    win. What was found is kept for this device, spec, dtype, head width and power of two of the lengths; kernels that
    are built later launch with it. Nothing is tuned unless this command is run.

    With --static every kernel is compiled for all GPUs that attngen knows: sizes that don't fit or spill registers are
    left out, the others are ordered by the cycles that their inner loop is predicted to take.
    """
    if take is not None:
        _take(take)
        return
    if interpret:
        os.environ["TRITON_INTERPRET"] = "1"  # before triton is imported
    else:
        require_compiler()
    if static:
        _static(spec, workers, target, width, dtype)
        return
    found, tried = _tuned(spec, name, shape, dtype or "bfloat16", kernel, rounds, workers, interpret, settings)
    text = json.dumps({"interpreted": interpret, "tuned": [asdict(each) for each in found], "tried": tried}, indent=1)
    if output is not None:
        output.write_text(text + "\n", encoding="utf-8")
    if as_json:
        print(text)
    else:
        _show(found, tried)


def _tuned(
    spec: Path,
    name: str | None,
    shapes: list[str],
    dtype: str,
    kernels: list[str],
    rounds: int,
    workers: int,
    interpret: bool,
    settings: list[str],
) -> tuple[list[Tuned], list[dict[str, Any]]]:
    from rich.console import Console
    from rich.progress import Progress

    import attngen
    from attngen.bench.gpu.clock import Clock
    from attngen.ir.load import load
    from attngen.runtime.tuned import device_name, keep
    from attngen.tuning.tuner import Tuner

    device = "cpu" if interpret else "cuda"
    called = "interpreted" if interpret else device_name()
    if called is None:
        fail(NO_GPU)
    variant = load(spec, name)
    built = attngen.build(variant, backend="triton", **parameters(variant, settings))
    found: list[Tuned] = []
    tried: list[dict[str, Any]] = []
    with Progress(console=Console(stderr=True)) as progress:
        for text in shapes:
            tuner = Tuner(
                built, shape_of(text), dtype, device, called, Clock(device, rounds), 200 if interpret else 600
            )
            if not tuner.is_right_at_first():
                fail(
                    f"{variant.name}: kernels disagree with the interpreter before anything is tuned; see `attngen run`"
                )
            orders = _orders(tuner, kernels, workers, progress, interpret)
            for label, order in orders.items():
                candidates = _tried(tuner, label, order, progress)
                tried += [{"shape": text, **asdict(each)} for each in candidates]
                best = tuner.result(candidates)
                found += [] if best is None else [best]
    if not interpret:
        keep(found)
    return found, tried


def _orders(
    tuner: Tuner, kernels: list[str], workers: int, progress: Progress, interpret: bool
) -> dict[str, list[Tiles]]:
    """The candidates of each kernel; those that compile are compiled by several processes."""
    from attngen.tuning.order import of_tile, predicted, target_of, unpredicted

    labels = [each for each in tuner.kernels if not kernels or each in kernels]
    if not labels:
        fail(f"--kernel {kernels[0]}: choose one of {', '.join(tuner.kernels)}")
    cell = (target_of(tuner.device), tuner.dtype, max(tuner.q.shape[3], tuner.v.shape[3]))
    if interpret:
        orders = [unpredicted(label, *cell)[-3:] for label in labels]
    else:
        jobs = ((predicted, (tuner.kernel.variant, label, *cell)) for label in labels)
        orders = [*in_processes(workers, progress, "predictions", jobs)]
    if tuner.tile is not None:
        orders = [of_tile(order, tuner.tile) for order in orders]
    return dict(zip(labels, orders, strict=True))


def _tried(tuner: Tuner, label: str, order: list[Tiles], progress: Progress) -> list[Candidate]:
    """All that is tried of a kernel, with a bar that may end early."""
    bar = progress.add_task(label, total=len(order) + 1)
    found = []
    for each in tuner.candidates(label, order):
        found.append(each)
        best = min(one.seconds for one in found if not one.fault)
        progress.update(bar, advance=1, description=f"{label}: {1e3 * best:.3f} ms")
    progress.update(bar, completed=len(order) + 1)
    return found


def _show(found: list[Tuned], tried: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "kernel", "calls", "sizes", "ms", "before", "gain", title="what is faster than what kernels start with"
    )
    for each in found:
        calls = f"{each.dtype}, D up to {each.width}, up to {each.tokens} tokens"
        times = [f"{1e3 * each.seconds:.3f}", f"{1e3 * each.before:.3f}", f"{each.before / each.seconds:.2f} x"]
        table.add_row(each.kernel, calls, ", ".join(map(str, each.tiles)), *times)
    Console().print(table)
    out = [each for each in tried if each["fault"]]
    print(f"{len(tried)} tried, of which {len(out)} are out")
    for one in out:
        print(f"  {one['kernel']} {one['tiles']}: {one['fault']}")


def _take(path: Path) -> None:
    from attngen.runtime.tuned import keep, read

    try:
        found = [read(each) for each in json.loads(path.read_text(encoding="utf-8"))["tuned"]]
    except (OSError, ValueError, TypeError, KeyError) as error:
        fail(f"--import {path}: this is not what `attngen tune -o` writes ({error})")
    keep(found)
    print(f"{len(found)} kept")


def _static(specs: Path, workers: int, targets: list[str], widths: list[int], dtype: str) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from attngen.ir.load import load_all
    from attngen.runtime.inspect.starting import DTYPES, Asked, Table, fitted, fitted_recurrences, searched
    from attngen.schedule.configuration import GPUS, WIDTHS
    from attngen.schedule.defaults import PATH

    variants = [variant for path in sorted(specs.glob("*.attn")) for variant in load_all(path)]
    plain = next((each for each in variants if each.name == "causal"), None)
    if plain is None:
        fail(f"{specs} holds no `causal`, with which sizes are searched")
    if unknown := [str(each) for each in (*targets, *widths) if each not in (*GPUS, *WIDTHS)]:
        fail(f"there are no defaults for {unknown[0]}: choose of {', '.join(map(str, (*GPUS, *WIDTHS)))}")
    if dtype not in ("", *DTYPES.values()):
        fail(f"--dtype {dtype}: there are defaults for {' and '.join(DTYPES.values())}")
    asked = Asked(tuple(targets) or GPUS, tuple(widths) or WIDTHS, (dtype,) if dtype else (*DTYPES.values(),))
    table = Table(**json.loads(PATH.read_text(encoding="utf-8")))
    table.forget(asked)
    with Progress(console=Console(stderr=True)) as progress:
        found = searched(plain, asked, partial(in_processes, workers, progress, "kernels of pairs"), table)
        _write(table, PATH)  # kernels are generated with what stands there
        left = fitted(variants, asked, found, partial(in_processes, workers, progress, "specs"), table)
        left += fitted_recurrences(variants, asked, partial(in_processes, workers, progress, "recurrences"), table)
    _write(table, PATH)
    for each in left:
        print(f"no sizes fit: {each}")


def _write(table: Any, path: Path) -> None:
    text = json.dumps({"skeletons": table.skeletons, "specs": table.specs}, indent=1, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")

"""`attngen fuzz`: is it right? Random calls of a spec, and the smallest that is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attngen.cli.fuzz_language import attack
from attngen.cli.options import AsJson, fail

if TYPE_CHECKING:
    from attngen.fuzz.campaign import Report
    from attngen.ir.nodes import Variant

USUAL = 200
"""Calls, where nobody says how many, nor how long."""
WANTED = ("partial tiles", "full tiles", "tiles left out", "N != M", "rows that see nothing", "gradients", "in pieces")
"""What a campaign had better have seen; some specs have no full tiles, or no rows that see nothing."""


def fuzz(
    spec: Annotated[Path | None, typer.Argument(help="A spec (.attn file).", show_default=False)] = None,
    name: Annotated[str | None, typer.Option(help="Which attention, where the spec holds several.")] = None,
    language: Annotated[bool, typer.Option("--language", help="Attack the compiler with random specs.")] = False,
    stage: Annotated[str, typer.Option(help="Of --language: front (nothing is compiled), cpp or triton.")] = "front",
    ledger: Annotated[
        Path | None, typer.Option(help="Of --language: a file that says what was run; it is continued.")
    ] = None,
    corpus: Annotated[Path | None, typer.Option(help="Of --language: where specs of interest are kept.")] = None,
    examples: Annotated[
        int | None,
        typer.Option(min=1, help="Calls that are judged; with --language, specs. 200, or as many as --seconds allow."),
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="Stop after so many.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same seed makes the same calls, or specs; 0 unless given.")
    ] = None,
    backend: Annotated[str, typer.Option(help="cpp or triton; auto: triton where there is a GPU.")] = "auto",
    output: Annotated[Path, typer.Option("-o", help="Where reproducers are written.")] = Path("."),
    as_json: AsJson = False,
) -> None:
    """Compare random calls of a spec with the interpreter, and show the smallest that is wrong.

    Calls have any lengths, heads, strides and dtypes, parameters in their ranges, inputs in theirs; they are computed
    at once, in pieces as decoding does, with tiles that were found before, on ranks (C++), or in other tiles (Triton);
    so are gradients. Beside that each call is compared with itself: with other keys that a row can't see, half of v,
    batch rows, heads and keys in another order, further on in a sequence.

    A call that is wrong, ends the process or hangs is shrunk, and written as repro_NAME.py, which is a program and a
    test. Exit code 1 if there is one, and if no call fits what the spec asks for. Triton without a GPU is interpreted,
    and calls are small.

    With --language, random specs go through the compiler: text, checks, passes, tiles (compared with all pairs) and
    generated code; or kernels too, forward and backward. Of each, some are made that are wrong at one place, and have
    to be refused there, and some are damaged anyhow: these get diagnostics with places, or mean something else.
    """
    from attngen.cli.campaign_bar import AS_LONG_AS_IT_TAKES
    from attngen.ir.load import load

    examples = examples or (USUAL if seconds is None else AS_LONG_AS_IT_TAKES)
    if language:
        attack(stage, examples, seconds, seed, ledger, corpus, output, as_json)
        return
    if spec is None:
        fail("which spec? `attngen fuzz specs/mine.attn`, or `attngen fuzz --language` for random ones")
    variant = load(spec, name)
    if backend not in ("auto", "cpp", "triton"):
        fail(f"--backend {backend}: choose cpp or triton")
    report = _run(variant, backend, examples, seconds, seed or 0, quiet=as_json)
    path = None if report.failure is None else _written(output, variant, report)
    if as_json:
        print(json.dumps({**report.as_json(), "reproducer": None if path is None else str(path)}, indent=1))
    else:
        _show(report, path)
    if report.failure is not None or not report.examples:  # what compares nothing proves nothing
        raise typer.Exit(1)


def _run(variant: Variant, backend: str, examples: int, seconds: float | None, seed: int, *, quiet: bool) -> Report:
    import torch

    from attngen.cli.campaign_bar import campaign_bar

    has_gpu = torch.cuda.is_available()
    backend = ("triton" if has_gpu else "cpp") if backend == "auto" else backend
    if backend == "triton" and not has_gpu:
        os.environ["TRITON_INTERPRET"] = "1"
    from attngen.fuzz.campaign import LIMITS, Campaign
    from attngen.fuzz.guarded import run_guarded

    campaign = Campaign(
        variant, backend, LIMITS["interpreted" if backend == "triton" and not has_gpu else backend], seed
    )
    with campaign_bar(f"{variant.name}, {backend}", examples, quiet=quiet) as told:
        return run_guarded(campaign, examples, seconds, told)


def _written(folder: Path, variant: Variant, report: Report) -> Path:
    from attngen.fuzz.reproducer import write

    assert report.failure is not None
    folder.mkdir(parents=True, exist_ok=True)
    return write(folder, variant, report.failure, report.seed, report.backend)


def _show(report: Report, path: Path | None) -> None:
    from rich.console import Console
    from rich.table import Table

    speed = report.examples / report.seconds if report.seconds else 0.0
    print(
        f"{report.spec} on {report.backend}: {report.examples} calls in {report.seconds:.1f} s ({speed:.1f} per second)"
    )
    if report.plan:
        print(f"plan: {', '.join(report.plan)}")
    seen = Table("reached", "calls", title=None)
    for what, count in sorted(report.seen.items(), key=lambda each: (-each[1], each[0])):
        seen.add_row(what, str(count))
    Console().print(seen)
    for reason, count in report.refused.most_common(3):
        print(f"left out, for the spec refuses them: {count} ({reason})")
    _warn(report)
    if report.failure is None:
        print("all agree with the interpreter" if report.examples else "so nothing is known of it")
        return
    print(f"\nWRONG: {report.failure.message}\n  {report.failure.call}\n  {report.failure.way}")
    print(f"  {path}: run it, or keep it as a test")


def _warn(report: Report) -> None:
    """What was never seen, as far as it matters."""
    if not report.examples and report.failure is None:
        print("NOTHING was compared: no call fits what the spec asks for")
        return
    missing = [what for what in WANTED if not report.seen.get(what) and _is_expected(what, report)]
    if any(what.startswith("not on ranks") for what in report.seen) and not report.seen.get("on ranks"):
        missing.append("on ranks")
    if missing:
        print(f"never reached: {', '.join(missing)}")


def _is_expected(what: str, report: Report) -> bool:
    """Recurrences have no tiles of pairs."""
    pairs = [each for each in report.seen if each.endswith(("tiles", "tiles left out"))]
    return bool(pairs) or what in ("gradients", "in pieces")

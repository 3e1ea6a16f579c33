"""`attngen fuzz --language`: the compiler is attacked with random specs."""

from __future__ import annotations

import json
import os
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from attngen.cli.options import fail

if TYPE_CHECKING:
    from attngen.fuzz.language.findings import Outcome, Wrong
    from attngen.fuzz.language.ledger import Ledger
PARTS = {"front": 500, "cpp": 50, "triton": 20}
"""Specs after which the ledger is written, and a new process goes on."""


def attack(
    stage: str,
    examples: int,
    seconds: float | None,
    seed: int | None,
    ledger: Path | None,
    corpus: Path | None,
    output: Path,
    as_json: bool,
) -> None:
    """So many more specs; what is wrong is written, as a spec or as a call of its kernel, and exit code 1 says so."""
    from attngen.fuzz.language.corpus import held
    from attngen.fuzz.language.findings import Outcome
    from attngen.fuzz.language.ledger import Ledger, read, write
    from attngen.fuzz.quick import compile_quickly

    if stage not in PARTS:
        fail(f"--stage {stage}: choose one of {', '.join(PARTS)}")
    if stage == "triton":
        os.environ["TRITON_INTERPRET"] = "1"
    if stage == "cpp":
        compile_quickly()
    if seed is not None and ledger is not None:
        fail("--seed: the ledger says which seed comes next")
    known = Ledger() if ledger is None else read(ledger)
    if seed is not None:
        known.stage(stage).seed = seed
    outcome, kept = Outcome(known), set[str]()
    started = time.monotonic()
    while outcome.wrong is None and outcome.specs < examples:
        left = None if seconds is None else seconds - (time.monotonic() - started)
        if left is not None and left <= 0:
            break
        more = min(PARTS[stage], examples - outcome.specs)
        there = {} if corpus is None else held(corpus)
        part = _run(stage, outcome.ledger, there, more, left, outcome.specs, quiet=as_json)
        outcome = Outcome(part.ledger, outcome.specs + part.specs, part.kept, part.wrong)
        if ledger is not None:
            write(ledger, outcome.ledger)
        if corpus is not None:
            kept |= _kept(corpus, part.kept)
    path = None if outcome.wrong is None else _written(output, outcome.wrong, stage, outcome.ledger)
    _show(stage, outcome, len(kept), path, as_json)
    if outcome.wrong is not None:
        raise typer.Exit(1)


def _run(
    stage: str, ledger: Ledger, held: dict[str, int], examples: int, seconds: float | None, before: int, *, quiet: bool
) -> Outcome:
    from attngen.cli.campaign_bar import campaign_bar
    from attngen.fuzz.guarded import run_guarded
    from attngen.fuzz.language.campaign import Language

    with campaign_bar(f"random specs, {stage}", examples, before, quiet=quiet) as told:
        return run_guarded(Language(stage=stage, ledger=ledger, held=held), examples, seconds, told)


def _kept(folder: Path, texts: dict[str, str]) -> set[str]:
    """Specs of interest, by what they are kept for; which that is."""
    from attngen.fuzz.language.corpus import keep

    for why, text in texts.items():
        keep(folder, text, why)
    return set(texts)


def _written(folder: Path, wrong: Wrong, stage: str, ledger: Ledger) -> Path:
    """What fails, as a program where it is a call, else as the spec."""
    from attngen.errors import Source
    from attngen.fuzz.reproducer import write
    from attngen.ir.check import check

    folder.mkdir(parents=True, exist_ok=True)
    if wrong.failure is not None:
        variant, *_ = check(Source("random.attn", wrong.text))
        return write(folder, variant, wrong.failure, ledger.stage(stage).seed, stage)
    path = folder / f"wrong_{sha256(wrong.text.encode()).hexdigest()[:8]}.attn"
    path.write_text("".join(f"# {line}\n" for line in wrong.message.splitlines()) + wrong.text.rstrip() + "\n", "utf-8")
    return path


def _show(stage: str, outcome: Outcome, kept: int, path: Path | None, as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    if as_json:
        found = None if outcome.wrong is None else {"message": outcome.wrong.message, "written": str(path)}
        done = {"specs": outcome.specs, "kept": kept, "wrong": found, "ledger": outcome.ledger.as_json()}
        print(json.dumps(done))
        return
    shown = Table("stage", "specs", "refused", "damaged", "calls", "seconds", "next seed", title="run so far")
    for name, each in outcome.ledger.stages.items():
        numbers = (each.specs, each.refused, each.mutants, each.calls, f"{each.seconds:.0f}", each.seed)
        shown.add_row(name, *map(str, numbers))
    Console().print(shown)
    print(f"{outcome.specs} specs through `{stage}`, {kept} of them kept")
    if outcome.wrong is None:
        print("none is wrong")
        return
    print(f"\nWRONG: {outcome.wrong.message}\n\n{outcome.wrong.text}\n{path}")

"""`attngen doctor`: what this machine has, what is missing, and whether kernels are right on it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from attngen.cli.options import AsJson

if TYPE_CHECKING:
    from rich.table import Table

    from attngen.runtime.comparison import Check
    from attngen.runtime.machine import Finding


def doctor(
    clear: Annotated[bool, typer.Option("--clear", help="Remove what the cache holds.")] = False,
    no_check: Annotated[bool, typer.Option("--no-check", help="Leave the self-check out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show versions and their defects, devices, compilers and the cache, and compare kernels with the interpreter.

    The self-check takes about a minute the first time. Exit code 1 if something will not work, or a kernel is wrong.
    """
    from attngen import cache
    from attngen.runtime.machine import as_json as for_programs
    from attngen.runtime.machine import cache_text, findings

    if clear:
        before = cache_text()
        cache.clear()
        if not as_json:
            print(f"removed {before}")
    found = findings()
    if not as_json:
        _print(_of_findings(found))
    checks = [] if no_check else _checked(quiet=as_json)
    fine = all(each.fine for each in found) and all(check.passed for check in checks)
    if as_json:
        report = {**for_programs(found), "fine": fine, "checks": [asdict(check) for check in checks]}
        print(json.dumps(report, indent=2))
    elif checks:
        _print(_of_checks(checks))
    if not fine:
        raise typer.Exit(1)


def _checked(quiet: bool) -> list[Check]:
    """All checks that can be done here, with a bar on stderr."""
    from rich.console import Console
    from rich.progress import track

    from attngen.runtime.selfcheck import jobs, run

    given = jobs()
    total = sum(job.checks for job in given)
    console = Console(stderr=True)
    shown = track(run(given), "self-check", total=total, console=console, disable=quiet, transient=True)
    return sorted(shown, key=lambda check: (check.backend, check.attention))


def _print(table: Table) -> None:
    """As wide as the terminal; without one, so wide that no line is broken."""
    from rich.console import Console

    console = Console()
    if console.is_terminal:
        console.print(table)
        return
    wide = Console(width=500)
    with wide.capture() as captured:
        wide.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _of_findings(found: list[Finding]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for each in found:
        style = "" if each.fine else "bold red"
        table.add_row("" if each.fine else "!", each.name, Text(each.value, overflow="fold"), style=style)
    return table


def _of_checks(checks: list[Check]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table("", "backend", "attention", "compared with the interpreter", "seconds", box=box.SIMPLE_HEAD)
    for check in checks:
        cells = ["" if check.passed else "!", check.backend, check.attention, Text(check.text), f"{check.seconds:.1f}"]
        table.add_row(*cells, style="" if check.passed else "bold red")
    return table

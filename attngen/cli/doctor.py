"""`attngen doctor`: what this machine has, and what is missing."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from attngen.cli.options import AsJson


def doctor(
    clear: Annotated[bool, typer.Option("--clear", help="Remove the cached kernels and libraries.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show versions, devices, the C++ compiler and the cache; exit code 1 if something will not work."""
    from attngen.runtime.machine import as_json as for_programs
    from attngen.runtime.machine import clear_cache, findings

    if clear:
        before = clear_cache()
        if not as_json:
            print(f"removed {before.text()}")
    found = findings()
    if as_json:
        print(json.dumps(for_programs(found), indent=2))
    else:
        width = max(len(each.name) for each in found)
        for each in found:
            print(f"{' ' if each.fine else '!'} {each.name:<{width}}  {each.value}")
    if not all(each.fine for each in found):
        raise typer.Exit(1)

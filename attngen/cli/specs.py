"""`attngen check` and `attngen fmt`: they import neither torch nor sympy."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from attngen.cli.options import AsJson, Specs, print_diagnostics
from attngen.errors import Diagnostic, SpecError


def check(files: Specs, as_json: AsJson = False) -> None:
    """Check specs: names, kinds, axes, ranges. Prints the first hundred diagnostics, with `--json` all."""
    from attngen.analysis.doubts import doubts
    from attngen.ir.load import load_all

    found: list[Diagnostic] = []
    for path in files:
        try:
            for variant in load_all(path):
                found += [*variant.warnings, *doubts(variant)]
        except SpecError as error:
            found += error.diagnostics
    if as_json:
        print(json.dumps([diagnostic.as_json() for diagnostic in found], indent=2))
    else:
        print_diagnostics(found)
    if any(diagnostic.severity == "error" for diagnostic in found):
        raise typer.Exit(2)
    if not as_json:
        print(f"{len(files)} file{'s' if len(files) != 1 else ''} fine", file=sys.stderr)


def fmt(
    files: Specs,
    is_check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if a file would change.")] = False,
) -> None:
    """Format specs in place, in the one canonical form."""
    from attngen.errors import Source
    from attngen.language.format import format_file
    from attngen.language.parse import parse

    changed = []
    for path in files:
        text = path.read_text(encoding="utf-8")
        formatted = format_file(parse(Source(str(path), text)))
        if formatted != text:
            changed.append(path)
            if not is_check:
                path.write_text(formatted, encoding="utf-8")
    for path in changed:
        print(f"{'would format' if is_check else 'formatted'} {path}")
    if changed and is_check:
        raise typer.Exit(1)

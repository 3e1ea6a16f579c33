"""What commands share: their arguments, and how they say that something is wrong."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from attngen.errors import Diagnostic, shown

if TYPE_CHECKING:
    from attngen.ir.nodes import Variant

Specs = Annotated[list[Path], typer.Argument(help="Specs (.attn files).", show_default=False)]
Spec = Annotated[Path, typer.Argument(help="A spec (.attn file).", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Set = Annotated[list[str], typer.Option("--set", "-s", metavar="NAME=VALUE", help="Give a parameter a value.")]
NoSet: list[str] = []


def fail(message: str) -> NoReturn:
    print(f"attngen: {message}", file=sys.stderr)
    sys.exit(2)


def ints(text: str, count: int, option: str) -> list[int]:
    parts = text.split(",")
    if len(parts) != count or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        fail(f"{option} {text}: give {count} positive numbers, separated by commas")
    return [int(part) for part in parts]


def shape_of(text: str) -> list[int]:
    """Of a call: what `--shape` says."""
    numbers = [int(part) for part in text.split(",") if part.strip().lstrip("-").isdigit()]
    if len(numbers) not in (4, 7) or min(numbers) < 0:
        fail(f"--shape {text}: give B,H,N,D or B,H,Hk,N,M,D,E")
    return numbers


def require_compiler() -> None:
    """Triton's interpreter and its compiler don't live in one process."""
    if os.environ.get("TRITON_INTERPRET") == "1":
        fail("Triton can't compile where TRITON_INTERPRET=1 is set: unset it for this command")


def parameters(variant: Variant, settings: list[str]) -> dict[str, Any]:
    """Defaults, and what `--set NAME=VALUE` says."""
    from attngen.errors import suggest
    from attngen.ir.expr import Kind

    given = {parameter.name: parameter for parameter in variant.parameters}
    values: dict[str, Any] = {p.name: p.default for p in variant.parameters if p.default is not None}
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in given:
            fail(
                f"{variant.name} has no parameter `{name}`; {suggest(name, given) or ', '.join(given) or 'it has none'}"
            )
        readers: dict[Kind, Any] = {Kind.INT: int, Kind.FLOAT: float, Kind.BOOL: lambda word: word == "true"}
        try:
            values[name] = readers[given[name].kind](text)
        except ValueError:
            fail(f"--set {setting}: {name} is {given[name].kind.value}")
    for name in given:
        if name not in values:
            fail(f"the parameter `{name}` of {variant.name} needs a value: --set {name}=...")
    return values


def print_diagnostics(diagnostics: list[Diagnostic] | tuple[Diagnostic, ...]) -> None:
    """To stderr, in colour on a terminal."""
    for text in shown(diagnostics):
        first, _, rest = text.partition(":")
        if sys.stderr.isatty() and rest:
            colour = "31" if first.startswith("error") else "33"
            text = f"\x1b[1;{colour}m{first}\x1b[0m:{rest}"
        print(text, end="\n\n", file=sys.stderr)

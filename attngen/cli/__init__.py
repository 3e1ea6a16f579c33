"""The command line. Exit codes: 0 fine, 1 a finding (a failed comparison, a stale file), 2 usage or a bad spec.

Commands import what they need when they run, so that `check`, `fmt` and `show` answer at once.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from attngen.cli.bench import bench
from attngen.cli.doctor import doctor
from attngen.cli.fuzz import fuzz
from attngen.cli.generate import compile_
from attngen.cli.options import fail, print_diagnostics
from attngen.cli.plan import plan
from attngen.cli.run import run
from attngen.cli.show import show
from attngen.cli.specs import check, fmt
from attngen.cli.tune import tune
from attngen.errors import SpecError
from attngen.version import __version__

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A compiler for attention variants: from the paper's equation to a readable, tiled kernel.",
)
for command in (check, fmt, show, run, fuzz, plan, tune, doctor):
    app.command()(command)
app.command(name="compile")(compile_)
app.add_typer(bench, name="bench")


def main() -> None:
    """Run the command line; what is wrong with a spec or its use goes to stderr, with exit code 2."""
    try:
        app()
    except SpecError as error:
        print_diagnostics(error.diagnostics)
        sys.exit(2)
    except (LookupError, OSError, RuntimeError, ValueError) as error:
        fail(str(error))


@app.callback(invoke_without_command=True)
def _version(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    if version:
        print(f"attngen {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)

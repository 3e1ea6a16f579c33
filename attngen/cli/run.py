"""`attngen run`: build, run on this machine, compare, time."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from attngen.cli.options import AsJson, NoSet, Set, Spec, parameters, shape_of


def run(
    spec: Spec,
    name: Annotated[str | None, typer.Option(help="Which attention, where the spec holds several.")] = None,
    shape: Annotated[str, typer.Option(help="B,H,N,D; or B,H,Hk,N,M,D,E.")] = "1,8,2048,64",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    backend: Annotated[str, typer.Option(help="auto, triton or cpp.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of the random numbers.")] = 0,
    settings: Set = NoSet,
    as_json: AsJson = False,
) -> None:
    """Build a spec, run it on this machine, compare it with the interpreter, and time it."""
    from attngen.ir.load import load
    from attngen.runtime.trial import trial

    variant = load(spec, name)
    result = trial(variant, shape_of(shape), dtype, backend, seed, parameters(variant, settings))
    print(json.dumps(result.as_json(), indent=2) if as_json else result.text())
    if not result.passed:
        raise typer.Exit(1)

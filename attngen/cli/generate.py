"""`attngen compile`: generated files, and kernels for GPUs that are not here."""

from __future__ import annotations

import json
import sys
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attngen.cli.options import AsJson, NoSet, Specs, fail

if TYPE_CHECKING:
    from attngen.ir.nodes import Variant


def compile_(
    specs: Specs,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where backends get a folder each.")] = Path(
        "generated"
    ),
    backend: Annotated[list[str], typer.Option(help="triton, cpp; unless given, all that compile it.")] = NoSet,
    is_check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if a file is stale or missing.")
    ] = False,
    target: Annotated[
        list[str], typer.Option(help="Also compile for cuda:80, cuda:90, cuda:100 or hip:gfx942.")
    ] = NoSet,
    emit: Annotated[
        str, typer.Option(help="With --target: stages to write, of ttir, ttgir, llir, ptx, cubin, sass.")
    ] = "",
    dtype: Annotated[str, typer.Option(help="With --target: float32, bfloat16 or float16.")] = "bfloat16",
    as_json: AsJson = False,
) -> None:
    """Write the generated kernels of specs: GENERATED/BACKEND/VARIANT.*"""
    from attngen.emit.backends import BACKENDS
    from attngen.ir.load import load_all

    variants = [variant for path in specs for variant in load_all(path)]
    report: list[dict[str, str]] = []
    for variant in variants:
        for chosen in backend or BACKENDS:
            for file_name, text in files_of(variant, chosen).items():
                path = output / chosen / file_name
                report.append({"file": str(path), "status": _written(path, text, is_check)})
        for chosen in target:
            report += _cross_compiled(variant, chosen, dtype, [stage for stage in emit.split(",") if stage], output)
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        for entry in report:
            if entry["status"] != "current":
                print(f"{entry['status']:>8} {entry['file']}")
    if any(entry["status"] in ("stale", "missing") for entry in report):
        print("run `attngen compile` on the specs and commit the result", file=sys.stderr)
        raise typer.Exit(1)


def files_of(variant: Variant, backend: str) -> dict[str, str]:
    from attngen.emit.backends import BACKENDS, generate

    if backend not in BACKENDS:
        fail(f"there is no backend `{backend}`; choose {' or '.join(BACKENDS)}")
    return generate(variant, backend)


def _written(path: Path, text: str, is_check: bool) -> str:
    before = path.read_text(encoding="utf-8") if path.exists() else None
    if before == text:
        return "current"
    if is_check:
        return "missing" if before is None else "stale"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return "wrote"


def _cross_compiled(variant: Variant, target: str, dtype: str, stages: list[str], output: Path) -> list[dict[str, str]]:
    from attngen.runtime.cross import TARGETS, compile_for
    from attngen.runtime.inspect.usage import machine_code

    if target not in TARGETS:
        fail(f"there is no target `{target}`; choose one of {', '.join(TARGETS)}")
    binary = compile_for(variant, target, dtype=dtype)
    report = [{"file": f"{variant.name} for {target} in {dtype}", "status": "compiled"}]
    for kernel, stage in product(binary.kernels, stages):
        found = binary.kernels[kernel]
        if stage == "sass" and "cubin" in found:
            found = {**found, "sass": machine_code(found)}
        if stage not in found:
            fail(f"{target} has no stage `{stage}`; it has {', '.join(found)}")
        name = variant.name if kernel == "forward" else f"{variant.name}.{kernel}"
        path = output / "triton" / f"{name}.{target.replace(':', '_')}.{stage}"
        content = found[stage]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        report.append({"file": str(path), "status": "wrote"})
    return report

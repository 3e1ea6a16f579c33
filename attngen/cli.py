"""The command line. Exit codes: 0 fine, 1 a finding (a failed comparison, a stale file), 2 usage or a bad spec.

Commands import what they need when they run, so that `check`, `fmt` and `show` answer at once.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from attngen.errors import Diagnostic, SpecError
from attngen.version import __version__

if TYPE_CHECKING:
    from attngen.ir.nodes import Variant

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A compiler for attention variants: from the paper's equation to a readable, tiled kernel.",
)

Specs = Annotated[list[Path], typer.Argument(help="Specs (.attn files).", show_default=False)]
Spec = Annotated[Path, typer.Argument(help="A spec (.attn file).", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Set = Annotated[list[str], typer.Option("--set", "-s", metavar="NAME=VALUE", help="Give a parameter a value.")]
NoSet: list[str] = []


def main() -> None:
    """Run the command line; what is wrong with a spec or its use goes to stderr, with exit code 2."""
    from attngen.errors import CallError

    try:
        app()
    except SpecError as error:
        _print_diagnostics(error.diagnostics)
        sys.exit(2)
    except (CallError, LookupError, OSError, UnicodeDecodeError, RuntimeError) as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    print(f"attngen: {message}", file=sys.stderr)
    sys.exit(2)


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


@app.command()
def check(files: Specs, as_json: AsJson = False) -> None:
    """Check specs: names, kinds, axes, ranges. Prints every diagnostic of every file."""
    from attngen.ir.load import load_all

    found: list[Diagnostic] = []
    for path in files:
        try:
            for variant in load_all(path):
                found += variant.warnings
        except SpecError as error:
            found += error.diagnostics
    if as_json:
        print(json.dumps([diagnostic.as_json() for diagnostic in found], indent=2))
    else:
        _print_diagnostics(found)
    if any(diagnostic.severity == "error" for diagnostic in found):
        raise typer.Exit(2)
    if not as_json:
        print(f"{len(files)} file{'s' if len(files) != 1 else ''} fine", file=sys.stderr)


@app.command()
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


@app.command()
def show(
    spec: Spec,
    name: Annotated[str | None, typer.Option(help="Which attention, where the spec holds several.")] = None,
    passes: Annotated[bool, typer.Option("--passes", help="The tree after each pass.")] = False,
    bounds: Annotated[
        bool, typer.Option("--bounds", help="Which keys can be live for a tile, and which always are.")
    ] = False,
    tiles: Annotated[bool, typer.Option("--tiles", help="The tile map of each kind of heads.")] = False,
    source: Annotated[bool, typer.Option("--source", help="The generated kernel.")] = False,
    backend: Annotated[str, typer.Option(help="For --source: triton or cpp.")] = "triton",
    shape: Annotated[str, typer.Option(help="For --tiles: H,N,M.")] = "8,4096,4096",
    tile: Annotated[str, typer.Option(help="For --tiles: queries,keys of a tile.")] = "128,128",
    settings: Set = NoSet,
) -> None:
    """Show what the compiler makes of a spec (all but the source, unless something is chosen)."""
    from attngen.ir.load import load

    variant = load(spec, name)
    everything = not (passes or bounds or tiles or source)
    if passes or everything:
        _show_passes(variant)
    if bounds or everything:
        from attngen.runtime.explain import explain
        from attngen.schedule.plan import plan

        print(explain(plan(variant)))
    if tiles or everything:
        print()
        _show_tiles(variant, _ints(shape, 3, "--shape"), _ints(tile, 2, "--tile"), _parameters(variant, settings))
    if source:
        for text in _files(variant, backend).values():
            print(text)


def _show_passes(variant: Variant) -> None:
    from attngen.ir.show import equation
    from attngen.passes import simplify

    before = equation(variant)
    print("checked", *(f"    {line}" for line in before), sep="\n")

    def watch(name: str, tree: Variant) -> None:
        nonlocal before
        after = equation(tree)
        print(name, *(["    (no change)"] if after == before else [f"    {line}" for line in after]), sep="\n")
        before = after

    simplify(variant, watch)
    print()


def _show_tiles(variant: Variant, shape: list[int], tile: list[int], parameters: dict[str, Any]) -> None:
    from attngen.analysis.picture import kinds_of_heads
    from attngen.schedule.plan import plan
    from attngen.view.tiles import LEGEND, heads_text, picture, summary

    heads, queries, keys = shape
    try:
        kinds = kinds_of_heads(plan(variant).walk, parameters, queries, keys, heads, (tile[0], tile[1]))
    except (KeyError, LookupError):
        print("The bounds depend on an input, so the map is known at the call only.")
        return
    for group, tiles in kinds:
        print(f"{variant.name}, {heads_text(group)} of {heads}: {summary(tiles)}")
        print("\n".join(f"  {line}" for line in picture(tiles)))
    print(f"  {LEGEND}")


@app.command(name="compile")
def compile_(
    specs: Specs,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where backends get a folder each.")] = Path(
        "generated"
    ),
    backend: Annotated[list[str], typer.Option(help="triton, cpp; both unless given.")] = NoSet,
    is_check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if a file is stale or missing.")
    ] = False,
    target: Annotated[
        list[str], typer.Option(help="Also compile for cuda:80, cuda:90, cuda:100 or hip:gfx942.")
    ] = NoSet,
    emit: Annotated[str, typer.Option(help="With --target: stages to write, such as ptx,cubin.")] = "",
    dtype: Annotated[str, typer.Option(help="With --target: float32, bfloat16 or float16.")] = "bfloat16",
    as_json: AsJson = False,
) -> None:
    """Write the generated kernels of specs: GENERATED/BACKEND/VARIANT.*"""
    from attngen.ir.load import load_all

    variants = [variant for path in specs for variant in load_all(path)]
    report: list[dict[str, str]] = []
    for variant in variants:
        for chosen in backend or ["triton", "cpp"]:
            for file_name, text in _files(variant, chosen).items():
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


def _files(variant: Variant, backend: str) -> dict[str, str]:
    from attngen.emit.backends import BACKENDS, generate

    if backend not in BACKENDS:
        _fail(f"there is no backend `{backend}`; choose {' or '.join(BACKENDS)}")
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

    if target not in TARGETS:
        _fail(f"there is no target `{target}`; choose one of {', '.join(TARGETS)}")
    binary = compile_for(variant, target, dtype=dtype)
    report = [{"file": f"{variant.name} for {target} in {dtype}", "status": "compiled"}]
    for stage in stages:
        if stage not in binary.stages:
            _fail(f"{target} has no stage `{stage}`; it has {', '.join(binary.stages)}")
        path = output / "triton" / f"{variant.name}.{target.replace(':', '_')}.{stage}"
        content = binary.stages[stage]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        report.append({"file": str(path), "status": "wrote"})
    return report


@app.command()
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
    numbers = [int(part) for part in shape.split(",") if part.strip().lstrip("-").isdigit()]
    if len(numbers) not in (4, 7) or min(numbers) < 0:
        _fail(f"--shape {shape}: give B,H,N,D or B,H,Hk,N,M,D,E")
    result = trial(variant, numbers, dtype, backend, seed, _parameters(variant, settings))
    print(json.dumps(result.as_json(), indent=2) if as_json else result.text())
    if not result.passed:
        raise typer.Exit(1)


def _ints(text: str, count: int, option: str) -> list[int]:
    parts = text.split(",")
    if len(parts) != count or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        _fail(f"{option} {text}: give {count} positive numbers, separated by commas")
    return [int(part) for part in parts]


def _parameters(variant: Variant, settings: list[str]) -> dict[str, Any]:
    """Defaults, and what `--set NAME=VALUE` says."""
    from attngen.errors import suggest
    from attngen.ir.expr import Kind

    given = {parameter.name: parameter for parameter in variant.parameters}
    values: dict[str, Any] = {p.name: p.default for p in variant.parameters if p.default is not None}
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in given:
            _fail(
                f"{variant.name} has no parameter `{name}`; {suggest(name, given) or ', '.join(given) or 'it has none'}"
            )
        readers: dict[Kind, Any] = {Kind.INT: int, Kind.FLOAT: float, Kind.BOOL: lambda word: word == "true"}
        try:
            values[name] = readers[given[name].kind](text)
        except ValueError:
            _fail(f"--set {setting}: {name} is {given[name].kind.value}")
    for name in given:
        if name not in values:
            _fail(f"the parameter `{name}` of {variant.name} needs a value: --set {name}=...")
    return values


def _print_diagnostics(diagnostics: list[Diagnostic] | tuple[Diagnostic, ...]) -> None:
    """To stderr, in colour on a terminal."""
    for diagnostic in diagnostics:
        text = str(diagnostic)
        if sys.stderr.isatty():
            colour = "31" if diagnostic.severity == "error" else "33"
            first, _, rest = text.partition(":")
            text = f"\x1b[1;{colour}m{first}\x1b[0m:{rest}"
        print(text, end="\n\n", file=sys.stderr)

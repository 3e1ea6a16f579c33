"""`attngen show`: what the compiler makes of a spec."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attngen.cli.options import NoSet, Set, Spec, fail, ints, parameters

if TYPE_CHECKING:
    from attngen.ir.nodes import Variant
    from attngen.view.scene import Scene


def show(
    spec: Spec,
    name: Annotated[str | None, typer.Option(help="Which attention, where the spec holds several.")] = None,
    passes: Annotated[bool, typer.Option("--passes", help="The tree after each pass.")] = False,
    bounds: Annotated[
        bool, typer.Option("--bounds", help="Which keys can be live for a tile, and which always are.")
    ] = False,
    tiles: Annotated[bool, typer.Option("--tiles", help="The tile map of each kind of heads.")] = False,
    source: Annotated[bool, typer.Option("--source", help="The generated kernel.")] = False,
    resources: Annotated[
        bool, typer.Option("--resources", help="What Triton kernels take of a GPU, compiled without one.")
    ] = False,
    backend: Annotated[str, typer.Option(help="For --source: triton or cpp.")] = "triton",
    target: Annotated[
        list[str], typer.Option(help="For --resources: cuda:80, cuda:90, cuda:100, hip:gfx942; may be repeated.")
    ] = NoSet,
    dtype: Annotated[str, typer.Option(help="For --resources: float32, bfloat16 or float16.")] = "bfloat16",
    width: Annotated[int, typer.Option(help="For --resources: channels of a head.", min=1)] = 64,
    kernel: Annotated[str, typer.Option(help="For --resources: this kernel alone, such as forward.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For --resources: print JSON for programs.")] = False,
    shape: Annotated[str, typer.Option(help="For --tiles: H,N,M.")] = "8,4096,4096",
    tile: Annotated[str, typer.Option(help="For --tiles: queries,keys of a tile.")] = "128,128",
    query: Annotated[
        int | None, typer.Option(min=0, help="With --tiles: also the segments of this query tile, and their formulas.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", help="With --tiles: draw the maps into this file, .svg or .png.")
    ] = None,
    settings: Set = NoSet,
) -> None:
    """Show what the compiler makes of a spec (all but the source, unless something is chosen)."""
    from attngen.ir.load import load
    from attngen.ir.nodes import Recurrent

    variant = load(spec, name)
    if resources:
        from attngen.cli.show_resources import show_resources

        show_resources(variant, target or ["cuda:90"], dtype, width, kernel, as_json)
        return
    everything = not (passes or bounds or tiles or source)
    if isinstance(variant.body, Recurrent) and not source:
        _show_recurrence(variant, passes or everything)
        return
    if passes or everything:
        _show_passes(variant)
    if bounds or everything:
        from attngen.runtime.explain import explain
        from attngen.schedule.plan import plan

        print(explain(plan(variant)))
    if tiles or everything:
        print()
        chosen = parameters(variant, settings)
        _show_tiles(variant, ints(shape, 3, "--shape"), ints(tile, 2, "--tile"), chosen, query, output)
    if source:
        from attngen.cli.generate import files_of

        for text in files_of(variant, backend).values():
            print(text)


def _show_recurrence(variant: Variant, passes: bool) -> None:
    """A recurrence has neither bounds nor tiles: its form takes their place."""
    from attngen.runtime.explain_recurrence import explain_recurrence

    if passes:
        _show_passes(variant)
    print(explain_recurrence(variant))


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


def _show_tiles(
    variant: Variant,
    shape: list[int],
    tile: list[int],
    parameters: dict[str, Any],
    query: int | None,
    output: Path | None,
) -> None:
    from attngen.analysis.picture import kinds_of_heads
    from attngen.schedule.plan import plan
    from attngen.view.segments import segment_lines
    from attngen.view.tiles import LEGEND, heads_text, picture, summary

    heads, queries, keys = shape
    made = plan(variant)
    notes: list[list[str]] = []
    try:
        kinds = kinds_of_heads(made.walk, parameters, queries, keys, heads, (tile[0], tile[1]))
        if query is not None:
            if query >= -(-queries // tile[0]):
                fail(f"--query {query}: there are {-(-queries // tile[0])} query tiles")
            call = {"N": queries, "M": keys, "H": heads, "query_tile": tile[0]}
            notes = [segment_lines(made, parameters, tiles, query, group[0], call) for group, tiles in kinds]
    except (KeyError, LookupError):
        print("The bounds depend on an input, so the map is known at the call only.")
        return
    if output is not None:
        from attngen.view.pairs import live_pairs
        from attngen.view.scene import scene

        maps = [(heads_text(group), tiles) for group, tiles in kinds]
        call = {"N": queries, "M": keys, "H": heads}
        try:
            pairs = [live_pairs(made.variant, parameters, group[0], call) for group, _ in kinds]
        except LookupError:  # the tiles do not depend on data, and the pairs in them do
            pairs = []
        _draw(scene(maps, query, notes, pairs), output)
        return
    for k, (group, tiles) in enumerate(kinds):
        print(f"{variant.name}, {heads_text(group)} of {heads}: {summary(tiles)}")
        print("\n".join(f"  {line}" for line in [*picture(tiles), *(notes[k] if notes else [])]))
    print(f"  {LEGEND}")


def _draw(drawn: Scene, output: Path) -> None:
    if output.suffix == ".png":
        from attngen.view.png import write_png

        write_png(output, drawn)
    elif output.suffix == ".svg":
        from attngen.view.svg import svg

        output.write_text(svg(drawn), encoding="utf-8")
    else:
        fail(f"-o {output}: pictures end in .svg or .png")
    print(f"wrote {output}")

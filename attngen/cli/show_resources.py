"""`attngen show --resources`: what kernels take of a GPU that is not here, and what keeps it busy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from attngen.cli.options import fail, require_compiler

if TYPE_CHECKING:
    from attngen.ir.nodes import Variant
    from attngen.runtime.inspect.resources import Resources

COLUMNS = ("kernel", "tile", "warps", "stages", "registers", "spills", "shared", "resident")
OF_LOOP = ("matrix", "exp", "float", "integer", "load", "cycles", "of peak")


def show_resources(variant: Variant, targets: list[str], dtype: str, width: int, kernel: str, as_json: bool) -> None:
    """A row for each kernel and target; progress goes to stderr, for each kernel takes seconds."""
    from rich.console import Console
    from rich.progress import track

    from attngen.runtime.cross import ELEMENTS, TARGETS
    from attngen.runtime.inspect.resources import resources

    if unknown := [target for target in targets if target not in TARGETS]:
        fail(f"there is no target `{unknown[0]}`; choose one of {', '.join(TARGETS)}")
    if dtype not in ELEMENTS:
        fail(f"--dtype {dtype}: choose one of {', '.join(ELEMENTS)}")
    require_compiler()
    steps = track(targets, description="targets", console=Console(stderr=True), disable=as_json, transient=True)
    rows = [row for target in steps for row in resources(variant, target, dtype, width, kernel)]
    if not rows:
        fail(f"--kernel {kernel}: {variant.name} has no kernel of that name")
    if as_json:
        print(json.dumps([row.as_json() for row in rows], indent=2))
        return
    for target in targets:
        _print([row for row in rows if row.target == target])


def _print(rows: list[Resources]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from attngen.runtime.inspect.chips import CHIPS

    first = rows[0]
    title = f"{first.variant}, {first.target} ({CHIPS[first.target].name}), {first.dtype}, D = {first.width}"
    note = "from `matrix` on: the inner loop; instructions of a warp, and what a round of it is predicted to take"
    table = Table(title=title, caption=note, box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    for column in (*COLUMNS, *OF_LOOP):
        table.add_column(column, justify="left" if column == "kernel" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row))
    Console(width=max(140, Console().width)).print(table)


def _cells(row: Resources) -> list[str]:
    queries, keys, warps, stages, *own = row.tiles
    registers = f"{row.registers} of {own[0]}" if own and own[0] else str(row.registers)
    tile = f"{queries} x {keys}{' across' if own and not own[1] else ''}"
    cells = [row.kernel, tile, str(warps), str(stages), registers, str(row.spills), str(row.shared)]
    cells.append(str(row.resident) if row.resident else "does not fit")
    if row.inner is None:
        return [*cells, *["-"] * len(OF_LOOP)]
    counts = row.inner.counts
    products = f"{counts['matrix']} {row.inner.matrix.split('.')[0]}"
    others = [str(counts[pipe]) for pipe in ("exp", "float", "integer", "load")]
    return [*cells, products, *others, f"{row.inner.cycles:.0f}", f"{row.inner.of_peak:.0%}"]

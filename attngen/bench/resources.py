"""What every kernel of every spec takes of GPUs that are not here, each row with the digest of what was compiled."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attngen.ir.nodes import Variant
from attngen.runtime.cross import digests_for
from attngen.runtime.inspect.resources import resources

Row = Mapping[str, Any]
"""A row as `attngen show --resources --json` gives it."""
Place = tuple[str, str, str, int]
"""A variant, a target, a dtype and a width: what is compiled at once."""
OF_PLACE = ("variant", "target", "dtype", "width")


def measured(variant: Variant, target: str, dtype: str, width: int) -> list[Row]:
    """The rows of a variant, compiled."""
    return [row.as_json() for row in resources(variant, target, dtype, width)]


def known(path: Path) -> dict[Place, list[Row]]:
    """The rows that a file holds; none where there is no such file, or another compiler has made it."""
    import triton

    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    places: dict[Place, list[Row]] = {}
    for row in found["kernels"] if found["triton"] == triton.__version__ else ():
        variant, target, dtype, width = (row[name] for name in OF_PLACE)
        places.setdefault((variant, target, dtype, width), []).append(row)
    return places


def is_stale(variant: Variant, place: Place, rows: Iterable[Row]) -> bool:
    """Whether a variant's kernels are others than those of some rows."""
    _, target, dtype, width = place
    return {row["kernel"]: row["digest"] for row in rows} != digests_for(variant, target, dtype=dtype, width=width)


def as_json(rows: Iterable[Row]) -> str:
    """A line for each row, so that changes are seen."""
    import triton

    lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    return f'{{\n "triton": "{triton.__version__}",\n "kernels": [\n{lines}\n ]\n}}\n'


def as_markdown(rows: list[Row]) -> str:
    """A table with a line for each kernel and a column for each target, and what it comes to."""
    import triton

    targets = list(dict.fromkeys(row["target"] for row in rows))
    lines: dict[tuple[Any, ...], dict[str, str]] = {}
    for row in rows:
        key = tuple(row[name] for name in ("variant", "kernel", "dtype", "width"))
        lines.setdefault(key, {})[row["target"]] = _cell(row)
    heads = ["variant", "kernel", "dtype", "D", *targets]
    table = [heads, ["---"] * len(heads)]
    table += [[*map(str, key), *(cells.get(target, "") for target in targets)] for key, cells in lines.items()]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in table)
    notes = "\n".join(f"* {_summary(target, [row for row in rows if row['target'] == target])}" for target in targets)
    legend = (
        "Each cell: tile (queries and keys, or tokens and channels of values), warps, stages; registers of a thread;"
        " bytes of shared memory of a program; resident programs; what part of the peak of products the inner loop is"
        " predicted to reach, by its instructions alone"
    )
    return f"{text}\n\n{legend}. Compiled by triton {triton.__version__}.\n\n{notes}\n"


def _cell(row: Row) -> str:
    queries, keys = row["tile"]
    inner = row["inner"]
    peak = f", {inner['of_peak']:.0%}" if inner is not None and inner["products"] else ""
    spills = f", **{row['spills']} spilled**" if row["spills"] else ""
    fits = f"{row['resident']} x" if row["resident"] else "**does not fit**"
    sizes = f"{queries}x{keys}, {row['warps']}, {row['stages']}"
    return f"{sizes}; {row['registers']}; {row['shared'] / 1024:.0f} K; {fits}{spills}{peak}"


def _summary(target: str, rows: list[Row]) -> str:
    spilling = [f"{row['kernel']} of {row['variant']} ({row['spills']})" for row in rows if row["spills"]]
    large = [f"{row['kernel']} of {row['variant']}" for row in rows if not row["resident"]]
    return f"{target}: {len(rows)} kernels; {_listed('spill', spilling)}; {_listed('do not fit', large)}"


def _listed(what: str, names: list[str]) -> str:
    return f"{len(names)} {what}{': ' + ', '.join(names) if names else ''}"
